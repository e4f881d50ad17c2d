/* The log's path is a link to /dev/full: each write of the library fails. */
#include "check.h"

int main(int argc, char **argv)
{
	watchdog();
	CHECK(argc == 2);
	int in = source("source", 1000), out = target("out");
	CHECK(symlink("/dev/full", argv[1]) == 0);
	int full = open(argv[1], O_WRONLY);
	CHECK(full >= 0 && write(full, "x", 1) == -1 && errno == ENOSPC);
	for (int i = 0; i < 50; i++) {
		errno = 77;
		copy_start(in, out, 1000);
		CHECK(errno == 77);
		CHECK(copy(-1, NULL, out, NULL, 1) == -1 && errno == EBADF);
	}
	puts("ok");
}
