/* Asks the kernel about copies, by system calls without the C library's functions, and prints a
 * line for each answer: result, errno, both offsets, both file positions, and size, mode and a
 * checksum of the target. The lines must be the same bare and supervised. argv[1] is an empty
 * directory to work in. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif

enum { SIZE = 300000, BLOCK = 4096, NOBODY = 65534 };

/* Upper halves of registers whose lower half is a 32-bit argument. */
#define JUNK 0x5bad5bad00000000L

static int in, out;
/* The offsets of the calls, and the page before one that may not be read. */
static loff_t a, b;
static char *page;

static void must(int holds, const char *what)
{
	if (!holds) {
		printf("%s: %s\n", what, strerror(errno));
		exit(2);
	}
}

/* A target that is empty, positions and offsets at 0. */
static void fresh(void)
{
	must(ftruncate(out, 0) == 0 && fchmod(out, 0644) == 0, "the target");
	must(lseek(in, 0, SEEK_SET) == 0 && lseek(out, 0, SEEK_SET) == 0, "positions");
	a = b = 0;
	errno = 0;
}

static void show(const char *what, long result)
{
	int error = result < 0 ? errno : 0;
	struct stat st;
	uint64_t sum = 0;
	char bytes[4096];
	ssize_t count;
	must(fstat(out, &st) == 0, "fstat");
	for (off_t at = 0; at < 2 * SIZE && (count = pread(out, bytes, sizeof bytes, at)) > 0; at += count)
		for (ssize_t i = 0; i < count; i++)
			sum = sum * 31 + (unsigned char)bytes[i];
	printf("%s: %ld %d offsets %lld %lld positions %lld %lld size %lld mode %o sum %llx\n", what, result,
	       error, (long long)a, (long long)b, (long long)lseek(in, 0, SEEK_CUR),
	       (long long)lseek(out, 0, SEEK_CUR), (long long)st.st_size, st.st_mode,
	       (unsigned long long)sum);
	fflush(stdout);
}

#define ASK(what, call) (fresh(), show(what, call))

static long cfr(long fd_in, void *off_in, long fd_out, void *off_out, size_t len, long flags)
{
	return syscall(SYS_copy_file_range, fd_in, off_in, fd_out, off_out, len, flags);
}

static long send_file(long to, long from, void *offset, size_t count)
{
	return syscall(SYS_sendfile, to, from, offset, count, 0x1234567812345678L, -1L);
}

static long control(long fd, unsigned long request, long argument)
{
	return syscall(SYS_ioctl, fd, request, argument, -1L, -1L, 0x1234567812345678L);
}

/* Sets an offset and passes its address on. */
static loff_t *at(loff_t *offset, loff_t value)
{
	*offset = value;
	return offset;
}

static void copies(void)
{
	int dup_in = dup(in), dup_out = dup(out), append = open("out", O_RDWR | O_APPEND);
	int path = open("in", O_PATH), path_out = open("out", O_PATH);
	int directory = open(".", O_RDONLY), reader = open("in", O_RDONLY), writer = open("out", O_WRONLY);
	int null = open("/dev/null", O_RDWR), zero = open("/dev/zero", O_RDWR);
	int proc = open("/proc/self/status", O_RDONLY), pipes[2], sockets[2];
	int deleted = open("deleted", O_RDWR | O_CREAT, 0600), direct = open("in", O_RDONLY | O_DSYNC);
	must(pipe(pipes) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0, "pipes");
	must(unlink("deleted") == 0 && write(deleted, "deleted", 7) == 7, "deleted");

	ASK("both NULL", cfr(in, NULL, out, NULL, 1000, 0));
	ASK("both offsets", cfr(in, at(&a, 5000), out, at(&b, 123), 70000, 0));
	ASK("source offset", cfr(in, at(&a, 1), out, NULL, 4096, 0));
	ASK("target offset", cfr(in, NULL, out, at(&b, 9), 4096, 0));
	ASK("whole file", cfr(in, NULL, out, NULL, SSIZE_MAX, 0));
	ASK("at the end", cfr(in, at(&a, SIZE), out, &b, 10, 0));
	ASK("position at the end", (lseek(in, 0, SEEK_END), cfr(in, NULL, out, NULL, 10, 0)));
	ASK("across the end", cfr(in, at(&a, SIZE - 7), out, &b, 100, 0));
	ASK("past the end", cfr(in, at(&a, SIZE + 1), out, &b, 100, 0));
	ASK("hole before", cfr(in, &a, out, at(&b, 1 << 20), 100, 0));
	ASK("nothing", cfr(in, &a, out, &b, 0, 0));
	ASK("nothing, closed", cfr(-1, &a, out, &b, 0, 0));
	ASK("one pointer", cfr(in, &a, out, &a, 512, 0));
	ASK("blocks", cfr(in, at(&a, BLOCK), out, at(&b, 2 * BLOCK), 4 * BLOCK, 0));
	ASK("dup", cfr(dup_in, NULL, dup_out, NULL, 1000, 0));
	ASK("dup, again", (cfr(dup_in, NULL, out, NULL, 1000, 0), cfr(in, NULL, dup_out, NULL, 500, 0)));
	ASK("O_APPEND", cfr(in, NULL, append, NULL, 100, 0));
	ASK("O_APPEND, offset", cfr(in, &a, append, &b, 100, 0));
	ASK("O_PATH source", cfr(path, NULL, out, NULL, 100, 0));
	ASK("O_PATH target", cfr(in, NULL, path_out, NULL, 100, 0));
	ASK("write-only source", cfr(writer, NULL, out, NULL, 100, 0));
	ASK("read-only target", cfr(in, NULL, reader, NULL, 100, 0));
	ASK("write-only target", cfr(in, NULL, writer, NULL, 100, 0));
	ASK("O_DSYNC", cfr(direct, NULL, out, NULL, 100, 0));
	ASK("directory source", cfr(directory, NULL, out, NULL, 100, 0));
	ASK("directory target", cfr(in, NULL, directory, NULL, 100, 0));
	ASK("pipe source", cfr(pipes[0], NULL, out, NULL, 100, 0));
	ASK("pipe target", cfr(in, NULL, pipes[1], NULL, 100, 0));
	ASK("socket", cfr(in, NULL, sockets[0], NULL, 100, 0));
	ASK("device target", cfr(in, NULL, null, NULL, 100, 0));
	ASK("device source", cfr(zero, NULL, out, NULL, 100, 0));
	ASK("proc", cfr(proc, NULL, out, NULL, 100, 0));
	ASK("deleted source", cfr(deleted, &a, out, NULL, 100, 0));
	ASK("closed source", cfr(-1, &a, out, &b, 100, 0));
	ASK("closed target", cfr(in, &a, 999, &b, 100, 0));
	ASK("both closed", cfr(998, &a, 999, &b, 100, 0));
	ASK("lowest numbers", cfr(INT_MIN, &a, INT_MIN + 1, &b, 100, 0));
	ASK("AT_FDCWD", cfr(AT_FDCWD, NULL, out, NULL, 100, 0));
	ASK("flag 1", cfr(in, &a, out, &b, 100, 1));
	ASK("unknown flag", cfr(in, &a, out, &b, 100, 0x800000));
	ASK("junk above the flags", cfr(in, &a, out, &b, 100, JUNK));
	ASK("junk above a flag", cfr(in, &a, out, &b, 100, JUNK | 4));
	ASK("junk above descriptors", cfr(JUNK | in, &a, JUNK | out, &b, 100, 0));
	ASK("junk above closed ones", cfr(JUNK | 999, &a, JUNK | out, &b, 100, 0));
	ASK("negative offset", cfr(in, at(&a, -1), out, &b, 100, 0));
	ASK("negative offset, short", cfr(in, at(&a, -100), out, &b, 10, 0));
	ASK("negative target offset", cfr(in, &a, out, at(&b, -5), 10, 0));
	ASK("offset near the maximum", cfr(in, at(&a, LLONG_MAX - 5), out, &b, 100, 0));
	ASK("target near the maximum", cfr(in, &a, out, at(&b, LLONG_MAX - 5), 100, 0));
	ASK("SIZE_MAX", cfr(in, &a, out, &b, SIZE_MAX, 0));
	ASK("SIZE_MAX, wraps", cfr(in, at(&a, 1), out, &b, SIZE_MAX, 0));

	int list[] = { dup_in, dup_out, append, path, path_out, directory, reader, writer, null, zero, proc,
		deleted, direct, pipes[0], pipes[1], sockets[0], sockets[1] };
	for (size_t i = 0; i < sizeof list / sizeof *list; i++)
		close(list[i]);
}

static void one_file(void)
{
	int both = open("both", O_RDWR | O_CREAT | O_TRUNC, 0644), saved = out;
	must(both >= 0 && cfr(in, at(&a, 0), both, at(&b, 0), SIZE, 0) == SIZE, "a second source");
	out = both;
	a = 0, b = 150000;
	show("one file, apart", cfr(both, &a, both, &b, 100, 0));
	a = 0, b = 50;
	show("one file, overlapping", cfr(both, &a, both, &b, 100, 0));
	a = 100, b = 100;
	show("one file, one place", cfr(both, &a, both, &b, 100, 0));
	show("one descriptor", cfr(both, NULL, both, NULL, 100, 0));
	a = 10;
	show("one descriptor, offset", cfr(both, &a, both, NULL, 5, 0));
	a = SIZE - 10, b = SIZE;
	show("one file, appended", cfr(both, &a, both, &b, 100, 0));
	out = saved;
	close(both);
}

static void addresses(void)
{
	char *fixed = mmap(NULL, BLOCK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *two = mmap(NULL, 2 * BLOCK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *untouched = mmap(NULL, BLOCK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int short_file = open("short", O_RDWR | O_CREAT, 0600);
	char *beyond = mmap(NULL, BLOCK, PROT_READ | PROT_WRITE, MAP_SHARED, short_file, 0);
	char *in_file, *straddling = page + BLOCK - 4, *inside = page + BLOCK - 8, *none = page + BLOCK;
	must(write(short_file, "\0\0\0\0\0\0\0\0", 8) == 8, "short");
	in_file = mmap(NULL, BLOCK, PROT_READ | PROT_WRITE, MAP_PRIVATE, short_file, 0);
	must(mprotect(fixed, BLOCK, PROT_READ) == 0, "mprotect");
	memset(inside, 0, 8);

	ASK("address 1", cfr(in, (void *)1, out, &b, 10, 0));
	ASK("address 8", cfr(in, (void *)8, out, &b, 10, 0));
	ASK("target address 8", cfr(in, &a, out, (void *)8, 10, 0));
	ASK("kernel address", cfr(in, (void *)0xffff888000000000, out, &b, 10, 0));
	ASK("last page", cfr(in, &a, out, (void *)-4096L, 10, 0));
	ASK("last byte", cfr(in, (void *)-1L, out, NULL, 10, 0));
	ASK("no address", cfr(in, (void *)0x4000000000000000, out, NULL, 10, 0));
	ASK("PROT_NONE", cfr(in, none, out, &b, 10, 0));
	ASK("PROT_NONE target", cfr(in, &a, out, none, 10, 0));
	ASK("half a page", cfr(in, straddling, out, &b, 10, 0));
	ASK("half a page target", cfr(in, &a, out, straddling, 10, 0));
	ASK("end of a page", cfr(in, inside, out, &b, 10, 0));
	printf("%lld\n", (long long)*(loff_t *)inside);
	ASK("crooked", cfr(in, two + BLOCK - 3, out, &b, 10, 0));
	printf("%d\n", two[BLOCK - 3]);
	ASK("untouched page", cfr(in, &a, out, untouched, 10, 0));
	printf("%d\n", *untouched);
	ASK("private mapping", cfr(in, in_file, out, &b, 10, 0));
	printf("%d\n", *in_file);
	must(ftruncate(short_file, 0) == 0, "short");
	ASK("mapping beyond its file", cfr(in, beyond, out, &b, 10, 0));
	ASK("read-only source", cfr(in, fixed, out, &b, 10, 0));
	ASK("read-only source, NULL", cfr(in, fixed, out, NULL, 10, 0));
	ASK("read-only target pointer", cfr(in, &a, out, fixed, 10, 0));
	ASK("read-only target pointer, NULL", cfr(in, NULL, out, fixed, 10, 0));
	ASK("read-only both", cfr(in, fixed, out, fixed, 10, 0));
	ASK("read-only, nothing copied", cfr(in, fixed, out, &b, 0, 0));
	ASK("bad address and closed source", cfr(-1, (void *)8, out, &b, 10, 0));
	ASK("bad address and closed target", cfr(in, (void *)8, 999, &b, 10, 0));
	ASK("bad address and flags", cfr(in, (void *)8, out, &b, 10, 1));
	ASK("closed and flags", cfr(-1, &a, out, &b, 10, 1));
	ASK("bad address and O_APPEND", cfr(in, (void *)8, out, (void *)16, 10, 0));
	ASK("negative offset and bad address", cfr(in, at(&a, -1), out, (void *)8, 10, 0));
	ASK("bad address, nothing", cfr(in, (void *)8, out, &b, 0, 0));
	/* Memory that the program reads, and another process may not. */
	char *write_only = mmap(NULL, BLOCK, PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASK("write-only memory", cfr(in, write_only, out, &b, 10, 0));
	munmap(write_only, BLOCK);
	int secret = syscall(SYS_memfd_secret, 0);
	char *hidden = MAP_FAILED;
	if (secret >= 0 && ftruncate(secret, BLOCK) == 0)
		hidden = mmap(NULL, BLOCK, PROT_READ | PROT_WRITE, MAP_SHARED, secret, 0);
	ASK("secret memory", hidden == MAP_FAILED ? 0 : cfr(in, hidden, out, hidden, 10, 0));
	printf("%d\n", hidden == MAP_FAILED ? 0 : *hidden);
	close(secret);
	/* The pointers overlap. */
	memset(two, 0, 16);
	ASK("overlapping pointers", cfr(in, two, out, two + 4, 512, 0));
	printf("%d %d %d\n", two[0], two[1], two[5]);
	munmap(fixed, BLOCK);
	munmap(two, 2 * BLOCK);
	munmap(untouched, BLOCK);
	munmap(beyond, BLOCK);
	munmap(in_file, BLOCK);
	close(short_file);
}

static void seals(void)
{
	int from = memfd_create("from", MFD_ALLOW_SEALING), saved = out, saved_in = in;
	must(from >= 0 && ftruncate(from, 100) == 0 && write(from, "sealed", 6) == 6, "memfd");
	in = from;
	out = memfd_create("to", MFD_ALLOW_SEALING);
	must(out >= 0, "memfd");
	ASK("memory files", cfr(in, NULL, out, NULL, 100, 0));
	must(fcntl(out, F_ADD_SEALS, F_SEAL_GROW) == 0, "F_SEAL_GROW");
	a = 0, b = 80;
	show("sealed against growing", cfr(in, &a, out, &b, 100, 0));
	must(fcntl(out, F_ADD_SEALS, F_SEAL_WRITE) == 0, "F_SEAL_WRITE");
	a = b = 0;
	show("sealed against writing", cfr(in, &a, out, &b, 100, 0));
	show("sealed, sendfile", send_file(out, in, &a, 10));
	close(out);
	close(in);
	out = saved;
	in = saved_in;
}

static long count_readable(int fd)
{
	int count = -1;
	ioctl(fd, FIONREAD, &count);
	return count;
}

static void sends(void)
{
	int pipes[2], sockets[2], append = open("out", O_RDWR | O_APPEND), reader = open("in", O_RDONLY);
	int directory = open(".", O_RDONLY), null = open("/dev/null", O_RDWR);
	char *fixed = mmap(NULL, BLOCK, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(pipe(pipes) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0, "pipes");
	ASK("sendfile", send_file(out, in, NULL, 1000));
	ASK("sendfile, offset", send_file(out, in, at(&a, 777), 1000));
	ASK("sendfile, whole", send_file(out, in, NULL, SIZE_MAX));
	ASK("sendfile at the end", send_file(out, in, at(&a, SIZE), 1000));
	ASK("sendfile past the end", send_file(out, in, at(&a, SIZE + 9), 1000));
	ASK("sendfile nothing", send_file(out, in, &a, 0));
	ASK("sendfile, position", (lseek(out, 50, SEEK_SET), send_file(out, in, &a, 10)));
	ASK("sendfile negative", send_file(out, in, at(&a, -4), 10));
	ASK("sendfile near the maximum", send_file(out, in, at(&a, LLONG_MAX - 5), 10));
	ASK("sendfile to a pipe", send_file(pipes[1], in, &a, 1000));
	printf("%ld\n", count_readable(pipes[0]));
	ASK("sendfile to a pipe, NULL", send_file(pipes[1], in, NULL, 1000));
	ASK("sendfile to a socket", send_file(sockets[1], in, &a, 1000));
	printf("%ld\n", count_readable(sockets[0]));
	ASK("sendfile to a device", send_file(null, in, &a, 1000));
	ASK("sendfile O_APPEND", send_file(append, in, &a, 10));
	ASK("sendfile from a pipe", send_file(out, pipes[0], NULL, 10));
	ASK("sendfile from a socket", send_file(out, sockets[0], NULL, 10));
	ASK("sendfile to a directory", send_file(directory, in, NULL, 10));
	ASK("sendfile to read-only", send_file(reader, in, NULL, 10));
	ASK("sendfile to itself", send_file(out, out, NULL, 10));
	ASK("sendfile closed target", send_file(999, in, &a, 10));
	ASK("sendfile closed source", send_file(out, -1, &a, 10));
	ASK("sendfile bad address", send_file(out, in, (void *)8, 10));
	ASK("sendfile bad address and closed source", send_file(out, -1, (void *)8, 10));
	ASK("sendfile bad address and closed target", send_file(-1, in, (void *)8, 10));
	ASK("sendfile read-only address", send_file(out, in, fixed, 10));
	ASK("sendfile read-only address at nothing", send_file(out, in, fixed, 0));
	ASK("sendfile read-only address and closed", send_file(out, -1, fixed, 10));
	ASK("sendfile half a page", send_file(out, in, page + BLOCK - 4, 10));
	ASK("sendfile junk", send_file(JUNK | out, JUNK | in, &a, 10));
	must(fcntl(pipes[1], F_SETFL, O_NONBLOCK) == 0, "O_NONBLOCK");
	ASK("sendfile to a full pipe", (send_file(pipes[1], in, NULL, SIZE), send_file(pipes[1], in, NULL, SIZE)));
	munmap(fixed, BLOCK);
	int list[] = { pipes[0], pipes[1], sockets[0], sockets[1], append, reader, directory, null };
	for (size_t i = 0; i < sizeof list / sizeof *list; i++)
		close(list[i]);
}

static void clones(void)
{
	int reader = open("in", O_RDONLY), writer = open("out", O_WRONLY), pipes[2];
	int path = open("out", O_PATH), directory = open(".", O_RDONLY), memory = memfd_create("m", 0);
	struct file_clone_range range = { .src_fd = in, .src_offset = BLOCK, .src_length = 4 * BLOCK };
	struct file_clone_range *last = (void *)(page + BLOCK - sizeof range);
	must(pipe(pipes) == 0, "pipe");
	ASK("FICLONE", control(out, FICLONE, in));
	ASK("FICLONE from read-only", control(writer, FICLONE, reader));
	ASK("FICLONE to read-only", control(reader, FICLONE, out));
	ASK("FICLONE itself", control(in, FICLONE, in));
	ASK("FICLONE closed source", control(out, FICLONE, -1));
	ASK("FICLONE closed target", control(-1, FICLONE, in));
	ASK("FICLONE junk", control(JUNK | out, JUNK | FICLONE, JUNK | in));
	ASK("FICLONE O_PATH", control(path, FICLONE, in));
	ASK("FICLONE O_PATH source", control(out, FICLONE, path));
	ASK("FICLONE directory", control(out, FICLONE, directory));
	ASK("FICLONE to a directory", control(directory, FICLONE, in));
	ASK("FICLONE pipe", control(pipes[1], FICLONE, in));
	ASK("FICLONE from a pipe", control(out, FICLONE, pipes[0]));
	ASK("FICLONE another filesystem", control(out, FICLONE, memory));
	ASK("FICLONERANGE", control(out, FICLONERANGE, (long)&range));
	range.dest_offset = 100;
	ASK("FICLONERANGE crooked", control(out, FICLONERANGE, (long)&range));
	range.dest_offset = 8 * BLOCK;
	ASK("FICLONERANGE hole", control(out, FICLONERANGE, (long)&range));
	range.src_length = 0;
	ASK("FICLONERANGE to the end", control(out, FICLONERANGE, (long)&range));
	range.src_fd = -1;
	ASK("FICLONERANGE closed source", control(out, FICLONERANGE, (long)&range));
	range.src_fd = JUNK | in;
	ASK("FICLONERANGE junk", control(out, FICLONERANGE, (long)&range));
	range.src_offset = (unsigned long long)-BLOCK;
	ASK("FICLONERANGE negative", control(out, FICLONERANGE, (long)&range));
	range.src_offset = 2 * SIZE;
	ASK("FICLONERANGE past the end", control(out, FICLONERANGE, (long)&range));
	*last = (struct file_clone_range){ .src_fd = in };
	ASK("FICLONERANGE end of a page", control(out, FICLONERANGE, (long)last));
	ASK("FICLONERANGE straddling", control(out, FICLONERANGE, (long)last + 8));
	ASK("FICLONERANGE NULL", control(out, FICLONERANGE, 0));
	ASK("FICLONERANGE address 8", control(out, FICLONERANGE, 8));
	ASK("FICLONERANGE bad address and closed", control(-1, FICLONERANGE, 8));
	ASK("FICLONERANGE bad address and pipe", control(pipes[1], FICLONERANGE, 8));
	int list[] = { reader, writer, path, directory, memory, pipes[0], pipes[1] };
	for (size_t i = 0; i < sizeof list / sizeof *list; i++)
		close(list[i]);
}

static struct file_dedupe_range *dedupe;

static void show_dedupe(const char *what, long result)
{
	show(what, result);
	printf("  %llu %llu %u %u %u:", dedupe->src_offset, dedupe->src_length, dedupe->dest_count,
	       dedupe->reserved1, dedupe->reserved2);
	for (int i = 0; i < dedupe->dest_count && i < 5; i++)
		printf(" (%lld %llu %llu %d %u)", dedupe->info[i].dest_fd, dedupe->info[i].dest_offset,
		       dedupe->info[i].bytes_deduped, dedupe->info[i].status, dedupe->info[i].reserved);
	printf("\n");
}

/* A request with these targets, and the same bytes in both files. */
static void begin_dedupe(const int *targets, int count)
{
	fresh();
	must(cfr(in, at(&a, 0), out, at(&b, 0), 16 * BLOCK, 0) == 16 * BLOCK, "a copy");
	a = b = 0;
	memset(dedupe, 0, BLOCK);
	dedupe->src_length = 4 * BLOCK;
	dedupe->dest_count = count;
	for (int i = 0; i < count && i < 127; i++)
		dedupe->info[i] = (struct file_dedupe_range_info){ .dest_fd = targets[i] };
}

static void dedupes(void)
{
	int other = open("other", O_RDWR | O_CREAT | O_TRUNC, 0644), third = open("third", O_RDWR | O_CREAT, 0644);
	int writer = open("out", O_WRONLY), directory = open(".", O_RDONLY), pipes[2];
	int one[] = { out }, many[127] = { out, 999, other, -1, third };
	must(pipe(pipes) == 0 && pwrite(other, "another", 7, 5 * BLOCK) == 7, "another");
	must(cfr(in, at(&a, 0), third, at(&b, 0), 8 * BLOCK, 0) == 8 * BLOCK, "a third");
	dedupe = mmap(NULL, 2 * BLOCK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	begin_dedupe(one, 1);
	show_dedupe("FIDEDUPERANGE", control(in, FIDEDUPERANGE, (long)dedupe));
	begin_dedupe(one, 1);
	show_dedupe("FIDEDUPERANGE junk", control(JUNK | in, 0xffffffff00000000 | FIDEDUPERANGE, (long)dedupe));
	begin_dedupe(many, 5);
	show_dedupe("FIDEDUPERANGE five", control(in, FIDEDUPERANGE, (long)dedupe));
	begin_dedupe(many, 5);
	for (int i = 0; i < 5; i++)
		dedupe->info[i].bytes_deduped = 77, dedupe->info[i].status = 88;
	show_dedupe("FIDEDUPERANGE results of before", control(in, FIDEDUPERANGE, (long)dedupe));
	begin_dedupe(one, 1);
	dedupe->info[0].reserved = 1;
	show_dedupe("FIDEDUPERANGE reserved in target", control(in, FIDEDUPERANGE, (long)dedupe));
	begin_dedupe(one, 1);
	dedupe->reserved1 = 1;
	show_dedupe("FIDEDUPERANGE reserved", control(in, FIDEDUPERANGE, (long)dedupe));
	begin_dedupe(one, 1);
	dedupe->info[0].dest_offset = 100;
	show_dedupe("FIDEDUPERANGE crooked", control(in, FIDEDUPERANGE, (long)dedupe));
	begin_dedupe(one, 1);
	dedupe->info[0].dest_fd = JUNK | out;
	show_dedupe("FIDEDUPERANGE junk target", control(in, FIDEDUPERANGE, (long)dedupe));
	begin_dedupe(one, 1);
	dedupe->src_length = 0;
	show_dedupe("FIDEDUPERANGE nothing", control(in, FIDEDUPERANGE, (long)dedupe));
	begin_dedupe(one, 1);
	dedupe->src_length = 1 << 30;
	show_dedupe("FIDEDUPERANGE long", control(in, FIDEDUPERANGE, (long)dedupe));
	begin_dedupe(one, 1);
	dedupe->src_offset = (unsigned long long)-BLOCK;
	show_dedupe("FIDEDUPERANGE negative", control(in, FIDEDUPERANGE, (long)dedupe));
	begin_dedupe(one, 0);
	show_dedupe("FIDEDUPERANGE no target", control(in, FIDEDUPERANGE, (long)dedupe));
	begin_dedupe(many, 127);
	for (int i = 5; i < 127; i++)
		dedupe->info[i].dest_fd = out;
	show_dedupe("FIDEDUPERANGE most", control(in, FIDEDUPERANGE, (long)dedupe));
	begin_dedupe(many, 128);
	show_dedupe("FIDEDUPERANGE too many", control(in, FIDEDUPERANGE, (long)dedupe));
	begin_dedupe(one, 65535);
	show_dedupe("FIDEDUPERANGE far too many", control(in, FIDEDUPERANGE, (long)dedupe));
	begin_dedupe(one, 1);
	show_dedupe("FIDEDUPERANGE closed source", control(-1, FIDEDUPERANGE, (long)dedupe));
	begin_dedupe(one, 1);
	show_dedupe("FIDEDUPERANGE write-only source", control(writer, FIDEDUPERANGE, (long)dedupe));
	begin_dedupe(one, 1);
	show_dedupe("FIDEDUPERANGE pipe", control(pipes[0], FIDEDUPERANGE, (long)dedupe));
	begin_dedupe(one, 1);
	show_dedupe("FIDEDUPERANGE directory", control(directory, FIDEDUPERANGE, (long)dedupe));
	begin_dedupe(&directory, 1);
	show_dedupe("FIDEDUPERANGE to a directory", control(in, FIDEDUPERANGE, (long)dedupe));
	begin_dedupe(&in, 1);
	show_dedupe("FIDEDUPERANGE itself", control(in, FIDEDUPERANGE, (long)dedupe));
	begin_dedupe(one, 1);
	show("FIDEDUPERANGE address 8", control(in, FIDEDUPERANGE, 8));
	show("FIDEDUPERANGE NULL", control(in, FIDEDUPERANGE, 0));
	show("FIDEDUPERANGE straddling", control(in, FIDEDUPERANGE, (long)(page + BLOCK - 16)));
	memcpy(page + BLOCK - 24, dedupe, 24);
	show("FIDEDUPERANGE target beyond the page", control(in, FIDEDUPERANGE, (long)(page + BLOCK - 24)));
	((struct file_dedupe_range *)(page + BLOCK - 24))->dest_count = 128;
	show("FIDEDUPERANGE too many and beyond the page", control(in, FIDEDUPERANGE, (long)(page + BLOCK - 24)));
	begin_dedupe(one, 1);
	must(mprotect(dedupe, BLOCK, PROT_READ) == 0, "mprotect");
	show_dedupe("FIDEDUPERANGE read-only", control(in, FIDEDUPERANGE, (long)dedupe));
	munmap(dedupe, 2 * BLOCK);
	int list[] = { other, third, writer, directory, pipes[0], pipes[1] };
	for (size_t i = 0; i < sizeof list / sizeof *list; i++)
		close(list[i]);
}

/* Reports how the child ended. */
static void end_of(const char *what, pid_t child)
{
	int status = -1;
	must(waitpid(child, &status, 0) == child, "waitpid");
	printf("%s: status %x, positions %lld %lld\n", what, status, (long long)lseek(in, 0, SEEK_CUR),
	       (long long)lseek(out, 0, SEEK_CUR));
	fflush(stdout);
}

static void processes(void)
{
	pid_t child;
	fresh();
	if ((child = fork()) == 0) {
		show("in a child", cfr(in, NULL, out, NULL, 100, 0));
		_exit(0);
	}
	end_of("after a child", child);
	fresh();
	if ((child = fork()) == 0) {
		/* The parent's memory stays. */
		show("offsets in a child", cfr(in, at(&a, 5), out, at(&b, 7), 100, 0));
		_exit(0);
	}
	end_of("after its offsets", child);
	show("and here", 0);
	fresh();
	if ((child = vfork()) == 0) {
		cfr(in, NULL, out, &b, 100, 0);
		_exit(0);
	}
	end_of("after vfork", child);
	show("after vfork", 0);
	fresh();
	if ((child = fork()) == 0) {
		struct rlimit limit = { 5000, RLIM_INFINITY };
		signal(SIGXFSZ, SIG_IGN);
		setrlimit(RLIMIT_FSIZE, &limit);
		show("below a limit", cfr(in, NULL, out, NULL, 3000, 0));
		show("across a limit", cfr(in, NULL, out, NULL, 3000, 0));
		show("at a limit", cfr(in, NULL, out, NULL, 3000, 0));
		show("sendfile at a limit", send_file(out, in, NULL, 3000));
		signal(SIGXFSZ, SIG_DFL);
		cfr(in, NULL, out, NULL, 3000, 0);
		_exit(0);
	}
	end_of("a limit", child);
	fresh();
	if ((child = fork()) == 0) {
		fchmod(out, 06777);
		/* It fails unless the superuser makes it. */
		if (setgid(NOBODY) != 0 || setuid(NOBODY) != 0)
			printf("no other user\n");
		show("of another user", cfr(in, NULL, out, NULL, 100, 0));
		show("of another user, sendfile", send_file(out, in, NULL, 100));
		_exit(0);
	}
	end_of("another user", child);
	fresh();
	if ((child = fork()) == 0) {
		fchmod(out, 06777);
		syscall(SYS_setfsuid, NOBODY);
		show("of another filesystem user", cfr(in, NULL, out, NULL, 100, 0));
		_exit(0);
	}
	end_of("another filesystem user", child);
	fresh();
	if ((child = fork()) == 0) {
		prctl(PR_SET_DUMPABLE, 0);
		show("not dumpable", cfr(in, NULL, out, NULL, 100, 0));
		show("not dumpable, offsets", cfr(in, &a, out, &b, 100, 0));
		show("not dumpable, sendfile", send_file(out, in, &a, 100));
		show("not dumpable, FICLONERANGE", control(out, FICLONERANGE, 8));
		_exit(0);
	}
	end_of("not dumpable", child);
	fresh();
	if ((child = fork()) == 0) {
		struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
		struct __user_cap_data_struct none[2] = { { 0, 0, 0 } };
		fchmod(out, 06777);
		must(syscall(SYS_capset, &header, none) == 0, "capset");
		show("without capabilities", cfr(in, NULL, out, NULL, 100, 0));
		_exit(0);
	}
	end_of("without capabilities", child);
	fresh();
	fchmod(out, 06777);
	show("set-user-ID bit", cfr(in, NULL, out, NULL, 100, 0));
	ASK("set-user-ID bit, no more", 0);
	if ((child = fork()) == 0) {
		close(0);
		close(2);
		show("without standard descriptors", cfr(in, NULL, out, NULL, 100, 0));
		_exit(0);
	}
	end_of("without standard descriptors", child);
	fresh();
	if ((child = fork()) == 0) {
		struct rlimit limit = { 0, 0 };
		setrlimit(RLIMIT_NOFILE, &limit);
		show("no descriptor allowed", cfr(in, NULL, out, NULL, 100, 0));
		_exit(0);
	}
	end_of("no descriptor allowed", child);
	fresh();
	if ((child = fork()) == 0) {
		int high = fcntl(in, F_DUPFD, 1000);
		show("high descriptor", cfr(high, NULL, out, NULL, 100, 0));
		_exit(0);
	}
	end_of("high descriptor", child);
}

static void *copies_here(void *what)
{
	show(what, cfr(in, NULL, out, NULL, 100, 0));
	return NULL;
}

/* A thread whose descriptors are its own, and whose `in` is another file. */
static void *own_descriptors(void *unused)
{
	int table = in;
	must(unshare(CLONE_FILES) == 0, "unshare");
	must(dup2(open("other", O_RDONLY), table) == table, "dup2");
	show("a thread with its own descriptors", cfr(table, NULL, out, NULL, SIZE, 0));
	return unused;
}

/* Reports whether the first thread of the process has ended. */
static int is_leader_gone(void)
{
	char stat[200] = "";
	int fd = open("/proc/self/stat", O_RDONLY);
	must(fd >= 0 && read(fd, stat, sizeof stat - 1) > 0, "/proc/self/stat");
	close(fd);
	return strstr(stat, ") Z ") != NULL;
}

/* The leader ends, and its process goes on in this thread. */
static void *without_leader(void *unused)
{
	(void)unused;
	while (!is_leader_gone())
		usleep(1000);
	show("a thread whose leader has ended", cfr(in, at(&a, 3), out, NULL, 100, 0));
	exit(0);
}

static void threads(void)
{
	pthread_t thread;
	pid_t child;
	fresh();
	must(pthread_create(&thread, NULL, copies_here, "in a thread") == 0, "a thread");
	pthread_join(thread, NULL);
	fresh();
	must(pthread_create(&thread, NULL, own_descriptors, NULL) == 0, "a thread");
	pthread_join(thread, NULL);
	show("beside that thread", cfr(in, NULL, out, NULL, 100, 0));
	fresh();
	if ((child = fork()) == 0) {
		pthread_create(&thread, NULL, without_leader, NULL);
		pthread_exit(NULL);
	}
	end_of("without its leader", child);
}

int main(int argc, char **argv)
{
	static char bytes[SIZE];
	unsigned state = 1;
	must(argc == 2 && chdir(argv[1]) == 0, "a directory");
	umask(0);
	for (int i = 0; i < SIZE; i++)
		bytes[i] = (char)((state = state * 1103515245 + 12345) >> 16);
	in = open("in", O_RDWR | O_CREAT | O_TRUNC, 0644);
	out = open("out", O_RDWR | O_CREAT | O_TRUNC, 0644);
	must(in >= 0 && out >= 0 && write(in, bytes, SIZE) == SIZE, "files");
	page = mmap(NULL, 2 * BLOCK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(mprotect(page + BLOCK, BLOCK, PROT_NONE) == 0, "a page");
	copies();
	one_file();
	addresses();
	seals();
	sends();
	clones();
	dedupes();
	processes();
	threads();
	return 0;
}
