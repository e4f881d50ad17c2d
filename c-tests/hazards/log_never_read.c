/* The log is a FIFO that is full and never read. */
#include "check.h"

int main(int argc, char **argv)
{
	watchdog();
	CHECK(argc == 2);
	int in = source("source", 1000), out = target("out");
	CHECK(mkfifo(argv[1], 0600) == 0);
	int reader = open(argv[1], O_RDONLY | O_NONBLOCK);
	int writer = open(argv[1], O_WRONLY | O_NONBLOCK);
	CHECK(reader >= 0 && writer >= 0);
	copy_start(in, out, 1000);
	fill_channel(writer);
	for (int i = 0; i < 500; i++)
		copy_while_full(in, out);
	puts("ok");
}
