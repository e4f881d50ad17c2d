/* Opens libcfr.so at run time on a thread with the smallest stack that there is, and copies through it:
 * the library initializes itself on that stack. */
#include "check.h"
#include <dlfcn.h>
#include <limits.h>

typedef ssize_t function(int, loff_t *, int, loff_t *, size_t, unsigned);

static int in, out;

static void *opens(void *path)
{
	loff_t from = 0, to = 0;
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	CHECK(library);
	function *copier = (function *)dlsym(library, "copy_file_range");
	CHECK(copier);
	atomic_fetch_add(&calls, 1);
	CHECK(copier(in, &from, out, &to, 1000, 0) == 1000);
	return library;
}

int main(int argc, char **argv)
{
	pthread_t id;
	pthread_attr_t attributes;
	void *library;
	CHECK(argc == 3);
	watchdog();
	in = source("source", 1000);
	out = target("out");
	CHECK(pthread_attr_init(&attributes) == 0);
	CHECK(pthread_attr_setstacksize(&attributes, smallest_stack()) == 0);
	CHECK(pthread_create(&id, &attributes, opens, argv[2]) == 0);
	CHECK(pthread_join(id, &library) == 0);
	CHECK(library != NULL);
	report();
}
