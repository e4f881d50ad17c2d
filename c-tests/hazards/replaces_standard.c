/* Closes its standard descriptors, as a daemon does, and opens data files in their place. */
#include "check.h"

int main(void)
{
	watchdog();
	puts("ok");
	fflush(stdout);
	int in = source("source", 1000);
	int out = target("first");
	copy_start(in, out, 100);
	for (int fd = 0; fd <= 2; fd++)
		close(fd);
	CHECK(target("data-0") == 0 && target("data-1") == 1 && target("data-2") == 2);
	for (int fd = 0; fd <= 2; fd++)
		for (int i = 0; i < 5; i++)
			copy_start(in, fd, 1000);
	CHECK(copy(-1, NULL, 2, NULL, 1) == -1 && errno == EBADF);
	report();
}
