/* Mounts a filesystem for the log and fills it; later there is room again. */
#include "check.h"
#include <libgen.h>
#include <sched.h>
#include <sys/mount.h>

int main(int argc, char **argv)
{
	static char bytes[4096];
	char place[4096], name[5000];
	watchdog();
	CHECK(argc == 2);
	snprintf(place, sizeof place, "%s", argv[1]);
	dirname(place);
	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0
	    || mount("tmpfs", place, "tmpfs", 0, "size=64k") != 0) {
		puts("only root may mount");
		return 77;
	}
	int in = source("source", 1000), out = target("out");
	copy_start(in, out, 1000);
	snprintf(name, sizeof name, "%s/filler", place);
	int filler = open(name, O_WRONLY | O_CREAT, 0600);
	CHECK(filler >= 0);
	while (write(filler, bytes, sizeof bytes) > 0)
		;
	CHECK(errno == ENOSPC);
	/* More lines than fit into the log's last block. */
	for (int i = 0; i < 200; i++) {
		errno = 77;
		copy_start(in, out, 1000);
		CHECK(errno == 77);
	}
	CHECK(write(filler, bytes, sizeof bytes) == -1 && errno == ENOSPC);
	CHECK(unlink(name) == 0 && close(filler) == 0);
	for (int i = 0; i < 20; i++)
		copy_start(in, out, 1000);
	puts("ok");
}
