/* Forks in a signal handler that interrupts malloc, a copy or the log; the child copies. */
#include "check.h"

enum { FORKS = 100, PAUSE = 2000 };

static int in, child_out;
static atomic_int forked;

static void handler(int number)
{
	int saved = errno, status;
	(void)number;
	/* fork(3) is not async-signal-safe. */
	pid_t child = _Fork();
	if (child == 0) {
		loff_t from = 0, to = 0;
		alarm(MAX_CHILD_SECONDS);
		for (int i = 0; i < 2; i++, from = to = 0)
			if (copy(in, &from, child_out, &to, 1000) != 1000)
				_exit(97);
		_exit(0);
	}
	if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
		_exit(96);
	/* The child counts in its own memory. */
	atomic_fetch_add(&calls, 2);
	if (atomic_fetch_add(&forked, 1) + 1 < FORKS)
		alarm_after(PAUSE);
	errno = saved;
}

int main(void)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART };
	watchdog();
	in = source("source", 1000);
	child_out = target("child");
	int out = target("out");
	CHECK(sigaction(SIGALRM, &action, NULL) == 0);
	alarm_after(PAUSE);
	for (unsigned round = 0; forked < FORKS; round++) {
		void *memory = malloc(16 + round % 5000);
		copy_start(in, out, 1000);
		free(memory);
	}
	report();
	puts("ok");
}
