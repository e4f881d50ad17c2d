/* Executes itself again and again and copies once each time. The descriptors that it was started
 * with stay open, and no descriptor of the library is inherited. */
#include "check.h"

enum { LINKS = 30 };

int main(int argc, char **argv)
{
	char next[12];
	watchdog();
	int link = argc > 2 ? atoi(argv[2]) : 0;
	int in = link ? open("source", O_RDONLY | O_CLOEXEC) : source("source", 1000);
	/* The first program may have the standard descriptors and some inherited ones. */
	int before = descriptors();
	CHECK(link == 0 || argc == 4);
	CHECK(link == 0 || before == atoi(argv[3]));
	int out = open("out", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	copy_start(in, out, 1000);
	report();
	if (link == LINKS) {
		puts("ok");
		return 0;
	}
	char count[12];
	snprintf(next, sizeof next, "%d", link + 1);
	snprintf(count, sizeof count, "%d", before);
	execl("/proc/self/exe", argv[0], argv[1], next, count, NULL);
	return 98;
}
