/* Ends its main thread and continues in another. /proc/self is then a zombie without
 * descriptors. */
#include "check.h"

static int in, out;
static pthread_t leader;

static void *copier(void *unused)
{
	CHECK(pthread_join(leader, NULL) == 0);
	/* It is joined a moment before it is a zombie. */
	while (access("/proc/self/fd/0", F_OK) == 0)
		usleep(1000);
	for (int i = 0; i < 5; i++)
		copy_start(in, out, 1000);
	report();
	puts("ok");
	exit(0);
	return unused;
}

int main(void)
{
	pthread_t id;
	watchdog();
	in = source("source", 1000);
	out = target("out");
	leader = pthread_self();
	CHECK(pthread_create(&id, NULL, copier, NULL) == 0);
	pthread_exit(NULL);
}
