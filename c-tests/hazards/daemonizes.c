/* Becomes a daemon: forks twice, starts a session, closes everything, opens /dev/null as the
 * standard descriptors. Copies before and after each step. */
#include "check.h"
#include <sys/prctl.h>

static void copy_once(int in, int out)
{
	for (int i = 0; i < 3; i++)
		copy_start(in, out, 1000);
}

static void become_daemon(int in, int out)
{
	CHECK(setsid() > 0);
	copy_once(in, out);
	report();
	pid_t second = fork();
	CHECK(second >= 0);
	if (second != 0)
		_exit(0);
	for (int fd = 0; fd < 1024; fd++)
		close(fd);
	CHECK(open("/dev/null", O_RDWR) == 0 && dup(0) == 1 && dup(0) == 2);
	in = open("source", O_RDONLY), out = target("daemon");
	CHECK(in == 3 && out == 4);
	/* Among these numbers was the log's. */
	for (int fd = 5; fd < 64; fd++)
		CHECK(dup2(out, fd) == fd);
	copy_once(in, out);
	report();
	_exit(0);
}

int main(void)
{
	watchdog();
	/* The parent waits for this before it ends. */
	CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	int in = source("source", 1000), out = target("out");
	copy_once(in, out);
	report();
	pid_t first = fork(), daemon;
	int status;
	CHECK(first >= 0);
	if (first == 0)
		become_daemon(in, out);
	CHECK(ending(first) == 0);
	daemon = wait(&status);
	CHECK(daemon > 0 && daemon != first && status == 0);
	puts("ok");
}
