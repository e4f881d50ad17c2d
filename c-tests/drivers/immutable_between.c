/* Copies 4 KiB many times, and makes the target immutable and mutable again between the copies. Prints how
 * many copies to an immutable target did not fail with EPERM, and how many others failed.
 *
 *     immutable_between SOURCE TARGET ROUNDS */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

static ssize_t copy(int in, int out)
{
    loff_t from = 0, to = 0;
    return copy_file_range(in, &from, out, &to, 4096, 0);
}

static void set(int fd, int flags)
{
    if (ioctl(fd, FS_IOC_SETFLAGS, &flags) != 0) {
        perror("FS_IOC_SETFLAGS");
        exit(3);
    }
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    int in = open(argv[1], O_RDONLY), out = open(argv[2], O_WRONLY | O_CREAT, 0600), flags;
    if (in < 0 || out < 0 || ioctl(out, FS_IOC_GETFLAGS, &flags) != 0) {
        perror("open");
        return 3;
    }
    int accepted = 0, failed = 0;
    for (int i = atoi(argv[3]); i > 0; i--) {
        failed += copy(in, out) != 4096;
        failed += copy(in, out) != 4096;
        set(out, flags | FS_IMMUTABLE_FL);
        accepted += !(copy(in, out) == -1 && errno == EPERM);
        set(out, flags);
    }
    printf("%d %d\n", accepted, failed);
    return 0;
}
