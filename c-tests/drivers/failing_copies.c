/* Copies from, to and within a disk that fails, DIRECTORY (c-tests/drivers/failing_filesystem.c). All
 * bytes before the first error are copied, no others are reported, and the error is returned if no
 * byte comes before it. With a slow disk, a signal ends a copy early.
 *
 *     failing_copies DIRECTORY errors READ_FAILS_AT WRITE_FAILS_AT
 *     failing_copies DIRECTORY cached READ_FAILS_AT
 *     failing_copies DIRECTORY slow WHOLE_SECONDS */
#include "check.h"

enum { SIZE = 3 << 20, ALL = 4 << 20 };

static char in_name[4096], out_name[4096], found[ALL];

static int opened(const char *name, int flags)
{
    int fd = open(name, flags | O_CLOEXEC, 0644);
    CHECK(fd >= 0);
    return fd;
}

static long long length(int fd)
{
    struct stat stat;
    CHECK(fstat(fd, &stat) == 0);
    return stat.st_size;
}

/* Checks that the target holds the source's bytes from `off_in` on, and nothing after them. */
static void must_hold(int out, size_t off_in, size_t off_out, size_t len)
{
    CHECK(length(out) == (long long)(len > 0 ? off_out + len : 0));
    CHECK(pread(out, found, sizeof found, 0) == length(out));
    for (size_t at = 0; at < len + off_out && len > 0; at++)
        CHECK(found[at] == (at < off_out ? 0 : pattern(off_in + at - off_out)));
}

/* One copy that meets an error after `good` bytes, if `good` is less than `len`. */
static void copy_and_check(int in, size_t off_in, int out, size_t off_out, size_t len, size_t good)
{
    loff_t from = off_in, to = off_out;
    good = good < len ? good : len;
    CHECK(ftruncate(out, 0) == 0);
    int before = descriptors();
    errno = 77;
    ssize_t copied = copy(in, &from, out, &to, len);
    CHECK(good > 0 ? copied == (ssize_t)good && errno == 77 : copied == -1 && errno == EIO);
    CHECK(from == (loff_t)(off_in + good) && to == (loff_t)(off_out + good));
    CHECK(descriptors() == before);
    must_hold(out, off_in, off_out, good);
    /* The next copy starts at the error and returns it. */
    if (good > 0 && good < len) {
        CHECK(copy(in, &from, out, &to, len - good) == -1 && errno == EIO);
        CHECK(from == (loff_t)(off_in + good) && to == (loff_t)(off_out + good));
        must_hold(out, off_in, off_out, good);
    }
}

static size_t least(size_t one, size_t other)
{
    return one < other ? one : other;
}

/* Returns how many of the bytes from there on are before the failing offset. */
static size_t before(size_t place, size_t from)
{
    return place > from ? place - from : 0;
}

static void errors(size_t read_fails_at, size_t write_fails_at)
{
    static const size_t offs[] = { 0, 1, 4095, 4096, 100000, 131072 };
    static const size_t lens[] = { 1, 5000, 131072, 131073, 300000, 1 << 20, SIZE };
    /* With O_DIRECT, because splice(2) would otherwise go through the page cache. */
    int in = opened(in_name, O_RDONLY | O_DIRECT), out = opened(out_name, O_RDWR);
    int from = source("whole", SIZE), to = target("copy");
    /* The first copy opens the log, if there is one. */
    copy_start(from, to, 1);
    for (size_t i = 0; i < sizeof offs / sizeof *offs; i++) {
        for (size_t j = 0; j < sizeof lens / sizeof *lens; j++) {
            size_t off_in = offs[i], off_out = offs[(i + j) % 6], len = least(lens[j], SIZE - off_in);
            size_t readable = before(read_fails_at, off_in);
            size_t writable = before(write_fails_at, off_out);
            copy_and_check(in, off_in, to, off_out, len, readable);
            copy_and_check(from, off_in, out, off_out, len, writable);
            copy_and_check(in, off_in, out, off_out, len, least(readable, writable));
        }
        /* At the failing offset and just before it. */
        if (read_fails_at < SIZE) {
            copy_and_check(in, read_fails_at, to, offs[i], SIZE - read_fails_at, 0);
            if (read_fails_at > 0)
                copy_and_check(in, read_fails_at - 1, to, offs[i], SIZE - read_fails_at, 1);
        }
    }
}

/* Returns how far a simple program reads, one page at a time. */
static size_t readable(void)
{
    int in = opened(in_name, O_RDONLY);
    size_t done = 0;
    ssize_t more;
    while ((more = pread(in, found, 4096, done)) > 0)
        done += more;
    CHECK(more == 0 || errno == EIO);
    close(in);
    return done;
}

/* Through the page cache, whose readahead asks for more than is needed: an error that is not
 * reached is not returned, none is skipped, and all readable bytes are copied. */
static void cached(size_t read_fails_at)
{
    static const size_t lens[] = { 4096, 100000, 131072, 200000, 1 << 20, SIZE };
    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
        int in = opened(in_name, O_RDONLY), to = target("copy");
        size_t done = 0, plain = readable();
        CHECK(plain <= read_fails_at && plain + 4096 > read_fails_at);
        for (;;) {
            loff_t from = done, end = done;
            ssize_t copied = copy(in, &from, to, &end, lens[i]);
            if (copied <= 0) {
                CHECK(copied == -1 && errno == EIO && from == (loff_t)done && end == (loff_t)done);
                break;
            }
            done += copied;
            CHECK((size_t)copied <= lens[i] && from == (loff_t)done && end == (loff_t)done);
            must_hold(to, 0, 0, done);
        }
        CHECK(done == plain);
        close(in);
        close(to);
    }
}

static volatile sig_atomic_t handled;

static void count_signal(int signal)
{
    (void)signal;
    handled = handled + 1;
}

/* Copies all of the slow source until a signal ends it. */
static ssize_t copy_slowly(int *out)
{
    int in = opened(in_name, O_RDONLY);
    loff_t from = 0, to = 0, size = length(in);
    *out = target("copy");
    ssize_t copied = copy(in, &from, *out, &to, size);
    CHECK(copied > 0 && copied < size / 8 && from == copied && to == copied);
    close(in);
    return copied;
}

/* The first piece is large, because the library does not know yet how slow the disk is; later
 * ones are small. */
static void slow(double whole)
{
    struct sigaction action = { .sa_handler = count_signal };
    struct itimerval soon = { .it_value.tv_sec = 1 };
    double begun = now();
    int out;
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    CHECK(setitimer(ITIMER_REAL, &soon, NULL) == 0);
    ssize_t copied = copy_slowly(&out);
    CHECK(handled == 1);
    must_hold(out, 0, 0, copied);
    CHECK(now() - begun < whole / 2);
    /* During the first piece, with a signal that kills. */
    begun = now();
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        copy_slowly(&out);
        _exit(0);
    }
    usleep(300000);
    CHECK(kill(child, SIGTERM) == 0);
    int status = ending(child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    CHECK(now() - begun < whole / 2);
}

int main(int argc, char **argv)
{
    watchdog();
    CHECK(argc >= 4);
    snprintf(in_name, sizeof in_name, "%s/in", argv[1]);
    snprintf(out_name, sizeof out_name, "%s/out", argv[1]);
    if (strcmp(argv[2], "errors") == 0)
        errors(atoll(argv[3]), atoll(argv[4]));
    else if (strcmp(argv[2], "cached") == 0)
        cached(atoll(argv[3]));
    else
        slow(atof(argv[3]));
    return 0;
}
