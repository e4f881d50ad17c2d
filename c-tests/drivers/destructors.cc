// Cancels threads that copy. The destructors of their objects run, and the cleanup handlers of C.
//
//     destructors
//
// Runs in an empty directory.
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

static int in, out;
static volatile int ready, cancelled, destroyed, cleaned;

struct Counted {
	~Counted() { __atomic_fetch_add(&destroyed, 1, __ATOMIC_SEQ_CST); }
};

static void cleanup(void *) { __atomic_fetch_add(&cleaned, 1, __ATOMIC_SEQ_CST); }

// The cancellation is pending before the copy, or comes while the thread copies.
static void *copies(void *is_pending)
{
	Counted counted;
	pthread_cleanup_push(cleanup, nullptr);
	ready = 1;
	while (is_pending != nullptr && !cancelled)
		sched_yield();
	for (;;) {
		off_t from = 0, to = 0;
		if (copy_file_range(in, &from, out, &to, 1000, 0) != 1000)
			_exit(99);
	}
	pthread_cleanup_pop(0);
	return nullptr;
}

int main()
{
	static char bytes[1000];
	in = open("source", O_RDWR | O_CREAT, 0644);
	out = open("target", O_RDWR | O_CREAT, 0644);
	if (write(in, bytes, sizeof bytes) != sizeof bytes)
		return 1;
	for (int i = 0; i < 200; i++) {
		pthread_t thread;
		void *result;
		ready = cancelled = 0;
		if (pthread_create(&thread, nullptr, copies, i % 2 ? &in : nullptr) != 0)
			return 1;
		while (!ready)
			sched_yield();
		pthread_cancel(thread);
		cancelled = 1;
		if (pthread_join(thread, &result) != 0 || result != PTHREAD_CANCELED)
			return 1;
	}
	printf("destroyed %d cleaned %d\n", destroyed, cleaned);
}
