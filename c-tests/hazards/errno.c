/* Checks errno after every call through both functions: unchanged after success, the kernel's
 * after failure, even if the library's own writes fail. */
#include "check.h"
#include <limits.h>

static void show(const char *what, ssize_t result, int number)
{
	printf("%s: %zd errno %d\n", what, result, number);
}

static void both(const char *what, int in, loff_t *off_in, int out, loff_t *off_out, size_t len, unsigned flags)
{
	loff_t kept[2] = { off_in ? *off_in : 0, off_out ? *off_out : 0 };
	for (int through = 0; through < 2; through++) {
		if (off_in)
			*off_in = kept[0];
		if (off_out)
			*off_out = kept[1];
		errno = 77;
		atomic_fetch_add(&calls, 1);
		ssize_t result = through ? syscall(SYS_copy_file_range, in, off_in, out, off_out, len, flags)
		                         : copy_file_range(in, off_in, out, off_out, len, flags);
		show(what, result, errno);
	}
}

int main(void)
{
	loff_t from = 0, to = 0, negative = -1, past = 5000, high = LLONG_MAX - 10;
	int pair[2];
	watchdog();
	int in = source("source", 1000), out = target("out");
	int append = open("append", O_WRONLY | O_CREAT | O_APPEND, 0644);
	int reader = open("source", O_RDONLY), directory = open(".", O_RDONLY | O_DIRECTORY);
	CHECK(pipe(pair) == 0);
	for (int round = 0; round < 20; round++) {
		both("whole", in, &from, out, &to, 1000, 0);
		from = to = 0;
		both("nothing", in, &from, out, &to, 0, 0);
		both("end", in, &past, out, &to, 10, 0);
		both("bad in", -1, &from, out, &to, 10, 0);
		both("bad out", in, &from, 4000, &to, 10, 0);
		both("no flag", in, &from, out, &to, 10, 0x80000001);
		both("append", in, &from, append, NULL, 10, 0);
		both("read only", in, &from, reader, &to, 10, 0);
		both("directory", directory, NULL, out, &to, 10, 0);
		both("to directory", in, &from, directory, NULL, 10, 0);
		both("pipe", pair[0], NULL, out, &to, 10, 0);
		both("negative", in, &negative, out, &to, 10, 0);
		both("high", in, &from, out, &high, 100, 0);
		from = to = 0;
		both("overlap", in, &from, in, &to, 10, 0);
	}
	report();
}
