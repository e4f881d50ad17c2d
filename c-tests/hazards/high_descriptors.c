/* Has as many descriptors as its limit allows, up to a million. Its files have the highest
 * numbers; of those below, all but two are taken, then all. */
#include "check.h"
#include <sys/resource.h>

int main(void)
{
	/* Includes numbers above 2^20, which some encodings cannot hold. */
	long highest = 1024, most = (1 << 20) + 64;
	FILE *file = fopen("/proc/sys/fs/nr_open", "re");
	watchdog();
	CHECK(file != NULL && fscanf(file, "%ld", &highest) == 1 && fclose(file) == 0);
	if (highest > most)
		highest = most;
	struct rlimit limit = { highest, highest }, before;
	CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
		highest = before.rlim_max < (rlim_t)most ? (long)before.rlim_max : most;
		limit = (struct rlimit){ highest, before.rlim_max };
		CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	}
	int in = source("source", 1000), out = target("out");
	int high_in = fcntl(in, F_DUPFD, highest - 2), high_out = fcntl(out, F_DUPFD, highest - 1);
	CHECK(high_in == highest - 2 && high_out == highest - 1);
	while (dup(in) >= 0)
		;
	CHECK(errno == EMFILE);
	for (int i = 0; i < 3; i++)
		copy_start(high_in, high_out, 1000);
	/* The two highest numbers are free. */
	close(highest - 3), close(highest - 4);
	for (int i = 0; i < 3; i++)
		copy_start(high_in, high_out, 1000);
	report();
	puts("ok");
}
