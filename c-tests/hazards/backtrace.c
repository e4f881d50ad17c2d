/* Takes backtraces in a signal handler that interrupts copies. Each must reach the caller of the
 * function that copies; one in a hundred may not, because LLVM's linker does not describe the stubs
 * that it makes for calls between libraries. */
#include "check.h"

#ifndef __GLIBC__
int main(void)
{
	puts("backtrace(3) is a function of glibc");
	return 77;
}
#else
#include <execinfo.h>
#include <sys/time.h>

/* Called by pointer, because this program has such stubs too. */
static ssize_t (*volatile copies)(int, loff_t *, int, loff_t *, size_t, unsigned) = copy_file_range;
static long (*volatile system_call)(long, ...) = syscall;
static ssize_t (*volatile sends)(int, int, off_t *, size_t) = sendfile;
static int (*volatile control)(int, unsigned long, ...) = ioctl;

static int in, out;
static void *volatile caller;
static volatile int seen, missed;

static void handler(int number)
{
	int saved = errno;
	void *frames[64];
	(void)number;
	if (caller != NULL) {
		int count = backtrace(frames, 64), found = 0;
		for (int i = 0; i < count; i++)
			found |= frames[i] == caller;
		seen++;
		missed += !found;
	}
	errno = saved;
}

__attribute__((noinline)) static void copy_all(void)
{
	loff_t from = 0, to = 0;
	off_t offset = 0;
	caller = __builtin_return_address(0);
	copies(in, &from, out, &to, 1000, 0);
	from = to = 0;
	system_call(SYS_copy_file_range, in, &from, out, &to, 1000L, 0);
	sends(out, in, &offset, 1000);
	control(-1, FICLONE, in);
	caller = NULL;
}

int main(void)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART };
	struct itimerval often = { { 0, 300 }, { 0, 300 } }, never = { 0 };
	void *frame;
	watchdog();
	in = source("source", 1000);
	out = target("target");
	/* Loads the library that unwinds. */
	backtrace(&frame, 1);
	CHECK(sigaction(SIGALRM, &action, NULL) == 0);
	CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
	double end = now() + 0.4;
	while (now() < end || seen < 200) {
		lseek(out, 0, SEEK_SET);
		copy_all();
		atomic_fetch_add(&calls, 4);
	}
	CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
	report();
	CHECK(missed * 100 <= seen);
	puts("ok");
}
#endif
