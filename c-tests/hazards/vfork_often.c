/* A child of vfork(2) copies and then its parent, again and again. They share memory but not
 * descriptors; no descriptor may be left open. */
#include "check.h"

int main(int argc, char **argv)
{
	(void)argc, (void)argv;
	watchdog();
	int in = source("source", 100), out = target("out"), before = 0;
	for (int i = 0; i < 300; i++) {
		pid_t child = vfork();
		if (child == 0) {
			loff_t from = 0, to = 0;
			_exit(copy(in, &from, out, &to, 100) != 100);
		}
		CHECK(ending(child) == 0);
		copy_start(in, out, 100);
		if (i == 0)
			before = descriptors();
	}
	CHECK(descriptors() <= before + 1);
	puts("ok");
	report();
}
