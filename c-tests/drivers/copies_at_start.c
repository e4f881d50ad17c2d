/* Copies 10 bytes as the first thing that a program does, and prints the result:
 *
 *     copies_at_start live | kill [NEXT]
 *
 * "kill" sends SIGKILL to the parent before. Then NEXT is executed with the argument "live". */
#include "check.h"

int main(int argc, char **argv)
{
	CHECK(argc >= 2);
	if (strcmp(argv[1], "kill") == 0)
		kill(getppid(), SIGKILL);
	int in = open("from", O_RDONLY), out = open("to", O_WRONLY | O_CREAT, 0600);
	CHECK(in >= 0 && out >= 0);
	ssize_t copied = copy_file_range(in, NULL, out, NULL, 10, 0);
	dprintf(1, "%s\n", copied == 10 ? "copied" : strerrorname_np(errno));
	if (argc > 2)
		execl(argv[2], argv[2], "live", NULL);
	return 0;
}
