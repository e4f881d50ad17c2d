/* Makes calls one instruction at a time, as a debugger does, and unwinds the stack at each: a profiler,
 * a thrown exception and an asynchronous cancellation may come at any. Prints the instructions whose
 * backtraces do not reach the caller. x86-64 only.
 *
 *     single_steps
 *
 * Runs in an empty directory. */
#include "check.h"

#include <dlfcn.h>
#include <ucontext.h>
#include <unwind.h>

static volatile sig_atomic_t is_stepping;
static long steps;

static void make_calls(void);

static _Unwind_Reason_Code look(struct _Unwind_Context *frame, void *is_found)
{
	void *function = _Unwind_FindEnclosingFunction((void *)_Unwind_GetIP(frame));
	*(int *)is_found |= function == (void *)make_calls;
	return *(int *)is_found ? _URC_NORMAL_STOP : _URC_NO_REASON;
}

static void stepped(int signal, siginfo_t *info, void *context)
{
	ucontext_t *interrupted = context;
	void *instruction = (void *)interrupted->uc_mcontext.gregs[REG_RIP];
	int is_found = 0;
	Dl_info place;
	(void)signal, (void)info;
	if (!is_stepping)
		return;
	steps++;
	_Unwind_Backtrace(look, &is_found);
	if (is_found)
		return;
	CHECK(dladdr(instruction, &place) != 0);
	dprintf(1, "no caller at %#tx of %s\n", (char *)instruction - (char *)place.dli_fbase, place.dli_fname);
}

/* Changes the trap flag: from then on each instruction raises SIGTRAP, or no more. */
static void switched(int signal, siginfo_t *info, void *context)
{
	ucontext_t *interrupted = context;
	(void)signal, (void)info;
	interrupted->uc_mcontext.gregs[REG_EFL] ^= 0x100;
}

static int source_fd, target_fd;

static __attribute__((noinline)) void make_calls(void)
{
	struct file_clone_range range = { .src_fd = source_fd };
	off_t offset = 0, target = 0;
	int number;
	raise(SIGUSR1);
	is_stepping = 1;
	copy_file_range(source_fd, &offset, target_fd, &target, 10, 0);
	copy_file_range(-1, &offset, target_fd, &target, 10, 0);
	copy_file_range(source_fd, &offset, target_fd, &target, 10, 1);
	syscall(SYS_copy_file_range, source_fd, &offset, target_fd, &target, 10L, 0L);
	syscall(SYS_copy_file_range, -1, &offset, target_fd, &target, 10L, 0L);
	syscall(SYS_getppid);
	syscall(-1);
	ioctl(source_fd, FIONREAD, &number);
	ioctl(-1, FIONREAD, &number);
	ioctl(-1, _IOW(0x94, 9, long), &number);
	ioctl(target_fd, FICLONERANGE, &range);
	sendfile(target_fd, source_fd, &offset, 10);
	sendfile64(target_fd, source_fd, &offset, 10);
	is_stepping = 0;
	raise(SIGUSR1);
}

int main(void)
{
	struct sigaction action = { .sa_sigaction = stepped, .sa_flags = SA_SIGINFO };
	int is_found = 0;
	watchdog();
	source_fd = source("source", 4096);
	target_fd = target("target");
	/* The unwinder is loaded by its first use. */
	_Unwind_Backtrace(look, &is_found);
	CHECK(sigaction(SIGTRAP, &action, NULL) == 0);
	action.sa_sigaction = switched;
	CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
	make_calls();
	CHECK(steps > 100);
	dprintf(1, "ok\n");
	return 0;
}
