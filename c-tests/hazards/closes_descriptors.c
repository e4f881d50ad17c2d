/* Closes every descriptor that it did not open, the library's among them, and opens data files
 * in their place. The second argument says how: "loop", "close_range", "closefrom", or
 * "syscall", which is close_range(2) through syscall(2). */
#include "check.h"

static void close_all(const char *way)
{
	if (strcmp(way, "loop") == 0)
		for (int fd = 3; fd < 1024; fd++)
			close(fd);
	else if (strcmp(way, "close_range") == 0)
		CHECK(close_range(3, ~0u, 0) == 0);
	else if (strcmp(way, "closefrom") == 0)
		closefrom(3);
	else
		CHECK(syscall(SYS_close_range, 3, ~0u, 0) == 0);
}

int main(int argc, char **argv)
{
	struct stat stat;
	watchdog();
	CHECK(argc == 3);
	int in = source("source", 1000), out = target("first");
	copy_start(in, out, 1000);
	close_all(argv[2]);
	for (int fd = 3; fd < 1024; fd++)
		CHECK(fcntl(fd, F_GETFD) == -1 && errno == EBADF);
	in = open("source", O_RDONLY), out = target("data");
	/* Among these numbers was the log's. */
	for (int fd = 10; fd <= 60; fd++)
		CHECK(dup2(out, fd) == fd);
	for (int i = 0; i < 5; i++)
		copy_start(in, out, 1000);
	/* The library may have moved the log above the descriptor table of 64 entries. */
	for (int fd = 61; fd <= 200; fd++)
		CHECK(dup2(out, fd) == fd);
	copy_start(in, out, 1000);
	for (int fd = 10; fd <= 200; fd++)
		CHECK(fstat(fd, &stat) == 0 && stat.st_size == 1000);
	report();
	puts("ok");
}
