/* Makes every sort of system call through syscall(), and copies with garbage in the halves of
 * arguments that the kernel ignores. */
#include "check.h"
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/uio.h>

static void show(const char *what, long result)
{
	printf("%s: %ld errno %d\n", what, result, errno);
	errno = 77;
}

int main(void)
{
	char bytes[16] = "";
	int word = 5;
	watchdog();
	int in = source("source", 20000), out = target("out");
	errno = 77;
	show("getpid", syscall(SYS_getpid) - getpid());
	show("invalid", syscall(100000));
	show("minus one", syscall(-1L));
	show("close", syscall(SYS_close, -1));
	char *page = (char *)syscall(SYS_mmap, NULL, 4096, PROT_READ, MAP_PRIVATE, in, 8192L);
	CHECK(page != MAP_FAILED && page[0] == pattern(8192) && page[100] == pattern(8292));
	show("munmap", syscall(SYS_munmap, page, 4096L));
	show("pread64", syscall(SYS_pread64, in, bytes, 10L, 5L));
	puts(bytes);
	struct iovec part = { bytes, 10 };
	show("preadv2", syscall(SYS_preadv2, in, &part, 1L, 3L, 0L, 0L));
	puts(bytes);
	show("preadv2, sixth bad", syscall(SYS_preadv2, in, &part, 1L, 3L, 0L, 0x4000L));
	show("futex, other value", syscall(SYS_futex, &word, FUTEX_WAIT, 4, NULL, NULL, 0));
	struct timespec soon = { .tv_nsec = 1000000 };
	show("futex, six", syscall(SYS_futex, &word, FUTEX_WAIT_BITSET, 4, &soon, NULL, ~0u));
	show("futex, sixth zero", syscall(SYS_futex, &word, FUTEX_WAIT_BITSET, 5, NULL, NULL, 0));
	show("splice", syscall(SYS_splice, in, NULL, out, NULL, 5L, 0));
	show("lseek", syscall(SYS_lseek, in, 0L, SEEK_SET));

	/* The kernel reads 32 bits of the system call number, a descriptor and the flags. */
	const long garbage = 0x5a5a5a5a00000000;
	loff_t from = 3, to = 1;
	calls += 5;
	show("copy", syscall(SYS_copy_file_range, in, &from, out, &to, 1000L, 0));
	show("copy, number", syscall(SYS_copy_file_range | garbage, in, &from, out, &to, 1000L, 0L));
	show("copy, descriptors", syscall(SYS_copy_file_range, in | garbage, &from, out | garbage, &to, 1000L, 0L));
	show("copy, flags", syscall(SYS_copy_file_range, in, &from, out, &to, 1000L, garbage));
	show("copy, bad flags", syscall(SYS_copy_file_range, in, &from, out, &to, 1000L, garbage | 8));
	printf("%ld %ld\n", (long)from, (long)to);
	show("getpid, number", syscall(SYS_getpid | garbage) - getpid());

	/* After a raw fork the child's copy is logged with the child's process ID. */
	fflush(stdout);
	for (int i = 0; i < 20; i++) {
		pid_t child = syscall(SYS_clone, (long)SIGCHLD, NULL, NULL, NULL, 0L);
		CHECK(child >= 0);
		if (child == 0) {
			calls = 0;
			from = to = 0;
			calls++;
			CHECK(syscall(SYS_copy_file_range, in, &from, out, &to, 1000L, 0) == 1000);
			copy_start(in, out, 1000);
			report();
			syscall(SYS_exit_group, 7);
		}
		CHECK(WEXITSTATUS(ending(child)) == 7);
	}
	report();
}
