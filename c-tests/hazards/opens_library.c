/* Opens libcfr.so at run time instead of having it preloaded, and closes it again, many times. A
 * thread that has copied through it ends after it is closed. */
#include "check.h"
#include <dlfcn.h>

typedef ssize_t function(int, loff_t *, int, loff_t *, size_t, unsigned);

static int in, out;
static void *library;
static atomic_int copied, closed;

static void copy_through(void)
{
	loff_t from = 0, to = 0;
	function *copier = (function *)dlsym(library, "copy_file_range");
	CHECK(copier);
	errno = 77;
	atomic_fetch_add(&calls, 1);
	CHECK(copier(in, &from, out, &to, 1000, 0) == 1000 && errno == 77);
	atomic_fetch_add(&calls, 1);
	CHECK(copier(-1, &from, out, &to, 1000, 0) == -1 && errno == EBADF);
}

static void *thread(void *unused)
{
	copy_through();
	copied = 1;
	while (!closed)
		sched_yield();
	return unused;
}

int main(int argc, char **argv)
{
	pthread_t id;
	CHECK(argc == 3);
	watchdog();
	in = source("source", 1000);
	out = target("out");
	int before = descriptors();
	for (int i = 0; i < 40; i++) {
		copied = closed = 0;
		library = dlopen(argv[2], RTLD_NOW | RTLD_LOCAL);
		CHECK(library);
		CHECK(pthread_create(&id, NULL, thread, NULL) == 0);
		while (!copied)
			sched_yield();
		copy_through();
		CHECK(dlclose(library) == 0);
		closed = 1;
		CHECK(pthread_join(id, NULL) == 0);
	}
	report();
	printf("leaks: %s\n", descriptors() > before + 1 ? "yes" : "no");
}
