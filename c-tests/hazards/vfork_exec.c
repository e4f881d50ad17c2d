/* Starts children that share its memory until they exec: vfork(2) and posix_spawn(3). */
#include "check.h"
#include <spawn.h>

extern char **environ;

int main(int argc, char **argv)
{
	watchdog();
	if (argc > 2) {
		int in = open("source", O_RDONLY), out = target("child");
		copy_start(in, out, 1000);
		report();
		return 0;
	}
	int in = source("source", 1000), out = target("parent");
	for (int i = 0; i < 20; i++) {
		pid_t child = vfork();
		if (child == 0) {
			execlp("cp", "cp", "source", "copied-vfork", NULL);
			_exit(98);
		}
		CHECK(ending(child) == 0);
		copy_start(in, out, 1000);
		char *cp[] = { "cp", "source", "copied-spawn", NULL };
		CHECK(posix_spawnp(&child, "cp", NULL, NULL, cp, environ) == 0);
		CHECK(ending(child) == 0);
		char *self[] = { argv[0], argv[1], "child", NULL };
		CHECK(posix_spawn(&child, "/proc/self/exe", NULL, NULL, self, environ) == 0);
		CHECK(ending(child) == 0);
		copy_start(in, out, 1000);
	}
	report();
	puts("ok");
}
