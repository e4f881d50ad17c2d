/* Clears and rewrites its environment while it copies, and executes a program without any. */
#include "check.h"

extern char **environ;

int main(int argc, char **argv)
{
	watchdog();
	if (argc > 2) {
		/* The library is not preloaded here, so this call is not counted. */
		int in = source("source", 1000), out = target("child");
		copy_start(in, out, 1000);
		return 0;
	}
	int in = source("source", 1000), out = target("out");
	for (char **entry = environ; *entry; entry++)
		memset(*entry, 'x', strlen(*entry));
	environ = NULL;
	copy_start(in, out, 1000);
	setenv("CFR_LOG", "off", 1);
	setenv("CFR_LOG_FILE", "elsewhere", 1);
	copy_start(in, out, 1000);
	clearenv();
	copy_start(in, out, 1000);
	report();
	pid_t child = fork();
	if (child == 0) {
		char *none = NULL;
		char *self[] = { argv[0], argv[1], "child", NULL };
		execve("/proc/self/exe", self, &none);
		_exit(98);
	}
	CHECK(ending(child) == 0);
	puts("ok");
}
