/* Copies a file as the manual page's example does: through syscall(2). */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct stat st;
    if (argc != 3)
        return 2;
    int in = open(argv[1], O_RDONLY);
    int out = open(argv[2], O_CREAT | O_WRONLY | O_TRUNC, 0644);
    if (in < 0 || out < 0 || fstat(in, &st) < 0)
        return 1;
    loff_t from = 0;
    for (off_t left = st.st_size; left > 0;) {
        long done = syscall(SYS_copy_file_range, in, &from, out, NULL, left, 0);
        if (done <= 0) {
            perror("copy_file_range");
            return 1;
        }
        left -= done;
    }
    return 0;
}
