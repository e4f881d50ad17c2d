/* Limits the size of its files. A line beyond the limit would raise SIGXFSZ and kill the
 * process; the program's own copies beyond the limit must do so. */
#include "check.h"
#include <sys/resource.h>

static void limit(rlim_t bytes)
{
	struct rlimit limit;
	CHECK(getrlimit(RLIMIT_FSIZE, &limit) == 0);
	limit.rlim_cur = bytes;
	CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

static atomic_int handled;

static void handler(int number)
{
	(void)number;
	handled++;
}

int main(int argc, char **argv)
{
	loff_t from = 0, to = 0;
	struct stat log = { 0 };
	watchdog();
	CHECK(argc == 2);
	int in = source("source", 4000), out = target("out"), past = target("past");
	copy_start(in, out, 10);
	for (rlim_t bytes = 0; bytes < 10; bytes++) {
		limit(bytes);
		/* The kernel checks the limit before it checks for the end of the source. */
		errno = 77;
		from = 4000;
		CHECK(bytes == 0 || (copy(in, &from, out, &to, 10) == 0 && errno == 77));
		CHECK(copy(-1, NULL, out, NULL, 10) == -1 && errno == EBADF);
	}
	/* The limit is inside a line, at its end, and one byte before and after. */
	limit(RLIM_INFINITY);
	copy_start(in, out, 10);
	stat(argv[1], &log);
	for (rlim_t room = 0; room < 500; room += room < 90 || room > 300 ? 30 : 1) {
		limit(log.st_size + room > 10 ? log.st_size + room : 10);
		copy_start(in, out, 10);
	}
	/* The host's own copies beyond the limit: killed, refused, handled. */
	limit(100);
	pid_t child = fork();
	if (child == 0) {
		from = to = 0;
		copy_file_range(in, &from, past, &(loff_t){ 100 }, 10, 0);
		_exit(0);
	}
	int status = ending(child);
	printf("signal %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
	signal(SIGXFSZ, SIG_IGN);
	from = 0;
	printf("ignored: %zd", copy_file_range(in, &from, past, &(loff_t){ 100 }, 10, 0));
	printf(" errno %d\n", errno);
	signal(SIGXFSZ, handler);
	printf("handled: %zd", copy_file_range(in, &from, past, &(loff_t){ 100 }, 10, 0));
	printf(" errno %d times %d\n", errno, handled);
	printf("short: %zd\n", copy_file_range(in, &from, past, &(loff_t){ 95 }, 10, 0));
	/* A SIGXFSZ that the host has blocked stays pending. */
	sigset_t set, pending;
	sigemptyset(&set);
	sigaddset(&set, SIGXFSZ);
	CHECK(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0 && raise(SIGXFSZ) == 0);
	CHECK(copy_file_range(-1, NULL, past, NULL, 10, 0) == -1);
	CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGXFSZ));
	CHECK(pthread_sigmask(SIG_UNBLOCK, &set, NULL) == 0);
	printf("handled %d\n", handled);
	limit(RLIM_INFINITY);
	copy_start(in, out, 10);
	copy_start(in, out, 10);
}
