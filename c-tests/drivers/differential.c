/* Makes each copy_file_range request twice, on two pairs of files that were made alike: by the kernel's
 * call itself, and by copy_file_range(), which is the library's if it is preloaded. All that a caller
 * can see must be the same. A property test and, built with -DFUZZER, a target of libFuzzer.
 *
 *     differential DIRECTORY SEED ROUNDS [MAX]
 *
 * DIRECTORY is on the filesystem to test; nothing is left in it. The request of a round is decoded
 * from random bytes, seeded with SEED plus the number of the round. If a round fails, the program
 * prints the request, both outcomes, and a command that repeats this request alone. It runs as root,
 * which may open a file of any mode. With MAX the library is to move at most MAX of the bytes that the
 * kernel moves (CFR_INJECT=short=MAX), and all else is to be as the kernel leaves it.
 *
 * With -DFUZZER the files are in the working directory, and libFuzzer makes the bytes. */
#include "check.h"
#include "kernel_copy.h"

#include <limits.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/vfs.h>

/* Larger than the library's piece and its pipe. */
#define MAX_BYTES (600 << 10)
#define PAGE 4096
/* From Linux's include/linux/fs.h: the most bytes that one call moves. */
#define MAX_RW_COUNT 0x7ffff000
#define PARTS 5
/* The user nobody. */
#define NOBODY 65534

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- The random bytes. After their end they read as zeros. */

static const uint8_t *input;
static size_t input_left;

static unsigned take(void)
{
    if (input_left == 0)
        return 0;
    input_left--;
    return *input++;
}

static unsigned take_three(void)
{
    unsigned low = take(), middle = take();
    return low | middle << 8 | take() << 16;
}

/* From -128 to 127. */
static int take_near(void)
{
    return (int)(int8_t)take();
}

/* ---- A request. */

enum kind {
    /* A regular file in DIRECTORY, or a memory file. */
    REGULAR,
    WRONG_ACCESS,
    CLOSED,
    CLOSED_HIGH,
    ONLY_PATH,
    DIRECTORY,
    PIPE,
    NOWHERE,
    APPENDS,
    IMMUTABLE,
    ONLY_APPENDED_TO,
    KINDS
};

static const char *const kind_names[KINDS] = {
    [REGULAR] = "a file", [WRONG_ACCESS] = "a file open for the other thing", [CLOSED] = "-1",
    [CLOSED_HIGH] = "a high number that is closed", [ONLY_PATH] = "a file open with O_PATH",
    [DIRECTORY] = "a directory", [PIPE] = "a pipe", [NOWHERE] = "/dev/null",
    [APPENDS] = "a file open with O_APPEND", [IMMUTABLE] = "an immutable file",
    [ONLY_APPENDED_TO] = "a file with the append-only attribute",
};

enum place {
    POSITION, STACK, HEAP, UNALIGNED, READ_ONLY, UNMAPPED, WILD, INTO_READ_ONLY, OUT_OF_READ_ONLY,
    INTO_UNMAPPED, FROM_UNMAPPED, OF_THE_OTHER, BEHIND_THE_OTHER, PLACES
};

static const char *const place_names[PLACES] = {
    [POSITION] = "NULL", [STACK] = "on the stack", [HEAP] = "elsewhere",
    [UNALIGNED] = "unaligned", [READ_ONLY] = "in read-only memory",
    [UNMAPPED] = "in memory that may not be read", [WILD] = "wild",
    [INTO_READ_ONLY] = "reaching into a read-only page",
    [OUT_OF_READ_ONLY] = "reaching from a read-only page into one that may not be read",
    [INTO_UNMAPPED] = "reaching into a page that may not be read",
    [FROM_UNMAPPED] = "reaching from a page that may not be read",
    [OF_THE_OTHER] = "the source's", [BEHIND_THE_OTHER] = "four bytes behind the source's",
};

enum part_kind { DATA, ZEROS, HOLE, UNWRITTEN };

struct part {
    enum part_kind kind;
    unsigned len;
};

/* One side of the call. */
struct end {
    enum kind kind;
    bool both_ways;
    /* The file is empty up to here, where its parts begin. */
    loff_t base;
    struct part parts[PARTS];
    unsigned size;
    bool more_allocated;
    bool synced;
    mode_t mode;
    int seals;
    loff_t position;
    enum place place;
    loff_t offset;
};

enum sharing { TWO_FILES, ONE_DESCRIPTOR, DUPLICATE, OPEN_TWICE };

static const char *const sharing_names[] = {
    "two files", "one file by one descriptor", "one file by two duplicates", "one file open twice",
};

static struct request {
    bool in_memory;
    enum sharing sharing;
    struct end in, out;
    size_t len;
    rlim_t limit;
    unsigned flags;
    uid_t user;
} request;

/* The directory of the test's files, and the largest file sizes there and in memory. */
static const char *directory = ".";
static loff_t largest_here, largest_in_memory;
/* Whether the kernel shares blocks there, and so may stop after the last whole block. */
static bool may_share;

static loff_t largest(void)
{
    return request.in_memory ? largest_in_memory : largest_here;
}

/* Returns where the range of this side begins, if it begins anywhere. */
static loff_t start(const struct end *end)
{
    return end->place == POSITION ? end->position : end->offset;
}

static loff_t file_end(const struct end *end)
{
    return end->base + end->size;
}

/* An addition near the largest offset must not overflow. */
static loff_t sum(loff_t one, loff_t other)
{
    return (loff_t)((uint64_t)one + (uint64_t)other);
}

static unsigned some_length(void)
{
    switch (take() % 8) {
    case 0: return take();
    case 1: return PAGE * (1 + take() % 8);
    case 2: return PAGE + take_near();
    case 3: return take_three() % (8 * PAGE);
    case 4: return (128 << 10) + take_near();
    case 5: return (256 << 10) + take_near() * 37;
    case 6: return take_three() % (64 << 10);
    default: return take_three() % (300 << 10);
    }
}

static loff_t some_offset(const struct end *end, const struct end *other)
{
    unsigned which = take();
    if (which < 60)
        return end->base + (end->size ? take_three() % end->size : 0);
    if (which < 90)
        return end->base + PAGE * (take() % 16);
    switch (which % 14) {
    case 0: return 0;
    case 1: return take();
    case 2: return PAGE + take_near();
    case 3: return sum(file_end(end), take_near());
    case 4: return sum(file_end(end), take_three() % (256 << 10));
    case 5: return -1 - (loff_t)take();
    case 6: return take() % 2 ? LLONG_MIN : LLONG_MIN + take();
    case 7: return LLONG_MAX - take();
    case 8: return sum(largest(), take_near());
    case 9: return largest() - (loff_t)some_length();
    case 10: return (1LL << 32) + take_near();
    case 11: return other ? sum(start(other), take_near()) : 0;
    case 12:
        /* Ranges in one file that touch or nearly touch. */
        if (other && request.len < MAX_BYTES)
            return sum(start(other), (take() % 2 ? 1 : -1) * (loff_t)request.len + take_near() / 32);
        return file_end(end);
    default: return other ? start(other) : take_three();
    }
}

static size_t some_len(void)
{
    loff_t from = start(&request.in), left = sum(file_end(&request.in), -from);
    unsigned which = take();
    if (which < 120)
        return some_length();
    switch (which % 14) {
    case 0: return 0;
    case 1: return 1;
    case 2: return SIZE_MAX - take() % 3;
    case 3: return SSIZE_MAX + (size_t)take_near();
    case 4: return SIZE_MAX - (size_t)from + take_near();
    case 5: return (size_t)LLONG_MAX - (size_t)from + take_near();
    case 6: return (size_t)MAX_RW_COUNT + take_near();
    case 7: return (128 << 10) + take_near() / 32;
    case 8: return left > 0 ? (size_t)left : 1;
    case 9: return left > 200 ? (size_t)(left + take_near()) : 200;
    case 10: return (1ULL << 32) + take_near();
    case 11: return 1 << 20;
    default: return left > 0 ? (size_t)left / 2 : 100;
    }
}

static enum kind some_kind(bool is_target)
{
    unsigned which = take();
    if (which < 200)
        return REGULAR;
    return 1 + which % (is_target ? KINDS - 1 : IMMUTABLE);
}

static enum place some_place(bool is_target)
{
    unsigned which = take();
    if (which < 70)
        return POSITION;
    if (which < 140)
        return HEAP;
    if (which < 200)
        return STACK;
    return UNALIGNED + which % (is_target ? PLACES - UNALIGNED : OF_THE_OTHER - UNALIGNED);
}

static void decode_file(struct end *end, bool is_target)
{
    static const mode_t modes[] = { 0644, 06755, 0666, 02745, 06777, 04644, 02767, 0600 };
    end->kind = some_kind(is_target);
    unsigned bits = take(), parts = take() % (PARTS + 1);
    end->both_ways = is_target ? bits % 4 != 0 : bits % 4 == 0;
    end->more_allocated = bits >> 2 & 1;
    end->synced = bits >> 3 == 1;
    end->mode = modes[take() % 8];
    for (unsigned i = 0; i < parts; i++) {
        unsigned kind = take() % 8, len = some_length();
        if (end->size + len > MAX_BYTES)
            break;
        /* Mostly data. */
        end->parts[i] = (struct part){ kind < 4 ? DATA : kind < 5 ? ZEROS : kind < 7 ? HOLE : UNWRITTEN,
                                       len };
        end->size += len;
    }
    switch (take() % 24) {
    case 1: end->base = (1LL << 32) - take_three() % MAX_BYTES; break;
    case 2: end->base = largest() - end->size; break;
    case 3: end->base = largest() - end->size - take(); break;
    default: break;
    }
}

static void decode(const uint8_t *data, size_t size)
{
    static const int seals[] = { 0, 0, F_SEAL_WRITE, F_SEAL_GROW, F_SEAL_SHRINK, 0,
                                 F_SEAL_WRITE | F_SEAL_GROW, F_SEAL_FUTURE_WRITE };
    struct end *in = &request.in, *out = &request.out;
    input = data, input_left = size;
    memset(&request, 0, sizeof request);
    unsigned which = take();
    request.sharing = which < 160 ? TWO_FILES : 1 + which % 3;
    request.in_memory = take() % 12 == 1;
    decode_file(in, false);
    decode_file(out, true);
    if (request.in_memory)
        out->seals = seals[take() % 8];
    if (request.sharing != TWO_FILES) {
        /* One file has one content and one kind. The target's open flags are those of the second
         * side. */
        enum kind kind = out->kind;
        bool both_ways = out->both_ways;
        int seal = out->seals;
        *out = *in;
        out->kind = kind, out->both_ways = both_ways, out->seals = seal;
        if (request.sharing != OPEN_TWICE)
            in->both_ways = out->both_ways = take() % 8 != 0;
    }
    /* No file position is negative or beyond the largest file. */
    loff_t position = some_offset(in, NULL);
    in->position = position < 0 || position > largest() ? 0 : position;
    in->place = some_place(false);
    in->offset = some_offset(in, NULL);
    request.len = some_len();
    position = some_offset(out, in);
    out->position = position < 0 || position > largest() ? 0 : position;
    if (request.sharing == ONE_DESCRIPTOR || request.sharing == DUPLICATE)
        out->position = in->position;
    out->place = some_place(true);
    out->offset = some_offset(out, in);
    if (out->place >= OF_THE_OTHER && in->place == POSITION)
        out->place = HEAP;
    if (out->place == BEHIND_THE_OTHER && in->place > UNALIGNED)
        out->place = OF_THE_OTHER;
    /* Half of the source is the other half of the target, followed by zeros. */
    if (out->place >= OF_THE_OTHER)
        out->offset = out->place == OF_THE_OTHER ? in->offset : (loff_t)((uint64_t)in->offset >> 32);
    /* Gigabytes of zeros would take too long. */
    loff_t left = sum(file_end(in), -start(in));
    if (start(in) >= 0 && left > 2 * MAX_BYTES && request.len > 2 * MAX_BYTES)
        request.len = MAX_BYTES / 2;
    unsigned limit = take();
    loff_t begin = start(out), middle = some_length();
    request.limit = RLIM_INFINITY;
    if (limit >= 180) {
        switch (limit % 8) {
        case 0: request.limit = 0; break;
        case 1: request.limit = (rlim_t)begin; break;
        case 2: request.limit = (rlim_t)begin + 1 + take(); break;
        case 3: request.limit = begin > 0 ? (rlim_t)begin - 1 : 0; break;
        case 4: request.limit = (rlim_t)begin + middle; break;
        case 5: request.limit = (rlim_t)file_end(out); break;
        case 6: request.limit = (rlim_t)begin + request.len + take_near() / 32; break;
        default: request.limit = take_three(); break;
        }
    }
    unsigned flags = take();
    request.flags = flags < 240 ? 0 : flags % 3 == 0 ? 8 : flags % 3 == 1 ? 0x10000 : 0x80000000;
    request.user = take() % 4 == 1 ? NOBODY : 0;
}

static void tell_end(const char *name, const struct end *end)
{
    static const char *const kinds[] = { "data", "zeros", "hole", "unwritten" };
    printf("  %s: %s%s, mode %o, of %lld bytes:", name, kind_names[end->kind],
           end->both_ways ? ", both ways" : "", end->mode, (long long)file_end(end));
    if (end->base > 0)
        printf(" hole %lld", (long long)end->base);
    for (int i = 0; i < PARTS; i++)
        if (end->parts[i].len > 0)
            printf(" %s %u", kinds[end->parts[i].kind], end->parts[i].len);
    printf("%s%s", end->more_allocated ? " and more allocated" : "", end->synced ? ", synced" : "");
    if (end->seals)
        printf(", seals %#x", end->seals);
    printf("\n    position %lld, pointer %s", (long long)end->position, place_names[end->place]);
    if (end->place != POSITION)
        printf(", offset %lld", (long long)end->offset);
    printf("\n");
}

static void tell_request(void)
{
    printf("copy_file_range, len %zu, flags %#x, %s%s\n", request.len, request.flags,
           sharing_names[request.sharing], request.in_memory ? " in memory" : "");
    tell_end("source", &request.in);
    tell_end("target", &request.out);
    if (request.limit != RLIM_INFINITY)
        printf("  RLIMIT_FSIZE %llu\n", (unsigned long long)request.limit);
    if (request.user != 0)
        printf("  effective user %u\n", request.user);
}

/* ---- The pairs of files. */

/* What the source and the target hold, from their base on. */
static unsigned char in_bytes[MAX_BYTES], out_bytes[MAX_BYTES];
static unsigned char in_pattern[MAX_BYTES], out_pattern[MAX_BYTES];

/* No byte of data is 0, and bytes near each other differ. */
static void make_patterns(void)
{
    uint64_t x = 0x9e3779b97f4a7c15u;
    for (int i = 0; i < MAX_BYTES; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        in_pattern[i] = x >> 33 | 1;
        out_pattern[i] = (x >> 43 | 1) ^ 0x80;
    }
}

static void make_bytes(const struct end *end, unsigned char *bytes, const unsigned char *pattern)
{
    unsigned at = 0;
    for (int i = 0; i < PARTS; at += end->parts[i++].len) {
        if (end->parts[i].kind == DATA)
            memcpy(bytes + at, pattern + at, end->parts[i].len);
        else
            memset(bytes + at, 0, end->parts[i].len);
    }
}

/* Opens a file without a name, as the request says, for reading and writing. */
static int make_file(const struct end *end, const unsigned char *bytes)
{
    int fd = request.in_memory ? memfd_create("twin", MFD_CLOEXEC | MFD_ALLOW_SEALING)
                               : open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    unsigned at = 0;
    for (int i = 0; i < PARTS; at += end->parts[i++].len) {
        const struct part *part = &end->parts[i];
        loff_t from = end->base + at;
        if (part->len == 0 || part->kind == HOLE)
            continue;
        if (part->kind == UNWRITTEN)
            (void)!fallocate(fd, FALLOC_FL_KEEP_SIZE, from, part->len);
        else
            CHECK(pwrite(fd, bytes + at, part->len, from) == (ssize_t)part->len);
    }
    CHECK(ftruncate(fd, file_end(end)) == 0);
    if (end->more_allocated && file_end(end) < largest() / 2)
        (void)!fallocate(fd, FALLOC_FL_KEEP_SIZE, file_end(end), 16 * PAGE);
    if (end->synced)
        CHECK(fsync(fd) == 0);
    CHECK(fchmod(fd, end->mode) == 0);
    return fd;
}

/* Opens the same file once more. */
static int open_again(int fd, int flags)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int again = open(path, flags | O_CLOEXEC);
    CHECK(again >= 0);
    return again;
}

/* The attributes of a file that gets one more for the call and loses it afterwards. */
static int marked = -1;
static int attributes;

static void mark(int fd, int attribute)
{
    if (ioctl(fd, FS_IOC_GETFLAGS, &attributes) != 0)
        return;
    int with = attributes | attribute;
    if (ioctl(fd, FS_IOC_SETFLAGS, &with) == 0)
        marked = fd;
}

static void unmark(void)
{
    if (marked >= 0)
        CHECK(ioctl(marked, FS_IOC_SETFLAGS, &attributes) == 0);
    marked = -1;
}

/* Returns a descriptor as the request says, of this file if it is a file's. */
static int make_descriptor(const struct end *end, int file, bool is_target)
{
    int pair[2], fd, access = is_target ? O_WRONLY : O_RDONLY;
    switch (end->kind) {
    case WRONG_ACCESS: return open_again(file, is_target ? O_RDONLY : O_WRONLY);
    case CLOSED: return -1;
    case CLOSED_HIGH: return 1000000;
    case ONLY_PATH: return open_again(file, O_PATH);
    case DIRECTORY: fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC); break;
    case NOWHERE: fd = open("/dev/null", O_RDWR | O_CLOEXEC); break;
    case PIPE:
        CHECK(pipe2(pair, O_CLOEXEC) == 0);
        close(pair[is_target ? 0 : 1]);
        return pair[is_target ? 1 : 0];
    case APPENDS: return open_again(file, (end->both_ways ? O_RDWR : access) | O_APPEND);
    default: return open_again(file, end->both_ways ? O_RDWR : access);
    }
    CHECK(fd >= 0);
    return fd;
}

/* ---- Offsets in memory of every kind. */

/* Five pages for each side: writable, read-only, none, writable, none. The test itself writes
 * and reads them through a second mapping, which allows it everywhere. */
static unsigned char *cells[2], *seen_cells[2];
#define CELLS (5 * PAGE)

static void make_cells(void)
{
    for (int i = 0; i < 2; i++) {
        int fd = memfd_create("offsets", MFD_CLOEXEC);
        CHECK(fd >= 0 && ftruncate(fd, CELLS) == 0);
        seen_cells[i] = mmap(NULL, CELLS, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        cells[i] = mmap(NULL, CELLS, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        CHECK(seen_cells[i] != MAP_FAILED && cells[i] != MAP_FAILED);
        CHECK(mprotect(cells[i] + PAGE, PAGE, PROT_READ) == 0);
        CHECK(mprotect(cells[i] + 2 * PAGE, PAGE, PROT_NONE) == 0);
        CHECK(mprotect(cells[i] + 4 * PAGE, PAGE, PROT_NONE) == 0);
        close(fd);
    }
}

static loff_t *make_pointer(const struct end *end, int which, loff_t *stack, loff_t *other)
{
    long at = 0;
    switch (end->place) {
    case STACK: *stack = end->offset; return stack;
    case WILD: return (loff_t *)(which ? 16 : -4096L);
    case OF_THE_OTHER: return other;
    case BEHIND_THE_OTHER: return (loff_t *)((char *)other + 4);
    case HEAP: at = 64; break;
    case UNALIGNED: at = 131; break;
    case READ_ONLY: at = PAGE + 64; break;
    case UNMAPPED: at = 2 * PAGE + 64; break;
    case INTO_READ_ONLY: at = PAGE - 3; break;
    case OUT_OF_READ_ONLY: at = 2 * PAGE - 4; break;
    case INTO_UNMAPPED: at = 4 * PAGE - 5; break;
    case FROM_UNMAPPED: at = 3 * PAGE - 2; break;
    default: return NULL;
    }
    memset(seen_cells[which] + at, 0, end->place == HEAP || end->place == UNALIGNED ? 16 : 0);
    memcpy(seen_cells[which] + at, &end->offset, sizeof end->offset);
    return (loff_t *)(cells[which] + at);
}

/* ---- Both ways to make the call. */

static volatile sig_atomic_t over_limit;

static void count_over_limit(int signal)
{
    (void)signal;
    over_limit = over_limit + 1;
}

struct outcome {
    long result;
    int error;
    int signals;
    /* Bytes found to have moved, even if the result is an error. */
    loff_t moved;
    bool is_as_told;
    loff_t positions[2], stack[3];
    unsigned char cells[2][CELLS];
    loff_t sizes[2];
    mode_t modes[2];
    bool target_touched, source_touched, mask_changed;
    int lowest_descriptor;
};

static struct outcome by_kernel, by_library;

/* The time of modification before the call. */
static const struct timespec long_ago[2] = { { 1000000000, 0 }, { 1000000000, 0 } };

/* Returns the bytes of a file from there on, as they should be after so many have moved into it. */
static void expected(unsigned char *bytes, loff_t from, size_t len, bool is_target, loff_t moved)
{
    bool is_one = request.sharing != TWO_FILES;
    const struct end *end = is_target && !is_one ? &request.out : &request.in;
    const unsigned char *content = is_target && !is_one ? out_bytes : in_bytes;
    memset(bytes, 0, len);
    loff_t first = end->base > from ? end->base : from, last = file_end(end);
    if (last > from + (loff_t)len)
        last = from + len;
    if (first < last)
        memcpy(bytes + (first - from), content + (first - end->base), last - first);
    if (!(is_target || is_one) || moved <= 0)
        return;
    loff_t to = start(&request.out), of = start(&request.in);
    first = to > from ? to : from, last = sum(to, moved) - 1;
    if (last > from + (loff_t)len - 1)
        last = from + len - 1;
    for (loff_t at = first; at <= last; at++) {
        loff_t source = of + (at - to) - request.in.base;
        bytes[at - from] = source >= 0 && source < request.in.size ? in_bytes[source] : 0;
    }
}

static unsigned char found_bytes[4 * MAX_BYTES], wanted_bytes[4 * MAX_BYTES];

/* Reports whether a window of a file is as it should be. */
static bool is_window(int fd, loff_t from, loff_t to, loff_t size, bool is_target, loff_t moved)
{
    if (from < 0)
        from = 0;
    if (to > size || to < from)
        to = size;
    if (from >= to)
        return true;
    if (to - from > (loff_t)sizeof found_bytes)
        to = from + sizeof found_bytes;
    ssize_t len = to - from;
    CHECK(pread(fd, found_bytes, len, from) == len);
    expected(wanted_bytes, from, len, is_target, moved);
    return memcmp(found_bytes, wanted_bytes, len) == 0;
}

/* Reports whether a file is as it should be after so many bytes have moved. A large file is
 * checked where it was written, where it was to be written, and at its beginning. */
static bool is_file(int fd, loff_t size, bool is_target, loff_t moved)
{
    const struct end *end = is_target && request.sharing == TWO_FILES ? &request.out : &request.in;
    loff_t wanted = file_end(end), to = start(&request.out);
    bool is_changed = is_target || request.sharing != TWO_FILES;
    if (is_changed && moved > 0 && sum(to, moved) > wanted)
        wanted = sum(to, moved);
    if (size != wanted)
        return false;
    if (size <= (loff_t)sizeof found_bytes)
        return is_window(fd, 0, size, size, is_target, moved);
    return is_window(fd, 0, PAGE, size, is_target, moved)
        && is_window(fd, end->base - PAGE, sum(file_end(end), PAGE), size, is_target, moved)
        && (!is_changed || to < 0
            || is_window(fd, to - PAGE, sum(to, (moved > 0 ? moved : 0) + PAGE), size, is_target, moved));
}

/* Returns how many bytes there are to move. */
static loff_t available(void)
{
    loff_t from = start(&request.in), to = start(&request.out), end = file_end(&request.in);
    if (from < 0 || to < 0 || from >= end)
        return 0;
    uint64_t most = request.len < MAX_RW_COUNT ? request.len : MAX_RW_COUNT;
    uint64_t limit = request.limit < (rlim_t)largest() ? request.limit : (rlim_t)largest();
    if ((uint64_t)(end - from) < most)
        most = end - from;
    if (limit <= (uint64_t)to)
        return 0;
    return limit - to < most ? limit - to : most;
}

/* Returns how many bytes of the range have moved, judging by the contents. */
static loff_t count_moved(int fd, loff_t size)
{
    loff_t to = start(&request.out), len = available();
    if (len > size - to)
        len = size - to;
    if (len <= 0)
        return 0;
    CHECK(len <= (loff_t)sizeof found_bytes);
    CHECK(pread(fd, found_bytes, len, to) == len);
    expected(wanted_bytes, to, len, true, len);
    loff_t moved = 0;
    while (moved < len && found_bytes[moved] == wanted_bytes[moved])
        moved++;
    /* It looks as if it came from there, but may have been so before. */
    return is_file(fd, size, true, 0) ? 0 : moved;
}

static void carry_out(bool by_us, struct outcome *outcome)
{
    struct end *in = &request.in, *out = &request.out;
    bool is_one = request.sharing != TWO_FILES;
    int files[2] = { make_file(in, in_bytes), -1 };
    files[1] = is_one ? files[0] : make_file(out, out_bytes);
    int fd_in = make_descriptor(in, files[0], false);
    int fd_out = request.sharing == ONE_DESCRIPTOR || request.sharing == DUPLICATE
                     ? -1 : make_descriptor(out, files[1], true);
    if (request.sharing == ONE_DESCRIPTOR)
        fd_out = fd_in;
    if (request.sharing == DUPLICATE)
        fd_out = fcntl(fd_in, F_DUPFD_CLOEXEC, 3);
    if (request.in_memory && out->seals)
        (void)!fcntl(files[1], F_ADD_SEALS, out->seals);
    (void)!lseek(fd_in, in->position, SEEK_SET);
    (void)!lseek(fd_out, out->position, SEEK_SET);
    CHECK(futimens(files[0], long_ago) == 0 && futimens(files[1], long_ago) == 0);
    memset(outcome, 0, sizeof *outcome);
    for (int i = 0; i < 2; i++)
        memset(seen_cells[i], 0x5a, CELLS);
    loff_t stack[3] = { 0, 0, 0 };
    loff_t *off_in = make_pointer(in, 0, &stack[0], NULL);
    loff_t *off_out = make_pointer(out, 1, &stack[2], off_in);
    if (out->kind == IMMUTABLE || out->kind == ONLY_APPENDED_TO)
        mark(files[1], out->kind == IMMUTABLE ? FS_IMMUTABLE_FL : FS_APPEND_FL);
    sigset_t before, after;
    CHECK(sigprocmask(SIG_SETMASK, NULL, &before) == 0);
    struct rlimit unlimited, limited;
    CHECK(getrlimit(RLIMIT_FSIZE, &unlimited) == 0);
    limited = unlimited, limited.rlim_cur = request.limit;
    CHECK(seteuid(request.user) == 0);
    over_limit = 0;
    /* From here until the limit is lifted the test itself must not write. */
    CHECK(setrlimit(RLIMIT_FSIZE, &limited) == 0);
    errno = 77;
    if (by_us) {
        outcome->result = copy_file_range(fd_in, off_in, fd_out, off_out, request.len, request.flags);
        outcome->error = errno;
    } else {
        long result = kernel_copy(fd_in, off_in, fd_out, off_out, request.len, request.flags);
        outcome->result = result < 0 ? -1 : result;
        outcome->error = result < 0 ? (int)-result : 77;
    }
    CHECK(setrlimit(RLIMIT_FSIZE, &unlimited) == 0);
    outcome->signals = over_limit;
    CHECK(seteuid(0) == 0);
    unmark();
    CHECK(sigprocmask(SIG_SETMASK, NULL, &after) == 0);
    for (int i = 1; i <= 64; i++)
        outcome->mask_changed |= sigismember(&before, i) != sigismember(&after, i);
    memcpy(outcome->stack, stack, sizeof stack);
    for (int i = 0; i < 2; i++)
        memcpy(outcome->cells[i], seen_cells[i], CELLS);
    /* An accepted difference (docs/design/memory.md): if an offset straddles memory that cannot
     * be written, the kernel leaves half of the new offset in the bytes before, and the library
     * half of the signal mask. */
    for (int i = 0; i < 2; i++)
        if ((i ? out : in)->place == INTO_READ_ONLY && outcome->result < 0)
            memset(outcome->cells[i] + PAGE - 3, 0, 3);
    outcome->positions[0] = lseek(fd_in, 0, SEEK_CUR);
    outcome->positions[1] = lseek(fd_out, 0, SEEK_CUR);
    for (int i = 0; i < 2; i++) {
        struct stat stat;
        CHECK(fstat(files[i], &stat) == 0);
        outcome->sizes[i] = stat.st_size;
        outcome->modes[i] = stat.st_mode;
        bool touched = stat.st_mtim.tv_sec != long_ago[1].tv_sec;
        *(i ? &outcome->target_touched : &outcome->source_touched) = touched;
    }
    outcome->moved = outcome->result;
    /* If an offset could not be stored, the other offset or the bytes tell what was copied. */
    if (outcome->result < 0) {
        outcome->moved = 0;
        for (int i = 0; i < 2 && outcome->error == EFAULT; i++) {
            loff_t before = start(i ? out : in), after = before;
            if ((i ? out : in)->place == POSITION)
                after = outcome->positions[i];
            else if ((i ? out : in)->place <= UNALIGNED)
                memcpy(&after, i ? off_out : off_in, sizeof after);
            if (after > before)
                outcome->moved = after - before;
        }
        if (outcome->error == EFAULT && outcome->moved == 0)
            outcome->moved = count_moved(files[1], outcome->sizes[1]);
    }
    outcome->is_as_told = is_file(files[1], outcome->sizes[1], true, outcome->moved)
                       && is_file(files[0], outcome->sizes[0], false, outcome->moved);
    if (fd_in >= 0 && in->kind != CLOSED_HIGH)
        close(fd_in);
    if (fd_out >= 0 && fd_out != fd_in && out->kind != CLOSED_HIGH)
        close(fd_out);
    close(files[0]);
    if (!is_one)
        close(files[1]);
    outcome->lowest_descriptor = fcntl(0, F_DUPFD_CLOEXEC, 3);
    close(outcome->lowest_descriptor);
}

/* ---- The comparison. */

/* The most that the library may move. */
static loff_t max_moved = LLONG_MAX;

/* Returns what differs, in a word, or NULL. */
static const char *difference(void)
{
    const struct outcome *kernel = &by_kernel, *library = &by_library;
    if (!kernel->is_as_told)
        return "the kernel's own bytes";
    if (!library->is_as_told)
        return "the bytes";
    if (library->mask_changed)
        return "the signal mask";
    if (library->lowest_descriptor != kernel->lowest_descriptor)
        return "the open descriptors";
    /* A shorter copy may end before it reaches the seal. */
    if (max_moved < LLONG_MAX && request.in_memory && request.out.seals & F_SEAL_GROW
        && kernel->error == EPERM && library->moved > 0)
        return NULL;
    if (library->error != kernel->error)
        return "errno";
    if ((library->result > 0) != (kernel->result > 0) || (library->result < 0) != (kernel->result < 0))
        return "the result";
    if ((library->moved > 0) != (kernel->moved > 0) || library->moved > available())
        return "how much moved";
    /* Fewer bytes are legal. If blocks are shared, so are more, up to the available ones: the
     * kernel may stop after the last whole block. */
    if (library->moved > kernel->moved && !may_share)
        return "the result, which is more than the kernel's";
    if (library->moved > max_moved)
        return "the result, which is more than it was to be";
    if (library->signals != kernel->signals)
        return "SIGXFSZ";
    for (int i = 0; i < 2; i++)
        if (library->modes[i] != kernel->modes[i])
            return "the mode";
    /* If nothing moves, the kernel may have set a new time before it found that out. */
    if (library->moved > 0 ? library->target_touched != kernel->target_touched
                           : library->target_touched && !kernel->target_touched)
        return "the target's time of modification";
    if (request.sharing == TWO_FILES && library->source_touched != kernel->source_touched)
        return "the source's time of modification";
    /* Offsets that have moved differently must have moved by the result. */
    loff_t less = kernel->moved - library->moved;
    for (int i = 0; i < 2; i++) {
        const struct end *end = i ? &request.out : &request.in;
        loff_t moved = end->place == POSITION && kernel->moved > 0 ? less : 0;
        bool shared = request.sharing == ONE_DESCRIPTOR || request.sharing == DUPLICATE;
        const struct end *other = i ? &request.in : &request.out;
        if (shared && other->place == POSITION && kernel->moved > 0)
            moved = less;
        if (library->positions[i] + moved != kernel->positions[i])
            return "a file position";
    }
    if (less == 0) {
        if (memcmp(library->stack, kernel->stack, sizeof kernel->stack) != 0)
            return "an offset";
        for (int i = 0; i < 2; i++)
            if (memcmp(library->cells[i], kernel->cells[i], CELLS) != 0)
                return "an offset";
    }
    return NULL;
}

static void tell_outcome(const char *name, const struct outcome *outcome)
{
    printf("  %s: %ld", name, outcome->result);
    if (outcome->error != 77)
        printf(" %s", strerrorname_np(outcome->error));
    printf(", %lld moved%s, %d SIGXFSZ, positions %lld %lld, sizes %lld %lld, modes %o %o, target %s\n",
           (long long)outcome->moved, outcome->is_as_told ? "" : ", other bytes than that",
           outcome->signals, (long long)outcome->positions[0], (long long)outcome->positions[1],
           (long long)outcome->sizes[0], (long long)outcome->sizes[1], outcome->modes[0] & 07777,
           outcome->modes[1] & 07777, outcome->target_touched ? "touched" : "untouched");
    printf("    offsets on the stack %lld %lld, elsewhere", (long long)outcome->stack[0],
           (long long)outcome->stack[2]);
    for (int i = 0; i < 2; i++) {
        int first = 0, last = CELLS;
        while (first < CELLS && outcome->cells[i][first] == 0x5a)
            first++;
        while (last > first && outcome->cells[i][last - 1] == 0x5a)
            last--;
        printf(i ? "; " : " ");
        for (; first < last && last - first < 32; first++)
            printf("%02x", outcome->cells[i][first]);
    }
    printf("\n");
}

static void prepare(void)
{
    struct sigaction action = { .sa_handler = count_over_limit, .sa_flags = SA_RESTART };
    CHECK(sigaction(SIGXFSZ, &action, NULL) == 0);
    make_patterns();
    make_cells();
    struct statfs statfs;
    int fds[2] = { open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600), memfd_create("size", 0) };
    CHECK(fds[0] >= 0 && fds[1] >= 0 && fstatfs(fds[0], &statfs) == 0);
    may_share = statfs.f_type == 0x58465342 /* xfs */ || statfs.f_type == 0x9123683e /* btrfs */;
    for (int i = 0; i < 2; i++) {
        loff_t size = 0;
        for (int bit = 62; bit >= 0; bit--)
            if (ftruncate(fds[i], size | 1LL << bit) == 0)
                size |= 1LL << bit;
        *(i ? &largest_in_memory : &largest_here) = size;
        close(fds[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (largest_here == 0)
        prepare();
    decode(data, size);
    make_bytes(&request.in, in_bytes, in_pattern);
    make_bytes(&request.out, out_bytes, out_pattern);
    carry_out(false, &by_kernel);
    carry_out(true, &by_library);
    const char *what = difference();
    if (what == NULL)
        return 0;
    printf("different: %s.\n", what);
    tell_request();
    tell_outcome("kernel", &by_kernel);
    tell_outcome("library", &by_library);
    fflush(stdout);
#ifdef FUZZER
    abort();
#endif
    return 1;
}

#ifndef FUZZER
static const char *program;
static unsigned long long at_seed;

/* The library must not kill its host. */
static void died(int signal)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_FSIZE, &limit);
    }
    (void)!seteuid(0);
    if (marked >= 0)
        ioctl(marked, FS_IOC_SETFLAGS, &attributes);
    tell_request();
    printf("%s in the call. Repeat: %s %s %llu 1\n", strsignal(signal), program, directory, at_seed);
    fflush(stdout);
    _exit(1);
}

int main(int argc, char **argv)
{
    if (argc != 4 && argc != 5) {
        fprintf(stderr, "usage: differential DIRECTORY SEED ROUNDS [MAX]\n");
        return 2;
    }
    program = argv[0], directory = argv[1];
    unsigned long long seed = strtoull(argv[2], NULL, 0);
    if (argc == 5)
        max_moved = atoll(argv[4]);
    int rounds = atoi(argv[3]), fatal[] = { SIGSEGV, SIGBUS, SIGILL, SIGABRT, SIGFPE, SIGALRM };
    for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++)
        signal(fatal[i], died);
    for (int round = 0; round < rounds; round++) {
        uint8_t bytes[120];
        uint64_t x = at_seed = seed + round;
        /* splitmix64: neighbouring seeds give unrelated sequences. */
        for (size_t i = 0; i < sizeof bytes; i++) {
            uint64_t z = (x += 0x9e3779b97f4a7c15u);
            z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
            z = (z ^ z >> 27) * 0x94d049bb133111ebu;
            bytes[i] = (z ^ z >> 31) >> 56;
        }
        /* Seconds; no call takes this long. */
        alarm(60);
        if (LLVMFuzzerTestOneInput(bytes, sizeof bytes) != 0) {
            printf("Seed %llu, round %d. Repeat: %s %s %llu 1\n", seed, round, program, directory,
                   at_seed);
            return 1;
        }
    }
    printf("%d requests\n", rounds);
    return 0;
}
#endif
