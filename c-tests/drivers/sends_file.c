/* Sends a whole file to another, by one sendfile(2).
 *
 *     sends_file SOURCE TARGET */
#include "check.h"

int main(int argc, char **argv)
{
	struct stat stat;
	CHECK(argc == 3);
	int in = open(argv[1], O_RDONLY), out = open(argv[2], O_WRONLY);
	CHECK(in >= 0 && out >= 0 && fstat(in, &stat) == 0);
	CHECK(sendfile(out, in, NULL, stat.st_size) == stat.st_size);
	CHECK(fsync(out) == 0);
}
