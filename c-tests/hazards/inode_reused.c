/* Standard error is a deleted file. When it is closed its inode is free, and the next file that
 * the host creates may get that inode and the number 2. That file is data and not the log. */
#include "check.h"

int main(int argc, char **argv)
{
	watchdog();
	if (argc == 2) {
		int err = target("errors");
		CHECK(dup2(err, 2) == 2);
		close(err);
		execl("/proc/self/exe", argv[0], argv[1], "inner", NULL);
		_exit(98);
	}
	int in = source("source", 1000), out = target("out");
	copy_start(in, out, 1000);
	unlink("errors");
	close(2);
	CHECK(target("data-2") == 2);
	for (int i = 0; i < 5; i++)
		copy_start(in, 2, 1000);
	puts("ok");
}
