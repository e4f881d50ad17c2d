/* Makes many calls and says what they cost.
 *
 *     bench_calls copy|apart|fail CALLS DIRECTORY
 *
 * Every call copies one byte between two files in DIRECTORY ("copy": from position to position;
 * "apart": by pointers, to another place than from), or is EBADF ("fail").
 * Prints the nanoseconds that the calls took: CPU time of this process, and time.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static long long now(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static int file(const char *directory, const char *name, off_t size)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || ftruncate(fd, size) != 0) {
        perror(path);
        exit(1);
    }
    return fd;
}

int main(int argc, char **argv)
{
    if (argc != 4 || strstr("copy apart fail", argv[1]) == NULL) {
        fprintf(stderr, "usage: bench_calls copy|apart|fail CALLS DIRECTORY\n");
        return 2;
    }
    int copy = strcmp(argv[1], "fail") != 0, apart = strcmp(argv[1], "apart") == 0;
    long calls = atol(argv[2]);
    int in = copy ? file(argv[3], "source", calls) : -1;
    int out = copy ? file(argv[3], "target", 0) : -1;
    ssize_t expected = copy ? 1 : -1;
    loff_t from = 0, to = 1 << 30;

    long long cpu = now(CLOCK_PROCESS_CPUTIME_ID);
    long long wall = now(CLOCK_MONOTONIC);
    for (long i = 0; i < calls; i++) {
        if (copy_file_range(in, apart ? &from : NULL, out, apart ? &to : NULL, 1, 0) != expected) {
            perror("copy_file_range");
            return 1;
        }
    }
    wall = now(CLOCK_MONOTONIC) - wall;
    cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    printf("%lld %lld\n", cpu, wall);
    return 0;
}
