/* Copies a file by many calls: keeps_copying FROM TO BYTES MICROSECONDS DONE [GO]. Each call copies at most
 * BYTES, and a pause of MICROSECONDS follows it. It begins when GO exists, and leaves the file DONE with
 * the sum of the results, the first error, and whether the copy is equal. */
#include "check.h"

static int is_equal(int in, int out, off_t size)
{
	static char from[1 << 16], to[1 << 16];
	for (off_t at = 0; at < size;) {
		ssize_t count = pread(in, from, sizeof from, at);
		if (count <= 0 || pread(out, to, count, at) != count || memcmp(from, to, count) != 0)
			return 0;
		at += count;
	}
	return 1;
}

int main(int argc, char **argv)
{
	char line[100];
	int error = 0;
	off_t sum = 0;
	long count;
	struct stat st;
	CHECK(argc == 6 || argc == 7);
	watchdog();
	while (argc == 7 && access(argv[6], F_OK) != 0)
		usleep(2000);
	int in = open(argv[1], O_RDONLY), out = open(argv[2], O_RDWR | O_CREAT | O_TRUNC, 0644);
	CHECK(in >= 0 && out >= 0 && fstat(in, &st) == 0);
	while ((count = syscall(SYS_copy_file_range, in, NULL, out, NULL, atol(argv[3]), 0L)) != 0) {
		if (count < 0 && error++ > 100)
			break;
		if (count > 0)
			sum += count;
		usleep(atoi(argv[4]));
	}
	const char *equal = is_equal(in, out, st.st_size) ? "equal" : "different";
	int len = snprintf(line, sizeof line, "%lld bytes, %d errors, %s\n", (long long)sum, error, equal);
	char name[4096];
	snprintf(name, sizeof name, "%s.new", argv[5]);
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	CHECK(fd >= 0 && write(fd, line, len) == len && rename(name, argv[5]) == 0);
	return 0;
}
