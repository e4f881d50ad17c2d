/* Cancels threads with asynchronous cancelability at any instruction while they copy in a loop. */
#include "check.h"

static int in;
static atomic_int ready, cleaned;

static void cleanup(void *unused)
{
	(void)unused;
	cleaned++;
}

static void *copier(void *out)
{
	int type;
	loff_t from, to;
	pthread_cleanup_push(cleanup, NULL);
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &type);
	ready = 1;
	for (;;) {
		from = to = 0;
		copy_file_range(in, &from, *(int *)out, &to, 1000, 0);
		syscall(SYS_copy_file_range, in, &from, *(int *)out, &to, 1000L, 0);
	}
	pthread_cleanup_pop(0);
	return NULL;
}

int main(void)
{
	watchdog();
	in = source("source", 1000);
	int out = target("out");
	for (int i = 0; i < 300; i++) {
		pthread_t id;
		void *result;
		ready = 0;
		CHECK(pthread_create(&id, NULL, copier, &out) == 0);
		while (!ready)
			sched_yield();
		usleep(i * 7 % 500);
		CHECK(pthread_cancel(id) == 0);
		CHECK(pthread_join(id, &result) == 0 && result == PTHREAD_CANCELED);
		CHECK(cleaned == i + 1);
	}
	/* The process still works: those threads have left no page, lock or signal mask behind. */
	copy_start(in, out, 1000);
	printf("cleaned %d\n", cleaned);
}
