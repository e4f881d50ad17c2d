/* Copies in a child of vfork(2), which shares its parent's memory but not its descriptors. */
#include "check.h"

int main(void)
{
	watchdog();
	int in = source("source", 1000), out = target("out");
	copy_start(in, out, 1000);
	int before = descriptors();
	for (int i = 0; i < 50; i++) {
		pid_t child = vfork();
		if (child == 0) {
			/* The child's descriptors 3 to 63 are closed, the parent's are open. */
			for (int fd = 10; fd < 64; fd++)
				if (fd != in && fd != out)
					close(fd);
			copy_start(in, out, 1000);
			_exit(0);
		}
		CHECK(ending(child) == 0);
		copy_start(in, out, 1000);
	}
	printf("leaks: %s\n", descriptors() > before + 3 ? "yes" : "no");
	report();
}
