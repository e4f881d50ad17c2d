/* Copies, and damages the memory that it shares with the launcher, which is stopped meanwhile.
 *
 *     damages_memory lines COPIES     the text in it
 *     damages_memory all COPIES       all words, with random numbers */
#include "check.h"
#include <dirent.h>

/* Stops all threads of the launcher (proc_pid_stat(5): state T). */
static void stop_launcher(void)
{
	int running;
	CHECK(kill(getppid(), SIGSTOP) == 0);
	do {
		char name[300], text[512];
		struct dirent *task;
		snprintf(name, sizeof name, "/proc/%d/task", getppid());
		DIR *tasks = opendir(name);
		CHECK(tasks != NULL);
		running = 0;
		while ((task = readdir(tasks)) != NULL) {
			if (task->d_name[0] == '.')
				continue;
			snprintf(name, sizeof name, "/proc/%d/task/%s/stat", getppid(), task->d_name);
			FILE *stat = fopen(name, "r");
			if (stat == NULL)
				continue;
			CHECK(fgets(text, sizeof text, stat) != NULL);
			fclose(stat);
			running |= strstr(text, ") T ") == NULL;
		}
		closedir(tasks);
	} while (running);
}

/* Returns the shared counters and the rings of lines. */
static unsigned long *shared(size_t *words)
{
	char line[512];
	FILE *maps = fopen("/proc/self/maps", "r");
	CHECK(maps != NULL);
	while (fgets(line, sizeof line, maps) != NULL) {
		unsigned long start, end;
		if (strstr(line, "cfr-stats") != NULL && sscanf(line, "%lx-%lx", &start, &end) == 2) {
			fclose(maps);
			*words = (end - start) / sizeof *words;
			return (unsigned long *)start;
		}
	}
	CHECK(!"the launcher shares memory");
	return NULL;
}

static int is_text(unsigned long word)
{
	for (int i = 0; i < 8; i++, word >>= 8)
		if ((word & 0xff) < 0x20 || (word & 0xff) > 0x7e)
			return 0;
	return 1;
}

int main(int argc, char **argv)
{
	watchdog();
	CHECK(argc == 3);
	int all = strcmp(argv[1], "all") == 0;
	int in = source("source", 10), out = target("out");
	size_t words;
	unsigned long *memory = shared(&words), random = 0x9e3779b97f4a7c15 * atol(argv[2]);
	stop_launcher();
	for (int i = 0; i < atoi(argv[2]); i++)
		copy_start(in, out, 10);
	for (size_t i = 0; i < words; i++) {
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		if (all && random % 3 != 0)
			memory[i] = random % 5 == 0 ? random : random >> (random & 63);
		else if (is_text(memory[i]))
			memory[i] = 0x0a1b5b324a07ff00;
	}
	CHECK(kill(getppid(), SIGCONT) == 0);
	copy_start(in, out, 10);
	CHECK(write(1, "ok\n", 3) == 3);
	return 0;
}
