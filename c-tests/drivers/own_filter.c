/* Installs a seccomp filter that answers copy_file_range, and copies 10 bytes of FROM to TO:
 * own_filter prctl|seccomp errno|trap|kill|allow|missing|listener FROM TO. Prints the error of the
 * installation and that of the copy. */
#include "check.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

enum { LOAD = 0x20, JUMP_IF_EQUAL = 0x15, RETURN = 0x06 };

static unsigned action(const char *name)
{
	if (strcmp(name, "errno") == 0)
		return SECCOMP_RET_ERRNO | EPERM;
	if (strcmp(name, "trap") == 0)
		return SECCOMP_RET_TRAP;
	return strcmp(name, "kill") == 0 ? SECCOMP_RET_KILL_PROCESS : SECCOMP_RET_ALLOW;
}

int main(int argc, char **argv)
{
	CHECK(argc == 5);
	struct sock_filter filter[] = {
		{ LOAD, 0, 0, 0 },
		{ JUMP_IF_EQUAL, 0, 1, SYS_copy_file_range },
		{ RETURN, 0, 0, action(argv[2]) },
		{ RETURN, 0, 0, SECCOMP_RET_ALLOW },
	};
	struct sock_fprog program = { 4, filter };
	struct sock_fprog *given = strcmp(argv[2], "missing") == 0 ? NULL : &program;
	unsigned flags = strcmp(argv[2], "listener") == 0 ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0;
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	errno = 0;
	if (strcmp(argv[1], "prctl") == 0)
		prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, given, 0, 0);
	else
		syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, given);
	printf("%d ", errno);
	fflush(stdout);
	int in = open(argv[3], O_RDONLY), out = open(argv[4], O_RDWR | O_CREAT, 0600);
	errno = 0;
	syscall(SYS_copy_file_range, in, NULL, out, NULL, 10L, 0L);
	printf("%d\n", errno);
	return 0;
}
