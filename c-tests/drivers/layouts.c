/* Copies between files of random layouts: data, written zeros, holes, and blocks that were allocated
 * and never written, before and after the end of the file. After every call all that can be seen is
 * compared with a model in memory that copies byte by byte. At the end holes must be holes.
 *
 *     layouts DIRECTORY_IN DIRECTORY_OUT SEED ROUNDS
 *
 * Each round has its own seed, from SEED on, so that it can be repeated alone. If both directories are
 * the same, every other round copies within one file. */
#include "check.h"
#include "random.h"

#include <linux/magic.h>
#include <stdint.h>
#include <sys/vfs.h>

#define MIB (1 << 20)
#define PAGE 4096
/* No layout makes a file longer, and no round copies beyond the second limit. */
#define MAX_SIZE (3 * MIB)
#define ROOM (8 * MIB)
/* A call that takes longer is taken for an endless loop. */
#define MAX_CALL_SECONDS 60

struct file {
    char path[4096];
    /* The descriptor that copies, and one to check with, which moves no position. */
    int fd, look;
    unsigned char *bytes;
    loff_t size;
    /* Pages that were allocated and perhaps never written. */
    char is_allocated[ROOM / PAGE];
};

static struct file files[2];
static unsigned char *buffer;

/* The parameters of a round. */
static struct {
    char **arguments;
    uint64_t seed;
    loff_t off_in, off_out;
    size_t len;
    loff_t size_in, size_out;
    int is_one_file, null_in, null_out, calls;
} drawn;

#define ROUND(what) ((what) ? (void)0 : (tell(), failed(__FILE__, __LINE__, #what)))

static void tell(void)
{
    int error = errno;
    dprintf(1, "%lld of %lld bytes (%s) to %lld of %lld bytes (%s), len %zu, call %d\n",
            (long long)drawn.off_in, (long long)drawn.size_in,
            drawn.null_in ? "position" : "pointer", (long long)drawn.off_out,
            (long long)drawn.size_out, drawn.null_out ? "position" : "pointer", drawn.len,
            drawn.calls);
    dprintf(1, "repeat: %s %s %s %llu 1\n", drawn.arguments[0], drawn.arguments[1],
            drawn.arguments[2], (unsigned long long)drawn.seed);
    errno = error;
}

static loff_t smaller(loff_t one, loff_t other)
{
    return one < other ? one : other;
}

/* Writes the model's bytes. */
static void write_out(struct file *file, loff_t at, size_t len)
{
    ROUND(pwrite(file->fd, file->bytes + at, len, at) == (ssize_t)len);
    if (file->size < at + (loff_t)len)
        file->size = at + len;
}

static void cut(struct file *file, loff_t size)
{
    ROUND(ftruncate(file->fd, size) == 0);
    if (size < file->size)
        memset(file->bytes + size, 0, file->size - size);
    file->size = size;
}

static void allocate(struct file *file, int mode, loff_t at, size_t len)
{
    ROUND(fallocate(file->fd, mode, at, len) == 0);
    for (size_t page = at / PAGE; page * PAGE < at + len; page++)
        file->is_allocated[page] = 1;
    if (mode == 0 && file->size < at + (loff_t)len)
        file->size = at + len;
}

/* Adds one segment of a layout. */
static void lay(struct file *file, loff_t at, size_t len)
{
    switch (below(10)) {
    case 0: case 1: case 2: case 3:
        fill_random(file->bytes + at, len);
        write_out(file, at, len);
        break;
    case 4:
        write_out(file, at, len);
        break;
    case 5: case 6:
        allocate(file, 0, at, len);
        break;
    case 7:
        fill_random(file->bytes + at, len);
        write_out(file, at, len);
        ROUND(fallocate(file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, len) == 0);
        memset(file->bytes + at, 0, len);
        break;
    default:
        /* A hole, which was never written. */
        break;
    }
}

static size_t segment(void)
{
    if (one_in(8))
        return 1 + below(MIB);
    return one_in(3) ? 1 + below(100000) : PAGE * (1 + below(one_in(2) ? 4 : 64));
}

/* Creates the file anew. */
static void lay_out(struct file *file)
{
    memset(file->bytes, 0, ROOM);
    memset(file->is_allocated, 0, sizeof file->is_allocated);
    file->size = 0;
    ROUND(unlink(file->path) == 0 || errno == ENOENT);
    file->fd = open(file->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    file->look = open(file->path, O_RDWR | O_CLOEXEC);
    ROUND(file->fd >= 0 && file->look >= 0);
    loff_t size = one_in(10) ? 0 : below(one_in(3) ? 40000 : MAX_SIZE - 400000);
    if (one_in(3))
        size -= size % PAGE;
    for (loff_t at = 0; at < size;) {
        size_t len = smaller(segment(), size - at);
        lay(file, at, len);
        at += len;
    }
    cut(file, size);
    if (one_in(3))
        ROUND(fsync(file->fd) == 0);
    /* Within bytes that are already written or allocated. */
    for (int more = one_in(2) ? below(6) : 0; more > 0 && size > 0; more--) {
        loff_t at = below(size);
        size_t len = smaller(1 + below(20000), size - at);
        fill_random(file->bytes + at, len);
        write_out(file, at, len);
    }
    if (one_in(5))
        cut(file, file->size + below(300000));
    else if (one_in(5))
        cut(file, file->size - below(smaller(file->size, 50000)));
    if (one_in(4)) {
        loff_t from = file->size - (one_in(2) ? below(smaller(file->size, 10000)) : 0);
        allocate(file, FALLOC_FL_KEEP_SIZE, from, 1 + below(500000));
    }
    if (one_in(2))
        ROUND(fsync(file->fd) == 0);
    if (one_in(4))
        posix_fadvise(file->fd, 0, 0, POSIX_FADV_DONTNEED);
}

static loff_t place(loff_t size)
{
    if (one_in(6))
        return 0;
    return one_in(12) ? size + below(300000) : below(size + 1);
}

/* Where the round copies from and to, and how much. */
static void draw(struct file *in, struct file *out)
{
    loff_t off_in = place(in->size), off_out = place(out->size);
    switch (below(4)) {
    case 0:
        off_in -= off_in % PAGE;
        off_out -= off_out % PAGE;
        break;
    case 1: case 2:
        off_out = off_out - off_out % PAGE + off_in % PAGE;
        break;
    }
    if (one_in(6))
        off_in = off_out = 0;
    loff_t rest = in->size > off_in ? in->size - off_in : 0;
    switch (below(12)) {
    case 0:
        drawn.len = 0;
        break;
    case 1: case 2:
        drawn.len = SIZE_MAX / 2;
        break;
    case 3: case 4:
        drawn.len = rest;
        break;
    case 5:
        drawn.len = rest + below(100000);
        break;
    case 6: case 7:
        drawn.len = 1 + below(140000);
        break;
    case 8:
        drawn.len = PAGE * (1 + below(64));
        break;
    default:
        drawn.len = below(rest + 1);
    }
    if (in == out) {
        if (off_in == off_out)
            off_out += PAGE * (1 + below(200)) + (one_in(3) ? below(PAGE) : 0);
        /* At most adjacent, because overlapping ranges are refused. */
        size_t apart = off_in < off_out ? off_out - off_in : off_in - off_out;
        if (drawn.len > apart)
            drawn.len = apart;
    }
    drawn.off_in = off_in;
    drawn.off_out = off_out;
    drawn.null_in = one_in(2);
    drawn.null_out = one_in(2);
    drawn.size_in = in->size;
    drawn.size_out = out->size;
}

/* Compares the whole file. */
static void must_be(struct file *file)
{
    struct stat stat;
    ROUND(fstat(file->look, &stat) == 0 && stat.st_size == file->size);
    for (loff_t at = 0; at < file->size;) {
        size_t len = smaller(file->size - at, MIB);
        ROUND(pread(file->look, buffer, len, at) == (ssize_t)len);
        if (memcmp(buffer, file->bytes + at, len) != 0) {
            while (buffer[at % MIB] == file->bytes[at])
                at++;
            dprintf(1, "%s: byte %lld is %d and should be %d\n", file->path, (long long)at,
                    buffer[at % MIB], file->bytes[at]);
            ROUND(!"the bytes are those of the model");
        }
        at += len;
    }
}

/* Copies in a loop as a program does, and returns the bytes copied in all. */
static loff_t copy_all(struct file *in, struct file *out, int fd_out)
{
    loff_t off_in = drawn.off_in, off_out = drawn.off_out, copied = 0;
    loff_t position_in = drawn.null_in ? off_in : below(ROOM);
    loff_t position_out = drawn.null_out ? off_out : below(ROOM);
    if (fd_out == in->fd) {
        /* One position for both. */
        position_in = position_out = drawn.null_in ? off_in : position_out;
    }
    ROUND(lseek(in->fd, position_in, SEEK_SET) == position_in);
    ROUND(lseek(fd_out, position_out, SEEK_SET) == position_out);
    size_t len = drawn.len;
    ssize_t done;
    do {
        loff_t rest = in->size > off_in ? in->size - off_in : 0;
        if (len < (size_t)rest)
            rest = len;
        loff_t to_in = off_in, to_out = off_out;
        drawn.calls++;
        double begun = now();
        errno = 77;
        done = copy(in->fd, drawn.null_in ? NULL : &to_in, fd_out,
                    drawn.null_out ? NULL : &to_out, len);
        ROUND(done >= (rest > 0) && done <= rest);
        ROUND(errno == 77);
        ROUND(now() - begun < MAX_CALL_SECONDS);
        for (ssize_t i = 0; i < done; i++)
            out->bytes[off_out + i] = in->bytes[off_in + i];
        if (done > 0 && out->size < off_out + done)
            out->size = off_out + done;
        off_in += done, off_out += done, len -= done, copied += done;
        if (drawn.null_in)
            position_in += done;
        if (drawn.null_out)
            position_out += done;
        if (fd_out == in->fd)
            position_in = position_out = drawn.null_in ? position_in : position_out;
        ROUND(drawn.null_in || to_in == off_in);
        ROUND(drawn.null_out || to_out == off_out);
        ROUND(lseek(in->fd, 0, SEEK_CUR) == position_in);
        ROUND(lseek(fd_out, 0, SEEK_CUR) == position_out);
        must_be(out);
        if (in != out)
            must_be(in);
    } while (done > 0 && len > 0);
    return copied;
}

/* Finds which whole blocks of the file are holes. On tmpfs without those that were allocated:
 * such pages cannot be told from others without moving a position. */
static void find_holes(struct file *file, size_t block, char *is_hole)
{
    struct statfs filesystem;
    ROUND(fstatfs(file->look, &filesystem) == 0);
    memset(is_hole, 0, ROOM / block);
    for (loff_t at = 0; at + (loff_t)block <= file->size;) {
        loff_t data = lseek(file->look, at, SEEK_DATA);
        ROUND(data >= at || (data < 0 && errno == ENXIO));
        loff_t end = data < 0 ? file->size : data;
        for (; at + (loff_t)block <= end; at += block)
            is_hole[at / block] = 1;
        if (data < 0)
            break;
        at = lseek(file->look, end, SEEK_HOLE);
        ROUND(at >= end);
        /* On ext4 one byte may be in both, if blocks are smaller than pages. */
        at += at == end;
        at += (block - at % block) % block;
    }
    for (size_t page = 0; filesystem.f_type == TMPFS_MAGIC && page < ROOM / PAGE; page++) {
        if (file->is_allocated[page])
            is_hole[page * PAGE / block] = 0;
    }
}

/* A hole in the source is a hole in the target, whatever was there before. */
static void must_be_holes(struct file *out, size_t block, const char *is_hole, loff_t copied)
{
    if (drawn.off_in % block != drawn.off_out % block)
        return;
    /* Reading blocks that were never written turns them into data for a while. */
    ROUND(fsync(out->look) == 0 && posix_fadvise(out->look, 0, 0, POSIX_FADV_DONTNEED) == 0);
    loff_t at = drawn.off_out + (block - drawn.off_out % block) % block;
    for (; at + (loff_t)block <= drawn.off_out + copied; at += block) {
        if (!is_hole[(at - drawn.off_out + drawn.off_in) / block])
            continue;
        if (lseek(out->look, at, SEEK_HOLE) != at) {
            dprintf(1, "%s: no hole at %lld\n", out->path, (long long)at);
            ROUND(!"holes are kept");
        }
    }
}

/* A complete copy allocates no more than its source. */
static void must_be_small(struct file *in, struct file *out)
{
    struct stat stat_in, stat_out;
    /* Frees what the filesystem has preallocated beyond the end. */
    ROUND(fsync(out->look) == 0 && ftruncate(out->look, out->size) == 0);
    ROUND(fstat(in->look, &stat_in) == 0 && fstat(out->look, &stat_out) == 0);
    if (stat_out.st_blocks > stat_in.st_blocks * 1.02 + 256) {
        dprintf(1, "%lld blocks in the source, %lld in the target\n", (long long)stat_in.st_blocks,
                (long long)stat_out.st_blocks);
        ROUND(!"the copy is as small as the source");
    }
}

static void play(int may_be_one)
{
    static char is_hole[ROOM / 512];
    struct file *in = &files[0], *out = may_be_one && one_in(2) ? in : &files[1];
    struct stat stat_in, stat_out;
    lay_out(in);
    if (in != out)
        lay_out(out);
    draw(in, out);
    int fd_out = out->fd;
    if (in == out) {
        /* Through one descriptor or two. */
        if (one_in(2))
            ROUND((fd_out = open(out->path, O_RDWR | O_CLOEXEC)) >= 0);
        else
            drawn.null_in &= !drawn.null_out;
    }
    ROUND(fstat(in->look, &stat_in) == 0 && fstat(out->look, &stat_out) == 0);
    size_t block = PAGE;
    while (block < (size_t)stat_in.st_blksize || block < (size_t)stat_out.st_blksize)
        block *= 2;
    find_holes(in, block, is_hole);
    loff_t copied = copy_all(in, out, fd_out);
    must_be_holes(out, block, is_hole, copied);
    int is_whole = drawn.off_in == 0 && drawn.off_out == 0 && copied == drawn.size_in;
    if (in != out && is_whole && drawn.size_out == 0 && stat_out.st_blocks == 0)
        must_be_small(in, out);
    if (fd_out != out->fd)
        close(fd_out);
    close(in->fd), close(in->look);
    if (in != out)
        close(out->fd), close(out->look);
}

int main(int argc, char **argv)
{
    watchdog();
    CHECK(argc == 5);
    buffer = malloc(MIB);
    for (int i = 0; i < 2; i++) {
        snprintf(files[i].path, sizeof files[i].path, "%s/%s", argv[1 + i], i == 0 ? "in" : "out");
        files[i].bytes = malloc(ROOM);
        CHECK(buffer != NULL && files[i].bytes != NULL);
    }
    drawn.arguments = argv;
    uint64_t first = strtoull(argv[3], NULL, 0), rounds = strtoull(argv[4], NULL, 0);
    for (drawn.seed = first; drawn.seed < first + rounds; drawn.seed++) {
        seed_random(drawn.seed);
        drawn.calls = 0;
        play(strcmp(argv[1], argv[2]) == 0);
    }
    for (int i = 0; i < 2; i++)
        unlink(files[i].path);
    return 0;
}
