/* Copies to a disk that is nearly full. The bytes reported as copied are there and correct, nothing
 * else is changed or allocated, and the free room is used. The sources are in the working directory
 * on another disk; DIRECTORY is used by this program alone.
 *
 *     full_disk DIRECTORY ROUNDS SEED */
#include "check.h"

#include <limits.h>
#include <sys/statvfs.h>

enum { SIZE = 2 << 20, SLACK = 64 << 10, ALL = 4 << 20 };

/* The source's bytes, and what the target must hold. */
static char bytes[SIZE], wanted[ALL], found[ALL];
static int filler;
static unsigned state;

static unsigned any(unsigned below)
{
    state = state * 1103515245 + 12345;
    return (state >> 8) % below;
}

#define ONE_OF(list) (list)[any(sizeof(list) / sizeof *(list))]

/* Without holes, or with large and small ones, one of them at the end. */
static int make_source(int is_sparse)
{
    int fd = source("source", SIZE);
    if (is_sparse) {
        int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
        CHECK(fallocate(fd, mode, 4096, 8192) == 0 && fallocate(fd, mode, 65536, 4096) == 0);
        CHECK(fallocate(fd, mode, 200000, 300000) == 0 && fallocate(fd, mode, 900000, 600000) == 0);
        CHECK(fallocate(fd, mode, SIZE - 100000, 100000) == 0);
    }
    CHECK(fsync(fd) == 0);
    return fd;
}

/* Returns the number of free blocks and sets their size. */
static long room(int fd, long *block)
{
    struct statvfs disk;
    CHECK(fstatvfs(fd, &disk) == 0);
    *block = disk.f_frsize;
    return disk.f_bavail;
}

static long long length(int fd)
{
    struct stat stat;
    CHECK(fstat(fd, &stat) == 0);
    return stat.st_size;
}

/* Allocates all but `blocks` blocks as far as possible, and returns how many are left. */
static long leave(long blocks)
{
    long block, left = room(filler, &block);
    for (int i = 0; i < 20 && left != blocks; i++) {
        long long now = length(filler), more = (long long)(left - blocks) * block;
        /* The filesystem takes some blocks for its metadata, so fewer may be available. */
        while (more > 0 && fallocate(filler, 0, now, more) != 0) {
            CHECK(errno == ENOSPC && ftruncate(filler, now) == 0);
            more = more / 2 / block * block;
        }
        if (left < blocks)
            CHECK(ftruncate(filler, now + more > 0 ? now + more : 0) == 0);
        CHECK(syncfs(filler) == 0);
        left = room(filler, &block);
    }
    return left;
}

/* Creates a target of `old` bytes on a disk with about `blocks` blocks left. */
static int prepare(size_t old, long blocks, long *left)
{
    struct statvfs disk;
    CHECK(unlink("target") == 0 || errno == ENOENT);
    CHECK(syncfs(filler) == 0 && fstatvfs(filler, &disk) == 0);
    /* The old contents must not be squeezed into the last free blocks. */
    leave(old / disk.f_frsize + disk.f_blocks / 8);
    int fd = open("target", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    memset(wanted, '#', old);
    memset(wanted + old, 0, sizeof wanted - old);
    CHECK(fd >= 0 && write(fd, wanted, old) == (ssize_t)old && fsync(fd) == 0);
    *left = leave(blocks);
    return fd;
}

/* Returns how much a simple program copies, 4 KiB at a time. */
static size_t plainly(int out, size_t off_in, size_t off_out, size_t len)
{
    size_t done = 0;
    while (done < len) {
        size_t part = len - done < 4096 ? len - done : 4096;
        ssize_t written = pwrite(out, bytes + off_in + done, part, off_out + done);
        CHECK(written > 0 || errno == ENOSPC);
        if (written < 0)
            break;
        done += written;
    }
    return done;
}

/* Checks that the target holds what it should and nothing else, and allocates no more than
 * needed. */
static void must_be_right(int out, size_t size, size_t allocated)
{
    struct stat stat;
    CHECK(length(out) == (long long)size);
    CHECK(pread(out, found, sizeof found, 0) == (ssize_t)size);
    CHECK(memcmp(found, wanted, size) == 0);
    /* xfs preallocates blocks for a growing file and frees them when the file is closed. */
    CHECK(close(out) == 0);
    out = open("target", O_RDONLY | O_CLOEXEC);
    CHECK(out >= 0 && fstat(out, &stat) == 0 && close(out) == 0);
    CHECK((size_t)stat.st_blocks * 512 <= allocated + SLACK);
}

static const long blocks_left[] = { 0, 1, 2, 3, 4, 5, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 127, 128,
    129, 255, 256, 257, 300, 500, 511, 1000, 1500 };
static const size_t olds[] = { 0, 0, 0, 100, 4096, 5000, 100000, 131072, 1 << 20 };
static const size_t lens[] = { 1, 100, 4096, 5000, 65536, 131071, 131072, 131073, 262144, 300000, 1 << 20,
    SIZE, SIZE, SIZE, SIZE, SSIZE_MAX };
static const size_t offs[] = { 0, 0, 0, 1, 100, 4095, 4096, 8191, 50000 };

/* Copies until all is copied or a call fails, and returns how much that was. */
static size_t copy_all(int in, size_t off_in, int out, size_t off_out, size_t len, size_t old,
                       int by_position)
{
    size_t done = 0, here = SIZE - off_in < len ? SIZE - off_in : len;
    for (int i = 0; done < here; i++) {
        loff_t from = off_in + done, to = off_out + done;
        ssize_t copied;
        CHECK(i < 20);
        errno = 77;
        if (by_position) {
            CHECK(lseek(in, from, SEEK_SET) == from && lseek(out, to, SEEK_SET) == to);
            copied = copy(in, NULL, out, NULL, len - done);
            from = lseek(in, 0, SEEK_CUR), to = lseek(out, 0, SEEK_CUR);
        } else {
            copied = copy(in, &from, out, &to, len - done);
        }
        if (copied < 0) {
            CHECK(copied == -1 && errno == ENOSPC);
            CHECK(from == (loff_t)(off_in + done) && to == (loff_t)(off_out + done));
            break;
        }
        CHECK(copied >= 1 && (size_t)copied <= here - done && errno == 77);
        memcpy(wanted + to - copied, bytes + from - copied, copied);
        done += copied;
        CHECK(from == (loff_t)(off_in + done) && to == (loff_t)(off_out + done));
        /* Checked at once, before another call could correct it. */
        CHECK(length(out) == (long long)(off_out + done > old ? off_out + done : old));
        CHECK(pread(out, found, copied, to - copied) == copied);
        CHECK(memcmp(found, wanted + to - copied, copied) == 0);
    }
    return done;
}

static void copy_once(int in)
{
    long blocks = ONE_OF(blocks_left), before, block, plain_room;
    size_t old = ONE_OF(olds), off_in = ONE_OF(offs), len = ONE_OF(lens);
    size_t off_out = any(3) == 0 ? old : any(3) == 0 ? old / 2 : any(4) == 0 ? old + 300000 : ONE_OF(offs);
    size_t here = SIZE - off_in < len ? SIZE - off_in : len;
    int by_position = any(4) == 0, out = prepare(old, blocks, &plain_room);
    CHECK(pread(in, bytes, SIZE, 0) == SIZE);
    size_t plain = plainly(out, off_in, off_out, here);
    CHECK(close(out) == 0);
    out = prepare(old, blocks, &before);
    int descriptors_before = descriptors();
    size_t done = copy_all(in, off_in, out, off_out, len, old, by_position);
    CHECK(descriptors() == descriptors_before);
    room(filler, &block);
    /* The filesystem may take a block for itself, and the two disks may have had different free
     * room. */
    size_t unlike = plain_room > before ? (plain_room - before) * block : 0;
    CHECK(done + unlike + (block > 4096 ? block : 4096) >= plain);
    CHECK(done <= here);
    size_t size = done > 0 && off_out + done > old ? off_out + done : old;
    must_be_right(out, size, old + done + 2 * block);
}

int main(int argc, char **argv)
{
    watchdog();
    CHECK(argc == 4);
    int rounds = atoi(argv[2]), ins[2];
    state = atoi(argv[3]);
    for (int i = 0; i < 2; i++)
        ins[i] = make_source(i);
    /* The first copy opens the log, if there is one. */
    copy_start(ins[0], target("other"), 1);
    CHECK(chdir(argv[1]) == 0);
    filler = target("filler");
    for (int round = 0; round < rounds; round++)
        copy_once(ins[round % 2]);
    CHECK(unlink("filler") == 0 && (unlink("target") == 0 || errno == ENOENT));
    return 0;
}
