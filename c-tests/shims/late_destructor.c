/* A library to preload. Its destructor copies, before or after libcfr.so's destructor has run. */
#include "check.h"

__attribute__((destructor)) static void at_end(void)
{
	int in = source("source", 1000), out = target("ended");
	errno = 77;
	copy_start(in, out, 1000);
	CHECK(errno == 77);
	atomic_fetch_add(&calls, 1);
	CHECK(syscall(SYS_copy_file_range, -1, NULL, out, NULL, 1000L, 0) == -1 && errno == EBADF);
	report();
	dprintf(1, "destructor\n");
}
