/* Runs a program under a seccomp(2) filter that makes one system call fail, as container runtimes do.
 *
 *     failing_system_call CALL ERRNO PROGRAM [ARG]...
 *
 * Calls: copy_file_range; tmpfile, which is openat with O_TMPFILE; fallocate; statx; rt_sigprocmask;
 * memfd_create; seccomp; pidfd_thread, which is pidfd_open with PIDFD_THREAD; fiemap, ficlone,
 * ficlonerange and fideduperange, which are ioctl(2). With the error 0 the call returns success and does
 * nothing. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FIEMAP 0xc020660b /* linux/fiemap.h does not define the ioctl number. */

static const struct {
	const char *name;
	int number;
	int argument;
	unsigned mask, value;
} calls[] = {
	{ "copy_file_range", SYS_copy_file_range, 0, 0, 0 },
	{ "tmpfile", SYS_openat, 2, O_TMPFILE & ~O_DIRECTORY, O_TMPFILE & ~O_DIRECTORY },
	{ "fallocate", SYS_fallocate, 0, 0, 0 },
	{ "statx", SYS_statx, 0, 0, 0 },
	{ "rt_sigprocmask", SYS_rt_sigprocmask, 0, 0, 0 },
	{ "ficlone", SYS_ioctl, 1, ~0u, FICLONE },
	{ "memfd_create", SYS_memfd_create, 0, 0, 0 },
	{ "seccomp", SYS_seccomp, 0, 0, 0 },
	{ "pidfd_thread", SYS_pidfd_open, 1, O_EXCL, O_EXCL },
	{ "fiemap", SYS_ioctl, 1, ~0u, FIEMAP },
	{ "ficlonerange", SYS_ioctl, 1, ~0u, FICLONERANGE },
	{ "fideduperange", SYS_ioctl, 1, ~0u, FIDEDUPERANGE },
};

static const struct {
	const char *name;
	int number;
} errors[] = {
	{ "0", 0 },
	{ "EPERM", EPERM },
	{ "ENOSYS", ENOSYS },
	{ "EOPNOTSUPP", EOPNOTSUPP },
	{ "EXDEV", EXDEV },
	{ "EINVAL", EINVAL },
	{ "EACCES", EACCES },
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

int main(int argc, char **argv)
{
	size_t call = 0, error = 0;
	if (argc < 4)
		return 99;
	while (call < COUNT(calls) && strcmp(calls[call].name, argv[1]) != 0)
		call++;
	while (error < COUNT(errors) && strcmp(errors[error].name, argv[2]) != 0)
		error++;
	if (call == COUNT(calls) || error == COUNT(errors))
		return 99;
	/* The lower half of an argument. x86-64 and aarch64 are little-endian. */
	unsigned argument = offsetof(struct seccomp_data, args) + 8 * calls[call].argument;
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[call].number, 0, 4),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, argument),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, calls[call].mask),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[call].value, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | errors[error].number),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { COUNT(filter), filter };
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
	    || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
		perror("seccomp");
		return 99;
	}
	execvp(argv[3], argv + 3);
	return 98;
}
