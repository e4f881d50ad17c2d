/* Copies with a cancellation pending. glibc's copy_file_range acts on it before a byte moves, and the
 * cleanup handlers run; musl's copies. It is not acted on if the thread has disabled it, nor by
 * syscall(2), which is no cancellation point. */
#include "check.h"

#ifdef __GLIBC__
#define IS_CANCELLATION_POINT 1
#else
#define IS_CANCELLATION_POINT 0
#endif

static int in, out;
static atomic_int ready, cancelled, cleaned, returned;

static void cleanup(void *unused)
{
	(void)unused;
	cleaned++;
}

static void await_cancel(void)
{
	ready = 1;
	while (!cancelled)
		sched_yield();
}

static void *enabled(void *unused)
{
	loff_t from = 0, to = 0;
	pthread_cleanup_push(cleanup, unused);
	await_cancel();
	if (!IS_CANCELLATION_POINT)
		atomic_fetch_add(&calls, 1);
	CHECK(copy_file_range(in, &from, out, &to, 50, 0) == 50);
	CHECK(!IS_CANCELLATION_POINT);
	pthread_testcancel();
	returned++;
	pthread_cleanup_pop(0);
	return NULL;
}

static void *disabled(void *unused)
{
	int state;
	pthread_cleanup_push(cleanup, unused);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	await_cancel();
	copy_start(in, out, 100);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	CHECK(state == PTHREAD_CANCEL_DISABLE);
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &state);
	pthread_testcancel();
	returned++;
	pthread_cleanup_pop(0);
	return NULL;
}

static void *indirect(void *unused)
{
	loff_t from = 0, to = 100;
	pthread_cleanup_push(cleanup, unused);
	await_cancel();
	atomic_fetch_add(&calls, 1);
	CHECK(syscall(SYS_copy_file_range, in, &from, out, &to, 100L, 0) == 100);
	pthread_testcancel();
	returned++;
	pthread_cleanup_pop(0);
	return NULL;
}

static void run(void *(*thread)(void *), off_t expected)
{
	for (int i = 0; i < 100; i++) {
		pthread_t id;
		void *result;
		struct stat stat;
		ready = cancelled = 0;
		CHECK(pthread_create(&id, NULL, thread, NULL) == 0);
		while (!ready)
			sched_yield();
		CHECK(pthread_cancel(id) == 0);
		cancelled = 1;
		CHECK(pthread_join(id, &result) == 0 && result == PTHREAD_CANCELED);
		CHECK(fstat(out, &stat) == 0 && stat.st_size == expected);
	}
}

int main(void)
{
	watchdog();
	in = source("source", 1000);
	out = target("out");
	run(enabled, IS_CANCELLATION_POINT ? 0 : 50);
	run(disabled, 100);
	run(indirect, 200);
	report();
	printf("cleaned %d returned %d\n", cleaned, returned);
}
