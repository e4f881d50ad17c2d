/* Copies while RLIMIT_FSIZE limits the log. What the log holds after each round is added to the file
 * "collected".
 *
 *     limited_log LOG one BYTES        one process: a round with every limit up to BYTES
 *     limited_log LOG ROUNDS LIMIT...  a process for each limit, 0 for none; they begin at once
 *
 * Prints the limit and the size of the log after each round of one process. */
#include "check.h"
#include <sys/resource.h>

enum { COPIES = 40 };

static const char *logged;

static void limit(rlim_t bytes)
{
	struct rlimit limit;
	CHECK(getrlimit(RLIMIT_FSIZE, &limit) == 0);
	limit.rlim_cur = bytes;
	CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

/* Adds the log to "collected", and empties it. Returns its size. */
static long collect(void)
{
	static char bytes[1 << 20];
	int from = open(logged, O_RDONLY), to = open("collected", O_WRONLY | O_CREAT | O_APPEND, 0600);
	CHECK(from >= 0 && to >= 0);
	ssize_t size = read(from, bytes, sizeof bytes);
	CHECK(size >= 0 && size < (ssize_t)sizeof bytes && write(to, bytes, size) == size);
	close(from);
	close(to);
	CHECK(truncate(logged, 0) == 0);
	return size;
}

static void copy_often(int in, int out, int times)
{
	for (int i = 0; i < times; i++) {
		loff_t from = 0, to = 0;
		errno = 77;
		CHECK(copy_file_range(in, &from, out, &to, 1, 0) == 1 && errno == 77);
	}
}

static void run_one(int in, int out, rlim_t most)
{
	for (rlim_t bytes = 1; bytes <= most; bytes++) {
		limit(bytes);
		copy_often(in, out, 3);
		limit(RLIM_INFINITY);
		printf("%ld %ld\n", (long)bytes, collect());
	}
}

static void run_several(int in, int out, int rounds, char **limits)
{
	while (rounds-- > 0) {
		int begin[2];
		CHECK(pipe(begin) == 0);
		for (char **bytes = limits; *bytes != NULL; bytes++) {
			if (fork() == 0) {
				char byte;
				close(begin[1]);
				limit(atol(*bytes) > 0 ? (rlim_t)atol(*bytes) : RLIM_INFINITY);
				CHECK(read(begin[0], &byte, 1) == 0);
				copy_often(in, out, COPIES);
				exit(0);
			}
		}
		close(begin[0]);
		close(begin[1]);
		int status;
		while (wait(&status) > 0)
			CHECK(status == 0);
		collect();
	}
}

int main(int argc, char **argv)
{
	watchdog();
	CHECK(argc >= 4);
	logged = argv[1];
	int in = source("source", 10), out = target("out");
	copy_often(in, out, 1);
	collect();
	if (strcmp(argv[2], "one") == 0)
		run_one(in, out, atol(argv[3]));
	else
		run_several(in, out, atoi(argv[2]), argv + 3);
}
