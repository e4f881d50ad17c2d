/* Executes a program as nohup(1), a careless daemon or a shell with open descriptors might:
 *
 *     started_badly PROGRAM ARGUMENT...
 *
 * SIGHUP, SIGINT and SIGQUIT are ignored and blocked, and descriptors 3 to 20 are open. */
#include "check.h"

int main(int argc, char **argv)
{
	static const int signals[] = { SIGHUP, SIGINT, SIGQUIT };
	sigset_t set;
	CHECK(argc > 1 && sigemptyset(&set) == 0);
	for (int i = 0; i < 3; i++)
		CHECK(signal(signals[i], SIG_IGN) != SIG_ERR && sigaddset(&set, signals[i]) == 0);
	CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	int null = open("/dev/null", O_RDONLY);
	for (int fd = 3; fd <= 20; fd++)
		CHECK(null >= 0 && dup2(null, fd) == fd);
	execv(argv[1], argv + 1);
	return 98;
}
