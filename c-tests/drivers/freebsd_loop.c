/* Copies a file as FreeBSD's manual page recommends it: the largest length in each call, until a call
 * returns 0, which means the end of the source.
 *
 *     freebsd_loop SOURCE TARGET */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc != 3)
		errx(2, "usage: freebsd_loop SOURCE TARGET");
	int from = open(argv[1], O_RDONLY);
	int to = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (from < 0 || to < 0)
		err(2, "open");
	ssize_t copied;
	while ((copied = copy_file_range(from, NULL, to, NULL, SSIZE_MAX, 0)) > 0)
		;
	if (copied < 0)
		err(1, "copy_file_range");
	return 0;
}
