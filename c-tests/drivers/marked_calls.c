/* Makes a call of each kind that a seccomp filter of the launcher stops, and prints the results. Then
 * some that it does not stop, each with `# ` before its line. Runs in an empty directory. */
#include "check.h"

#include <sys/socket.h>

enum { BLOCKS = 16 * 4096 };

static void print(const char *name, long result)
{
	int error = errno;
	errno = 0;
	if (result < 0)
		printf("%s: %s\n", name, strerrorname_np(error));
	else
		printf("%s: %ld\n", name, result);
}

/* Prints the two targets' results as well. */
static void dedupe(int in, int out)
{
	union {
		struct file_dedupe_range range;
		char room[sizeof(struct file_dedupe_range) + 2 * sizeof(struct file_dedupe_range_info)];
	} both = { .range = { .src_length = BLOCKS, .dest_count = 2 } };
	both.range.info[0].dest_fd = out;
	both.range.info[1].dest_fd = -1;
	print("ioctl FIDEDUPERANGE", ioctl(in, FIDEDUPERANGE, &both));
	for (int i = 0; i < 2; i++)
		printf("# %d %lld\n", both.range.info[i].status, (long long)both.range.info[i].bytes_deduped);
}

int main(void)
{
	/* In another page than the library's arguments. */
	static loff_t far_in, far_out;
	loff_t from = 0, to = 0;
	int pair[2], number;
	int in = source("from", BLOCKS), same = source("same", BLOCKS), out = target("to");
	struct file_clone_range range = { .src_fd = in, .src_length = BLOCKS };
	watchdog();
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);

	print("copy_file_range", copy_file_range(in, NULL, out, NULL, 100, 0));
	print("copy_file_range offsets", copy_file_range(in, &from, out, &to, 100, 0));
	print("copy_file_range far offsets", copy_file_range(in, &far_in, out, &far_out, 100, 0));
	print("copy_file_range EBADF", copy_file_range(-1, &from, out, &to, 100, 0));
	print("syscall", syscall(SYS_copy_file_range, in, &from, out, &to, 100L, 0L));
	print("syscall EBADF", syscall(SYS_copy_file_range, in, &from, -1, &to, 100L, 0L));
	print("sendfile", sendfile(out, in, NULL, 100));
	print("sendfile64", sendfile64(out, in, &from, 100));
	print("sendfile socket", sendfile(pair[0], in, &from, 100));
	print("sendfile64 EBADF", sendfile64(-1, in, &from, 100));
	print("ioctl FICLONE", ioctl(out, FICLONE, in));
	print("ioctl FICLONERANGE", ioctl(out, FICLONERANGE, &range));
	print("ioctl FICLONERANGE EBADF", ioctl(-1, FICLONERANGE, &range));
	dedupe(in, same);

	for (unsigned flags = 1; flags <= 4; flags *= 2) {
		char name[32];
		snprintf(name, sizeof name, "# copy_file_range %u", flags);
		from = to = far_in = far_out = 0;
		print(name, copy_file_range(in, &from, out, &to, BLOCKS, flags));
		print(name, copy_file_range(in, &far_in, same, &far_out, BLOCKS, flags));
		from = to = 0;
		print("# syscall", syscall(SYS_copy_file_range, in, &from, out, &to, (long)BLOCKS, flags));
	}
	print("# ioctl FIONREAD", ioctl(in, FIONREAD, &number));
	print("# ioctl near FICLONE", ioctl(in, _IOW(0x94, 9, long), 0));
	print("# syscall getppid", syscall(SYS_getppid) > 0);
	return 0;
}
