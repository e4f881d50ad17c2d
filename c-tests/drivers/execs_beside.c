/* Executes argv[3] in one thread while another copies argv[1] to argv[2] in one long call, whose offsets
 * are in memory that the new program may have, too. */
#include "check.h"

static char **arguments;

static void *copies(void *unused)
{
	static loff_t from, to;
	struct stat st;
	int in = open(arguments[1], O_RDONLY | O_CLOEXEC);
	int out = open(arguments[2], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	CHECK(in >= 0 && out >= 0 && fstat(in, &st) == 0);
	for (;;)
		syscall(SYS_copy_file_range, in, &from, out, &to, st.st_size, 0L);
	return unused;
}

int main(int argc, char **argv)
{
	pthread_t thread;
	struct stat st = { 0 };
	CHECK(argc >= 4);
	arguments = argv;
	watchdog();
	CHECK(pthread_create(&thread, NULL, copies, NULL) == 0);
	while (stat(argv[2], &st) != 0 || st.st_size == 0)
		usleep(1000);
	execvp(argv[3], argv + 3);
	return 98;
}
