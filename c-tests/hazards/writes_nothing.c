/* A sandbox makes the log's writes return 0 without writing: its seccomp(2) filter returns errno
 * 0. Writes to the program's own file succeed. */
#include "check.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>

#define ANSWER_ZERO(number) \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1), \
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 0)

int main(void)
{
	watchdog();
	int in = source("source", 1000), out = target("out");
	struct sock_filter filter[] = {
		/* The lower half of the first argument. x86-64 and aarch64 are little-endian. */
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, out, 5, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ANSWER_ZERO(SYS_pwrite64),
		ANSWER_ZERO(SYS_pwritev2),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof filter / sizeof *filter, filter };
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
	for (int i = 0; i < 3; i++)
		copy_start(in, out, 1000);
	puts("ok");
	report();
}
