/* Copies in a process that has no free descriptor, or one, two or three. A copy needs no descriptor,
 * leaves none open and closes none, whatever its result. The same on a small stack.
 *
 *     few_descriptors LOG */
#include "check.h"

#include <sys/resource.h>

enum { SIZE = 4 << 20, MAX_FDS = 64 };

static int in, out;
static char found[SIZE];

/* Returns which descriptors are open, one bit each. */
static unsigned long long open_ones(void)
{
    unsigned long long bits = 0;
    for (int fd = 0; fd < MAX_FDS; fd++)
        bits |= (unsigned long long)(fcntl(fd, F_GETFD) >= 0) << fd;
    return bits;
}

static void copies(void)
{
    unsigned long long before = open_ones();
    loff_t from = 0, to = 0, wild = -1;
    CHECK(ftruncate(out, 0) == 0 && lseek(in, 0, SEEK_SET) == 0 && lseek(out, 0, SEEK_SET) == 0);
    CHECK(copy(in, &from, out, &to, SIZE) == SIZE && from == SIZE && to == SIZE);
    CHECK(open_ones() == before);
    CHECK(pread(out, found, SIZE, 0) == SIZE);
    for (size_t at = 0; at < SIZE; at++)
        CHECK(found[at] == pattern(at));
    CHECK(copy(in, NULL, out, NULL, SIZE) == SIZE && lseek(out, 0, SEEK_CUR) == SIZE);
    CHECK(open_ones() == before);
    CHECK(copy(in, &from, out, &to, SIZE) == 0 && open_ones() == before);
    CHECK(copy(in, &wild, out, &to, SIZE) == -1 && open_ones() == before);
    CHECK(copy(-1, &to, out, &to, SIZE) == -1 && errno == EBADF && open_ones() == before);
    from = 0, to = SIZE;
    CHECK(copy(in, &from, in, &to, SIZE) == SIZE && ftruncate(in, SIZE) == 0);
    from = 0, to = 1;
    CHECK(copy(in, &from, in, &to, SIZE) == -1 && errno == EINVAL && open_ones() == before);
}

static void *copy_in_thread(void *unused)
{
    copies();
    return unused;
}

static void on_small_stack(void)
{
    pthread_t thread;
    pthread_attr_t small;
    pthread_attr_init(&small);
    CHECK(pthread_attr_setstacksize(&small, 64 << 10) == 0);
    CHECK(pthread_create(&thread, &small, copy_in_thread, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
}

/* Sets the limit to `number` and leaves `left` descriptors free. */
static void with_left(rlim_t number, int left)
{
    struct rlimit limit, before;
    CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
    limit = before, limit.rlim_cur = number;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    int last = out, fd;
    while ((fd = dup(in)) >= 0)
        last = fd;
    CHECK(errno == EMFILE && last == (int)number - 1);
    for (int i = 0; i < left; i++)
        close(last - i);
    copies();
    on_small_stack();
    for (fd = out + 1; fd <= last - left; fd++)
        CHECK(close(fd) == 0);
    CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
}

int main(void)
{
    watchdog();
    in = source("source", SIZE), out = target("target");
    copies();
    on_small_stack();
    for (int left = 0; left <= 4; left++) {
        with_left(10, left);
        with_left(13, left);
        with_left(40, left);
    }
    copies();
    report();
    return 0;
}
