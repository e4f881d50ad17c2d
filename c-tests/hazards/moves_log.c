/* Deletes and renames the log while it is written, and creates a file of its own with the log's
 * name. */
#include "check.h"

int main(int argc, char **argv)
{
	char renamed[4096];
	watchdog();
	CHECK(argc == 2);
	int in = source("source", 1000), out = target("out");
	copy_start(in, out, 1000);
	snprintf(renamed, sizeof renamed, "%s.renamed", argv[1]);
	rename(argv[1], renamed);
	for (int i = 0; i < 5; i++)
		copy_start(in, out, 1000);
	/* The file with this name is now the host's. */
	int other = open(argv[1], O_RDWR | O_CREAT | O_EXCL, 0644);
	CHECK(other >= 0);
	copy_start(in, other, 1000);
	copy_start(in, other, 500);
	struct stat stat;
	CHECK(fstat(other, &stat) == 0 && stat.st_size == 1000);
	unlink(argv[1]);
	rename(renamed, argv[1]);
	copy_start(in, out, 1000);
	report();
	puts("ok");
}
