/* Cancels a thread in the middle of a copy. The thread ends at its next call at the latest, and
 * the offsets that a copy has moved are the bytes copied. */
#include "check.h"

enum { LEN = 8 << 20 };

static int in;
static atomic_int ready;
static atomic_long returned;
static loff_t from, to;

static void *copier(void *out)
{
	ready = 1;
	for (;;) {
		from = to = 0;
		ssize_t count = copy_file_range(in, &from, *(int *)out, &to, LEN, 0);
		CHECK(count > 0 && from == count && to == count);
		returned++;
	}
	return NULL;
}

int main(void)
{
	watchdog();
	in = source("big", LEN);
	int out = target("out");
	copy_start(in, out, LEN);
	for (int i = 0; i < 40; i++) {
		pthread_t id;
		void *result;
		ready = 0;
		CHECK(pthread_create(&id, NULL, copier, &out) == 0);
		while (!ready)
			sched_yield();
		usleep(i * 311 % 3000);
		CHECK(pthread_cancel(id) == 0);
		long before = returned;
		CHECK(pthread_join(id, &result) == 0 && result == PTHREAD_CANCELED);
		/* At most the copy that was in progress, and the next. */
		CHECK(returned <= before + 2);
		CHECK(from == to);
	}
	puts("ok");
}
