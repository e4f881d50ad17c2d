/* Calls the hooks that forward only (ioctl, sendfile, sendfile64) with good and bad arguments.
 *
 *     hooks GROUP [FILE ELSEWHERE]
 *
 * Runs in an empty directory. For each call it writes to standard output the line that a text log
 * must hold, made from what the call did. Lines with `# ` are what no log may hold, and what else
 * must be the same as in a bare run. */
#include "check.h"
#include <linux/fiemap.h>
#include <limits.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>

#define BLOCK 65536 /* No filesystem has larger blocks. */
#define BEFORE 77   /* errno before each call. */
#define NOWHERE ((void *)8)

static int in, out, third, elsewhere = -1;
static const char *method;

/* Returns `3</path>`, or `3` without a path, in one of several static buffers. */
static const char *shown(int fd)
{
	static char texts[8][PATH_MAX + 20];
	static int turn;
	char link[40], path[PATH_MAX], *text = texts[turn++ % 8];
	int kept = errno;
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t len = readlink(link, path, sizeof path);
	if (len < 0)
		sprintf(text, "%d", fd);
	else
		sprintf(text, "%d<%.*s>", fd, (int)len, path);
	errno = kept;
	return text;
}

/* Prints what follows the arguments. */
static void ends(long result, int error, const char *notes)
{
	if (result < 0)
		printf(") = -1 %s (%s) (%s)\n", strerrorname_np(error), strerror(error), notes);
	else
		printf(") = %ld (%s)\n", result, notes);
	if (result >= 0 && error != BEFORE)
		printf("# errno became %d\n", error);
	errno = BEFORE;
}

/* Prints a line for a call: `result` is what it returned, errno its error. */
static void line(long result, const char *format, ...)
{
	int error = errno;
	va_list rest;
	va_start(rest, format);
	vprintf(format, rest);
	va_end(rest);
	ends(result, error, result < 0 ? "kernel" : method);
}

/* Prints a call that no log holds. */
static void quiet(const char *what, long result)
{
	int error = errno;
	printf("# %s: %ld errno %d\n", what, result, error);
	errno = BEFORE;
}

/* Prints what a file holds and where its position is. */
static void holds(const char *what, int fd)
{
	static unsigned char bytes[4 * BLOCK];
	unsigned long sum = 0;
	int kept = errno;
	ssize_t count = pread(fd, bytes, sizeof bytes, 0);
	for (ssize_t i = 0; i < count; i++)
		sum = sum * 31 + bytes[i];
	printf("# %s: %zd bytes, sum %lx, at %ld\n", what, count, sum, (long)lseek(fd, 0, SEEK_CUR));
	errno = kept;
}

/* A pipe with the same path in every run. */
static int named_pipe(void)
{
	CHECK(mkfifo("fifo", 0600) == 0);
	int fd = open("fifo", O_RDWR);
	CHECK(fd >= 0);
	return fd;
}

/* Returns `len` bytes that end at unmapped memory. */
static char *before_a_hole(size_t len)
{
	static char *pages;
	if (pages == NULL) {
		/* At the same address in every run. */
		pages = mmap((void *)0x200000000000, 2 * BLOCK, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
		CHECK(pages != MAP_FAILED);
		errno = BEFORE;
	}
	return pages + 2 * BLOCK - len;
}

static void files(void)
{
	in = source("source", 2 * BLOCK);
	out = source("target", 0);
	third = source("third", 0);
	errno = BEFORE;
}

static void clone_all(void)
{
	int readable = open("target", O_RDONLY), fifo = named_pipe();
	errno = BEFORE;
	method = "reflink";
#define CLONE(to, request, from)                                                                      \
	do {                                                                                          \
		long result = ioctl(to, request, from);                                               \
		line(result, "ioctl(%s, FICLONE, %s", shown(to), shown((int)(from)));                 \
	} while (0)
	CLONE(out, FICLONE, (long)in);
	holds("cloned", out);
	/* The kernel reads 32 bits of the request and of the descriptor. */
	CLONE(third, FICLONE | 0xabcd000000000000, in | 0x7700000000);
	holds("cloned with more bits", third);
	CLONE(out, (unsigned long)(int)FICLONE, -1L);
	CLONE(-1, FICLONE, (long)in);
	CLONE(out, FICLONE, 1000L);
	CLONE(readable, FICLONE, (long)in);
	CLONE(fifo, FICLONE, (long)in);
	CLONE(out, FICLONE, (long)fifo);
	CLONE(out, FICLONE, (long)elsewhere);
	CLONE(out, FICLONE, 0x7fff0000ffffffff);
	holds("in the end", out);
	holds("the source", in);
}

static void ranged(int to, struct file_clone_range *range)
{
	long result = ioctl(to, FICLONERANGE, range);
	line(result, "ioctl(%s, FICLONERANGE, {src_fd=%s, src_offset=%llu, src_length=%llu, dest_offset=%llu}",
	     shown(to), shown((int)range->src_fd), range->src_offset, range->src_length, range->dest_offset);
}

static void clone_range(void)
{
	struct file_clone_range ranges[] = {
		{ in, 0, BLOCK, 0 },
		{ in, BLOCK, 0, BLOCK },
		{ in, 0, 0, 0 },
		{ in | 0x500000000, BLOCK, BLOCK, 3 * BLOCK },
		{ in, 2 * BLOCK, 0, 0 },
		{ in, 1, BLOCK, 0 },
		{ in, 0, 3 * BLOCK, 0 },
		{ in, 0, BLOCK, -1 },
		{ in, -BLOCK, BLOCK, 0 },
		{ in, 0, -1, 0 },
		{ -1, 0, BLOCK, 0 },
		{ elsewhere, 0, BLOCK, 0 },
		{ out, 0, 2 * BLOCK, BLOCK },
	};
	method = "reflink";
	for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
		ranged(out, &ranges[i]);
		holds("target", out);
	}
	ranged(-1, ranges);
	/* Up to the end of memory, and unaligned. */
	struct file_clone_range *last = (void *)before_a_hole(sizeof *last);
	*last = ranges[0];
	ranged(third, last);
	last = memmove((char *)last - 3, last, sizeof *last);
	ranged(third, last);
	/* Memory that is unmapped, starts too late, or ends too early. */
	void *bad[] = { NULL, NOWHERE, before_a_hole(8), before_a_hole(31), before_a_hole(24), (void *)-8L,
		(void *)-1L, (void *)0x800000000000 };
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		long result = ioctl(third, FICLONERANGE, bad[i]);
		line(result, "ioctl(%s, FICLONERANGE, 0x%lx", shown(third), (unsigned long)bad[i]);
	}
	holds("third", third);
}

/* Prints a line for each target. If the call as a whole is refused, one for the first. If there
 * is no target, or its memory is bad, `lines` is 0. */
static void deduped(int from, struct file_dedupe_range *range, int lines)
{
	long result = ioctl(from, FIDEDUPERANGE, range);
	int error = errno, count = range->dest_count;
	if (result < 0 && lines > 1)
		lines = 1;
	for (int i = lines > 0 ? 0 : -1; i < lines; i++) {
		struct file_dedupe_range_info *info = &range->info[i];
		char notes[60] = "kernel";
		printf("ioctl(%s, FIDEDUPERANGE, {src_offset=%llu, src_length=%llu, dest_count=%d, info=[", shown(from),
		       range->src_offset, range->src_length, count);
		if (i >= 0)
			printf("{dest_fd=%s, dest_offset=%llu}", shown((int)info->dest_fd), info->dest_offset);
		printf("]}");
		if (i >= 0 && result >= 0) {
			int same = info->status == FILE_DEDUPE_RANGE_SAME;
			printf(" => {info=[{bytes_deduped=%llu, status=%d}]}", same ? info->bytes_deduped : 0,
			       info->status);
			strcpy(notes, same ? "dedupe" : "kernel");
		}
		if (i >= 0 && count > 1)
			sprintf(notes + strlen(notes), ", target %d of %d", i + 1, count);
		ends(result, error, notes);
	}
}

static struct file_dedupe_range *request(struct file_dedupe_range *range, off_t from, size_t len, int count)
{
	*range = (struct file_dedupe_range){ .src_offset = from, .src_length = len, .dest_count = count };
	return range;
}

static void dedupe(void)
{
	static union {
		struct file_dedupe_range range;
		char room[1 << 20];
	} all;
	struct file_dedupe_range *range = &all.range;
	struct file_dedupe_range_info *info = range->info;
	int same = source("same", 2 * BLOCK), differs = source("differs", 2 * BLOCK);
	CHECK(pwrite(differs, "!", 1, BLOCK + 5) == 1);
	errno = BEFORE;

	*info = (struct file_dedupe_range_info){ .dest_fd = same };
	deduped(in, request(range, 0, 2 * BLOCK, 1), 1);
	*info = (struct file_dedupe_range_info){ .dest_fd = differs };
	deduped(in, request(range, 0, 2 * BLOCK, 1), 1);
	for (int i = 0; i < 3; i++)
		info[i] = (struct file_dedupe_range_info){ .dest_fd = i == 1 ? differs : same };
	deduped(in, request(range, 0, 2 * BLOCK, 3), 3);
	info[0] = (struct file_dedupe_range_info){ .dest_fd = -1, .bytes_deduped = 9, .status = 9 };
	info[1] = (struct file_dedupe_range_info){ .dest_fd = elsewhere };
	info[2] = (struct file_dedupe_range_info){ .dest_fd = same | 0x900000000, .dest_offset = BLOCK };
	deduped(in, request(range, BLOCK, BLOCK, 3), 3);
	/* As many as fit into a page, and more. */
	int most = ((int)sysconf(_SC_PAGESIZE) - 24) / 32;
	for (int i = 0; i < 2 * most; i++)
		info[i] = (struct file_dedupe_range_info){ .dest_fd = i % 2 == 0 ? same : differs };
	deduped(in, request(range, 0, BLOCK, 100), 100);
	deduped(in, request(range, 0, BLOCK, most), most);
	deduped(in, request(range, 0, BLOCK, most + 1), most + 1);
	deduped(in, request(range, 0, BLOCK, 65535), 65535);
	deduped(in, request(range, 0, BLOCK, 0), 0);
	/* The call as a whole is refused. */
	info[0] = info[1] = (struct file_dedupe_range_info){ .dest_fd = same };
	deduped(-1, request(range, 0, BLOCK, 2), 2);
	range->reserved1 = 1;
	deduped(in, range, 2);
	/* Bad memory for the head, and for the first and the second target. */
	void *bad[] = { NULL, NOWHERE, before_a_hole(8), before_a_hole(16), (void *)-24L };
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		long result = ioctl(in, FIDEDUPERANGE, bad[i]);
		line(result, "ioctl(%s, FIDEDUPERANGE, 0x%lx", shown(in), (unsigned long)bad[i]);
	}
	range = request((void *)before_a_hole(24), 0, BLOCK, 1);
	deduped(in, range, 0);
	range = request((void *)before_a_hole(24 + 31), 0, BLOCK, 1);
	deduped(in, range, 0);
	range = request((void *)before_a_hole(24 + 32), 0, BLOCK, 2);
	range->info[0] = (struct file_dedupe_range_info){ .dest_fd = same };
	deduped(in, range, 1);
	range->dest_count = 1;
	deduped(in, range, 1);
	holds("same", same);
	holds("differs", differs);
}

static void sends(const char *name, ssize_t (*send)(int, int, off_t *, size_t))
{
	int fifo = named_pipe(), sockets[2], terminal = open("/dev/ptmx", O_RDWR | O_NOCTTY);
	int readable = open("target", O_RDONLY), appends = open("third", O_WRONLY | O_APPEND);
	off_t offset = 0;
	CHECK(terminal >= 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
	errno = BEFORE;
	method = "kernel";
#define SEND(to, from, count)                                                                         \
	do {                                                                                          \
		long result = send(to, from, NULL, count);                                            \
		line(result, "%s(%s, %s, NULL, %lu", name, shown(to), shown(from), (unsigned long)(count)); \
		holds("source", in), holds("target", out);                                            \
	} while (0)
#define SEND_AT(to, from, place, count)                                                               \
	do {                                                                                          \
		off_t *at = (place), before = *at;                                                    \
		long result = send(to, from, at, count);                                              \
		line(result, "%s(%s, %s, [%ld] => [%ld], %lu", name, shown(to), shown(from), (long)before, \
		     (long)*at, (unsigned long)(count));                                              \
		holds("source", in), holds("target", out);                                            \
	} while (0)
	SEND(out, in, 1000);
	SEND(out, in, 0);
	SEND_AT(out, in, &offset, 5000);
	SEND_AT(out, in, &offset, -1UL);
	SEND_AT(out, in, &offset, 1);
	offset = -1;
	SEND_AT(out, in, &offset, 1);
	offset = LONG_MAX;
	SEND_AT(out, in, &offset, 1);
	offset = 0;
	SEND_AT(out, -1, &offset, 1);
	SEND_AT(readable, in, &offset, 1);
	SEND_AT(appends, in, &offset, 1);
	SEND(out, fifo, 1);
	SEND(out, elsewhere, 100);
	/* At the end of memory, and unaligned. */
	off_t *last = (void *)before_a_hole(8);
	*last = 1;
	SEND_AT(out, in, last, 10);
	last = (void *)(before_a_hole(8) - 5);
	memset(last, 0, 8);
	SEND_AT(out, in, last, 10);
	/* If the offset cannot be written, the bytes are moved all the same. */
	CHECK(mprotect(before_a_hole(BLOCK), BLOCK, PROT_READ) == 0);
	errno = BEFORE;
	SEND_AT(out, in, last, 10);
	CHECK(mprotect(before_a_hole(BLOCK), BLOCK, PROT_READ | PROT_WRITE) == 0);
	errno = BEFORE;
	void *bad[] = { NOWHERE, before_a_hole(7), before_a_hole(0), (void *)-8L, (void *)-1L };
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		long result = send(out, in, bad[i], 10);
		line(result, "%s(%s, %s, 0x%lx, 10", name, shown(out), shown(in), (unsigned long)bad[i]);
	}
	/* Sending to a target that is not a regular file is not a copy. */
	offset = 3;
	quiet("to a pipe", send(fifo, in, &offset, 10));
	quiet("to a socket", send(sockets[0], in, &offset, 10));
	quiet("to a terminal", send(terminal, in, &offset, 10));
	quiet("to nobody", send(-1, in, &offset, 10));
	printf("# offset %ld\n", (long)offset);
	holds("in the end", out);
}

/* Requests that the library does not handle; some look similar. */
static void others(void)
{
	int pair[2], number = 0;
	CHECK(pipe(pair) == 0 && write(pair[1], "12345", 5) == 5);
	errno = BEFORE;
	quiet("FIONREAD", ioctl(pair[0], FIONREAD, &number));
	printf("# %d bytes\n", number);
	quiet("FIONREAD of more bits", ioctl(pair[0], FIONREAD | 0xffff000000000000, &number));
	quiet("FIGETBSZ", ioctl(in, FIGETBSZ, &number) == 0 && number > 0 ? 0 : -1);
	quiet("FIOCLEX", ioctl(in, FIOCLEX));
	quiet("TIOCGWINSZ", ioctl(in, TIOCGWINSZ, NOWHERE));
	static const unsigned long alike[] = { 0x9409, 0x940d, 0x9436, 0x80049409, 0xc0049409, 0x40089409,
		0x4004940a, 0x4004940900000000, 0x4004940d, 0xc020940d, 0x4018940d, 0x40189436, 0xc0209436,
		0x4020940e, 0xc0189437 };
	for (size_t i = 0; i < sizeof alike / sizeof *alike; i++) {
		char what[40];
		sprintf(what, "%lx", alike[i]);
		quiet(what, ioctl(out, alike[i], (long)in));
	}
	struct fiemap map = { .fm_length = -1 };
	quiet("FIEMAP", ioctl(in, FS_IOC_FIEMAP, &map) < 0 && errno != EOPNOTSUPP && errno != ENOTTY ? -1 : 0);
	holds("in the end", out);
}

static void run(int argc, char **argv)
{
	CHECK(argc > 1);
	watchdog();
	if (argc > 2)
		elsewhere = open(argv[2], O_RDWR);
	files();
	if (strcmp(argv[1], "clone") == 0)
		clone_all();
	if (strcmp(argv[1], "clone_range") == 0)
		clone_range();
	if (strcmp(argv[1], "dedupe") == 0)
		dedupe();
	if (strcmp(argv[1], "sendfile") == 0)
		sends("sendfile", sendfile);
	if (strcmp(argv[1], "sendfile64") == 0)
		sends("sendfile64", sendfile64);
	if (strcmp(argv[1], "others") == 0)
		others();
	fflush(stdout);
}

#ifdef EARLY
/* As a library: before `main` and before the constructors of libraries that were preloaded
 * first. */
__attribute__((constructor)) static void before_main(int argc, char **argv)
{
	run(argc, argv);
}
#else
int main(int argc, char **argv)
{
	run(argc, argv);
}
#endif
