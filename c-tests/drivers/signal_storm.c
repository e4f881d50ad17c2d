/* Copies single bytes while signals arrive, and checks that each was copied once:
 * signal_storm THREADS COPIES restart|interrupt positions|offsets [MICROSECONDS]. Prints the sums of
 * the results, the offsets or positions, and the sizes, which the calls that a signal has ended do not
 * change. A signal arrives after so many microseconds, 200 by default: each thread must have the time
 * for a call in between. */
#include "check.h"
#include <sys/mman.h>

enum { MAX_THREADS = 8, SOURCE_BYTES = 1 << 20 };

static long copies;
static int by_offsets;
static long pause_us = 200;
static atomic_long handled, interrupted, unfinished;

static void on_alarm(int signal)
{
	(void)signal;
	atomic_fetch_add(&handled, 1);
	if (atomic_load(&unfinished) > 0)
		alarm_after(pause_us);
}

struct totals {
	long sum, calls;
	loff_t from, to;
	long long size;
};

static struct totals totals[MAX_THREADS];

static void *copy_bytes(void *place)
{
	struct totals *own = place;
	char name[32];
	int in, out;
	struct stat st;
	snprintf(name, sizeof name, "in%ld", (long)(own - totals));
	in = source(name, SOURCE_BYTES);
	snprintf(name, sizeof name, "out%ld", (long)(own - totals));
	out = target(name);
	while (own->sum < copies) {
		loff_t *from = by_offsets ? &own->from : NULL, *to = by_offsets ? &own->to : NULL;
		long count = syscall(SYS_copy_file_range, in, from, out, to, 1L, 0L);
		own->calls++;
		if (count < 0) {
			CHECK(errno == EINTR);
			atomic_fetch_add(&interrupted, 1);
			continue;
		}
		CHECK(count == 1);
		own->sum += count;
	}
	if (!by_offsets) {
		own->from = lseek(in, 0, SEEK_CUR);
		own->to = lseek(out, 0, SEEK_CUR);
	}
	CHECK(fstat(out, &st) == 0);
	own->size = st.st_size;
	char *bytes = mmap(NULL, st.st_size, PROT_READ, MAP_SHARED, out, 0);
	CHECK(bytes != MAP_FAILED);
	for (long i = 0; i < st.st_size; i++)
		CHECK(bytes[i] == pattern(i));
	atomic_fetch_sub(&unfinished, 1);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[MAX_THREADS];
	CHECK(argc == 5 || argc == 6);
	int count = atoi(argv[1]);
	struct sigaction action = { .sa_handler = on_alarm };
	copies = atol(argv[2]);
	CHECK(count <= MAX_THREADS && copies <= SOURCE_BYTES);
	action.sa_flags = strcmp(argv[3], "restart") == 0 ? SA_RESTART : 0;
	by_offsets = strcmp(argv[4], "offsets") == 0;
	if (argv[5])
		pause_us = atol(argv[5]);
	watchdog();
	CHECK(sigaction(SIGALRM, &action, NULL) == 0);
	atomic_store(&unfinished, count);
	alarm_after(pause_us);
	for (int i = 0; i < count; i++)
		CHECK(pthread_create(&threads[i], NULL, copy_bytes, &totals[i]) == 0);
	for (int i = 0; i < count; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	for (int i = 0; i < count; i++)
		printf("%ld %lld %lld %lld\n", totals[i].sum, (long long)totals[i].from, (long long)totals[i].to,
		       totals[i].size);
	fprintf(stderr, "%ld signals, %ld calls interrupted\n", atomic_load(&handled),
		atomic_load(&interrupted));
	CHECK(atomic_load(&handled) > 0);
	return 0;
}
