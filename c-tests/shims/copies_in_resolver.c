/* A library to preload. It has an indirect function, whose resolver copies: the dynamic linker calls
 * it while it relocates this library, and may not have relocated libcfr.so yet. */
#include "check.h"

static int one(void)
{
	return 1;
}

static int (*resolve(void))(void)
{
	int in = source("source", 1000), out = target("resolved");
	copy_start(in, out, 1000);
	atomic_fetch_add(&calls, 4);
	loff_t from = 0, to = 0;
	CHECK(syscall(SYS_copy_file_range, in, &from, out, &to, 1000L, 0) == 1000);
	CHECK(lseek(out, 0, SEEK_SET) == 0 && sendfile(out, in, &(off_t){ 0 }, 1000) == 1000);
	CHECK(copy_file_range(in, NULL, -1, NULL, 1, 0) == -1);
	CHECK(syscall(SYS_getpid) == getpid() && syscall(-2L) == -1 && ioctl(-1, FICLONE, in) == -1);
	close(in);
	close(out);
	return one;
}

static int chosen(void) __attribute__((ifunc("resolve")));

__attribute__((constructor)) static void at_load(void)
{
	CHECK(chosen() == 1);
	report();
	dprintf(1, "constructor\n");
}
