/* Copies a file as the programs of the proposal do: with its own wrapper around syscall(2), and a
 * flag from <linux/copy.h>.
 *
 *     own_wrapper FLAG SOURCE TARGET     FLAG: copy, reflink, dedupe or 0 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/copy.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

ssize_t copy_file_range(int from, loff_t *at, int to, loff_t *where, size_t bytes, unsigned mode)
{
    return syscall(SYS_copy_file_range, from, at, to, where, bytes, mode);
}

int main(int argc, char **argv)
{
    struct stat st;
    if (argc != 4)
        return 2;
    unsigned flags = strcmp(argv[1], "copy") == 0      ? COPY_FR_COPY
                     : strcmp(argv[1], "reflink") == 0 ? COPY_FR_REFLINK
                     : strcmp(argv[1], "dedupe") == 0   ? COPY_FR_DEDUP
                                                       : 0;
    int in = open(argv[2], O_RDONLY), out = open(argv[3], O_WRONLY | O_CREAT, 0644);
    if (in < 0 || out < 0 || fstat(in, &st) < 0) {
        perror("open");
        return 2;
    }
    for (off_t left = st.st_size; left > 0;) {
        ssize_t done = copy_file_range(in, NULL, out, NULL, left, flags);
        if (done <= 0) {
            perror("copy_file_range");
            return 1;
        }
        left -= done;
    }
    return 0;
}
