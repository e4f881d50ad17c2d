/* Makes one call of copy_file_range as its words say and prints everything that can be seen of it. The
 * tables in tests/data/ define the words; tests/conformance/ runs this program and compares.
 *
 *     conformance DIR OTHER WORD=VALUE...
 *
 * DIR is an empty directory on the filesystem to test, OTHER one on another filesystem. */
#include "check.h"

#include <inttypes.h>
#include <limits.h>
#include <linux/fiemap.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/swap.h>
#include <sys/time.h>
#include <sys/vfs.h>

/* Of a larger file only the first bytes are compared. */
#define MAX_COMPARED (64 << 20)
/* Automake's status for a test that cannot run here. */
#define SKIPPED 77

static int words;
static char **word;

static const char *get(const char *key, const char *otherwise)
{
    size_t len = strlen(key);
    for (int i = 0; i < words; i++)
        if (strncmp(word[i], key, len) == 0 && word[i][len] == '=')
            return word[i] + len + 1;
    return otherwise;
}

static bool is(const char *key, const char *value)
{
    return strcmp(get(key, ""), value) == 0;
}

/* A file that was made immutable, and its attributes before. */
static int immutable = -1;
static int attributes;

static void mutable_again(void)
{
    if (immutable >= 0)
        ioctl(immutable, FS_IOC_SETFLAGS, &attributes);
}

static void skip(const char *why)
{
    printf("%s\n", why);
    exit(SKIPPED);
}

static void must(bool done, const char *what)
{
    if (!done) {
        fprintf(stderr, "%s: %s\n", what, strerror(errno));
        exit(2);
    }
}

/* Parses a number with K, M, G or T, or the name of a limit, followed by +N or -N if wanted. */
static long long number(const char *text)
{
    static const struct { const char *name; long long value; } names[] = {
        { "SSIZE_MAX", SSIZE_MAX }, { "SIZE_MAX", -1 }, { "LLONG_MAX", LLONG_MAX },
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t len = strlen(names[i].name);
        if (strncmp(text, names[i].name, len) == 0)
            return (long long)((unsigned long long)names[i].value
                               + (text[len] ? strtoll(text + len, NULL, 10) : 0));
    }
    char *end;
    long long value = strtoll(text, &end, 0);
    const char *suffix = "KMGT";
    if (*end && strchr(suffix, *end)) {
        value <<= 10 * (strchr(suffix, *end) - suffix + 1);
        end++;
    }
    if (*end == '+' || *end == '-')
        value += strtoll(end, NULL, 10);
    return value;
}

/* Bytes that identify a file, `seed`, and an offset. */
static unsigned char byte_at(unsigned seed, unsigned long long place)
{
    unsigned long long x = (place + 1) * 0x9e3779b97f4a7c15u + seed * 0x5851f42d4c957f2du;
    return (unsigned char)((x >> 29) | 1);
}

static void fill(int fd, unsigned seed, long long from, long long len)
{
    static unsigned char bytes[1 << 16];
    while (len > 0) {
        size_t part = len < (long long)sizeof bytes ? (size_t)len : sizeof bytes;
        for (size_t i = 0; i < part; i++)
            bytes[i] = byte_at(seed, from + i);
        must(pwrite(fd, bytes, part, from) == (ssize_t)part, "cannot fill a file");
        from += part, len -= part;
    }
}

/* Creates a file with a layout: a size, or parts D(ata) and H(ole) such as D8K,H1M,D8K. */
static void make(const char *path, const char *layout, unsigned seed)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
    must(fd >= 0, path);
    long long size = 0;
    if (*layout != 'D' && *layout != 'H') {
        size = number(layout);
        fill(fd, seed, 0, size);
    } else {
        char copy[256];
        snprintf(copy, sizeof copy, "%s", layout);
        for (char *part = strtok(copy, ","); part; part = strtok(NULL, ",")) {
            long long len = number(part + 1);
            if (*part == 'D')
                fill(fd, seed, size, len);
            size += len;
        }
        must(ftruncate(fd, size) == 0, path);
    }
    close(fd);
}

/* Opens one side as its word says: the file at `path`, or something else. */
static int open_as(const char *how, const char *path)
{
    static const struct { const char *how; int flags; } modes[] = {
        { "r", O_RDONLY }, { "w", O_WRONLY }, { "rw", O_RDWR }, { "path", O_PATH },
        { "append", O_WRONLY | O_APPEND }, { "read-append", O_RDONLY | O_APPEND },
        { "direct-r", O_RDONLY | O_DIRECT }, { "direct-w", O_WRONLY | O_DIRECT },
        { "neither", O_ACCMODE },
    };
    int pair[2];
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (strcmp(how, modes[i].how) == 0)
            return open(path, modes[i].flags);
    if (strcmp(how, "setfl-append") == 0) {
        int fd = open(path, O_WRONLY);
        must(fcntl(fd, F_SETFL, O_APPEND) == 0, "F_SETFL");
        return fd;
    }
    if (strcmp(how, "closed") == 0)
        return 900;
    if (strcmp(how, "negative") == 0)
        return -1;
    if (strcmp(how, "dir") == 0)
        return open(".", O_RDONLY);
    if (strcmp(how, "path-dir") == 0)
        return open(".", O_PATH);
    if (strcmp(how, "pipe-r") == 0 || strcmp(how, "pipe-w") == 0) {
        must(pipe(pair) == 0, "pipe");
        return pair[strcmp(how, "pipe-w") == 0];
    }
    if (strcmp(how, "socket") == 0) {
        must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "socketpair");
        return pair[0];
    }
    if (strcmp(how, "eventfd") == 0)
        return eventfd(1, 0);
    if (strcmp(how, "null") == 0)
        return open("/dev/null", O_RDWR);
    if (strcmp(how, "block") == 0) {
        int fd = open("/dev/loop0", O_RDONLY);
        if (fd < 0)
            skip("no /dev/loop0");
        return fd;
    }
    if (strcmp(how, "proc") == 0)
        return open("/proc/version", O_RDONLY);
    if (strncmp(how, "memfd", 5) == 0) {
        int fd = memfd_create("m", MFD_ALLOW_SEALING);
        must(fd >= 0, "memfd_create");
        fill(fd, 3, 0, 20000);
        if (strcmp(how, "memfd-no-write") == 0)
            must(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) == 0, "F_SEAL_WRITE");
        if (strcmp(how, "memfd-no-grow") == 0)
            must(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW) == 0, "F_SEAL_GROW");
        return fd;
    }
    fprintf(stderr, "unknown way to open '%s'\n", how);
    exit(2);
}

/* Reads what the file of a descriptor holds, up to the limit of the comparison. */
struct content {
    unsigned char *bytes;
    long long size, looked_at;
};

static struct content read_all(int fd)
{
    struct content content = { 0 };
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return content;
    content.size = st.st_size;
    content.looked_at = st.st_size < MAX_COMPARED ? st.st_size : MAX_COMPARED;
    content.bytes = calloc(1, content.looked_at + 1);
    /* Not by pread(2), which a filter may make fail. */
    off_t position = lseek(fd, 0, SEEK_CUR);
    must(lseek(fd, 0, SEEK_SET) == 0, "lseek");
    for (long long done = 0; done < content.looked_at;) {
        ssize_t got = read(fd, content.bytes + done, content.looked_at - done);
        must(got > 0, "cannot read back");
        done += got;
    }
    must(lseek(fd, position, SEEK_SET) == position, "lseek");
    return content;
}

/* Computes what must be in the target after `len` bytes were copied. */
static struct content expected(struct content in, struct content out, long long off_in,
                               long long off_out, long long len, bool smears)
{
    struct content all = out;
    if (len <= 0)
        return all;
    if (off_out + len > all.size)
        all.size = off_out + len;
    all.looked_at = all.size < MAX_COMPARED ? all.size : MAX_COMPARED;
    all.bytes = calloc(1, all.looked_at + 1);
    if (out.bytes)
        memcpy(all.bytes, out.bytes, out.looked_at < all.looked_at ? out.looked_at : all.looked_at);
    /* glibc's loop reads what it has just written. */
    unsigned char *from = smears ? all.bytes : in.bytes;
    for (long long done = 0; done < len;) {
        long long part = len - done < 8192 ? len - done : 8192;
        unsigned char piece[8192];
        for (long long i = 0; i < part; i++)
            piece[i] = off_in + done + i < (smears ? all.looked_at : in.looked_at)
                           ? from[off_in + done + i] : 0;
        for (long long i = 0; i < part; i++)
            if (off_out + done + i < all.looked_at)
                all.bytes[off_out + done + i] = piece[i];
        done += part;
    }
    return all;
}

static void compare(struct content now, struct content then, const char *name)
{
    printf(" %s=", name);
    if (now.size != then.size) {
        printf("size:%lld/%lld", now.size, then.size);
        return;
    }
    for (long long i = 0; i < now.looked_at; i++)
        if (now.bytes[i] != then.bytes[i]) {
            printf("differs:%lld", i);
            return;
        }
    printf("ok");
}

/* Returns how much of the range shares its blocks: none, part or all, or - if the filesystem
 * cannot tell. */
static const char *sharing(int fd, long long from, long long len)
{
    static struct { struct fiemap map; struct fiemap_extent extents[512]; } query;
    long long shared = 0, unshared = 0;
    memset(&query, 0, sizeof query);
    query.map.fm_start = from;
    query.map.fm_length = len;
    query.map.fm_flags = FIEMAP_FLAG_SYNC;
    query.map.fm_extent_count = 512;
    if (len <= 0 || ioctl(fd, FS_IOC_FIEMAP, &query) < 0)
        return "-";
    for (unsigned i = 0; i < query.map.fm_mapped_extents; i++)
        *(query.extents[i].fe_flags & FIEMAP_EXTENT_SHARED ? &shared : &unshared) += 1;
    return shared == 0 ? "none" : unshared ? "part" : "all";
}

/* Reports whether the ranges have their data and holes at the same offsets. */
static bool same_holes(int in, long long off_in, int out, long long off_out, long long len)
{
    long long at = 0;
    while (at < len) {
        long long ends[2];
        int fds[2] = { in, out };
        long long starts[2] = { off_in, off_out };
        bool hole[2];
        for (int i = 0; i < 2; i++) {
            long long place = starts[i] + at, end = starts[i] + len;
            long long data = lseek(fds[i], place, SEEK_DATA);
            hole[i] = data != place;
            long long next = data < 0 ? end : hole[i] ? data : lseek(fds[i], place, SEEK_HOLE);
            ends[i] = (next < end ? next : end) - starts[i];
        }
        if (hole[0] != hole[1] || ends[0] != ends[1])
            return false;
        at = ends[0];
    }
    return true;
}

/* Makes a system call fail with an errno, as a broken filesystem would. */
static void fail(long call, int error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { sizeof code / sizeof *code, code };
    must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no_new_privs");
    must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0, "seccomp");
}

static const struct { const char *name; int number; } errors[] = {
#define E(name) { #name, name }
    E(EPERM), E(EINTR), E(EIO), E(EBADF), E(ENOMEM), E(EFAULT), E(EXDEV), E(EISDIR), E(EINVAL),
    E(ETXTBSY), E(EFBIG), E(ENOSPC), E(ENOSYS), E(EOVERFLOW), E(EILSEQ), E(EOPNOTSUPP), E(EUCLEAN),
    E(EBADMSG), E(ENOTTY), E(EDQUOT), E(EAGAIN), E(ESPIPE), E(EACCES), E(EROFS),
};

static int errno_named(const char *name)
{
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (strcmp(errors[i].name, name) == 0)
            return errors[i].number;
    fprintf(stderr, "unknown errno '%s'\n", name);
    exit(2);
}

static const char *name_of(int number)
{
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (errors[i].number == number)
            return errors[i].name;
    return "?";
}

static volatile sig_atomic_t caught;

static void note(int signal)
{
    caught = signal;
}

static unsigned flags_named(const char *text)
{
    static const struct { const char *name; unsigned value; } names[] = {
        { "COPY", 1 }, { "REFLINK", 2 }, { "DEDUP", 4 }, { "CLONE", 0x800000 },
    };
    unsigned flags = 0;
    char copy[64];
    snprintf(copy, sizeof copy, "%s", text);
    for (char *part = strtok(copy, "|"); part; part = strtok(NULL, "|")) {
        unsigned value = strtoul(part, NULL, 0);
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            if (strcmp(part, names[i].name) == 0)
                value = names[i].value;
        flags |= value;
    }
    return flags;
}

/* The memory of an offset: in a page of its own, or where the word says. */
static loff_t *place(const char *text, char *pages)
{
    loff_t *pointer = (loff_t *)pages;
    if (strcmp(text, "NULL") == 0)
        return NULL;
    if (strcmp(text, "bad") == 0)
        return (loff_t *)16;
    if (strcmp(text, "crooked") == 0)
        pointer = (loff_t *)(pages + 4091);
    const char *value = strchr(text, ':');
    long long offset = strcmp(text, "crooked") == 0 ? 0 : number(value ? value + 1 : text);
    memcpy(pointer, &offset, sizeof offset);
    if (strncmp(text, "fixed:", 6) == 0)
        must(mprotect(pages, 4096, PROT_READ) == 0, "mprotect");
    return pointer;
}

static void print_offset(const char *name, loff_t *pointer)
{
    long long value;
    if (pointer == NULL || pointer == (loff_t *)16) {
        printf(" %s=-", name);
        return;
    }
    memcpy(&value, pointer, sizeof value);
    printf(" %s=%lld", name, value);
}


/* Signals the process again and again. */
static void alarms(void)
{
    struct sigaction action = { .sa_handler = note };
    struct itimerval often = { { 0, 2000 }, { 0, 2000 } };
    sigaction(SIGALRM, &action, NULL);
    must(setitimer(ITIMER_REAL, &often, NULL) == 0, "setitimer");
}

int main(int argc, char **argv)
{
    must(argc > 2 && chdir(argv[1]) == 0, "usage: conformance DIR OTHER WORD=VALUE...");
    const char *other = argv[2];
    words = argc - 3, word = argv + 3;
    watchdog();

    char out_path[PATH_MAX] = "out";
    if (is("on", "cross"))
        snprintf(out_path, sizeof out_path, "%s/out", other);
    if (is("on", "subvolume")) {
        must(system("btrfs -q subvolume create sub > /dev/null") == 0, "a subvolume");
        snprintf(out_path, sizeof out_path, "sub/out");
    }
    if (is("on", "bind")) {
        must(mkdir("bound", 0755) == 0, "mkdir");
        if (system("mount --bind . bound") != 0)
            skip("no bind mount");
        snprintf(out_path, sizeof out_path, "bound/out");
    }
    make("in", get("in", "20000"), 1);
    const char *out_is = get("out", "5000");
    if (strcmp(out_is, "link") == 0)
        must(link("in", "out") == 0, "link");
    else if (strcmp(out_is, "in") == 0 || strcmp(out_is, "dup") == 0 || strcmp(out_is, "fd") == 0)
        snprintf(out_path, sizeof out_path, is("on", "bind") ? "bound/in" : "in");
    else if (strcmp(out_is, "clone") == 0)
        must(system("cp --reflink=always in out") == 0, "a clone");
    else if (strncmp(out_is, "twin", 4) == 0) {
        /* The same bytes; with twin:N a copy that differs at N. */
        make(out_path, get("in", "20000"), 1);
        if (out_is[4]) {
            int fd = open(out_path, O_WRONLY);
            must(pwrite(fd, "\2", 1, number(out_is + 5)) == 1 && fsync(fd) == 0, "twin");
            close(fd);
        }
    } else
        make(out_path, out_is, 2);
    if (get("swap", NULL)) {
        const char *file = is("swap", "in") ? "in" : out_path;
        char command[PATH_MAX + 64];
        chmod(file, 0600);
        snprintf(command, sizeof command, "mkswap -q %s 2> /dev/null", file);
        if (system(command) != 0)
            skip("no mkswap");
    }

    bool same_fd = strcmp(out_is, "fd") == 0, is_dup = strcmp(out_is, "dup") == 0;
    int in = open_as(get("fd_in", same_fd || is_dup ? "rw" : "r"), "in");
    int out = same_fd ? in : is_dup ? dup(in) : open_as(get("fd_out", "w"), out_path);
    if ((in < 0 && !is("fd_in", "negative")) || (out < 0 && !is("fd_out", "negative")))
        skip("this filesystem does not open files so");
    int see_in = open("in", O_RDONLY), see_out = open(out_path, O_RDONLY);
    if (strncmp(get("fd_in", ""), "memfd", 5) == 0)
        see_in = in;
    if (strncmp(get("fd_out", ""), "memfd", 5) == 0)
        see_out = out;
    if (is("fd_in", "proc"))
        see_in = open("/proc/version", O_RDONLY);
    if (get("pos_in", NULL))
        must(lseek(in, number(get("pos_in", "")), SEEK_SET) >= 0, "pos_in");
    if (get("pos_out", NULL))
        must(lseek(out, number(get("pos_out", "")), SEEK_SET) >= 0, "pos_out");
    if (get("swap", NULL)) {
        must(fsync(see_in) == 0 && fsync(see_out) == 0, "fsync");
        if (swapon(is("swap", "in") ? "in" : out_path, 0) != 0)
            skip("this filesystem takes no swap files so");
    }
    if (get("immutable", NULL)) {
        int file = is("immutable", "in") ? see_in : see_out, with;
        if (ioctl(file, FS_IOC_GETFLAGS, &attributes) < 0)
            skip("this filesystem has no immutable files");
        with = attributes | FS_IMMUTABLE_FL;
        if (ioctl(file, FS_IOC_SETFLAGS, &with) < 0)
            skip("this filesystem has no immutable files");
        immutable = file;
        atexit(mutable_again);
    }
    long long room = number(get("room", "0"));
    if (room > 0) {
        /* A filesystem with this much room left. */
        struct statfs fs;
        int filler = open("filler", O_WRONLY | O_CREAT, 0600);
        must(statfs(".", &fs) == 0, "statfs");
        for (long long step = 8 << 20; step >= 4096; step /= 2)
            while (statfs(".", &fs) == 0 && (long long)fs.f_bavail * fs.f_bsize >= room - 1 + step
                   && fallocate(filler, 0, lseek(filler, 0, SEEK_END), step) == 0)
                ;
        close(filler);
    }

    char *pages = mmap(NULL, 6 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    loff_t *off_in = place(get("off_in", "0"), pages);
    loff_t *off_out = is("off_out", "same") ? off_in : place(get("off_out", "0"), pages + 3 * 4096);
    size_t len = (size_t)number(get("len", "1000"));
    unsigned flags = flags_named(get("flags", "0"));
    off_t pos_in = lseek(in, 0, SEEK_CUR), pos_out = lseek(out, 0, SEEK_CUR);
    long long start_in = pos_in, start_out = pos_out;
    if (off_in && !is("off_in", "bad"))
        memcpy(&start_in, off_in, sizeof start_in);
    if (off_out && !is("off_out", "bad"))
        memcpy(&start_out, off_out, sizeof start_out);
    struct content in_before = read_all(see_in), out_before = read_all(see_out);
    struct stat st_before = { 0 }, st_after = { 0 };
    fstat(see_out, &st_before);
    signal(SIGXFSZ, note);
    struct rlimit old_limit;
    getrlimit(RLIMIT_FSIZE, &old_limit);
    if (get("limit", NULL)) {
        struct rlimit limit = { number(get("limit", "")), old_limit.rlim_max };
        must(setrlimit(RLIMIT_FSIZE, &limit) == 0, "setrlimit");
    }
    if (get("fails", NULL)) {
        /* SYSCALL:ERRNO */
        char name[64];
        snprintf(name, sizeof name, "%s", get("fails", ""));
        char *error = strchr(name, ':');
        *error++ = 0;
        static const struct { const char *name; long call; } calls[] = {
            { "copy_file_range", SYS_copy_file_range }, { "pread64", SYS_pread64 },
            { "pwrite64", SYS_pwrite64 }, { "ioctl", SYS_ioctl }, { "fallocate", SYS_fallocate },
            /* The C library's fstat makes another system call. */
            { "fstat", SYS_fstat },
        };
        size_t at = 0;
        while (at < sizeof calls / sizeof *calls && strcmp(calls[at].name, name) != 0)
            at++;
        must(at < sizeof calls / sizeof *calls, "fails");
        fail(calls[at].call, errno_named(error));
    }
    if (is("signal", "often"))
        alarms();
    errno = 77;
    double begun = now();
    ssize_t ret = is("hook", "syscall")
                      ? syscall(SYS_copy_file_range, in, off_in, out, off_out, len, flags)
                      : copy_file_range(in, off_in, out, off_out, len, flags);
    int error = errno;
    double took = now() - begun;
    if (is("signal", "often"))
        setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL);
    struct rlimit no_limit = { old_limit.rlim_max, old_limit.rlim_max };
    setrlimit(RLIMIT_FSIZE, &no_limit);
    mutable_again();
    if (get("swap", NULL))
        must(swapoff(is("swap", "in") ? "in" : out_path) == 0, "swapoff");

    printf("ret=%zd errno=%s", ret, ret < 0 ? name_of(error) : error == 77 ? "kept" : "changed");
    print_offset("off_in", off_in);
    print_offset("off_out", off_out);
    printf(" pos_in=%lld pos_out=%lld", (long long)lseek(in, 0, SEEK_CUR),
           (long long)lseek(out, 0, SEEK_CUR));
    long long moved = get("moved", NULL) ? number(get("moved", "")) : ret;
    bool one_file = see_in >= 0 && see_out >= 0 && in_before.bytes && out_before.bytes
                    && fstat(see_in, &st_after) == 0 && st_after.st_dev == st_before.st_dev
                    && st_after.st_ino == st_before.st_ino;
    bool smears = is("bytes", "smear");
    struct content after = expected(in_before, out_before, start_in, start_out, moved, smears);
    struct content out_now = read_all(see_out);
    if (is("fd_in", "proc") && ret > 0) {
        /* The file reports no size, so it is not among those read before. */
        char text[4096];
        ssize_t there = read(see_in, text, sizeof text);
        bool same = there == ret && out_now.size >= ret && memcmp(text, out_now.bytes, ret) == 0;
        printf(" bytes=%s", same ? "ok" : "other");
    } else
        compare(out_now, after, "bytes");
    if (!one_file && !is("fd_in", "proc"))
        compare(read_all(see_in), in_before, "source");
    else
        printf(" source=ok");
    printf(" shared=%s", sharing(see_out, start_out, moved));
    printf(" holes=%s", moved > 0 && same_holes(see_in, start_in, see_out, start_out, moved)
                            ? "same" : "other");
    fstat(see_out, &st_after);
    printf(" touched=%s", st_before.st_mtim.tv_nsec == st_after.st_mtim.tv_nsec
                                  && st_before.st_mtim.tv_sec == st_after.st_mtim.tv_sec
                              ? "no" : "yes");
    printf(" size=%lld signal=%d slow=%s\n", (long long)st_after.st_size,
           is("signal", "often") ? 0 : (int)caught, took > 30 ? "yes" : "no");
    if (is("on", "bind"))
        must(system("umount -l bound") == 0, "umount");
    return 0;
}
