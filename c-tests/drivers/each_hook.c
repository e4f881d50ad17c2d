/* Copies once through each hook, then makes the mistake that its first argument names: one that a
 * sanitizer reports. The other arguments are the source and the target. Also compiled as C++. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <unistd.h>

static int racy;

static void *writer(void *unused)
{
	racy++;
	return unused;
}

#ifdef OPTIONS
#ifdef __cplusplus
extern "C"
#endif
const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
	return OPTIONS;
}
#endif

int main(int argc, char **argv)
{
	if (argc != 4)
		return 90;
	int in = open(argv[2], O_RDONLY), out = open(argv[3], O_RDWR | O_CREAT | O_TRUNC, 0644);
	if (copy_file_range(in, NULL, out, NULL, 1000, 0) != 1000)
		return 91;
	if (syscall(SYS_copy_file_range, in, NULL, out, NULL, 1000, 0) != 1000)
		return 92;
	if (sendfile(out, in, NULL, 1000) != 1000)
		return 93;
	(void)ioctl(out, FICLONE, in);

	/* The volatile variables keep the compiler from seeing the mistakes. */
	volatile int index = 10;
	if (strcmp(argv[1], "overflow") == 0) {
		char *memory = (char *)calloc(10, 1);
		printf("%d\n", memory[index]);
		free(memory);
	} else if (strcmp(argv[1], "leak") == 0) {
		void *volatile memory = malloc(10);
		memory = NULL;
		(void)memory;
	} else if (strcmp(argv[1], "race") == 0) {
		pthread_t thread;
		pthread_create(&thread, NULL, writer, NULL);
		/* The thread has written by then, and nothing says so. */
		usleep(200000);
		racy++;
		pthread_join(thread, NULL);
	} else if (strcmp(argv[1], "arithmetic") == 0) {
		volatile int most = 0x7fffffff;
		printf("%d\n", most + index);
	} else if (strcmp(argv[1], "uninitialized") == 0) {
		int *memory = (int *)malloc(sizeof(int));
		if (*memory == index)
			puts("10");
		free(memory);
	}
	return 0;
}
