/* Runs with two preloaded libraries that both replace copy_file_range. */
#include "check.h"
#include <dlfcn.h>

int main(void)
{
	watchdog();
	long (*counted)(void) = (long (*)(void))dlsym(RTLD_DEFAULT, "shim_counted");
	CHECK(counted != NULL && counted() == 0);
	int in = source("source", 1000), out = target("out");
	for (int i = 0; i < 20; i++) {
		errno = 77;
		copy_start(in, out, 1000);
		CHECK(errno == 77);
		CHECK(copy(-1, NULL, out, NULL, 10) == -1 && errno == EBADF);
	}
	/* If the library copies itself, there is no call to forward. */
	CHECK(counted() == 40 || getenv("CFR_BACKEND") != NULL);
	report();
	puts("ok");
}
