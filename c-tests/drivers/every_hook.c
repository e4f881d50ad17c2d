/* Copies 1000 bytes through each hook and prints the results. Links neither libdl nor libpthread, which
 * older versions of glibc have.
 *
 *     every_hook
 *
 * Runs in an empty directory. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <unistd.h>

static void print(const char *what, long result)
{
	if (result < 0)
		printf("%s: errno %d\n", what, errno);
	else
		printf("%s: %ld\n", what, result);
}

int main(void)
{
	char bytes[1000];
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (char)(i % 251);
	int in = open("source", O_RDWR | O_CREAT | O_EXCL, 0644);
	int out = open("target", O_RDWR | O_CREAT | O_EXCL, 0644);
	if (in < 0 || out < 0 || write(in, bytes, sizeof bytes) != sizeof bytes)
		return 1;
	/* A hole before the last bytes. */
	if (pwrite(in, bytes, 1000, 1 << 20) != 1000)
		return 1;
	loff_t from = 0, to = 0;
	errno = 77;
	print("copy_file_range", copy_file_range(in, &from, out, &to, 1000, 0));
	printf("at %ld and %ld, errno %d\n", (long)from, (long)to, errno);
	from = 0, to = 1000;
	print("syscall", syscall(SYS_copy_file_range, in, &from, out, &to, 1000L, 0));
	off_t offset = 0;
	lseek(out, 2000, SEEK_SET);
	print("sendfile", sendfile(out, in, &offset, 1000));
	print("ioctl", ioctl(out, FICLONE, -1));
	from = to = 0;
	print("unknown flags", copy_file_range(in, &from, out, &to, 1000, 1 << 30));
	print("bad descriptor", copy_file_range(-1, &from, out, &to, 1000, 0));
	print("bad pointer", syscall(SYS_copy_file_range, in, (loff_t *)8, out, &to, 1000L, 0));
	from = 0, to = 4096;
	long copied, all = 0;
	while ((copied = copy_file_range(in, &from, out, &to, 1 << 22, 0)) > 0)
		all += copied;
	print("with its hole", all);
	print("other system call", syscall(SYS_close, 1000));
}
