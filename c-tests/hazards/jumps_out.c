/* Leaves copies half-way by siglongjmp(3) from a handler, as timeouts do. Afterwards its
 * cancelability, signal mask and errno must be as before. */
#include "check.h"
#include <setjmp.h>

static sigjmp_buf back;

static void handler(int number)
{
	(void)number;
	siglongjmp(back, 1);
}

int main(void)
{
	watchdog();
	int in = source("source", 1000), out = target("out");
	struct sigaction action = { .sa_handler = handler };
	CHECK(sigaction(SIGALRM, &action, NULL) == 0);
	for (volatile int jumps = 0; jumps < 600;) {
		loff_t from = 0, to = 0;
		if (sigsetjmp(back, 1) == 0) {
			alarm_after(100 + jumps * 7 % 400);
			for (;;) {
				copy_file_range(in, &from, out, &to, 1000, 0);
				from = to = 0;
			}
		}
		jumps++;
	}
	sigset_t set;
	CHECK(pthread_sigmask(SIG_SETMASK, NULL, &set) == 0);
	printf("pipe %d size %d\n", sigismember(&set, SIGPIPE), sigismember(&set, SIGXFSZ));
	int state;
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &state);
	printf("cancelable %s\n", state == PTHREAD_CANCEL_ENABLE ? "yes" : "no");
	errno = 77;
	copy_start(in, out, 1000);
	CHECK(errno == 77);
}
