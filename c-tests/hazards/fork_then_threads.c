/* Forks children whose threads all copy at once while another thread opens files. If each
 * process has its own log (%p), every thread finds the parent's and replaces it. The library
 * must not close a file that the host has opened. */
#include "check.h"

enum { THREADS = 6 };

static int in;
static pthread_barrier_t barrier;
static atomic_int done;

static void *copier(void *out)
{
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < 3; i++)
		copy_start(in, *(int *)out, 1000);
	done++;
	return NULL;
}

static void *opener(void *unused)
{
	struct stat before, after;
	CHECK(stat("source", &before) == 0);
	pthread_barrier_wait(&barrier);
	while (done < THREADS) {
		int fd = open("source", O_RDONLY);
		CHECK(fd >= 0);
		for (int i = 0; i < 20; i++)
			CHECK(fstat(fd, &after) == 0 && after.st_ino == before.st_ino);
		CHECK(close(fd) == 0);
	}
	return unused;
}

static void child(int out)
{
	pthread_t threads[THREADS + 1];
	alarm(MAX_CHILD_SECONDS);
	calls = 0;
	CHECK(pthread_barrier_init(&barrier, NULL, THREADS + 1) == 0);
	CHECK(pthread_create(&threads[THREADS], NULL, opener, NULL) == 0);
	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_create(&threads[i], NULL, copier, &out) == 0);
	for (int i = 0; i <= THREADS; i++)
		pthread_join(threads[i], NULL);
	report();
	_exit(0);
}

int main(void)
{
	int failures = 0;
	watchdog();
	in = source("source", 1000);
	int out = target("out");
	/* The next free number is then one that the library uses for a log. */
	for (int fd = dup(in); fd >= 0 && fd < 31; fd = dup(in))
		;
	copy_start(in, out, 1000);
	for (int i = 0; i < 80; i++) {
		pid_t id = fork();
		CHECK(id >= 0);
		if (id == 0)
			child(out);
		failures += ending(id) != 0;
		copy_start(in, out, 1000);
	}
	report();
	printf("failures %d\n", failures);
}
