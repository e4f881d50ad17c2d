/* Copies a to b, a quarter a call, with different error handling:
 *
 *     error_handling careful        continues after a short count and EINTR, falls back to read and
 *                                   write, else fails
 *     error_handling assumes        assumes that each call copies all that it asked for
 *     error_handling insists        repeats until all is copied, whatever the result
 *     error_handling aborts         aborts at an unexpected error
 *     error_handling interrupted    takes EINTR for the end of the file
 *     error_handling once           copies nothing if b exists
 *     error_handling waits          if a call fails, waits until it is killed
 *     error_handling says           if a call fails, prints what breaks a terminal or an XML parser */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *way;

static int is(const char *name)
{
	return strcmp(way, name) == 0;
}

static int fails(const char *what)
{
	fprintf(stderr, "error_handling: %s: %s\n", what, strerror(errno));
	if (is("aborts"))
		abort();
	if (is("waits")) {
		if (fork() == 0)
			sleep(1000);
		for (;;)
			pause();
	}
	if (is("says"))
		printf("\033[2J<&>]]>\"'\001\xff\xef\xbf\xbf\n");
	return 1;
}

static int reads_and_writes(int in, int out)
{
	char buffer[4096];
	ssize_t got;
	while ((got = read(in, buffer, sizeof(buffer))) > 0)
		if (write(out, buffer, got) != got)
			return fails("write");
	return got < 0 ? fails("read") : 0;
}

static int can_be_done_otherwise(void)
{
	return errno == ENOSYS || errno == EXDEV || errno == EOPNOTSUPP || errno == EINVAL || errno == EPERM;
}

int main(int argc, char **argv)
{
	way = argc > 1 ? argv[1] : "careful";
	if (is("once") && access("b", F_OK) == 0)
		return 0;
	int in = open("a", O_RDONLY), out = open("b", O_WRONLY | O_CREAT | O_TRUNC, 0666);
	struct stat status;
	if (in < 0 || out < 0 || fstat(in, &status) != 0)
		return fails("a and b");
	size_t piece = status.st_size / 4 + 1;
	if (is("assumes")) {
		for (off_t at = 0; at < status.st_size; at += piece) {
			off_t from = at, to = at;
			if (copy_file_range(in, &from, out, &to, piece, 0) < 0)
				return fails("copy_file_range");
		}
		return 0;
	}
	if (is("insists")) {
		for (off_t left = status.st_size; left > 0;) {
			ssize_t copied = copy_file_range(in, NULL, out, NULL, piece, 0);
			if (copied < 0)
				return fails("copy_file_range");
			left -= copied;
		}
		return 0;
	}
	for (off_t left = status.st_size; left > 0;) {
		ssize_t copied = copy_file_range(in, NULL, out, NULL, piece, 0);
		if (copied < 0 && errno == EINTR) {
			if (is("interrupted"))
				return 0;
			continue;
		}
		if (copied == 0 || (copied < 0 && can_be_done_otherwise()))
			return reads_and_writes(in, out);
		if (copied < 0)
			return fails("copy_file_range");
		left -= copied;
	}
	return 0;
}
