/* Closes every descriptor that it does not know, ours among them, and puts data in its place. */
#include "check.h"

static void with_loop(void)
{
	for (int fd = 3; fd < 1024; fd++)
		close(fd);
}

static void with_library_call(void)
{
	CHECK(close_range(3, ~0u, 0) == 0);
}

static void with_system_call(void)
{
	CHECK(syscall(SYS_close_range, 3, ~0u, 0) == 0);
}

static void with_nothing(void)
{
}

int main(void)
{
	static void (*const ways[])(void) = { with_loop, with_library_call, with_system_call, with_nothing };
	watchdog(20);
	for (int way = 0; way < 4; way++) {
		char name[] = "data-?";
		name[5] = '0' + way;
		int in = source("source", 1000);
		int out = target("first");
		copy_start(in, out, 100);
		ways[way]();
		in = source("source", 1000);
		out = target(name);
		/* Whatever number the log had, the data has it now. */
		for (int fd = 10; fd <= 60; fd++)
			if (fd != in && fd != out)
				CHECK(dup2(out, fd) == fd);
		for (int i = 0; i < 5; i++)
			copy_start(in, out, 1000);
		/* The numbers above the table of 64, where the log may stand now. */
		for (int fd = 61; fd <= 200; fd++)
			CHECK(dup2(out, fd) == fd);
		copy_start(in, out, 1000);
		struct stat stat;
		for (int fd = 10; fd <= 200; fd++)
			CHECK(fstat(fd, &stat) == 0 && stat.st_size == 1000);
		CHECK(lseek(out, 0, SEEK_CUR) == 0);
		with_loop();
	}
	report();
	puts("ok");
}
