/* A filesystem that fails: a single-threaded server of the FUSE protocol. It has two files: "in",
 * with known bytes, and "out", which can be written and is kept in memory. Reading "in" fails from a
 * certain byte on, and so does writing "out"; each request takes MILLISECONDS. PROGRAM runs while
 * the filesystem is mounted on DIRECTORY, in a mount namespace, which leaves nothing behind however
 * the program ends.
 *
 *     failing_filesystem DIRECTORY direct | cached SIZE READ_FAILS_AT WRITE_FAILS_AT MILLISECONDS
 *         -- PROGRAM ...
 *
 * Exits with the status of PROGRAM, or 77 if nothing can be mounted. */
#include "check.h"

#include <linux/fuse.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/prctl.h>

enum { IN = 2, OUT = 3, MAX_REQUEST = 128 << 10, ROOM = 32 << 20 };

static int device, is_direct, milliseconds;
static uint64_t size, read_fails_at, write_fails_at, out_size;
static char *out_bytes;

/* Answers a request with an error, or with 0 and the data. */
static void reply(uint64_t unique, int error, const void *payload, size_t len)
{
    static char message[MAX_REQUEST + 4096];
    struct fuse_out_header header = { .len = sizeof header + len, .error = -error, .unique = unique };
    memcpy(message, &header, sizeof header);
    if (len > 0)
        memcpy(message + sizeof header, payload, len);
    /* ENOENT: the request was interrupted. */
    CHECK(write(device, message, header.len) == (ssize_t)header.len || errno == ENOENT);
}

static struct fuse_attr attributes(uint64_t node)
{
    struct fuse_attr attributes = { .ino = node, .nlink = 1, .blksize = 4096 };
    attributes.mode = node == FUSE_ROOT_ID ? S_IFDIR | 0755 : S_IFREG | 0644;
    attributes.size = node == IN ? size : node == OUT ? out_size : 0;
    attributes.blocks = (attributes.size + 511) / 512;
    return attributes;
}

static void look_up(uint64_t unique, const char *name)
{
    struct fuse_entry_out entry = { .nodeid = strcmp(name, "in") == 0 ? IN : OUT, .entry_valid = 1000 };
    if (entry.nodeid == OUT && strcmp(name, "out") != 0)
        return reply(unique, ENOENT, NULL, 0);
    entry.attr = attributes(entry.nodeid);
    reply(unique, 0, &entry, sizeof entry);
}

/* A direct read ends at the byte that cannot be read. Through the page cache a request succeeds
 * as a whole or fails, as on a disk. */
static void read_file(uint64_t unique, uint64_t node, const struct fuse_read_in *wanted)
{
    static char bytes[MAX_REQUEST];
    uint64_t end = wanted->offset + wanted->size, most = node == IN ? size : out_size;
    CHECK(wanted->size <= MAX_REQUEST);
    usleep(milliseconds * 1000);
    end = end < most ? end : most;
    if (node == IN && end > read_fails_at) {
        if (wanted->offset >= read_fails_at || !is_direct)
            return reply(unique, EIO, NULL, 0);
        end = read_fails_at;
    }
    if (end <= wanted->offset)
        return reply(unique, 0, NULL, 0);
    for (uint64_t at = wanted->offset; at < end; at++)
        bytes[at - wanted->offset] = node == IN ? pattern(at) : out_bytes[at];
    reply(unique, 0, bytes, end - wanted->offset);
}

static void write_file(uint64_t unique, const struct fuse_write_in *wanted)
{
    struct fuse_write_out written = { .size = wanted->size };
    usleep(milliseconds * 1000);
    if (wanted->offset >= write_fails_at)
        return reply(unique, EIO, NULL, 0);
    if (wanted->offset + wanted->size > write_fails_at)
        written.size = write_fails_at - wanted->offset;
    CHECK(wanted->offset + written.size <= ROOM);
    memcpy(out_bytes + wanted->offset, wanted + 1, written.size);
    if (wanted->offset + written.size > out_size)
        out_size = wanted->offset + written.size;
    reply(unique, 0, &written, sizeof written);
}

static void set_attributes(uint64_t unique, uint64_t node, const struct fuse_setattr_in *wanted)
{
    struct fuse_attr_out out = { 0 };
    if (node == OUT && (wanted->valid & FATTR_SIZE)) {
        CHECK(wanted->size <= ROOM);
        if (wanted->size < out_size)
            memset(out_bytes + wanted->size, 0, out_size - wanted->size);
        out_size = wanted->size;
    }
    out.attr = attributes(node);
    reply(unique, 0, &out, sizeof out);
}

static void answer(const struct fuse_in_header *header)
{
    const void *body = header + 1;
    uint64_t unique = header->unique;
    struct fuse_attr_out attr = { 0 };
    struct fuse_open_out open = { .open_flags = is_direct ? FOPEN_DIRECT_IO : 0 };
    struct fuse_statfs_out disk = { .st = { .blocks = 1 << 20, .bfree = 1 << 20, .bavail = 1 << 20,
        .bsize = 4096, .frsize = 4096, .namelen = 255 } };
    struct fuse_init_out init = { .major = FUSE_KERNEL_VERSION, .minor = 31, .max_readahead = MAX_REQUEST,
        .flags = FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_MAX_PAGES, .max_background = 16,
        .congestion_threshold = 12, .max_write = MAX_REQUEST, .time_gran = 1, .max_pages = MAX_REQUEST / 4096 };
    switch (header->opcode) {
    case FUSE_INIT:
        return reply(unique, 0, &init, sizeof init);
    case FUSE_LOOKUP:
        return look_up(unique, body);
    case FUSE_GETATTR:
        attr.attr = attributes(header->nodeid);
        return reply(unique, 0, &attr, sizeof attr);
    case FUSE_SETATTR:
        return set_attributes(unique, header->nodeid, body);
    case FUSE_OPEN:
        return reply(unique, 0, &open, sizeof open);
    case FUSE_READ:
        return read_file(unique, header->nodeid, body);
    case FUSE_WRITE:
        return write_file(unique, body);
    case FUSE_STATFS:
        return reply(unique, 0, &disk, sizeof disk);
    case FUSE_FLUSH:
    case FUSE_FSYNC:
    case FUSE_RELEASE:
    case FUSE_DESTROY:
        return reply(unique, 0, NULL, 0);
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
    case FUSE_INTERRUPT:
        return;
    default:
        reply(unique, ENOSYS, NULL, 0);
    }
}

/* Answers requests until the program has ended and its descriptors are closed. */
static void serve(int ended)
{
    static char request[MAX_REQUEST + (64 << 10)];
    struct pollfd wait[2] = { { .fd = device, .events = POLLIN }, { .fd = ended, .events = POLLIN } };
    for (;;) {
        CHECK(poll(wait, 2, -1) > 0 || errno == EINTR);
        if (wait[0].revents != 0) {
            ssize_t len = read(device, request, sizeof request);
            /* ENOENT: interrupted before it was read. */
            CHECK(len > 0 || errno == ENOENT || errno == EINTR || errno == EAGAIN);
            if (len > 0)
                answer((struct fuse_in_header *)request);
        } else if (wait[1].revents != 0) {
            return;
        }
    }
}

static void not_here(const char *what)
{
    printf("%s: %s\n", what, strerror(errno));
    exit(77);
}

int main(int argc, char **argv)
{
    char options[100];
    CHECK(argc > 8 && strcmp(argv[7], "--") == 0);
    watchdog();
    is_direct = strcmp(argv[2], "direct") == 0;
    size = atoll(argv[3]), read_fails_at = atoll(argv[4]), write_fails_at = atoll(argv[5]);
    milliseconds = atoi(argv[6]);
    out_bytes = calloc(1, ROOM);
    CHECK(out_bytes != NULL);
    device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    if (device < 0)
        not_here("/dev/fuse");
    snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0", device);
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        not_here("a mount namespace");
    if (mount("failing", argv[1], "fuse", MS_NOSUID | MS_NODEV, options) != 0)
        not_here("mount");
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execv(argv[8], argv + 8);
        _exit(98);
    }
    int ended = syscall(SYS_pidfd_open, child, 0);
    CHECK(ended >= 0);
    serve(ended);
    int status = ending(child);
    umount2(argv[1], MNT_DETACH);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
