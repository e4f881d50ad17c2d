/* Does what its words say, in order:
 *
 *     cd DIRECTORY       changes the working directory
 *     copy IN OUT        one call through the C library's wrapper
 *     syscall IN OUT     the same call through syscall(2)
 *     other              getpid through syscall(2), which must return what getpid(2) does
 *     exit STATUS
 *
 * Each call asks for a mebibyte and prints its result: "100000" or "-1 EXDEV (Invalid ...)". */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "portable.h"

static int opened(const char *path, int flags)
{
    int fd = open(path, flags, 0600);
    if (fd < 0) {
        perror(path);
        exit(1);
    }
    return fd;
}

static void copy(int by_number, const char *from, const char *to)
{
    int in = opened(from, O_RDONLY);
    int out = opened(to, O_WRONLY | O_CREAT | O_TRUNC);
    size_t len = 1 << 20;
    errno = 0;
    long got = by_number ? syscall(SYS_copy_file_range, in, NULL, out, NULL, len, 0)
                         : copy_file_range(in, NULL, out, NULL, len, 0);
    if (got < 0)
        printf("%ld %s (%s)\n", got, strerrorname_np(errno), strerror(errno));
    else
        printf("%ld\n", got);
    close(in);
    close(out);
}

int main(int argc, char **argv)
{
    for (int at = 1; at < argc; at++) {
        const char *word = argv[at];
        if (strcmp(word, "cd") == 0 && at + 1 < argc) {
            if (chdir(argv[++at]) != 0) {
                perror(argv[at]);
                return 1;
            }
        } else if ((strcmp(word, "copy") == 0 || strcmp(word, "syscall") == 0) && at + 2 < argc) {
            copy(word[0] == 's', argv[at + 1], argv[at + 2]);
            at += 2;
        } else if (strcmp(word, "other") == 0) {
            if (syscall(SYS_getpid) != getpid())
                return 1;
        } else if (strcmp(word, "exit") == 0 && at + 1 < argc) {
            return atoi(argv[++at]);
        } else {
            fprintf(stderr, "scripted_calls: unknown word %s\n", word);
            return 2;
        }
    }
    return 0;
}
