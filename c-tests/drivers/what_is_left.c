/* Copies a to b, a quarter a call, and leaves different files if a call fails:
 *
 *     what_is_left renames     copies to b.new, and renames it to b when it is complete
 *     what_is_left moves       likewise, and then removes a
 *     what_is_left in_place    copies to b, and leaves what it has copied
 *     what_is_left loses       moves, and removes a even if a call fails
 *     what_is_left rolls_back  truncates a instead of b if a call fails
 *     what_is_left spoils      copies to b, and truncates a although all went well
 *     what_is_left waits       sleeps after a failure */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *way;

static int is(const char *name)
{
	return strcmp(way, name) == 0;
}

static int copy(const char *to)
{
	int in = open("a", O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0666);
	struct stat status;
	if (in < 0 || out < 0 || fstat(in, &status) != 0)
		return -1;
	size_t piece = status.st_size / 4 + 1;
	for (off_t left = status.st_size; left > 0;) {
		ssize_t copied = copy_file_range(in, NULL, out, NULL, piece, 0);
		if (copied <= 0)
			return -1;
		left -= copied;
	}
	return 0;
}

int main(int argc, char **argv)
{
	way = argc > 1 ? argv[1] : "renames";
	int moves = is("moves") || is("loses");
	const char *to = is("renames") || moves ? "b.new" : "b";
	int copied = copy(to);
	if (copied == 0 && to[1] != '\0' && rename(to, "b") != 0)
		copied = -1;
	if (copied != 0) {
		perror("what_is_left");
		unlink("b.new");
		if (is("rolls_back"))
			copied |= truncate("a", 0);
		if (is("waits"))
			sleep(1000);
	}
	if ((copied == 0 && moves) || is("loses"))
		copied |= unlink("a");
	if (is("spoils"))
		copied |= truncate("a", 0);
	return copied == 0 ? 0 : 1;
}
