/* Copies a file as Linux's manual page shows it: the files' own offsets, flags 0, and a loop that
 * counts down the length. The page of man-pages 4.15 (2018) has a static wrapper around syscall(2);
 * later ones call the C library's function and stop at 0 as well.
 *
 *     linux_loop SOURCE TARGET           compiled with -DOWN_WRAPPER as the page of 2018 */
#ifndef OWN_WRAPPER
#define _GNU_SOURCE /* For copy_file_range(2). */
#endif
#include <err.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#ifdef OWN_WRAPPER
static loff_t copy_file_range(int from, loff_t *from_offset, int to, loff_t *to_offset,
			      size_t length, unsigned int flags)
{
	return syscall(__NR_copy_file_range, from, from_offset, to, to_offset, length, flags);
}
#endif

int main(int argc, char **argv)
{
	struct stat status;
	if (argc != 3)
		errx(2, "usage: linux_loop SOURCE TARGET");
	int from = open(argv[1], O_RDONLY);
	int to = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (from < 0 || to < 0 || fstat(from, &status) < 0)
		err(2, "open");
	loff_t left = status.st_size, copied;
	do {
		copied = copy_file_range(from, NULL, to, NULL, left, 0);
		if (copied < 0)
			err(1, "copy_file_range");
		left -= copied;
#ifdef OWN_WRAPPER
	} while (left > 0);
#else
	} while (left > 0 && copied > 0);
#endif
	return 0;
}
