/* Standard error is full, and another process sends SIGPIPE while a line waits for room. The
 * signal is the host's. */
#include "check.h"

static atomic_int handled;

static void handler(int number)
{
	(void)number;
	handled++;
}

int main(int argc, char **argv)
{
	watchdog();
	if (argc == 2)
		fill_standard_error(argv);
	signal(SIGPIPE, handler);
	pid_t host = getpid(), child = fork();
	if (child == 0) {
		usleep(200000);
		_exit(kill(host, SIGPIPE));
	}
	int in = source("source", 1000), out = target("out");
	copy_start(in, out, 1000);
	CHECK(ending(child) == 0);
	printf("handled %d\n", handled);
	report();
}
