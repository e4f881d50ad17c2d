/* Standard error is a pipe without a reader: SIGPIPE kills unless it is blocked. A SIGPIPE of
 * the host's own must stay pending. */
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
	if (argc == 2) {
		int pair[2];
		CHECK(pipe(pair) == 0 && dup2(pair[1], 2) == 2);
		close(pair[0]);
		close(pair[1]);
		signal(SIGPIPE, SIG_DFL);
		execl("/proc/self/exe", argv[0], argv[1], "inner", NULL);
		_exit(98);
	}
	int in = source("source", 1000), out = target("out");
	sigset_t set, pending;
	for (int i = 0; i < 5; i++) {
		errno = 77;
		copy_start(in, out, 1000);
		CHECK(errno == 77);
	}
	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	CHECK(pthread_sigmask(SIG_SETMASK, NULL, &pending) == 0 && !sigismember(&pending, SIGPIPE));
	CHECK(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
	copy_start(in, out, 1000);
	CHECK(sigpending(&pending) == 0 && !sigismember(&pending, SIGPIPE));
	CHECK(raise(SIGPIPE) == 0);
	copy_start(in, out, 1000);
	CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE));
	signal(SIGPIPE, handler);
	CHECK(pthread_sigmask(SIG_UNBLOCK, &set, NULL) == 0);
	copy_start(in, out, 1000);
	printf("handled %d\n", handled);
	/* The host's own write still raises the signal. */
	CHECK(write(2, "x", 1) == -1 && errno == EPIPE);
	printf("handled %d\n", handled);
	report();
}
