/* Makes many calls and prints what they cost.
 *
 *     bench_calls CALL CALLS DIRECTORY [THREADS]
 *
 * CALL is one from the table at the end. With THREADS, that many threads share the calls, each with
 * files of its own in DIRECTORY, and each is bound to a CPU. Prints the calls' CPU time and the
 * time from the first call to the last, both in nanoseconds. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* About the length of a line without paths. */
static const char line[] = "cfr: 12345 1795343182.011073 copy_file_range(3, NULL, 4, NULL, 1, 0)"
                           " = 1 (kernel) <0.000001>\n";

/* The same of a JSON line. */
static const char json_line[] =
    "{\"time\":\"2026-12-01T02:41:51.503062Z\",\"pid\":24856,\"tid\":24856,\"comm\":\"bench_calls\","
    "\"call\":\"copy_file_range\",\"hook\":\"copy_file_range\",\"request\":null,\"fd_in\":4,\"path_in\":null,"
    "\"off_in\":null,\"off_in_after\":null,\"fd_out\":5,\"path_out\":null,\"off_out\":null,\"off_out_after\":null,"
    "\"len\":1,\"flags\":0,\"flag_names\":[],\"ret\":1,\"errno\":0,\"error\":null,\"bytes\":1,\"status\":null,"
    "\"target\":null,\"targets\":null,\"method\":\"kernel\",\"shared\":null,\"dialect\":\"extended\",\"rule\":null,"
    "\"why\":null,\"injected\":false,\"delayed\":false,\"duration_ns\":1234}\n";

#define MEBIBYTE (1 << 20)

struct files {
    int in, out, memory, sealed, log, pipe[2];
    loff_t from, to;
};

static int copy(struct files *files)
{
    return copy_file_range(files->in, NULL, files->out, NULL, 1, 0) == 1;
}

static int apart(struct files *files)
{
    return copy_file_range(files->in, &files->from, files->out, &files->to, 1, 0) == 1;
}

static int block(struct files *files, int out, size_t len)
{
    loff_t from = 0, to = 0;
    return copy_file_range(files->in, &from, out, &to, len, 0) == (ssize_t)len;
}

static int page(struct files *files)
{
    return block(files, files->out, 4096);
}

static int across(struct files *files)
{
    return block(files, files->memory, 4096);
}

static int mebibyte(struct files *files)
{
    return block(files, files->out, MEBIBYTE);
}

static int fails(int in, loff_t from, int out, loff_t to, int error)
{
    return copy_file_range(in, &from, out, &to, 1, 0) == -1 && errno == error;
}

static int closed(struct files *files)
{
    (void)files;
    return copy_file_range(-1, NULL, -1, NULL, 1, 0) == -1 && errno == EBADF;
}

static int crosses(struct files *files)
{
    return fails(files->in, 0, files->memory, 0, EXDEV);
}

static int overlaps(struct files *files)
{
    return fails(files->in, 0, files->in, 0, EINVAL);
}

static int wraps(struct files *files)
{
    return fails(files->in, -1, files->out, 0, EOVERFLOW);
}

static int too_far(struct files *files)
{
    return fails(files->in, 0, files->out, INT64_MAX, EFBIG);
}

static int sealed(struct files *files)
{
    return fails(files->memory, 0, files->sealed, 0, EPERM);
}

static int append(struct files *files)
{
    return copy(files) && write(files->log, line, sizeof line - 1) == (ssize_t)sizeof line - 1;
}

/* The least that a line in memory can cost: the clocks of its time and of its duration, and its bytes,
 * which are not formatted. */
static int constant(struct files *files, const char *bytes, size_t len)
{
    static char ring[1 << 16];
    static size_t at;
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    clock_gettime(CLOCK_MONOTONIC, &time);
    int done = copy(files);
    clock_gettime(CLOCK_MONOTONIC, &time);
    at = at + len <= sizeof ring ? at : 0;
    memcpy(ring + at, bytes, len);
    /* The compiler must not leave the copy out. */
    __asm__ volatile("" : : "r"(ring) : "memory");
    at += len;
    return done;
}

static int constant_text(struct files *files)
{
    return constant(files, line, sizeof line - 1);
}

static int constant_json(struct files *files)
{
    return constant(files, json_line, sizeof json_line - 1);
}

static int another_number(struct files *files)
{
    (void)files;
    return syscall(SYS_getppid) > 0;
}

static int another_request(struct files *files)
{
    int unread;
    return ioctl(files->in, FIONREAD, &unread) == 0;
}

static int send(struct files *files)
{
    char byte;
    return sendfile(files->pipe[1], files->in, NULL, 1) == 1 && read(files->pipe[0], &byte, 1) == 1;
}

struct call {
    const char *name;
    int (*make)(struct files *files);
};

struct part {
    const struct call *call;
    int number;
    long calls;
    struct files files;
    long long cpu, begun, ended;
};

static pthread_barrier_t ready;

static long long now(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

/* callgrind counts inside this function, by its name. */
__attribute__((noinline)) static void make_calls(struct part *part)
{
    part->begun = now(CLOCK_MONOTONIC);
    part->cpu = now(CLOCK_THREAD_CPUTIME_ID);
    for (long i = 0; i < part->calls; i++) {
        if (!part->call->make(&part->files)) {
            perror(part->call->name);
            exit(1);
        }
    }
    part->cpu = now(CLOCK_THREAD_CPUTIME_ID) - part->cpu;
    part->ended = now(CLOCK_MONOTONIC);
}

/* Without this the kernel keeps threads that sleep and wake on the CPU of the thread that made
 * them. */
static void stay_on_cpu(int number)
{
    cpu_set_t allowed, one;
    CPU_ZERO(&one);
    sched_getaffinity(getpid(), sizeof allowed, &allowed);
    number %= CPU_COUNT(&allowed);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &allowed) && number-- == 0) {
            CPU_SET(cpu, &one);
        }
    }
    sched_setaffinity(0, sizeof one, &one);
}

static void *thread(void *argument)
{
    struct part *part = argument;
    stay_on_cpu(part->number);
    pthread_barrier_wait(&ready);
    make_calls(part);
    return NULL;
}

/* Real bytes: the kernel copies those of a hole twice as fast. */
static int filled(int fd)
{
    static const char block[4096] = { 1 };
    for (int i = 0; i < MEBIBYTE / (int)sizeof block; i++) {
        if (pwrite(fd, block, sizeof block, (off_t)i * (off_t)sizeof block) != sizeof block) {
            perror("pwrite");
            exit(1);
        }
    }
    return fd;
}

static int file(const char *directory, const char *name, int number, int flags, off_t size)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s%d", directory, name, number);
    int fd = open(path, O_RDWR | O_CREAT | flags, 0600);
    if (fd < 0 || ftruncate(fd, size) != 0) {
        perror(path);
        exit(1);
    }
    return fd;
}

static const struct call table[] = {
    { "copy", copy },                       /* one byte, from position to position */
    { "apart", apart },                     /* with offset pointers, to another offset than from */
    { "page", page },                       /* 4 KiB with offset pointers, always the same */
    { "across", across },                   /* the same to a memory file: another filesystem */
    { "mebibyte", mebibyte },               /* as page, 1 MiB */
    { "EBADF", closed },                    /* calls that the kernel refuses, by its error */
    { "EXDEV", crosses },
    { "EINVAL", overlaps },
    { "EOVERFLOW", wraps },
    { "EFBIG", too_far },
    { "EPERM", sealed },
    { "append", append },                   /* copies, and writes a line to a file that all threads share */
    { "constant-text", constant_text },     /* copies, reads clocks, and puts a constant line into memory */
    { "constant-json", constant_json },
    { "another-number", another_number },   /* a call by syscall(2) that the library does not handle */
    { "another-request", another_request }, /* an ioctl(2) that the library does not handle */
    { "sendfile", send },                   /* one byte into a pipe, and reads it back */
};

int main(int argc, char **argv)
{
    const struct call *call = NULL;
    for (size_t i = 0; argc > 1 && i < sizeof table / sizeof *table; i++) {
        if (strcmp(argv[1], table[i].name) == 0) {
            call = &table[i];
        }
    }
    if (call == NULL || argc < 4 || argc > 5) {
        fprintf(stderr, "usage: bench_calls CALL CALLS DIRECTORY [THREADS]\n");
        return 2;
    }
    int threads = argc == 5 ? atoi(argv[4]) : 0, parts = threads ? threads : 1;
    struct part *part = calloc(parts, sizeof *part);
    int log = file(argv[3], "appended", 0, O_APPEND, 0);
    for (int i = 0; i < parts; i++) {
        long calls = atol(argv[2]) / parts, size = calls > MEBIBYTE ? calls : MEBIBYTE;
        part[i] = (struct part){
            .call = call,
            .number = i,
            .calls = calls,
            .files = {
                .in = filled(file(argv[3], "source", i, O_TRUNC, size)),
                .out = file(argv[3], "target", i, O_TRUNC, 0),
                .memory = memfd_create("target", MFD_CLOEXEC),
                .sealed = memfd_create("sealed", MFD_ALLOW_SEALING),
                .log = log,
                .to = 1 << 30,
            },
        };
        filled(part[i].files.memory);
        if (fcntl(part[i].files.sealed, F_ADD_SEALS, F_SEAL_WRITE) != 0 || pipe(part[i].files.pipe) != 0) {
            perror("sealing, or pipe");
            return 1;
        }
    }

    if (threads == 0) {
        make_calls(part);
    } else {
        pthread_t *running = calloc(threads, sizeof *running);
        pthread_barrier_init(&ready, NULL, threads);
        for (int i = 0; i < threads; i++) {
            if (pthread_create(&running[i], NULL, thread, &part[i]) != 0) {
                fprintf(stderr, "no thread %d\n", i);
                return 1;
            }
        }
        for (int i = 0; i < threads; i++) {
            pthread_join(running[i], NULL);
        }
    }

    long long cpu = 0, begun = part[0].begun, ended = part[0].ended;
    for (int i = 0; i < parts; i++) {
        cpu += part[i].cpu;
        begun = part[i].begun < begun ? part[i].begun : begun;
        ended = part[i].ended > ended ? part[i].ended : ended;
    }
    printf("%lld %lld\n", cpu, ended - begun);
    return 0;
}
