/* Calls ioctl(2) and sendfile(2) with a cancellation pending. They are no cancellation points, so it
 * is acted on after them.
 *
 *     hooks_cancelled
 *
 * Runs in an empty directory. */
#include "check.h"

static atomic_int ready, cancelled, behind;

static void *comes(void *unused)
{
	int in = source("source", 65536), out = target("target"), number;
	struct file_clone_range range = { .src_fd = in };
	off_t offset = 0;
	(void)unused;
	ready = 1;
	while (!cancelled)
		sched_yield();
	CHECK(ioctl(in, FIGETBSZ, &number) == 0);
	(void)ioctl(out, FICLONE, in);
	(void)ioctl(out, FICLONERANGE, &range);
	CHECK(ioctl(out, FIDEDUPERANGE, NULL) == -1 && errno == EFAULT);
	CHECK(sendfile(out, in, &offset, 10) == 10);
	CHECK(sendfile64(out, in, &offset, 10) == 10);
	behind = 1;
	pthread_testcancel();
	behind = 2;
	return NULL;
}

int main(void)
{
	pthread_t thread;
	void *result;
	watchdog();
	CHECK(pthread_create(&thread, NULL, comes, NULL) == 0);
	while (!ready)
		sched_yield();
	CHECK(pthread_cancel(thread) == 0);
	cancelled = 1;
	CHECK(pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED && behind == 1);
	puts("ok");
}
