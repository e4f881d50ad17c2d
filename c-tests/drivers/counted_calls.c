/* Makes calls that a summary counts:
 *
 *     counted_calls ends WAY            three calls, and an end of that kind
 *     counted_calls forks | vforks      calls in children too
 *     counted_calls many PROCESSES THREADS FILES CALLS [BYTES]
 *     counted_calls garbage SEED        random words in the launcher's counters, and one call */
#include "check.h"
#include <sys/resource.h>

static int files, calls_each;
static size_t bytes_each = 10;
static int in;

static void copies(const char *name, int count)
{
	int out = target(name);
	for (int i = 0; i < count; i++)
		copy_start(in, out, 10);
	close(out);
}

static void *exits(void *unused)
{
	(void)unused;
	exit(0);
}

static void end(char **argv, const char *way)
{
	pthread_t thread;
	copies("target", 3);
	if (strcmp(way, "return") == 0)
		return;
	if (strcmp(way, "exit") == 0)
		exit(0);
	if (strcmp(way, "_exit") == 0)
		_exit(0);
	if (strcmp(way, "_Exit") == 0)
		_Exit(0);
	if (strcmp(way, "thread") == 0) {
		CHECK(pthread_create(&thread, NULL, exits, NULL) == 0);
		pthread_join(thread, NULL);
	}
	if (strcmp(way, "quick_exit") == 0)
		quick_exit(0);
	if (strcmp(way, "abort") == 0)
		abort();
	if (strcmp(way, "SIGTERM") == 0)
		raise(SIGTERM);
	if (strcmp(way, "SIGKILL") == 0)
		raise(SIGKILL);
	if (strcmp(way, "crash") == 0)
		*(volatile int *)0 = 0;
	if (strcmp(way, "exec") == 0)
		execl("/proc/self/exe", argv[0], "nothing", NULL);
	CHECK(!"a way to end");
}

static void *copier(void *number)
{
	char name[32];
	for (int i = 0; i < calls_each; i++) {
		snprintf(name, sizeof name, "out-%ld", ((long)number * calls_each + i) % files);
		int out = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
		CHECK(out >= 0);
		copy_start(in, out, bytes_each);
		close(out);
	}
	return NULL;
}

static void many(int processes, int threads)
{
	pthread_t all[1000];
	for (int i = 1; i < processes; i++) {
		pid_t child = fork();
		CHECK(child >= 0);
		if (child == 0) {
			processes = 1;
			break;
		}
	}
	CHECK(threads <= 1000);
	for (long i = 0; i < threads; i++)
		CHECK(pthread_create(&all[i], NULL, copier, (void *)i) == 0);
	for (int i = 0; i < threads; i++)
		pthread_join(all[i], NULL);
	for (int i = 1; i < processes; i++) {
		int status;
		CHECK(wait(&status) > 0 && status == 0);
	}
}

/* As a program could that writes through wild pointers. */
static void write_garbage(unsigned long long state)
{
	char line[512], rights[8], name[256];
	unsigned long long from, to, kind = state % 4;
	FILE *maps = fopen("/proc/self/maps", "r");
	int found = 0;
	CHECK(maps != NULL);
	while (fgets(line, sizeof line, maps) != NULL) {
		if (sscanf(line, "%llx-%llx %7s %*s %*s %*s %255s", &from, &to, rights, name) != 4
			|| strstr(name, "cfr-stats") == NULL)
			continue;
		found = 1;
		for (volatile unsigned long long *word = (void *)from; (unsigned long long)word < to; word++) {
			state ^= state << 13;
			state ^= state >> 7;
			state ^= state << 17;
			if (kind == 0 || state % 3 == 0)
				*word = state;
			else if (kind == 1)
				*word = state % 4;
			else if (kind == 2)
				*word = ~0ull;
			else
				*word = getpid();
		}
	}
	fclose(maps);
	CHECK(found);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	watchdog();
	if (strcmp(what, "nothing") == 0)
		return 0;
	in = source("source", 10);
	if (strcmp(what, "ends") == 0) {
		/* No core file. */
		setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
		end(argv, argv[2]);
	} else if (strcmp(what, "forks") == 0) {
		copies("first", 3);
		for (int i = 0; i < 2; i++) {
			pid_t child = fork();
			CHECK(child >= 0);
			if (child == 0) {
				copies("child", 2 * i);
				exit(0);
			}
			CHECK(ending(child) == 0);
		}
	} else if (strcmp(what, "vforks") == 0) {
		pid_t child = vfork();
		CHECK(child >= 0);
		if (child == 0) {
			copies("child", 2);
			_exit(0);
		}
		CHECK(ending(child) == 0);
		copies("parent", 1);
	} else if (strcmp(what, "many") == 0) {
		files = atoi(argv[4]);
		calls_each = atoi(argv[5]);
		if (argc > 6) {
			bytes_each = atol(argv[6]);
			close(in);
			in = source("source", bytes_each);
		}
		many(atoi(argv[2]), atoi(argv[3]));
	} else if (strcmp(what, "garbage") == 0) {
		write_garbage(strtoull(argv[2], NULL, 0));
		copies("target", 1);
	} else {
		CHECK(!"a mode");
	}
	return 0;
}
