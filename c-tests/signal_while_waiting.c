/* Standard error is full, and somebody sends SIGPIPE while a line waits for room: it is the
 * host's. */
#include "check.h"

static atomic_int handled;

static void handler(int number)
{
	(void)number;
	handled++;
}

int main(int argc, char **argv)
{
	watchdog(20);
	if (argc == 2) {
		int pair[2];
		CHECK(pipe(pair) == 0 && fcntl(pair[1], F_SETFL, O_NONBLOCK) == 0);
		while (write(pair[1], "xxxx", 4) > 0)
			;
		CHECK(fcntl(pair[1], F_SETFL, 0) == 0 && dup2(pair[1], 2) == 2);
		execl("/proc/self/exe", argv[0], argv[1], "inner", NULL);
		_exit(98);
	}
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
