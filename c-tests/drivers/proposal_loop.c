/* Copies a file as the 2015 proposal's manual page shows it: its own wrapper with the system call's
 * name, a flag from <linux/copy.h>, the files' own offsets, and a loop that counts down the length
 * and does not check for 0.
 *
 *     proposal_loop SOURCE TARGET */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <linux/copy.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

/* Not static, so that this definition takes precedence over the C library's. */
loff_t copy_file_range(int from, loff_t *from_offset, int to, loff_t *to_offset, size_t length,
		       unsigned int flags)
{
	return syscall(__NR_copy_file_range, from, from_offset, to, to_offset, length, flags);
}

int main(int argc, char **argv)
{
	struct stat status;
	if (argc != 3)
		errx(2, "usage: proposal_loop SOURCE TARGET");
	int from = open(argv[1], O_RDONLY);
	int to = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (from < 0 || to < 0 || fstat(from, &status) < 0)
		err(2, "open");
	loff_t left = status.st_size;
	do {
		loff_t copied = copy_file_range(from, NULL, to, NULL, left, COPY_FR_COPY);
		if (copied < 0)
			err(1, "copy_file_range");
		left -= copied;
	} while (left > 0);
	return 0;
}
