/* Eight processes, forked and then executed, share one log. */
#include "check.h"

int main(int argc, char **argv)
{
	watchdog();
	if (argc > 2) {
		int in = open("source", O_RDONLY), out = target(argv[2]);
		for (int i = 0; i < 500; i++)
			copy_start(in, out, 1000);
		report();
		return 0;
	}
	int in = source("source", 1000);
	copy_start(in, target("first"), 1000);
	report();
	for (int i = 0; i < 8; i++) {
		char name[] = "out-?";
		name[4] = '0' + i;
		pid_t child = fork();
		CHECK(child >= 0);
		if (child == 0 && i % 2)
			execl("/proc/self/exe", argv[0], argv[1], name, NULL);
		if (child == 0) {
			int out = target(name);
			for (int j = 0; j < 500; j++)
				copy_start(in, out, 1000);
			report();
			_exit(0);
		}
	}
	for (int i = 0; i < 8; i++)
		{
		int status;
		CHECK(wait(&status) > 0 && status == 0);
	}
	puts("ok");
}
