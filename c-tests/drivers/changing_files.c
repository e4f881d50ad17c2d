/* Copies files that change meanwhile.
 *
 *     changing_files LOG cut | append SECONDS
 *
 * cut: the source is truncated and filled again. The bytes reported as copied were in the source at
 * some time, and the target ends with them. append: another thread appends to the target. Nothing
 * that was appended is lost. */
#include "check.h"

enum { SIZE = 3 << 20, SLACK = 64 << 10 };

static char bytes[SIZE], found[SIZE + 10000];
static atomic_int enough;
static int in, is_sparse;
static unsigned state = 1;

static unsigned any(unsigned *state, unsigned below)
{
    *state = *state * 1103515245 + 12345;
    return (*state >> 8) % below;
}

/* Every byte is a known one, or zero in a hole. */
static void *cut_and_fill(void *unused)
{
    unsigned state = 2;
    (void)unused;
    while (!enough) {
        size_t size = any(&state, 4) == 0 ? 0 : any(&state, SIZE);
        CHECK(ftruncate(in, size) == 0);
        if (any(&state, 2) == 0)
            usleep(any(&state, 300));
        while (size < SIZE) {
            size_t part = any(&state, 300000) + 1;
            part = SIZE - size < part ? SIZE - size : part;
            if (!is_sparse || any(&state, 2) == 0)
                CHECK(pwrite(in, bytes + size, part, size) == (ssize_t)part);
            size += part;
        }
        CHECK(ftruncate(in, SIZE) == 0);
        if (any(&state, 2) == 0)
            usleep(any(&state, 1000));
    }
    return NULL;
}

/* The new target holds what was copied and nothing else. */
static void must_be_right(int out, size_t off_in, size_t off_out, size_t copied)
{
    struct stat stat;
    size_t size = copied > 0 ? off_out + copied : 0;
    CHECK(fstat(out, &stat) == 0 && stat.st_size == (off_t)size);
    CHECK(pread(out, found, sizeof found, 0) == (ssize_t)size);
    for (size_t at = 0; at < size; at++)
        CHECK(found[at] == 0 || (at >= off_out && found[at] == bytes[off_in + at - off_out]));
    /* xfs preallocates blocks for a growing file and frees them when the file is closed. */
    CHECK(close(out) == 0);
    out = open("target", O_RDONLY | O_CLOEXEC);
    CHECK(out >= 0 && fstat(out, &stat) == 0 && close(out) == 0);
    CHECK((size_t)stat.st_blocks * 512 <= copied + SLACK);
}

static void cut_while_copied(double seconds)
{
    static const size_t offs[] = { 0, 0, 1, 4096, 5000 };
    static const size_t lens[] = { 4096, 100000, 131072, 200000, 262144, 1 << 20, SIZE, SIZE, SIZE };
    long whole = 0, shorter = 0;
    /* The first copy opens the log, if there is one. */
    copy_start(in, target("other"), 1);
    int before = descriptors();
    for (double end = now() + seconds; now() < end || whole == 0 || shorter == 0;) {
        size_t off_in = any(&state, 2) == 0 ? any(&state, SIZE) : offs[any(&state, 5)];
        size_t off_out = offs[any(&state, 5)], len = lens[any(&state, 9)];
        loff_t from = off_in, to = off_out;
        CHECK(unlink("target") == 0 || errno == ENOENT);
        int out = target("target");
        ssize_t copied = copy(in, &from, out, &to, len);
        CHECK(copied >= 0 && (size_t)copied <= len && off_in + copied <= SIZE);
        CHECK(from == (loff_t)off_in + copied && to == (loff_t)off_out + copied);
        must_be_right(out, off_in, off_out, copied);
        whole += (size_t)copied == len || off_in + copied == SIZE;
        shorter += (size_t)copied < len && off_in + copied < SIZE;
        CHECK(descriptors() == before);
    }
    printf("%ld whole, %ld shorter\n", whole, shorter);
}

enum { RECORD = 16, MIDDLE = 2 << 20 };

static atomic_long appended;

static void *append(void *unused)
{
    int end = open("target", O_WRONLY | O_APPEND | O_CLOEXEC);
    char record[32];
    (void)unused;
    CHECK(end >= 0);
    while (!enough) {
        CHECK(snprintf(record, sizeof record, "%015ld\n", (long)appended) == RECORD);
        CHECK(write(end, record, RECORD) == RECORD);
        appended++;
    }
    close(end);
    return NULL;
}

/* Copies end before the records or where they begin. */
static void append_while_copied(double seconds)
{
    pthread_t appender;
    char record[32], read[RECORD];
    int out = source("target", MIDDLE);
    CHECK(pthread_create(&appender, NULL, append, NULL) == 0);
    for (double end = now() + seconds; now() < end;) {
        size_t len = any(&state, 2) == 0 ? 1 << 20 : any(&state, 1 << 20) + 1;
        loff_t off_in = any(&state, SIZE - len), off_out = MIDDLE - len;
        if (any(&state, 2) == 0)
            off_out = any(&state, MIDDLE - len);
        loff_t from = off_in, to = off_out;
        CHECK(copy(in, &from, out, &to, len) == (ssize_t)len);
        CHECK(pread(in, bytes, len, off_in) == (ssize_t)len);
        CHECK(pread(out, found, len, off_out) == (ssize_t)len && memcmp(bytes, found, len) == 0);
    }
    enough = 1;
    CHECK(pthread_join(appender, NULL) == 0);
    CHECK(lseek(out, 0, SEEK_END) == MIDDLE + (off_t)appended * RECORD);
    for (long i = 0; i < appended; i++) {
        CHECK(snprintf(record, sizeof record, "%015ld\n", i) == RECORD);
        CHECK(pread(out, read, RECORD, MIDDLE + i * RECORD) == RECORD);
        CHECK(memcmp(read, record, RECORD) == 0);
    }
}

int main(int argc, char **argv)
{
    pthread_t cutter;
    watchdog();
    CHECK(argc == 4);
    double seconds = atof(argv[3]) / 2;
    for (size_t at = 0; at < SIZE; at++)
        bytes[at] = pattern(at);
    for (is_sparse = 0; is_sparse < 2; is_sparse++) {
        in = source("source", SIZE);
        enough = 0;
        appended = 0;
        if (strcmp(argv[2], "append") == 0) {
            int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
            if (is_sparse)
                CHECK(fallocate(in, mode, 4096, 500000) == 0 && fallocate(in, mode, 600000, SIZE) == 0);
            append_while_copied(seconds);
        } else {
            CHECK(pthread_create(&cutter, NULL, cut_and_fill, NULL) == 0);
            cut_while_copied(seconds);
            enough = 1;
            CHECK(pthread_join(cutter, NULL) == 0);
        }
        CHECK(close(in) == 0);
    }
    return 0;
}
