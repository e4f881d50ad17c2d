/* Opens a library that needs static thread-local memory. With libcfr.so loaded from the start,
 * as much must be left as without. */
#include "check.h"
#include <dlfcn.h>

int main(int argc, char **argv)
{
	watchdog();
	CHECK(argc == 3);
	int in = source("source", 1000), out = target("out");
	copy_start(in, out, 1000);
	void *opened = dlopen(argv[2], RTLD_NOW);
	CHECK(opened != NULL);
	char *(*memory)(void) = (char *(*)(void))dlsym(opened, "thread_memory");
	CHECK(memory != NULL && memory()[511] == 0);
	copy_start(in, out, 1000);
	report();
	puts("ok");
}
