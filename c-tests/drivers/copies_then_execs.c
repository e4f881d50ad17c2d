/* Copies a program and executes the copy at once, 200 times; then copies a file under a lock, closes it
 * and locks it again at once, 500 times: copies_then_execs PROGRAM copy|send|clone. Prints how many
 * failed: a descriptor that another process still holds makes execve(2) fail with ETXTBSY, and
 * keeps the lock of flock(2). */
#include "check.h"
#include <sys/file.h>

enum { EXECS = 200, LOCKS = 500 };

static const char *way;

static void copy_all(int in, int out)
{
	struct stat st;
	long count;
	CHECK(fstat(in, &st) == 0);
	if (strcmp(way, "clone") == 0) {
		CHECK(syscall(SYS_ioctl, out, FICLONE, in) == 0);
		return;
	}
	for (off_t done = 0; done < st.st_size; done += count) {
		if (strcmp(way, "send") == 0)
			count = syscall(SYS_sendfile, out, in, NULL, st.st_size - done);
		else
			count = syscall(SYS_copy_file_range, in, NULL, out, NULL, st.st_size - done, 0L);
		CHECK(count > 0);
	}
}

/* Executes the copy, which shares the memory of this process until then. Returns its wait status. */
static int executed(void)
{
	pid_t child = vfork();
	if (child == 0) {
		execl("copy", "copy", NULL);
		_exit(errno == ETXTBSY ? 111 : 112);
	}
	CHECK(child > 0);
	return ending(child);
}

int main(int argc, char **argv)
{
	int unlike = 0, busy = 0;
	CHECK(argc == 3);
	way = argv[2];
	watchdog();
	for (int i = 0; i < EXECS; i++) {
		unlink("copy");
		int in = open(argv[1], O_RDONLY | O_CLOEXEC), out = open("copy", O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
		CHECK(in >= 0 && out >= 0);
		copy_all(in, out);
		close(out);
		close(in);
		unlike += executed() != 0;
	}
	for (int i = 0; i < LOCKS; i++) {
		int in = open(argv[1], O_RDONLY | O_CLOEXEC), out = open("locked", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
		CHECK(in >= 0 && out >= 0);
		if (flock(out, LOCK_EX | LOCK_NB) != 0)
			busy++;
		else
			copy_all(in, out);
		close(out);
		close(in);
	}
	printf("%d of %d executions failed, %d of %d locks were busy\n", unlike, EXECS, busy, LOCKS);
	return 0;
}
