/* A program that is linked with -lcfr and gets copy_file_range from <cfr.h> alone.
 *
 *     linked_copy IN OUT
 *
 * Prints the version of the library, and the result of one call through the wrapper and of one
 * through syscall(2). */
#include <cfr.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>

/* -std=c11 hides this, which must not matter to <cfr.h>. */
long syscall(long number, ...);

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    int in = open(argv[1], O_RDONLY);
    int out = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (in < 0 || out < 0) {
        perror("open");
        return 1;
    }
    int64_t from = 0, to = 0;
    printf("%s\n", cfr_version());
    printf("%zd\n", copy_file_range(in, &from, out, &to, 1 << 20, 0));
    from = to = 0;
    printf("%ld\n", syscall(SYS_copy_file_range, in, &from, out, &to, (size_t)1 << 20, 0));
    return 0;
}
