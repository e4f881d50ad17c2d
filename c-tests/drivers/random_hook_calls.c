/* Makes random calls of ioctl(2) and sendfile(2), good and bad, in an empty directory.
 *
 *     random_hook_calls SEED COUNT     prints what each call returned and left, the same for a seed
 *     random_hook_calls threads        calls from 64 threads, with structs that other threads write to */
#include "check.h"
#include "random.h"
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define BLOCK 65536
#define TARGETS 130

static int fds[14];
#define COUNT(array) (long)(sizeof(array) / sizeof *(array))

static union room {
	struct file_clone_range clone;
	struct file_dedupe_range dedupe;
	off_t offset;
	unsigned char bytes[24 + 32 * TARGETS];
} shared;

static int any_fd(void)
{
	return fds[below(COUNT(fds))];
}

static uint64_t any_offset(void)
{
	switch (below(8)) {
	case 0: return next_random();
	case 1: return -below(3);
	case 2: return INT64_MAX - below(2);
	case 3: return below(4 * BLOCK);
	default: return below(5) * BLOCK;
	}
}

static void any_struct(union room *room, unsigned long request)
{
	if (one_in(20)) {
		fill_random(room->bytes, sizeof room->bytes);
		return;
	}
	if (request != FIDEDUPERANGE) {
		room->clone = (struct file_clone_range){ any_fd(), any_offset(), any_offset(), any_offset() };
		return;
	}
	int count = one_in(10) ? below(65536) : below(one_in(4) ? TARGETS : 4);
	room->dedupe = (struct file_dedupe_range){ any_offset(), any_offset(), count, one_in(20), 0 };
	for (int i = 0; i < TARGETS; i++)
		room->dedupe.info[i] = (struct file_dedupe_range_info){ .dest_fd = any_fd(), .dest_offset = any_offset() };
}

static unsigned long any_request(void)
{
	static const unsigned long requests[] = { FICLONE, FICLONERANGE, FIDEDUPERANGE, FIGETBSZ, TIOCGWINSZ };
	unsigned long request = requests[below(COUNT(requests))];
	if (one_in(6))
		request |= next_random() << 32;
	if (one_in(12))
		request ^= 1ul << (16 + below(14));
	return request;
}

/* One of the files. Its end is at the limit, so that no copy reads what it has written. */
static long sends(void *offset)
{
	size_t count = below(one_in(10) ? 2 : 6 * BLOCK);
	return (one_in(2) ? sendfile : sendfile64)(any_fd(), any_fd(), offset, count);
}

static void open_files(void)
{
	int sockets[2];
	CHECK(mkfifo("fifo", 0600) == 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sockets) == 0);
	CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
	int opened[] = { -1, 1000, source("a", 4 * BLOCK), source("b", 4 * BLOCK), source("c", BLOCK / 2), target("d"),
		source("e", 3 * BLOCK + 5), open("a", O_RDONLY), open("b", O_WRONLY), open("c", O_RDWR | O_APPEND),
		open("fifo", O_RDWR | O_NONBLOCK), sockets[0], open(".", O_RDONLY), open("/dev/null", O_RDWR) };
	memcpy(fds, opened, sizeof fds);
}

static void say(long i, const char *what, long result, int error, const union room *room)
{
	unsigned long sum = 0;
	struct stat stat;
	for (size_t at = 0; at < sizeof *room; at++)
		sum = sum * 31 + room->bytes[at];
	printf("%ld %s %ld %d %lx", i, what, result, error, sum);
	for (int fd = 2; fd < 7; fd++)
		printf(" %ld %ld", (long)lseek(fds[fd], 0, SEEK_CUR), fstat(fds[fd], &stat) == 0 ? stat.st_size : -1);
	puts("");
}

static void contents(void)
{
	static unsigned char bytes[65 * BLOCK];
	for (int fd = 2; fd < 7; fd++) {
		unsigned long sum = 0;
		ssize_t count = pread(fds[fd], bytes, sizeof bytes, 0);
		for (ssize_t at = 0; at < count; at++)
			sum = sum * 31 + bytes[at];
		printf("%zd %lx\n", count, sum);
	}
}

static void sequence(uint64_t seed, long count)
{
	/* More than a log line holds. */
	struct rlimit limit = { 64 * BLOCK, 64 * BLOCK };
	CHECK(signal(SIGXFSZ, SIG_IGN) != SIG_ERR && setrlimit(RLIMIT_FSIZE, &limit) == 0);
	static union room room;
	char *hole = mmap(NULL, 2 * BLOCK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(hole != MAP_FAILED && munmap(hole + BLOCK, BLOCK) == 0);
	seed_random(seed);
	for (long i = 0; i < count; i++) {
		void *place = &room;
		const char *what = "ioctl";
		long result;
		unsigned long request = any_request();
		any_struct(&room, (unsigned)request);
		if (one_in(5)) {
			/* Some or all of it, before unmapped memory; sometimes at another
			 * address. */
			size_t len = one_in(3) ? (size_t)below(80) : sizeof room;
			place = memcpy(hole + BLOCK - len, &room, len);
			if (one_in(4))
				place = (void *)(one_in(2) ? next_random() & ~(1ul << 46) : -next_random() % 64);
			/* No address of live memory. */
			if ((uintptr_t)place > 4096 && (uintptr_t)place < 1ul << 47 && place < (void *)hole)
				place = NULL;
		}
		errno = 77;
		if (one_in(3)) {
			what = "sendfile";
			if (one_in(8))
				place = NULL;
			else if (place == &room)
				room.offset = any_offset();
			result = sends(place);
		} else if ((unsigned)request == FICLONE || one_in(50)) {
			result = ioctl(any_fd(), request, any_fd() | (one_in(3) ? next_random() << 32 : 0));
		} else {
			result = ioctl(any_fd(), request, place);
		}
		say(i, what, result, errno, &room);
		if (i % 100 == 0)
			contents();
	}
	contents();
}

static atomic_int over;

static void *writes_structs(void *unused)
{
	static const unsigned counts[] = { 0, 1, 2, 3, 127, 128, 65535 };
	(void)unused;
	for (unsigned i = 0; !over; i++) {
		((volatile union room *)&shared)->dedupe.dest_count = counts[i % 7];
		((volatile union room *)&shared)->clone.src_fd = fds[i % COUNT(fds)];
		((volatile union room *)&shared)->dedupe.info[i % 3].dest_fd = fds[2 + i % 5];
		((volatile union room *)&shared)->dedupe.info[i % 3].status = i;
	}
	return NULL;
}

static void *calls_often(void *number)
{
	char name[40];
	sprintf(name, "source of %ld", (long)number);
	int in = source(name, BLOCK);
	sprintf(name, "target of %ld", (long)number);
	int out = target(name);
	for (int i = 0; i < 60; i++) {
		off_t offset = 0;
		errno = 77;
		long result = ioctl(fds[2 + i % 5], i % 2 == 0 ? FIDEDUPERANGE : FICLONERANGE, &shared);
		CHECK(result == 0 ? errno == 77 : result == -1 && errno != 77);
		errno = 77;
		CHECK(sendfile(out, in, &offset, 10) == 10 && offset == 10 && errno == 77);
		CHECK(ioctl(out, FICLONE, -1) == -1 && errno == EBADF);
	}
	close(in);
	close(out);
	return NULL;
}

static void from_threads(void)
{
	pthread_t writers[2], callers[64];
	for (int i = 0; i < 2; i++)
		CHECK(pthread_create(&writers[i], NULL, writes_structs, NULL) == 0);
	for (long i = 0; i < 64; i++)
		CHECK(pthread_create(&callers[i], NULL, calls_often, (void *)i) == 0);
	for (int i = 0; i < 64; i++)
		CHECK(pthread_join(callers[i], NULL) == 0);
	over = 1;
	for (int i = 0; i < 2; i++)
		CHECK(pthread_join(writers[i], NULL) == 0);
	puts("ok");
}

int main(int argc, char **argv)
{
	CHECK(argc > 1);
	watchdog();
	open_files();
	if (strcmp(argv[1], "threads") == 0) {
		from_threads();
		return 0;
	}
	CHECK(argc == 3);
	sequence(strtoul(argv[1], NULL, 10), atol(argv[2]));
}
