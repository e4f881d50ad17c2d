/* Copies a file by calls that ask for all that is left: by copy_file_range, after some errors by
 * sendfile(2), and then by read(2) and write(2). With a bug or without:
 *
 *     planted_bugs right FROM TO            has none
 *     planted_bugs restarts FROM TO         its fallback begins at 0 of the source
 *     planted_bugs loses_tail FROM TO       its fallback leaves out as much as was copied before
 *     planted_bugs first_fallback FROM TO   takes a failed sendfile for a success
 *     planted_bugs full FROM TO             takes ENOSPC for a success
 *     planted_bugs interrupted FROM TO      ends at EINTR
 *     planted_bugs zero_is_end FROM TO      takes a 0 in the middle for the end
 *     planted_bugs one_sendfile FROM TO     ignores the count of sendfile
 *     planted_bugs deep FROM TO             has no bug, and two more fallbacks: syscall(2) and FICLONE */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *way;

static int is(const char *name)
{
	return strcmp(way, name) == 0;
}

static int fails(const char *what)
{
	fprintf(stderr, "planted_bugs: %s: %s\n", what, strerror(errno));
	return 1;
}

static int can_be_done_otherwise(void)
{
	return errno == ENOSYS || errno == EXDEV || errno == EOPNOTSUPP || errno == EINVAL || errno == EPERM;
}

static int by_reading(int in, int out)
{
	char buffer[4096];
	ssize_t got;
	while ((got = read(in, buffer, sizeof(buffer))) > 0)
		if (write(out, buffer, got) != got)
			return fails("write");
	return got < 0 ? fails("read") : 0;
}

static int by_syscall(int in, int out)
{
	long copied;
	do
		copied = syscall(SYS_copy_file_range, in, NULL, out, NULL, (size_t)1 << 30, 0);
	while (copied > 0 || (copied < 0 && errno == EINTR));
	if (copied < 0 && !can_be_done_otherwise())
		return fails("syscall");
	if (copied < 0 && lseek(out, 0, SEEK_CUR) == 0 && ioctl(out, FICLONE, in) == 0)
		return 0;
	return by_reading(in, out);
}

static int by_sendfile(int in, int out, off_t left)
{
	while (left > 0) {
		ssize_t sent = sendfile(out, in, NULL, left);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && is("first_fallback"))
			return 0;
		if (sent < 0 && can_be_done_otherwise())
			return is("deep") ? by_syscall(in, out) : by_reading(in, out);
		if (sent < 0)
			return fails("sendfile");
		if (sent == 0)
			return by_reading(in, out);
		if (is("one_sendfile"))
			return 0;
		left -= sent;
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	way = argv[1];
	int in = open(argv[2], O_RDONLY), out = open(argv[3], O_WRONLY | O_CREAT | O_TRUNC, 0666);
	struct stat status;
	if (in < 0 || out < 0 || fstat(in, &status) != 0)
		return fails(argv[2]);
	off_t left = status.st_size;
	while (left > 0) {
		ssize_t copied = copy_file_range(in, NULL, out, NULL, left, 0);
		off_t done = status.st_size - left;
		if (copied < 0 && errno == EINTR && !is("interrupted"))
			continue;
		if (copied < 0 && errno == ENOSPC && is("full"))
			return 0;
		if (copied == 0 && is("zero_is_end") && done > 0)
			return 0;
		if (copied == 0)
			return by_reading(in, out);
		if (copied < 0 && !can_be_done_otherwise())
			return fails("copy_file_range");
		if (copied < 0) {
			if (is("restarts"))
				lseek(in, 0, SEEK_SET);
			if (is("restarts") || is("loses_tail"))
				left = is("restarts") ? status.st_size : left - done;
			return by_sendfile(in, out, left);
		}
		left -= copied;
	}
	return 0;
}
