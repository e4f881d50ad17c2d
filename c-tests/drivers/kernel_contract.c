/* Makes copies that the kernel accepts and refuses, through both hooks. Prints everything that a
 * caller can see of each: result, errno, offsets, file positions, target size and a checksum of
 * the target's first bytes. The output must be the same bare and with the library. argv[1] is a
 * directory to work in. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#define SIZE 300000

static int through_syscall;

static ssize_t copy(int in, loff_t *off_in, int out, loff_t *off_out, size_t len, unsigned flags)
{
    if (through_syscall)
        return syscall(SYS_copy_file_range, in, off_in, out, off_out, len, flags);
    return copy_file_range(in, off_in, out, off_out, len, flags);
}

/* Reports whether a pointer can be read, without a signal: the kernel copies from it. */
static int readable(loff_t *p)
{
    return p == NULL ? 0 : syscall(SYS_rt_sigprocmask, 99, p, NULL, 8) < 0 && errno == EINVAL;
}

static void show(const char *what, int in, loff_t *off_in, int out, loff_t *off_out, size_t len,
                 unsigned flags)
{
    errno = 77;
    ssize_t result = copy(in, off_in, out, off_out, len, flags);
    int error = errno;
    struct stat st = {0};
    uint64_t sum = 0;
    if (fstat(out, &st) == 0 && S_ISREG(st.st_mode)) {
        char bytes[4096];
        ssize_t n;
        for (off_t at = 0; at < 2 * SIZE && (n = pread(out, bytes, sizeof bytes, at)) > 0; at += n)
            for (ssize_t i = 0; i < n; i++)
                sum = sum * 31 + (unsigned char)bytes[i];
    }
    printf("%s %s: %zd %d in %lld %lld out %lld %lld size %lld sum %llx\n",
           through_syscall ? "syscall" : "libc", what, result, error,
           readable(off_in) ? (long long)*off_in : -99, (long long)lseek(in, 0, SEEK_CUR),
           readable(off_out) ? (long long)*off_out : -99, (long long)lseek(out, 0, SEEK_CUR),
           (long long)st.st_size, (unsigned long long)sum);
}

static void all(void)
{
    int in = open("in", O_RDWR), out = open("out", O_RDWR | O_CREAT | O_TRUNC, 0600);
    int append = open("out", O_RDWR | O_APPEND), path = open("in", O_PATH);
    int dir = open(".", O_RDONLY), null = open("/dev/null", O_RDWR), reader = open("in", O_RDONLY);
    int writer = open("out", O_WRONLY), pipes[2];
    loff_t a, b;
    if (pipe(pipes) < 0)
        return;

    show("null null", in, NULL, out, NULL, 1000, 0);
    a = 5000, b = 123;
    show("both", in, &a, out, &b, 70000, 0);
    a = 1;
    show("in only", in, &a, out, NULL, 4096, 0);
    b = 9;
    show("out only", in, NULL, out, &b, 4096, 0);
    show("all of it", in, NULL, out, NULL, SSIZE_MAX, 0);
    show("at the end", in, NULL, out, NULL, 10, 0);
    a = SIZE - 7, b = 0;
    show("across the end", in, &a, out, &b, 100, 0);
    a = SIZE + 1;
    show("past the end", in, &a, out, NULL, 100, 0);
    a = 0, b = 1 << 24;
    show("far out", in, &a, out, &b, 100, 0);
    a = b = 0;
    show("nothing", in, &a, out, &b, 0, 0);
    show("same pointer", in, &a, out, &a, 512, 0);
    a = 0, b = 150000;
    show("same file apart", in, &a, in, &b, 100, 0);
    b = 50;
    show("same file overlapping", in, &a, in, &b, 100, 0);
    show("same descriptor", in, NULL, in, NULL, 100, 0);
    show("flags 8", in, &a, out, &b, 100, 8);
    show("flags", in, &a, out, &b, 100, 0x800000);
    show("closed in", -1, &a, out, &b, 100, 0);
    show("closed out", in, &a, 999, &b, 100, 0);
    show("O_PATH", path, &a, out, &b, 100, 0);
    show("O_APPEND", in, &a, append, NULL, 100, 0);
    show("write-only in", writer, &a, out, &b, 100, 0);
    show("read-only out", in, &a, reader, &b, 100, 0);
    show("directory", dir, NULL, out, NULL, 100, 0);
    show("pipe", pipes[0], NULL, out, NULL, 100, 0);
    show("device", null, NULL, out, NULL, 100, 0);
    a = -1;
    show("negative", in, &a, out, &b, 100, 0);
    a = -100;
    show("negative, short", in, &a, out, &b, 10, 0);
    a = LLONG_MAX - 5, b = 0;
    show("near the maximum", in, &a, out, &b, 100, 0);
    a = 0, b = LLONG_MAX - 5;
    show("out near the maximum", in, &a, out, &b, 100, 0);
    a = 0, b = 0;
    show("SIZE_MAX", in, &a, out, &b, SIZE_MAX, 0);
    a = 1, b = 0;
    show("SIZE_MAX wraps", in, &a, out, &b, SIZE_MAX, 0);

    char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(page + 4096, 4096, PROT_NONE);
    show("wild in", in, (loff_t *)1, out, NULL, 10, 0);
    show("wild out", in, NULL, out, (loff_t *)-4096, 10, 0);
    show("wild and closed", -1, (loff_t *)1, out, NULL, 10, 0);
    show("half a page", in, (loff_t *)(page + 4092), out, NULL, 10, 0);
    loff_t *crooked = (loff_t *)(page + 3);
    memset(crooked, 0, sizeof *crooked);
    show("crooked", in, crooked, out, NULL, 10, 0);
    memset(page, 0, 16);
    mprotect(page, 4096, PROT_READ);
    show("read-only pointer", in, (loff_t *)page, out, NULL, 10, 0);

    int all_open[] = {in, out, append, path, dir, null, reader, writer, pipes[0], pipes[1]};
    for (size_t i = 0; i < sizeof all_open / sizeof *all_open; i++)
        close(all_open[i]);
}

int main(int argc, char **argv)
{
    static char bytes[SIZE];
    if (argc != 2 || chdir(argv[1]) < 0)
        return 2;
    unsigned state = 1;
    for (int i = 0; i < SIZE; i++)
        bytes[i] = (char)((state = state * 1103515245 + 12345) >> 16);
    for (through_syscall = 0; through_syscall < 2; through_syscall++) {
        int in = open("in", O_RDWR | O_CREAT | O_TRUNC, 0600);
        if (in < 0 || write(in, bytes, SIZE) != SIZE)
            return 2;
        close(in);
        all();
    }
    return 0;
}
