/* Copies in threads with the smallest stack that glibc allows. */
#include "check.h"
#include <limits.h>

static int in;

static void *copier(void *out)
{
	for (int i = 0; i < 20; i++)
		copy_start(in, *(int *)out, 1000);
	CHECK(syscall(SYS_copy_file_range, -1, NULL, *(int *)out, NULL, 1L, 0) == -1 && errno == EBADF);
	calls++;
	return NULL;
}

int main(void)
{
	watchdog();
	in = source("source", 1000);
	int out = target("out");
	for (int i = 0; i < 20; i++) {
		pthread_t id;
		pthread_attr_t attributes;
		pthread_attr_init(&attributes);
		CHECK(pthread_attr_setstacksize(&attributes, smallest_stack()) == 0);
		CHECK(pthread_create(&id, &attributes, copier, &out) == 0);
		CHECK(pthread_join(id, NULL) == 0);
	}
	report();
	puts("ok");
}
