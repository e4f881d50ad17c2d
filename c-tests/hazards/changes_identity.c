/* Leaves its namespaces, its root directory and its user between copies. */
#include "check.h"
#include <grp.h>
#include <sched.h>
#include <sys/mount.h>

enum { NOBODY = 65534 };

static int in, out;

static void copies(void)
{
	for (int i = 0; i < 3; i++) {
		errno = 77;
		copy_start(in, out, 1000);
		CHECK(errno == 77);
		CHECK(copy(-1, NULL, out, NULL, 1) == -1 && errno == EBADF);
	}
}

int main(void)
{
	watchdog();
	in = source("source", 1000), out = target("out");
	copies();
	if (geteuid() != 0 || unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET) != 0) {
		puts("only root may leave its namespaces");
		return 77;
	}
	copies();
	/* pivot_root(2) requires a mount point; the second call removes the old root. */
	CHECK(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	CHECK(mount(".", ".", NULL, MS_BIND, NULL) == 0);
	char here[4096];
	CHECK(getcwd(here, sizeof here) != NULL && chdir(here) == 0);
	int calls_file = open("calls", O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
	CHECK(calls_file >= 0);
	CHECK(syscall(SYS_pivot_root, ".", ".") == 0 && umount2(".", MNT_DETACH) == 0 && chdir("/") == 0);
	CHECK(access("/proc", F_OK) == -1 && errno == ENOENT);
	copies();
	CHECK(mkdir("inner", 0755) == 0 && chroot("inner") == 0 && chdir("/") == 0);
	copies();
	CHECK(setgroups(0, NULL) == 0 && setresgid(NOBODY, NOBODY, NOBODY) == 0);
	CHECK(setresuid(NOBODY, NOBODY, NOBODY) == 0 && setuid(0) == -1 && errno == EPERM);
	copies();
	CHECK(unshare(CLONE_NEWUSER) == 0 || errno == EPERM || errno == ENOSPC);
	copies();
	CHECK(dprintf(calls_file, "%ld\n", atomic_exchange(&calls, 0)) > 0);
	puts("ok");
}
