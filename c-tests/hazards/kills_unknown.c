/* Installs a seccomp(2) filter that kills the process for every system call except its own
 * ("own"), or those and the ones that libcfr(7) names ("documented"). */
#include "check.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const int own[] = {
	SYS_copy_file_range, SYS_openat, SYS_write, SYS_close, SYS_clock_gettime, SYS_exit_group,
};

static const int documented[] = {
	/* Needed by a log. */
	SYS_close, SYS_copy_file_range, SYS_fcntl, SYS_fstat, SYS_fstatfs, SYS_getpid, SYS_prlimit64, SYS_gettid,
	SYS_ioctl, SYS_kcmp, SYS_lseek, SYS_mmap, SYS_newfstatat, SYS_openat, SYS_ppoll, SYS_prctl, SYS_pread64, SYS_pwrite64,
	SYS_pwritev2, SYS_read, SYS_readlinkat, SYS_rt_sigpending, SYS_rt_sigprocmask, SYS_rt_sigtimedwait,
	SYS_sched_yield, SYS_statx, SYS_write,
#ifdef SYS_getrlimit
	SYS_getrlimit,
#endif
	/* Needed by copies in the library; 451 is cachestat(2). */
	451, SYS_fallocate, SYS_pipe2, SYS_rt_sigaction, SYS_sendfile, SYS_splice, SYS_tgkill,
	/* Needed by faults. */
	SYS_clock_nanosleep,
};

static void confine(int with_documented)
{
	struct sock_filter filter[2 + 2 * COUNT(own) + 2 * COUNT(documented)];
	size_t at = 0;
	filter[at++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < COUNT(own) + (with_documented ? COUNT(documented) : 0); i++) {
		int number = i < COUNT(own) ? own[i] : documented[i - COUNT(own)];
		filter[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1);
		filter[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	}
	filter[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	struct sock_fprog program = { at, filter };
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

int main(int argc, char **argv)
{
	watchdog();
	CHECK(argc == 3);
	int with_documented = strcmp(argv[2], "documented") == 0;
	/* The small copy fits into a buffer; the large one is made through a pipe. */
	int in = source("source", 1000), out = target("out"), big = source("big", 2 << 20), all = target("all");
	pid_t child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		/* Proves that the filter kills. */
		confine(with_documented);
		syscall(SYS_getppid);
		_exit(0);
	}
	int status = ending(child);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
	confine(with_documented);
	for (int i = 0; i < 5; i++) {
		errno = 77;
		copy_start(in, out, 1000);
		CHECK(errno == 77);
		copy_start(big, all, 2 << 20);
		CHECK(copy(-1, NULL, out, NULL, 1) == -1 && errno == EBADF);
	}
	report();
	CHECK(write(1, "ok\n", 3) == 3);
	_exit(0);
}
