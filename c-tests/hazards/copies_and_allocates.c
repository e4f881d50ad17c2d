/* Four threads allocate, copy and free. Meanwhile a child is forked and does the same. */
#include "check.h"

static int in;

static void *copier(void *name)
{
	int out = target(name);
	for (unsigned i = 0; i < 300; i++) {
		char *memory = malloc(16 + i * 97 % 20000);
		CHECK(memory != NULL);
		memset(memory, 'x', 16);
		copy_start(in, out, 1000);
		CHECK(memory[15] == 'x');
		free(memory);
	}
	close(out);
	return NULL;
}

int main(void)
{
	pthread_t threads[4];
	static char *names[] = { "out-0", "out-1", "out-2", "out-3" };
	watchdog();
	in = source("source", 1000);
	for (int i = 0; i < 4; i++)
		CHECK(pthread_create(&threads[i], NULL, copier, names[i]) == 0);
	pid_t child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		atomic_store(&calls, 0);
		int out = target("child");
		for (int i = 0; i < 20; i++)
			copy_start(in, out, 1000);
		report();
		_exit(0);
	}
	CHECK(ending(child) == 0);
	for (int i = 0; i < 4; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	report();
	puts("ok");
}
