/* Copies 4 KiB to byte 4096 of unusual targets, and prints a line for each: its name, the bytes or the error,
 * and whether the first 4096 bytes, the place of the copy, and the rest are as before.
 *
 *     unusual_targets SOURCE SWAP DEVICE
 *
 * SWAP is a file with a swap signature, DEVICE a block device; "-" leaves a target out. The other targets are
 * made in the working directory. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <unistd.h>

enum { PAGE = 4096, SIZE = 4 * PAGE };

static int in;

static int open_or_exit(const char *path, int flags)
{
    int fd = open(path, flags, 0600);
    if (fd < 0) {
        perror(path);
        exit(3);
    }
    return fd;
}

/* Makes a file of SIZE bytes and opens it. */
static int make(const char *path, int flags)
{
    static char bytes[SIZE];
    int fd = open_or_exit(path, O_WRONLY | O_CREAT | O_TRUNC);
    memset(bytes, 'b', sizeof bytes);
    if (write(fd, bytes, sizeof bytes) != sizeof bytes)
        exit(3);
    close(fd);
    return open_or_exit(path, flags);
}

static ssize_t look(const char *path, char *bytes, size_t size)
{
    int fd = open_or_exit(path, O_RDONLY);
    ssize_t count = pread(fd, bytes, size, 0);
    close(fd);
    return count;
}

static void copy(const char *name, const char *path, int out)
{
    static char before[SIZE + PAGE], after[SIZE + PAGE], source[PAGE];
    int has_bytes = strcmp(name, "fifo") != 0 && strcmp(name, "character-device") != 0;
    ssize_t size = has_bytes ? look(path, before, sizeof before) : 0;
    loff_t from = 0, to = PAGE;
    ssize_t copied = copy_file_range(in, &from, out, &to, PAGE, 0);
    int error = errno;
    printf("%s ", name);
    copied < 0 ? printf("%s", strerrorname_np(error)) : printf("%zd", copied);
    if (has_bytes) {
        if (pread(in, source, PAGE, 0) != PAGE)
            exit(3);
        int is_same = look(path, after, sizeof after) == size && memcmp(before, after, PAGE) == 0
                      && memcmp(before + 2 * PAGE, after + 2 * PAGE, size - 2 * PAGE) == 0;
        int is_copied = memcmp(after + PAGE, source, PAGE) == 0;
        printf(" %s%s", is_copied ? "copied" : "kept", is_same ? "" : " and spoiled");
    }
    puts("");
    fflush(stdout);
}

static void with_flag(const char *name, int flag)
{
    int out = make(name, O_WRONLY), flags, changed;
    if (ioctl(out, FS_IOC_GETFLAGS, &flags) != 0 || (changed = flags | flag, ioctl(out, FS_IOC_SETFLAGS, &changed) != 0))
        return;
    copy(name, name, out);
    ioctl(out, FS_IOC_SETFLAGS, &flags);
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    in = open_or_exit(argv[1], O_RDONLY);
    copy("plain", "plain", make("plain", O_WRONLY));
    copy("append", "append", make("append", O_WRONLY | O_APPEND));
    copy("read-only", "read-only", make("read-only", O_RDONLY));
    copy("path", "path", make("path", O_PATH));
    mkfifo("fifo", 0600);
    copy("fifo", "fifo", open_or_exit("fifo", O_RDWR));
    copy("character-device", "/dev/null", open_or_exit("/dev/null", O_WRONLY));
    with_flag("immutable", FS_IMMUTABLE_FL);
    if (strcmp(argv[2], "-") != 0) {
        int out = open_or_exit(argv[2], O_RDWR);
        if (swapon(argv[2], 0) == 0) {
            copy("swap", argv[2], out);
            swapoff(argv[2]);
        }
    }
    if (strcmp(argv[3], "-") != 0)
        copy("block-device", argv[3], open_or_exit(argv[3], O_WRONLY));
    return 0;
}
