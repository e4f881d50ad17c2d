/* Standard error is full and never read: a "pipe", "fifo", "socket" or "terminal". */
#include "check.h"
#include <sys/socket.h>
#include <termios.h>

enum { THREADS = 4 };

static int in, out;

static void *copier(void *unused)
{
	for (int i = 0; i < 400; i++)
		copy_while_full(in, out);
	return unused;
}

static int channel(const char *kind, int *reader)
{
	int pair[2];
	if (strcmp(kind, "pipe") == 0)
		CHECK(pipe(pair) == 0);
	if (strcmp(kind, "socket") == 0)
		CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	if (strcmp(kind, "fifo") == 0) {
		CHECK(mkfifo("fifo", 0600) == 0);
		pair[0] = open("fifo", O_RDONLY | O_NONBLOCK);
		pair[1] = open("fifo", O_WRONLY);
		unlink("fifo");
	}
	if (strcmp(kind, "terminal") == 0) {
		struct termios raw;
		pair[0] = posix_openpt(O_RDWR | O_NOCTTY);
		CHECK(pair[0] >= 0 && grantpt(pair[0]) == 0 && unlockpt(pair[0]) == 0);
		pair[1] = open(ptsname(pair[0]), O_RDWR | O_NOCTTY);
		CHECK(tcgetattr(pair[1], &raw) == 0);
		cfmakeraw(&raw);
		CHECK(tcsetattr(pair[1], TCSANOW, &raw) == 0);
	}
	CHECK(pair[0] >= 0 && pair[1] >= 0);
	*reader = pair[0];
	return pair[1];
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS];
	watchdog();
	if (argc == 3) {
		int reader, writer = channel(argv[2], &reader);
		fill_channel(writer);
		pid_t child = fork();
		if (child == 0) {
			dup2(writer, 2);
			execl("/proc/self/exe", argv[0], argv[1], argv[2], "inner", NULL);
			_exit(98);
		}
		return ending(child) == 0 ? 0 : 96;
	}
	in = source("source", 1000);
	out = target("out");
	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_create(&threads[i], NULL, copier, NULL) == 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	puts("ok");
}
