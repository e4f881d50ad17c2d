/* Has no free descriptor when the log has to be opened, or so few that none is at 10 or above. */
#include "check.h"
#include <sys/resource.h>

static void limit(rlim_t number)
{
	struct rlimit limit;
	CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	limit.rlim_cur = number;
	CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

int main(void)
{
	watchdog();
	int in = source("source", 1000), out = target("out"), last, fd;
	for (int lowest = 8; lowest <= 40; lowest += 8) {
		limit(lowest);
		for (last = out; (fd = dup(in)) >= 0; last = fd)
			;
		CHECK(errno == EMFILE && last == lowest - 1);
		for (int i = 0; i < 3; i++)
			copy_start(in, out, 1000);
		/* The one free number must stay the host's. */
		close(last);
		copy_start(in, out, 1000);
		CHECK(dup(in) == last);
		copy_start(in, out, 1000);
		CHECK(dup(in) == -1 && errno == EMFILE);
		for (fd = out + 1; fd <= last; fd++)
			close(fd);
	}
	limit(1024);
	copy_start(in, out, 1000);
	copy_start(in, out, 1000);
	report();
	puts("ok");
}
