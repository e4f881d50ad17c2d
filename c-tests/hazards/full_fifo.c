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
	double begun, took, longest = 0, all = now();
	watchdog(20);
	CHECK(argc == 3);
	int fifo = open(argv[1], O_RDONLY | O_NONBLOCK);
	int kept = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC, 0644);
	CHECK(fifo >= 0 && kept >= 0);
	int in = source("source", 1000), out = target("out");
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 1000; i++) {
			begun = now();
			errno = 77;
			copy_start(in, out, 1000);
			CHECK(errno == 77);
			took = now() - begun;
			longest = took > longest ? took : longest;
		}
		CHECK(longest < 1.7);
		drain(fifo, kept);
		/* As soon as there is room again. */
		copy_start(in, out, 1000);
		copy_start(in, out, 1000);
		drain(fifo, kept);
	}
	CHECK(now() - all < 5);
	report();
	puts("ok");
}
