/* The log is a FIFO, whose path is the first argument. This program is the reader. At first it
 * does not read; then it does, and writes what it read to the file that the second argument
 * names. */
#include "check.h"

static void drain(int fifo, int kept)
{
	char bytes[65536];
	ssize_t count;
	while ((count = read(fifo, bytes, sizeof bytes)) > 0)
		CHECK(write(kept, bytes, count) == count);
}

int main(int argc, char **argv)
{
	watchdog();
	CHECK(argc == 3);
	int fifo = open(argv[1], O_RDONLY | O_NONBLOCK);
	int kept = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC, 0644);
	CHECK(fifo >= 0 && kept >= 0);
	int in = source("source", 1000), out = target("out");
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 1000; i++)
			copy_while_full(in, out);
		drain(fifo, kept);
		/* As soon as there is room again. */
		copy_start(in, out, 1000);
		copy_start(in, out, 1000);
		drain(fifo, kept);
	}
	report();
	puts("ok");
}
