/* Copies one file in several ways, in turn, and prints what each way costs.
 *
 *     bench_copies SOURCE TARGET TOTAL LEN OFF_IN OFF_OUT fresh|over|scattered ROUNDS
 *
 * Every round copies TOTAL bytes of SOURCE from OFF_IN to OFF_OUT of TARGET once in each way, LEN
 * bytes a call: through the preloaded library, by the kernel's call itself, by reading and writing
 * 128 KiB at a time as GNU cp 9.1 does, 8 KiB at a time as glibc 2.27 did, and 4 KiB; and in two ways
 * that are limits of what the library can reach: through a bare pipe, and by a read and a write of LEN
 * bytes after the kernel was asked. With "fresh" the target is emptied before each copy. With
 * "scattered" too, and every other 4 KiB of the source are a hole: they are copied also by hand, by a
 * loop that knows it. Prints one line for each way: its name, then the median and the least CPU time
 * of a round, in nanoseconds. A way that is not available is left out. */
#define _GNU_SOURCE
#include "bench/bare_pipe.h"
#include "kernel_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MAX_ROUNDS = 1000 };

static long long now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static long by_kernel(int in, loff_t *off_in, int out, loff_t *off_out, size_t len)
{
    return kernel_copy(in, off_in, out, off_out, len, 0);
}

static char buffer[128 << 10] __attribute__((aligned(4096)));
static size_t piece;

static long through_buffer(int in, loff_t *off_in, int out, loff_t *off_out, size_t len)
{
    size_t done = 0;
    while (done < len) {
        size_t size = len - done < piece ? len - done : piece;
        ssize_t got = pread(in, buffer, size, *off_in);
        if (got <= 0 || pwrite(out, buffer, got, *off_out) != got)
            return -1;
        *off_in += got;
        *off_out += got;
        done += got;
    }
    return done;
}

/* The least that a copy can do that the kernel refuses. */
static long after_refusal(int in, loff_t *off_in, int out, loff_t *off_out, size_t len)
{
    if (kernel_copy(in, off_in, out, off_out, len, 0) >= 0)
        return -1;
    return through_buffer(in, off_in, out, off_out, len);
}

/* The least that a copy of such a source can do. Its last hole, which extends the target, is left out. */
static long by_hand(int in, loff_t *off_in, int out, loff_t *off_out, size_t len)
{
    enum { PAGE = 4096 };
    for (size_t done = 0; done < len; done += 2 * PAGE) {
        if (pread(in, buffer, PAGE, *off_in + done) != PAGE || pwrite(out, buffer, PAGE, *off_out + done) != PAGE)
            return -1;
    }
    *off_in += len;
    *off_out += len;
    return len;
}

static long by_library(int in, loff_t *off_in, int out, loff_t *off_out, size_t len)
{
    return copy_file_range(in, off_in, out, off_out, len, 0);
}

typedef long way(int, loff_t *, int, loff_t *, size_t);

static struct {
    const char *name;
    way *copy;
    size_t piece;
    int cannot;
    long long times[MAX_ROUNDS];
} ways[] = {
    {.name = "library", .copy = by_library},
    {.name = "kernel", .copy = by_kernel},
    {.name = "cp", .copy = through_buffer, .piece = 128 << 10},
    {.name = "glibc", .copy = through_buffer, .piece = 8 << 10},
    {.name = "page", .copy = through_buffer, .piece = 4 << 10},
    {.name = "pipe", .copy = bare_pipe},
    {.name = "refused", .copy = after_refusal, .piece = 128 << 10},
    {.name = "hand", .copy = by_hand},
};

enum { WAYS = sizeof ways / sizeof *ways };

static int later(const void *one, const void *other)
{
    long long a = *(const long long *)one, b = *(const long long *)other;
    return (a > b) - (a < b);
}

int main(int argc, char **argv)
{
    if (argc != 9) {
        fprintf(stderr, "usage: bench_copies SOURCE TARGET TOTAL LEN OFF_IN OFF_OUT fresh|over|scattered ROUNDS\n");
        return 2;
    }
    int in = open(argv[1], O_RDONLY);
    int out = open(argv[2], O_RDWR | O_CREAT, 0600);
    if (in < 0 || out < 0) {
        perror(in < 0 ? argv[1] : argv[2]);
        return 1;
    }
    long long total = atoll(argv[3]), len = atoll(argv[4]);
    loff_t from = atoll(argv[5]), to = atoll(argv[6]);
    int scattered = strcmp(argv[7], "scattered") == 0;
    int fresh = scattered || strcmp(argv[7], "fresh") == 0, rounds = atoi(argv[8]);
    if (rounds > MAX_ROUNDS)
        rounds = MAX_ROUNDS;
    ways[WAYS - 1].cannot = !scattered;
    /* The first round is a warm-up. */
    for (int round = -1; round < rounds; round++) {
        for (int i = 0; i < WAYS; i++) {
            if (ways[i].cannot)
                continue;
            if (fresh && ftruncate(out, 0) != 0) {
                perror("ftruncate");
                return 1;
            }
            piece = ways[i].piece;
            loff_t off_in = from, off_out = to;
            long long begun = now();
            while (off_in < from + total) {
                loff_t rest = from + total - off_in;
                long got = ways[i].copy(in, &off_in, out, &off_out, rest < len ? rest : len);
                if (got <= 0) {
                    if (ways[i].copy != by_kernel && ways[i].copy != after_refusal) {
                        fprintf(stderr, "%s: %ld, errno %d\n", ways[i].name, got, errno);
                        return 1;
                    }
                    ways[i].cannot = 1;
                    break;
                }
            }
            if (round >= 0)
                ways[i].times[round] = now() - begun;
        }
    }
    for (int i = 0; i < WAYS; i++) {
        if (ways[i].cannot)
            continue;
        qsort(ways[i].times, rounds, sizeof *ways[i].times, later);
        printf("%s %lld %lld\n", ways[i].name, ways[i].times[rounds / 2], ways[i].times[0]);
    }
    return 0;
}
