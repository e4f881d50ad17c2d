/* Has more threads than the library has pages for lines, on the smallest stacks, while standard
 * error is full: a thread that gets no page must not need more stack either. */
#include "check.h"

enum { THREADS = 400, COPIES = 20 };

static int in, out;
static pthread_barrier_t start;

static void *copier(void *unused)
{
	pthread_barrier_wait(&start);
	for (int i = 0; i < COPIES; i++) {
		loff_t from = 0, to = 0;
		CHECK(copy(in, &from, out, &to, 10) == 10);
	}
	return unused;
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS];
	pthread_attr_t small;
	watchdog();
	if (argc == 2)
		fill_standard_error(argv);
	in = source("source", 1000);
	out = target("out");
	CHECK(pthread_barrier_init(&start, NULL, THREADS) == 0);
	CHECK(pthread_attr_init(&small) == 0);
	CHECK(pthread_attr_setstacksize(&small, 16384) == 0);
	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_create(&threads[i], &small, copier, NULL) == 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	puts("ok");
	report();
}
