/* 64 threads copy for a second, or for LASTS seconds. */
#include "check.h"

static double end;
static int in;

static void *copier(void *number)
{
	char name[16];
	snprintf(name, sizeof name, "out-%d", (int)(long)number);
	int out = target(name);
	/* In bursts, so that threads write at the same time. */
	do {
		for (int i = 0; i < 8; i++)
			copy_start(in, out, 1000);
		usleep(20000);
	} while (now() < end);
	return NULL;
}

int main(void)
{
	pthread_t threads[64];
	watchdog();
	in = source("source", 1000);
	end = now() + lasts();
	for (long i = 0; i < 64; i++)
		CHECK(pthread_create(&threads[i], NULL, copier, (void *)i) == 0);
	for (int i = 0; i < 64; i++)
		pthread_join(threads[i], NULL);
	report();
	puts("ok");
}
