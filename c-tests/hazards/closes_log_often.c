/* One thread closes descriptors 10 and above again and again while four others copy: the log is
 * closed between any two lines, and within a line. */
#include "check.h"

enum { COPIERS = 4 };

static int in, outs[COPIERS];
static atomic_int enough;

static void *closer(void *unused)
{
	while (!enough) {
		for (int fd = 10; fd < 64; fd++)
			close(fd);
		usleep(50);
	}
	return unused;
}

static void *copier(void *out)
{
	for (int i = 0; i < 2000; i++) {
		errno = 77;
		copy_start(in, *(int *)out, 1000);
		CHECK(errno == 77);
	}
	return NULL;
}

int main(void)
{
	pthread_t threads[COPIERS], closing;
	watchdog();
	in = source("source", 1000);
	for (int i = 0; i < COPIERS; i++) {
		char name[] = "out-?";
		name[4] = '0' + i;
		outs[i] = target(name);
		CHECK(outs[i] < 10);
	}
	CHECK(pthread_create(&closing, NULL, closer, NULL) == 0);
	for (int i = 0; i < COPIERS; i++)
		CHECK(pthread_create(&threads[i], NULL, copier, &outs[i]) == 0);
	for (int i = 0; i < COPIERS; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	enough = 1;
	CHECK(pthread_join(closing, NULL) == 0);
	report();
	puts("ok");
}
