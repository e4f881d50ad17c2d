/* Copies in a function of .preinit_array, which the dynamic linker calls before any constructor: the
 * C library has not set `environ` yet. Copies again in main. */
#include "check.h"

static int was_ready = -1;

static void copy_early(void)
{
	was_ready = environ != NULL;
	int in = source("source", 1000), out = target("early");
	errno = 77;
	copy_start(in, out, 1000);
	CHECK(errno == 77);
	close(in);
	close(out);
}

__attribute__((section(".preinit_array"), used)) static void (*const at_start)(void) = copy_early;

int main(void)
{
	watchdog();
#ifdef __GLIBC__
	CHECK(was_ready == 0);
#endif
	int in = source("source", 1000), out = target("out");
	copy_start(in, out, 1000);
	report();
	puts("ok");
}
