/* Copies a large file in one call that a signal ends: long_copy FROM TO MILLISECONDS. Prints
 * `early` if the handler ran before the call had returned and the call copied a part, and
 * `late` if it copied everything. Positions must agree with the result. */
#include "check.h"

static atomic_int handled;

static void on_alarm(int signal)
{
	(void)signal;
	atomic_store(&handled, 1);
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_alarm };
	struct stat st;
	CHECK(argc == 4);
	watchdog();
	int in = open(argv[1], O_RDONLY), out = open(argv[2], O_RDWR | O_CREAT | O_TRUNC, 0644);
	CHECK(in >= 0 && out >= 0 && fstat(in, &st) == 0);
	CHECK(sigaction(SIGALRM, &action, NULL) == 0);
	long milliseconds = atol(argv[3]);
	if (milliseconds > 0)
		alarm_after(milliseconds * 1000);
	dprintf(1, "begins\n");
	long count = syscall(SYS_copy_file_range, in, NULL, out, NULL, st.st_size, 0L);
	int was_handled = atomic_load(&handled);
	CHECK(count > 0);
	CHECK(lseek(in, 0, SEEK_CUR) == count && lseek(out, 0, SEEK_CUR) == count);
	off_t size = st.st_size;
	CHECK(fstat(out, &st) == 0 && st.st_size == count);
	printf("%s\n", was_handled && count < size ? "early" : "late");
	return 0;
}
