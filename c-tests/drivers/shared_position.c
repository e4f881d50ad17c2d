/* Two threads that copy at once: with one file position for both, for which the kernel promises only
 * that the copied bytes are correct and counted; and each with its own range of one target.
 *
 *     shared_position LOG SECONDS */
#include "check.h"

enum { BLOCK = 4096, SIZE = 8 << 20 };

static int in, out;
static atomic_long claimed;
static atomic_int begin;

/* Every block is the same, so it does not matter which one is copied where. */
static char block[BLOCK], found[SIZE];

static void wait_for(int round)
{
    while (begin < round)
        ;
}

static void *copy_from_position(void *lengths)
{
    wait_for(1);
    for (const size_t *len = lengths; *len > 0; len++) {
        ssize_t copied = copy(in, NULL, out, NULL, *len);
        CHECK(copied >= 0 && (size_t)copied <= *len && copied % BLOCK == 0);
        claimed += copied;
    }
    return NULL;
}

static void one_position(void)
{
    static const size_t small[] = { BLOCK, BLOCK, 131072, BLOCK, 65536, 131072, BLOCK, 0 };
    static const size_t large[] = { 1 << 20, 135168, 262144, 0 };
    static const size_t *lengths[2] = { small, large };
    pthread_t threads[2];
    begin = 0;
    claimed = 0;
    CHECK(ftruncate(out, 0) == 0 && lseek(in, 0, SEEK_SET) == 0 && lseek(out, 0, SEEK_SET) == 0);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&threads[i], NULL, copy_from_position, (void *)lengths[i]) == 0);
    begin = 1;
    for (int i = 0; i < 2; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    off_t size = lseek(out, 0, SEEK_CUR);
    CHECK(size > 0 && size <= claimed && lseek(in, 0, SEEK_CUR) > 0);
    CHECK(lseek(in, 0, SEEK_CUR) <= claimed);
    size = lseek(out, 0, SEEK_END);
    CHECK(size > 0 && size <= claimed && pread(out, found, SIZE, 0) == size);
    for (off_t at = 0; at < size; at += BLOCK)
        CHECK(memcmp(found + at, block, BLOCK) == 0);
}

/* The first or the second half of the file. */
static void *copy_half(void *which)
{
    loff_t from = (long)which * (SIZE / 2), to = from, end = from + SIZE / 2;
    size_t len = (long)which == 0 ? 100001 : 300001;
    wait_for(1);
    while (from < end) {
        ssize_t copied = copy(in, &from, out, &to, (loff_t)len < end - from ? len : (size_t)(end - from));
        CHECK(copied > 0 && from == to);
    }
    return NULL;
}

static void two_ranges(void)
{
    pthread_t threads[2];
    begin = 0;
    CHECK(ftruncate(out, 0) == 0);
    for (long i = 0; i < 2; i++)
        CHECK(pthread_create(&threads[i], NULL, copy_half, (void *)i) == 0);
    begin = 1;
    for (int i = 0; i < 2; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(lseek(out, 0, SEEK_END) == SIZE && pread(out, found, SIZE, 0) == SIZE);
    for (size_t at = 0; at < SIZE; at++)
        CHECK(found[at] == pattern(at));
}

int main(int argc, char **argv)
{
    watchdog();
    CHECK(argc == 3);
    double seconds = atof(argv[2]) / 2;
    for (int i = 0; i < BLOCK; i++)
        block[i] = pattern(i);
    in = target("source"), out = target("target");
    for (int at = 0; at < SIZE; at += BLOCK)
        CHECK(pwrite(in, block, BLOCK, at) == BLOCK);
    for (double end = now() + seconds; now() < end;)
        one_position();
    close(in);
    in = source("source", SIZE);
    for (double end = now() + seconds; now() < end;)
        two_ranges();
    report();
    return 0;
}
