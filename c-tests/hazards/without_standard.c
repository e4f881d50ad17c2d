/* Is started with descriptors 0, 1 and 2 closed, so that one of its files becomes its standard
 * error. */
#include "check.h"
#include <dirent.h>

int main(int argc, char **argv)
{
	watchdog();
	if (argc == 2) {
		for (int fd = 0; fd <= 2; fd++)
			close(fd);
		execl("/proc/self/exe", argv[0], argv[1], "without", NULL);
		_exit(98);
	}
	int in = source("source", 1000);
	CHECK(in == 0 && target("data-1") == 1 && target("data-2") == 2);
	for (int i = 0; i < 5; i++) {
		copy_start(in, 1, 1000);
		copy_start(in, 2, 1000);
	}
	/* Only these three are open, and the library's at 10 or above. */
	DIR *open_ones = opendir("/proc/self/fd");
	CHECK(open_ones);
	for (struct dirent *entry; (entry = readdir(open_ones));) {
		int fd = atoi(entry->d_name);
		CHECK(fd <= 2 || fd >= 10 || fd == dirfd(open_ones));
	}
	report();
}
