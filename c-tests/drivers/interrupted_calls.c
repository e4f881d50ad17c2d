/* Makes calls that signals interrupt while no answer comes: interrupted_calls COUNT restart|interrupt. Each
 * of COUNT calls of `from` to `to` gets a signal after 20 ms. It begins when the file `go` exists, makes
 * the file `done` when it has got its errors, and ends when `done` is gone. Prints the calls that failed
 * with EINTR. */
#include "check.h"

static void on_alarm(int signal)
{
	(void)signal;
}

static void await(const char *name, int exists)
{
	while ((access(name, F_OK) == 0) != exists)
		usleep(2000);
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_alarm };
	int interrupted = 0;
	CHECK(argc == 3);
	watchdog();
	action.sa_flags = strcmp(argv[2], "restart") == 0 ? SA_RESTART : 0;
	int in = open("from", O_RDONLY), out = open("to", O_RDWR | O_CREAT, 0600);
	CHECK(in >= 0 && out >= 0 && sigaction(SIGALRM, &action, NULL) == 0);
	await("go", 1);
	for (int i = 0; i < atoi(argv[1]); i++) {
		alarm_after(20000);
		if (syscall(SYS_copy_file_range, in, NULL, out, NULL, 1L, 0L) < 0) {
			CHECK(errno == EINTR);
			interrupted++;
		}
	}
	close(open("done", O_CREAT, 0600));
	await("done", 0);
	printf("%d\n", interrupted);
	return 0;
}
