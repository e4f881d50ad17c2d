/* Kills processes in a long copy: killed_copies FROM TO CALL SIGNAL ROUNDS. CALL is copy or send.
 * Prints two numbers: the most bytes that TO grew by after its process was waited for, and the fewest
 * that it grew by from 10 ms after the signal on. A copy that ends before the signal is no round. */
#include "check.h"
#include <sys/sendfile.h>
#include <sys/wait.h>
#include <time.h>

static off_t size_of(int fd)
{
	struct stat st;
	CHECK(fstat(fd, &st) == 0);
	return st.st_size;
}

static long long now_us(void)
{
	struct timespec now;
	CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
	return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static void sleep_until(long long us)
{
	for (long long rest; (rest = us - now_us()) > 0;)
		usleep(rest);
}

int main(int argc, char **argv)
{
	CHECK(argc == 6);
	watchdog();
	int is_send = strcmp(argv[3], "send") == 0, signal = atoi(argv[4]);
	off_t most = 0, least = -1;
	for (int rounds = atoi(argv[5]); rounds > 0;) {
		int in = open(argv[1], O_RDONLY), out = open(argv[2], O_RDWR | O_CREAT | O_TRUNC, 0644);
		CHECK(in >= 0 && out >= 0);
		pid_t child = fork();
		CHECK(child >= 0);
		if (child == 0) {
			size_t len = size_of(in);
			_exit(is_send ? sendfile(out, in, NULL, len) < 0
				      : syscall(SYS_copy_file_range, in, NULL, out, NULL, len, 0L) < 0);
		}
		while (size_of(out) == 0)
			usleep(100);
		int status;
		long long killed = now_us();
		CHECK(kill(child, signal) == 0 && waitpid(child, &status, 0) == child);
		off_t size = size_of(out);
		sleep_until(killed + 10000);
		off_t later = size_of(out);
		sleep_until(killed + 60000);
		if (WIFSIGNALED(status) && size_of(out) < size_of(in)) {
			off_t whole = size_of(out) - size, rest = size_of(out) - later;
			CHECK(WTERMSIG(status) == signal);
			most = whole > most ? whole : most;
			least = least < 0 || rest < least ? rest : least;
			rounds--;
		}
		CHECK(close(in) == 0 && close(out) == 0);
	}
	printf("%lld %lld\n", (long long)most, (long long)least);
	return 0;
}
