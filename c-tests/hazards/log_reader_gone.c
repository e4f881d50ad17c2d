/* The log is a FIFO whose reader closes it. The next line would raise SIGPIPE and kill the
 * process. */
#include "check.h"

int main(int argc, char **argv)
{
	sigset_t pending;
	watchdog();
	CHECK(argc == 2);
	int in = source("source", 1000), out = target("out");
	CHECK(mkfifo(argv[1], 0600) == 0);
	int reader = open(argv[1], O_RDONLY | O_NONBLOCK), writer = open(argv[1], O_WRONLY);
	CHECK(reader >= 0 && writer >= 0);
	for (int i = 0; i < 3; i++)
		copy_start(in, out, 1000);
	close(reader);
	signal(SIGPIPE, SIG_IGN);
	CHECK(write(writer, "x", 1) == -1 && errno == EPIPE);
	signal(SIGPIPE, SIG_DFL);
	for (int i = 0; i < 20; i++) {
		errno = 77;
		copy_start(in, out, 1000);
		CHECK(errno == 77);
	}
	CHECK(sigpending(&pending) == 0 && !sigismember(&pending, SIGPIPE));
	puts("ok");
}
