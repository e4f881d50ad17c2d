/* Threads with separate descriptor tables (CLONE_FILES undone): the log's number means another
 * file in each. No thread may run out of descriptors, and no data file gets a line. */
#include "check.h"
#include <sched.h>

static pthread_barrier_t barrier;

static void *copier(void *number)
{
	char name[16];
	CHECK(unshare(CLONE_FILES) == 0);
	snprintf(name, sizeof name, "out-%d", (int)(long)number);
	int in = open("source", O_RDONLY), out = target(name), before = descriptors();
	for (int i = 0; i < 50; i++) {
		pthread_barrier_wait(&barrier);
		for (int turn = 0; turn < 3; turn++) {
			if (turn == (long)number)
				copy_start(in, out, 1000);
			pthread_barrier_wait(&barrier);
		}
	}
	/* One descriptor for each thread's log, and some that lost a race. */
	return (void *)(long)(descriptors() > before + 5);
}

int main(void)
{
	pthread_t threads[3];
	watchdog();
	source("source", 1000);
	CHECK(pthread_barrier_init(&barrier, NULL, 3) == 0);
	for (long i = 0; i < 3; i++)
		CHECK(pthread_create(&threads[i], NULL, copier, (void *)i) == 0);
	for (int i = 0; i < 3; i++) {
		void *leaks;
		CHECK(pthread_join(threads[i], &leaks) == 0);
		printf("leaks: %s\n", leaks ? "yes" : "no");
	}
	report();
}
