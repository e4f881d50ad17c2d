/* The log is a FIFO that is full and never read. Only the first line in a row may wait. */
#include "check.h"

int main(int argc, char **argv)
{
	char bytes[4096] = "";
	watchdog(60);
	CHECK(argc == 2);
	int in = source("source", 1000), out = target("out");
	CHECK(mkfifo(argv[1], 0600) == 0);
	int reader = open(argv[1], O_RDONLY | O_NONBLOCK);
	int writer = open(argv[1], O_WRONLY | O_NONBLOCK);
	CHECK(reader >= 0 && writer >= 0);
	copy_start(in, out, 1000);
	while (write(writer, bytes, sizeof bytes) > 0)
		;
	while (write(writer, bytes, 1) > 0)
		;
	CHECK(errno == EAGAIN);
	double begun = now();
	for (int i = 0; i < 500; i++) {
		errno = 77;
		copy_start(in, out, 1000);
		CHECK(errno == 77);
	}
	/* If each of the 500 lines waited for a second, it would take 500 s. */
	CHECK(now() - begun < 20);
	puts("ok");
}
