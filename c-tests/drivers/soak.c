/* Random operations on a few files, each compared with a model in memory, as in fsx.
 *
 *     soak DIRECTORY SEED OPERATIONS
 *
 * If a file is not as it should be, prints the operations before and exits with 1. */
#include "check.h"
#include "random.h"

#include <stdint.h>
#include <sys/mman.h>

#define FILES 3
#define MAX_SIZE (1 << 20)
/* All bytes of all files are compared once in so many operations. */
#define EVERY 500
#define REMEMBERED 20
/* A call that takes longer is taken for an endless loop. */
#define MAX_CALL_SECONDS 60

struct file {
    char path[4096];
    int fd;
    unsigned char *bytes;
    loff_t size;
};

enum operation {
    READ, WRITE, WRITE_ZEROS, MAPPED_WRITE, COPY, CUT, PUNCH, ALLOCATE, ALLOCATE_BEHIND, SYNC,
    REOPEN,
};

static const char *const names[] = {
    [READ] = "pread", [WRITE] = "pwrite", [WRITE_ZEROS] = "pwrite of zeros",
    [MAPPED_WRITE] = "mapped write", [COPY] = "copy_file_range", [CUT] = "ftruncate",
    [PUNCH] = "fallocate PUNCH_HOLE", [ALLOCATE] = "fallocate",
    [ALLOCATE_BEHIND] = "fallocate KEEP_SIZE", [SYNC] = "fsync", [REOPEN] = "reopen",
};

/* The last operations, by number. For a copy `file` and `at` are the target's. */
static struct done {
    enum operation operation;
    int file, file_in;
    loff_t at, off_in, size;
    size_t len;
    ssize_t result;
} lately[REMEMBERED];

static struct file files[FILES];
static unsigned char *buffer;
static uint64_t seed;
static long number;

static struct done *this_one(void)
{
    return &lately[number % REMEMBERED];
}

/* Prints the last operations and ends. */
static void mismatch(struct file *file, loff_t at, const char *what)
{
    dprintf(1, "seed %llu, operation %ld, file %d, offset %lld: %s\n", (unsigned long long)seed,
            number, (int)(file - files), (long long)at, what);
    for (long n = number < REMEMBERED ? 0 : number - REMEMBERED + 1; n <= number; n++) {
        struct done *done = &lately[n % REMEMBERED];
        dprintf(1, "%8ld %s, file %d of %lld bytes, %lld for %zu", n, names[done->operation],
                done->file, (long long)done->size, (long long)done->at, done->len);
        if (done->operation == COPY)
            dprintf(1, ", from file %d, %lld: %zd", done->file_in, (long long)done->off_in,
                    done->result);
        dprintf(1, "\n");
    }
    _exit(1);
}

static loff_t smaller(loff_t one, loff_t other)
{
    return one < other ? one : other;
}

/* Most are small. */
static size_t some_len(void)
{
    if (one_in(400))
        return 1 + below(MAX_SIZE);
    if (one_in(30))
        return 1 + below(200000);
    return one_in(4) ? 4096 * (1 + below(4)) : 1 + below(1 << below(14));
}

/* Often at a block boundary or at the end of the file. */
static loff_t some_place(struct file *file, size_t len)
{
    loff_t at = below(MAX_SIZE - len + 1);
    switch (below(6)) {
    case 0: case 1:
        return at - at % 4096;
    case 2:
        return smaller(file->size, MAX_SIZE - len);
    case 3:
        return below(smaller(file->size, MAX_SIZE - len) + 1);
    }
    return at;
}

/* Compares a range with the model, up to the end of the file. */
static void must_be(struct file *file, loff_t at, loff_t len)
{
    if (at >= file->size)
        return;
    len = smaller(len, file->size - at);
    ssize_t count = pread(file->fd, buffer, len, at);
    if (count != len)
        mismatch(file, at, "pread(2) reads fewer bytes than there are");
    if (memcmp(buffer, file->bytes + at, len) == 0)
        return;
    loff_t first = 0;
    while (buffer[first] == file->bytes[at + first])
        first++;
    mismatch(file, at + first, "this byte differs");
}

static void must_have_size(struct file *file)
{
    struct stat stat;
    CHECK(fstat(file->fd, &stat) == 0);
    if (stat.st_size != file->size)
        mismatch(file, stat.st_size, "this is the size");
}

static void all_must_be(void)
{
    for (int i = 0; i < FILES; i++) {
        must_have_size(&files[i]);
        must_be(&files[i], 0, MAX_SIZE);
    }
}

static void reaches(struct file *file, loff_t end)
{
    if (file->size < end)
        file->size = end;
}

static void write_file(struct file *file, loff_t at, size_t len, int is_zeros)
{
    if (is_zeros)
        memset(file->bytes + at, 0, len);
    else
        fill_random(file->bytes + at, len);
    CHECK(pwrite(file->fd, file->bytes + at, len, at) == (ssize_t)len);
    reaches(file, at + len);
}

static void write_mapped(struct file *file, loff_t at, size_t len)
{
    if (at >= file->size)
        return;
    len = smaller(len, file->size - at);
    loff_t page = at - at % 4096;
    char *map = mmap(NULL, at - page + len, PROT_READ | PROT_WRITE, MAP_SHARED, file->fd, page);
    CHECK(map != MAP_FAILED);
    fill_random(file->bytes + at, len);
    memcpy(map + (at - page), file->bytes + at, len);
    CHECK(munmap(map, at - page + len) == 0);
}

static void cut(struct file *file, loff_t size)
{
    CHECK(ftruncate(file->fd, size) == 0);
    if (size < file->size)
        memset(file->bytes + size, 0, file->size - size);
    file->size = size;
}

static void punch(struct file *file, loff_t at, size_t len)
{
    CHECK(fallocate(file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, len) == 0);
    if (at < file->size)
        memset(file->bytes + at, 0, smaller(len, file->size - at));
}

/* Makes one call and checks its result. */
static void copy_file(struct file *in, struct file *out, loff_t off_out, size_t len)
{
    loff_t off_in = some_place(in, len);
    if (in == out) {
        if (one_in(4))
            off_in = off_out < (loff_t)len ? off_out + (loff_t)len : off_out - (loff_t)len;
        loff_t apart = off_in < off_out ? off_out - off_in : off_in - off_out;
        len = smaller(len, apart);
    }
    loff_t rest = in->size > off_in ? smaller(len, in->size - off_in) : 0;
    loff_t to_in = off_in, to_out = off_out;
    int null_in = one_in(3), null_out = one_in(3) && !(in == out && null_in);
    struct done *done = this_one();
    done->file_in = in - files, done->off_in = off_in, done->len = len;
    if (null_in)
        CHECK(lseek(in->fd, off_in, SEEK_SET) == off_in);
    if (null_out)
        CHECK(lseek(out->fd, off_out, SEEK_SET) == off_out);
    double begun = now();
    errno = 77;
    ssize_t copied = copy(in->fd, null_in ? NULL : &to_in, out->fd, null_out ? NULL : &to_out, len);
    done->result = copied;
    if (copied < (rest > 0) || copied > rest)
        mismatch(out, off_out, copied < 0 ? strerror(errno) : "the result is not what may be");
    if (errno != 77)
        mismatch(out, off_out, "errno was changed");
    if (now() - begun > MAX_CALL_SECONDS)
        mismatch(out, off_out, "the call has taken too long");
    if ((null_in ? lseek(in->fd, 0, SEEK_CUR) : to_in) != off_in + copied)
        mismatch(in, off_in, "the source's offset has not moved by the result");
    if ((null_out ? lseek(out->fd, 0, SEEK_CUR) : to_out) != off_out + copied)
        mismatch(out, off_out, "the target's offset has not moved by the result");
    memmove(out->bytes + off_out, in->bytes + off_in, copied);
    if (copied > 0)
        reaches(out, off_out + copied);
    /* Also checks the bytes beside it. */
    loff_t from = off_out < 4096 ? 0 : off_out - 4096;
    must_be(out, from, off_out - from + copied + 4096);
    must_have_size(out);
}

static void open_file(struct file *file)
{
    file->fd = open(file->path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    CHECK(file->fd >= 0);
}

static enum operation some_operation(void)
{
    long drawn = below(1000);
    static const struct { int below; enum operation operation; } shares[] = {
        { 200, READ }, { 420, WRITE }, { 450, WRITE_ZEROS }, { 500, MAPPED_WRITE }, { 800, COPY },
        { 850, CUT }, { 920, PUNCH }, { 945, ALLOCATE }, { 970, ALLOCATE_BEHIND }, { 972, SYNC },
    };
    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
        if (drawn < shares[i].below)
            return shares[i].operation;
    }
    return REOPEN;
}

static void operate(void)
{
    enum operation operation = some_operation();
    struct file *file = &files[below(FILES)];
    size_t len = some_len();
    loff_t at = some_place(file, len);
    *this_one() = (struct done){
        .operation = operation, .file = file - files, .at = at, .size = file->size, .len = len
    };
    switch (operation) {
    case READ:
        must_be(file, at, len);
        break;
    case WRITE: case WRITE_ZEROS:
        write_file(file, at, len, operation == WRITE_ZEROS);
        break;
    case MAPPED_WRITE:
        write_mapped(file, at, len);
        break;
    case COPY:
        copy_file(&files[below(FILES)], file, at, len);
        break;
    case CUT:
        cut(file, one_in(2) ? at : smaller(file->size + len, MAX_SIZE));
        break;
    case PUNCH:
        punch(file, at, len);
        break;
    case ALLOCATE:
        CHECK(fallocate(file->fd, 0, at, len) == 0);
        reaches(file, at + len);
        break;
    case ALLOCATE_BEHIND:
        CHECK(fallocate(file->fd, FALLOC_FL_KEEP_SIZE, at, len) == 0);
        break;
    case SYNC:
        CHECK(fsync(file->fd) == 0);
        break;
    case REOPEN:
        CHECK(close(file->fd) == 0);
        open_file(file);
        break;
    }
}

int main(int argc, char **argv)
{
    watchdog();
    CHECK(argc == 4);
    seed = strtoull(argv[2], NULL, 0);
    long operations = strtol(argv[3], NULL, 0);
    seed_random(seed);
    buffer = malloc(MAX_SIZE);
    CHECK(buffer != NULL);
    for (int i = 0; i < FILES; i++) {
        snprintf(files[i].path, sizeof files[i].path, "%s/soak-%d", argv[1], i);
        files[i].bytes = calloc(1, MAX_SIZE);
        CHECK(files[i].bytes != NULL);
        CHECK(unlink(files[i].path) == 0 || errno == ENOENT);
        open_file(&files[i]);
    }
    for (number = 0; number < operations; number++) {
        operate();
        if (number % EVERY == EVERY - 1)
            all_must_be();
    }
    number = operations - 1;
    all_must_be();
    for (int i = 0; i < FILES; i++)
        unlink(files[i].path);
    return 0;
}
