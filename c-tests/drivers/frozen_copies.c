/* Copies into a frozen filesystem by many threads, and meanwhile elsewhere:
 *
 *     frozen_copies FROZEN ELSEWHERE THREADS
 *
 * FROZEN is the root of a filesystem. It is frozen (ioctl_fifreeze(2)) until the copy in the directory
 * ELSEWHERE has returned. */
#include "check.h"

static int root, in;
static int begun;

static void thaw(int signal)
{
	ioctl(root, FITHAW, 0);
	if (signal != 0)
		_exit(3);
}

static int open_in(const char *directory, const char *name)
{
	char path[4096];
	snprintf(path, sizeof path, "%s/%s", directory, name);
	return open(path, O_RDWR | O_CREAT, 0600);
}

static void *copies(void *out)
{
	loff_t from = 0;
	__atomic_add_fetch(&begun, 1, __ATOMIC_SEQ_CST);
	long count = syscall(SYS_copy_file_range, in, &from, (int)(long)out, NULL, 1000L, 0L);
	return (void *)(long)(count == 1000);
}

int main(int argc, char **argv)
{
	CHECK(argc == 4);
	static char data[1000];
	static pthread_t threads[1000];
	long count = atol(argv[3]), whole = 0;
	root = open(argv[1], O_RDONLY);
	in = open_in(argv[1], "from");
	int frozen = open_in(argv[1], "to"), other_in = open_in(argv[2], "a"), other = open_in(argv[2], "b");
	CHECK(root >= 0 && in >= 0 && frozen >= 0 && other_in >= 0 && other >= 0 && count <= 1000);
	CHECK(write(in, data, 1000) == 1000 && write(other_in, data, 1000) == 1000);
	/* Whatever happens, the filesystem does not stay frozen. */
	signal(SIGALRM, thaw);
	alarm(60);
	CHECK(ioctl(root, FIFREEZE, 0) == 0);
	for (long i = 0; i < count; i++)
		CHECK(pthread_create(&threads[i], NULL, copies, (void *)(long)frozen) == 0);
	while (__atomic_load_n(&begun, __ATOMIC_SEQ_CST) < count)
		usleep(1000);
	usleep(500000);
	loff_t from = 0;
	long beside = syscall(SYS_copy_file_range, other_in, &from, other, NULL, 1000L, 0L);
	thaw(0);
	for (long i = 0; i < count; i++) {
		void *is_whole;
		CHECK(pthread_join(threads[i], &is_whole) == 0);
		whole += (long)is_whole;
	}
	printf("%ld beside, %ld whole\n", beside, whole);
	return 0;
}
