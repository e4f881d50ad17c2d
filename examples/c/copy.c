/* copy SOURCE TARGET: a loop around copy_file_range that is right, with the library and without.
 * `cfr sweep` tries it against every error, short count and zero that the call may give.
 *
 *     cc copy.c $(pkg-config --cflags --libs cfr) -o copy
 */
#include <cfr.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* Writes all bytes, because write(2) may take fewer. Returns 0, or -1 with errno. */
static int write_all(int out, const char *bytes, size_t count)
{
    while (count > 0) {
        ssize_t n = write(out, bytes, count);
        if (n < 0 && errno != EINTR)
            return -1;
        if (n > 0) {
            bytes += n;
            count -= (size_t) n;
        }
    }
    return 0;
}

/* Copies what is left of `in` to `out`. Returns 0, or -1 with errno. */
static int copy(int in, int out)
{
    static char buffer[1 << 16];
    ssize_t n;

    /* A count that is short is no error and not the end: repeat until 0. Both file offsets move by the
     * count, so whatever comes next goes on at the right place. */
    do
        n = copy_file_range(in, NULL, out, NULL, (size_t) 1 << 30, 0);
    while (n > 0 || (n < 0 && errno == EINTR));

    /* Then read and write the rest. After an error: it may only mean that this kernel, these
     * filesystems or a sandbox cannot do it that way (ENOSYS, EXDEV, EOPNOTSUPP, EPERM, EINVAL and
     * more). No list of such errors is complete; a serious one (EIO, ENOSPC) comes again here.
     * After a 0 too: files in /proc have a size of 0, and the kernel then copies nothing. */
    while ((n = read(in, buffer, sizeof buffer)) != 0) {
        if (n < 0 && errno != EINTR)
            return -1;
        if (n > 0 && write_all(out, buffer, (size_t) n) < 0)
            return -1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    int in, out;

    if (argc != 3) {
        fprintf(stderr, "usage: copy SOURCE TARGET\n");
        return 2;
    }
    if ((in = open(argv[1], O_RDONLY)) < 0) {
        perror(argv[1]);
        return 1;
    }
    /* Not O_APPEND, which copy_file_range refuses. */
    if ((out = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC, 0666)) < 0) {
        perror(argv[2]);
        return 1;
    }
    /* close(2) may report what the disk could not keep. */
    if (copy(in, out) < 0 || close(out) < 0) {
        perror(argv[2]);
        return 1;
    }
    return 0;
}
