/* Finds the log's descriptor in /proc and puts a data file under its number with dup2(2). */
#include "check.h"

static int is_log(int fd, const char *log)
{
	char name[64], path[4096] = "";
	snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
	return readlink(name, path, sizeof path - 1) > 0 && strcmp(path, log) == 0;
}

int main(int argc, char **argv)
{
	int found = 0;
	struct stat data, there;
	watchdog();
	CHECK(argc == 2);
	int in = source("source", 1000), out = target("data");
	for (int round = 0; round < 10; round++) {
		copy_start(in, out, 1000);
		for (int fd = 10; fd < 1024; fd++) {
			if (!is_log(fd, argv[1]))
				continue;
			found++;
			CHECK(dup2(out, fd) == fd && fstat(fd, &there) == 0 && fstat(out, &data) == 0);
			CHECK(there.st_ino == data.st_ino);
		}
		copy_start(in, out, 1000);
	}
	CHECK(fstat(out, &data) == 0 && data.st_size == 1000);
	/* If the log is a file, it was found each time. */
	CHECK(access(argv[1], F_OK) != 0 || found == 10);
	report();
	puts("ok");
}
