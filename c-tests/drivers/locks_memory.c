/* Locks its memory as an ordinary user, who may lock 8 MiB of it, and copies. Prints "ok". */
#include "check.h"
#include <sys/mman.h>
#include <sys/resource.h>

enum { NOBODY = 65534 };

int main(void)
{
	const struct rlimit limit = { 8 << 20, 8 << 20 };
	watchdog();
	int in = source("source", 300000), out = target("out");
	CHECK(setrlimit(RLIMIT_MEMLOCK, &limit) == 0);
	if (geteuid() == 0)
		CHECK(setresgid(NOBODY, NOBODY, NOBODY) == 0 && setresuid(NOBODY, NOBODY, NOBODY) == 0);
	CHECK(mlockall(MCL_CURRENT | MCL_FUTURE) == 0);
	for (int i = 0; i < 3; i++) {
		errno = 77;
		copy_start(in, out, 1000);
		copy_start(in, out, 300000);
		CHECK(errno == 77);
	}
	CHECK(write(1, "ok\n", 3) == 3);
	return 0;
}
