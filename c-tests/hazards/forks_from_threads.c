/* Forks hundreds or thousands of times while other threads copy. The child gets the library's
 * memory as those threads left it. */
#include "check.h"

static int in, child_out;
static atomic_int done;

static void *copier(void *name)
{
	int out = target(name);
	while (!done) {
		copy_start(in, out, 1000);
		usleep(20);
	}
	return NULL;
}

int main(void)
{
	pthread_t threads[3];
	char *names[] = { "thread-0", "thread-1", "thread-2" };
	int hung = 0, failures = 0, forks = 200 * lasts();
	watchdog();
	in = source("source", 1000);
	child_out = target("child");
	for (int i = 0; i < 3; i++)
		CHECK(pthread_create(&threads[i], NULL, copier, names[i]) == 0);
	for (int i = 0; i < forks; i++) {
		pid_t child = fork();
		CHECK(child >= 0);
		if (child == 0) {
			alarm(MAX_CHILD_SECONDS);
			atomic_store(&calls, 0);
			copy_start(in, child_out, 1000);
			report();
			_exit(0);
		}
		int status = ending(child);
		hung += WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM;
		failures += status != 0;
	}
	done = 1;
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	report();
	printf("hung %d failed %d\n", hung, failures);
}
