/* Makes an ioctl(2) on a file for each request among its arguments, and prints the results. Runs in an
 * empty directory. */
#include "check.h"

int main(int argc, char **argv)
{
	int file = target("target");
	for (int i = 1; i < argc; i++) {
		errno = 77;
		int result = ioctl(file, strtoul(argv[i], NULL, 0), -1L);
		printf("%d %s\n", result, strerrorname_np(errno));
	}
	return 0;
}
