/* Closes every descriptor that it does not know, ours among them, and opens data in their place: with
 * "loop", "close_range", "closefrom" or "syscall", which is close_range(2) by syscall(2). */
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
	watchdog(20);
	CHECK(argc == 3);
	int in = source("source", 1000), out = target("first");
	copy_start(in, out, 1000);
	close_all(argv[2]);
	for (int fd = 3; fd < 1024; fd++)
		CHECK(fcntl(fd, F_GETFD) == -1 && errno == EBADF);
	in = open("source", O_RDONLY), out = target("data");
	/* Whatever number the log had, the data has it now. */
	for (int fd = 10; fd <= 60; fd++)
		CHECK(dup2(out, fd) == fd);
	for (int i = 0; i < 5; i++)
		copy_start(in, out, 1000);
	/* The numbers above the table of 64, where the log may stand now. */
	for (int fd = 61; fd <= 200; fd++)
		CHECK(dup2(out, fd) == fd);
	copy_start(in, out, 1000);
	for (int fd = 10; fd <= 200; fd++)
		CHECK(fstat(fd, &stat) == 0 && stat.st_size == 1000);
	report();
	puts("ok");
}
