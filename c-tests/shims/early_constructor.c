/* A library to preload. Its constructor copies, before or after libcfr.so's constructor has run. */
#include "check.h"

__attribute__((constructor)) static void at_load(void)
{
	int in = source("source", 1000), out = target("loaded");
	errno = 77;
	copy_start(in, out, 1000);
	CHECK(errno == 77);
	atomic_fetch_add(&calls, 1);
	CHECK(syscall(SYS_copy_file_range, in, NULL, out, NULL, 1000L, 0) == 1000);
	CHECK(syscall(SYS_getpid) == getpid());
	CHECK(syscall(-2L) == -1 && errno == ENOSYS);
	close(in);
	close(out);
	report();
	dprintf(1, "constructor\n");
}
