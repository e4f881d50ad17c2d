/* Copies when a thread or the process is about to end: in destructors of thread-specific data,
 * in atexit(3), and in an ELF destructor. */
#include "check.h"

static int in, out;
static pthread_key_t key;

static void at_thread_exit(void *round)
{
	copy_start(in, out, 1000);
	/* Sets the value again, so that the destructor runs in every round, after all others. */
	pthread_setspecific(key, round);
}

static void *thread(void *round)
{
	pthread_setspecific(key, round);
	copy_start(in, out, 1000);
	return NULL;
}

/* A thread that copies for the first time in its destructor. */
static void *silent(void *round)
{
	pthread_setspecific(key, round);
	return NULL;
}

static void at_exit(void)
{
	copy_start(in, out, 1000);
}

__attribute__((destructor)) static void at_end(void)
{
	copy_start(in, out, 1000);
	report();
}

int main(void)
{
	pthread_t threads[8];
	watchdog();
	in = source("source", 1000);
	out = target("out");
	CHECK(pthread_key_create(&key, at_thread_exit) == 0);
	CHECK(atexit(at_exit) == 0);
	for (int i = 0; i < 8; i++)
		CHECK(pthread_create(&threads[i], NULL, i % 2 ? thread : silent, threads) == 0);
	for (int i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	puts("ok");
}
