/* Deletes the log and its directory while the log is written. */
#include "check.h"
#include <libgen.h>

int main(int argc, char **argv)
{
	watchdog();
	CHECK(argc == 2);
	int in = source("source", 1000), out = target("out");
	copy_start(in, out, 1000);
	unlink(argv[1]);
	rmdir(dirname(argv[1]));
	for (int i = 0; i < 5; i++)
		copy_start(in, out, 1000);
	/* Without its path and its descriptor the log cannot be opened again. */
	for (int fd = 10; fd < 200; fd++)
		if (fd != in && fd != out)
			close(fd);
	for (int i = 0; i < 5; i++)
		copy_start(in, out, 1000);
	puts("ok");
}
