/* Makes one ioctl or sendfile that the kernel refuses.
 *
 *     refused_calls CALL WHAT [ELSEWHERE]
 *
 * CALL is clone (FICLONE or FICLONERANGE), dedupe or sendfile; WHAT is what is wrong with it. Runs in an
 * empty directory; ELSEWHERE is a file of another filesystem. Prints the error of the call or of its
 * target, or 0. */
#include "check.h"
#include <linux/btrfs.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define BLOCK 4096
#define NOWHERE ((void *)8)

static int in, out;
static const char *call, *what;

static int is(const char *word)
{
	return strcmp(what, word) == 0;
}

static int opened(const char *name, int flags)
{
	int fd = open(name, flags, 0600);
	CHECK(fd >= 0);
	return fd;
}

static void set_flag(int fd, int flag, int on)
{
	int flags = 0;
	CHECK(ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0);
	flags = on ? flags | flag : flags & ~flag;
	CHECK(ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0);
}

static int pipe_end(void)
{
	int ends[2];
	CHECK(pipe(ends) == 0);
	return ends[0];
}

/* Makes the subvolume of this directory read-only, or writable again. */
static void make_read_only(int on)
{
	__u64 flags = on ? BTRFS_SUBVOL_RDONLY : 0;
	CHECK(ioctl(opened(".", O_RDONLY), BTRFS_IOC_SUBVOL_SETFLAGS, &flags) == 0);
}

/* Opens the target by a mount that is read-only. */
static void mount_read_only(void)
{
	char here[4096];
	CHECK(close(out) == 0 && getcwd(here, sizeof here) != NULL && unshare(CLONE_NEWNS) == 0);
	CHECK(mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) == 0);
	CHECK(mount(here, here, NULL, MS_BIND, NULL) == 0 && chdir(here) == 0);
	CHECK(mount(NULL, here, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) == 0);
	out = opened("target", O_RDONLY);
}

/* What makes both files unfit for every call. */
static void prepare(const char *other)
{
	if (is("fd-in-closed"))
		in = 1000;
	if (is("fd-out-closed"))
		out = open("target", O_PATH);
	if (is("directory"))
		in = opened(".", O_RDONLY);
	if (is("not-regular")) {
		CHECK(mkfifo("fifo", 0600) == 0);
		in = opened("fifo", O_RDWR);
	}
	if (is("not-readable"))
		in = opened("source", O_WRONLY);
	if (is("not-writable"))
		out = opened("target", O_RDONLY);
	if (is("append"))
		out = opened("target", O_WRONLY | O_APPEND);
	if (is("cross-filesystem"))
		*(strcmp(call, "dedupe") == 0 ? &out : &in) = opened(other, O_RDWR);
	if (is("immutable"))
		set_flag(out, FS_IMMUTABLE_FL, 1);
	if (is("nocow")) {
		out = opened("nocow", O_RDWR | O_CREAT);
		set_flag(out, FS_NOCOW_FL, 1);
		CHECK(ftruncate(out, 5 * BLOCK) == 0);
	}
	if (is("swap-file")) {
		/* Swapped to by the test. */
		if (strcmp(call, "sendfile") == 0)
			out = opened("swap", O_WRONLY);
		else
			in = opened("swap", O_RDONLY);
	}
	if (is("read-only"))
		make_read_only(1);
	if (is("read-only-mount"))
		mount_read_only();
	if (is("not-permitted")) {
		CHECK(fchmod(out, 0400) == 0 && fchown(out, 0, 0) == 0);
		out = opened("target", O_RDONLY);
		CHECK(setuid(65534) == 0);
	}
	if (is("file-size-limit")) {
		signal(SIGXFSZ, SIG_IGN);
		CHECK(setrlimit(RLIMIT_FSIZE, &(struct rlimit){ BLOCK, BLOCK }) == 0);
	}
	if (is("no-positions") || is("not-seekable"))
		in = pipe_end();
	if (is("sealed")) {
		out = memfd_create("sealed", MFD_ALLOW_SEALING);
		CHECK(out >= 0 && fcntl(out, F_ADD_SEALS, F_SEAL_WRITE) == 0);
	}
}

static int clone_error(void)
{
	struct file_clone_range range = { in, 0, BLOCK, 0 };
	void *argument = &range;
	if (is("argument-unreadable"))
		argument = NOWHERE;
	if (is("range-limit"))
		range.src_offset = -BLOCK;
	if (is("past-end"))
		range.src_length = 100 * BLOCK;
	if (is("file-size-limit"))
		range.dest_offset = 8 * BLOCK;
	if (is("overlap"))
		range.src_fd = out;
	if (is("unaligned"))
		range.src_length = 100;
	if (is("unaligned-start"))
		range.dest_offset = 100;
	if (is("whole-overlap"))
		return ioctl(out, FICLONE, out) == 0 ? 0 : errno;
	if (is("whole-append"))
		return ioctl(opened("target", O_WRONLY | O_APPEND), FICLONE, in) == 0 ? 0 : errno;
	return ioctl(out, FICLONERANGE, argument) == 0 ? 0 : errno;
}

static int dedupe_error(void)
{
	static union {
		struct file_dedupe_range range;
		char room[1 << 20];
	} all;
	struct file_dedupe_range *range = &all.range;
	void *argument = range;
	range->src_length = BLOCK;
	range->dest_count = 1;
	range->info[0].dest_fd = out;
	if (is("argument-unreadable"))
		argument = NOWHERE;
	if (is("too-many-targets"))
		range->dest_count = 60000;
	if (is("range-limit"))
		range->src_offset = -BLOCK;
	if (is("past-end"))
		range->src_length = 100 * BLOCK;
	if (is("past-target"))
		range->info[0].dest_offset = 100 * BLOCK;
	if (is("overlap"))
		range->info[0].dest_fd = in;
	if (is("unaligned"))
		range->info[0].dest_offset = 100;
	if (is("nothing-compared"))
		range->src_length = 100;
	if (is("tail-not-compared"))
		range->src_length = BLOCK + 100;
	return ioctl(in, FIDEDUPERANGE, argument) < 0 ? errno : -range->info[0].status;
}

static int send_error(void)
{
	off_t offset = 0, *at = NULL;
	size_t count = BLOCK;
	if (is("off-in-unreadable"))
		at = NOWHERE;
	if (is("no-positions"))
		at = &offset;
	if (is("range-limit"))
		offset = -1, at = &offset;
	if (is("source-limit"))
		offset = 0x7ffffffffffff000 - BLOCK, at = &offset;
	if (is("file-size-limit"))
		CHECK(lseek(out, 2 * BLOCK, SEEK_SET) > 0);
	if (is("filesystem-limit"))
		CHECK(lseek(out, 0xffffffff000, SEEK_SET) > 0 || lseek(out, 0x3fffffffc00, SEEK_SET) > 0);
	if (is("direct")) {
		out = opened("target", O_WRONLY | O_DIRECT);
		count = 100;
	}
	if (is("offset-unwritable")) {
		void *page = mmap(NULL, BLOCK, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		CHECK(page != MAP_FAILED);
		at = page;
	}
	return sendfile(out, in, at, count) < 0 ? errno : 0;
}

int main(int argc, char **argv)
{
	CHECK(argc >= 3);
	watchdog();
	call = argv[1];
	what = argv[2];
	in = source("source", 5 * BLOCK + 10);
	out = source("target", 5 * BLOCK + 10);
	CHECK(fsync(in) == 0 && fsync(out) == 0);
	prepare(argv[3]);
	int error = strcmp(call, "clone") == 0    ? clone_error()
		    : strcmp(call, "dedupe") == 0 ? dedupe_error()
						  : send_error();
	if (is("immutable"))
		set_flag(out, FS_IMMUTABLE_FL, 0);
	if (is("read-only"))
		make_read_only(0);
	printf("%s\n", error == 0 ? "0" : strerrorname_np(error));
}
