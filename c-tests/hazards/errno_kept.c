/* Checks errno after every call through any hook: unchanged after success, the kernel's after
 * failure. */
#include "check.h"

int main(void)
{
	watchdog();
	int in = source("source", 1000), out = target("out");
	for (int i = 0; i < 50; i++) {
		loff_t from = 0, to = 0;
		errno = 77;
		copy_start(in, out, 1000);
		CHECK(errno == 77);
		CHECK(copy(-1, &from, out, &to, 1000) == -1 && errno == EBADF);
		CHECK(copy(in, &from, -1, &to, 1000) == -1 && errno == EBADF);
		CHECK(copy(in, &from, 4000, &to, 1000) == -1 && errno == EBADF);
		CHECK(from == 0 && to == 0);
	}
	report();
	puts("ok");
}
