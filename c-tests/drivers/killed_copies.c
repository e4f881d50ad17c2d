/* Kills processes in a long copy: killed_copies FROM TO CALL SIGNAL ROUNDS. CALL is copy or send.
 * Prints the most bytes that TO grew by after its process was waited for. */
#include "check.h"
#include <sys/sendfile.h>
#include <sys/wait.h>

static off_t size_of(int fd)
{
	struct stat st;
	CHECK(fstat(fd, &st) == 0);
	return st.st_size;
}

int main(int argc, char **argv)
{
	CHECK(argc == 6);
	watchdog();
	int is_send = strcmp(argv[3], "send") == 0, signal = atoi(argv[4]);
	off_t most = 0;
	for (int rounds = atoi(argv[5]); rounds > 0; rounds--) {
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
		CHECK(kill(child, signal) == 0 && waitpid(child, &status, 0) == child);
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == signal);
		off_t size = size_of(out);
		usleep(20000);
		if (size_of(out) - size > most)
			most = size_of(out) - size;
		CHECK(close(in) == 0 && close(out) == 0);
	}
	printf("%lld\n", (long long)most);
	return 0;
}
