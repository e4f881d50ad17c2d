/* Passes offset pointers that cannot be read, cannot be written, or straddle two pages. */
#include "check.h"
#include <sys/mman.h>

enum { PAGE = 4096 };

static int in, out;

static void show(const char *what, ssize_t result)
{
	struct stat stat;
	CHECK(fstat(out, &stat) == 0);
	printf("%s: %zd errno %d, target %ld\n", what, result, errno, (long)stat.st_size);
	CHECK(ftruncate(out, 0) == 0);
	lseek(out, 0, SEEK_SET);
	lseek(in, 0, SEEK_SET);
}

static void each(const char *what, void *wild)
{
	loff_t good = 0;
	char name[64];
	printf("%s\n", what);
	for (int through = 0; through < 2; through++) {
		for (int place = 0; place < 3; place++) {
			loff_t *off_in = place != 1 ? wild : &good, *off_out = place != 0 ? wild : &good;
			good = 0;
			errno = 77;
			atomic_fetch_add(&calls, 1);
			ssize_t result = through ? syscall(SYS_copy_file_range, in, off_in, out, off_out, 100L, 0)
			                         : copy_file_range(in, off_in, out, off_out, 100, 0);
			snprintf(name, sizeof name, "  %d %d, other %ld", through, place, (long)good);
			show(name, result);
		}
	}
}

int main(void)
{
	watchdog();
	in = source("source", 1000);
	out = target("out");
	char *pages = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	/* Not unmapped, because a later mapping could get the address. */
	CHECK(pages != MAP_FAILED && mprotect(pages + PAGE, PAGE, PROT_NONE) == 0);
	char *hidden = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *fixed = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	/* A page beyond the end of its file: touching it raises SIGBUS. */
	int empty = target("empty");
	char *gone = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, empty, 0);
	CHECK(hidden != MAP_FAILED && fixed != MAP_FAILED && gone != MAP_FAILED);
	each("null", NULL);
	each("one", (void *)1);
	each("minus one", (void *)-1L);
	each("kernel", (void *)0xffffffff81000000);
	each("not canonical", (void *)0x8000000000000000);
	each("hidden", hidden);
	each("fixed", fixed);
	each("past the file", gone);
	each("code", (void *)(((unsigned long)main) & ~7ul));
	each("unaligned", pages + 3);
	printf("%d %d\n", pages[3], pages[4]);
	each("astride a hole", pages + PAGE - 4);
	for (int i = -8; i < 0; i++)
		printf("%d ", pages[PAGE + i]);
	each("\nat a hole's end", pages + 2 * PAGE - 3);
	each("last before a hole", pages + PAGE - 8);
	printf("%d\n", pages[PAGE - 8]);
	report();
}
