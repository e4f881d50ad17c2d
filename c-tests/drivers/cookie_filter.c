/* Runs a program under a seccomp(2) filter like the launcher's: it stops copy_file_range, sendfile and
 * the ioctl requests that share blocks, unless the upper half of their sixth argument is a cookie.
 *
 *     cookie_filter COOKIE refuse|kill PROGRAM [ARG]...
 *
 * A call without the cookie fails with EXFULL, or kills the process; but not the one by which the library
 * asks the supervisor for the stats. */
#define _GNU_SOURCE
#include <errno.h>
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

#define LOAD(place) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, place)
#define JUMP_IF(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no)
#define RETURN(action) BPF_STMT(BPF_RET | BPF_K, action)
/* x86-64 and aarch64 are little-endian. */
#define LOWER(number) (offsetof(struct seccomp_data, args) + 8 * (number))
#define UPPER(number) (LOWER(number) + 4)
/* The lower half of the count by which the library asks the supervisor for the stats. */
#define STATS_REQUEST 0x73746174

int main(int argc, char **argv)
{
	if (argc < 4)
		return 99;
	unsigned cookie = strtoul(argv[1], NULL, 0);
	unsigned action = strcmp(argv[2], "kill") == 0 ? SECCOMP_RET_KILL_PROCESS : SECCOMP_RET_ERRNO | EXFULL;
	struct sock_filter filter[] = {
		LOAD(offsetof(struct seccomp_data, nr)),
		JUMP_IF(SYS_copy_file_range, 8, 0),
		JUMP_IF(SYS_sendfile, 5, 0),
		JUMP_IF(SYS_ioctl, 0, 8),
		LOAD(LOWER(1)),
		JUMP_IF(FICLONE, 4, 0),
		JUMP_IF(FICLONERANGE, 3, 0),
		JUMP_IF(FIDEDUPERANGE, 2, 4),
		LOAD(LOWER(3)),
		JUMP_IF(STATS_REQUEST, 2, 0),
		LOAD(UPPER(5)),
		JUMP_IF(cookie, 0, 1),
		RETURN(SECCOMP_RET_ALLOW),
		RETURN(action),
	};
	struct sock_fprog program = { sizeof filter / sizeof *filter, filter };
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
	    || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
		perror("seccomp");
		return 99;
	}
	execvp(argv[3], argv + 3);
	return 98;
}
