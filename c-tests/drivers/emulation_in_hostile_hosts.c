/* Copies in the library, in hosts that make it difficult: from a memory file, whose filesystem no
 * other file has, to a file. Run under a dialect whose copies cross filesystems.
 *
 *     emulation_in_hostile_hosts LOG handler | threads | forks | limit | signals | locks */
#include "check.h"

#include <setjmp.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define SIZE 300000

/* A memory file with known bytes and a hole from 100000 to 200000. */
static int memory(void)
{
    char bytes[4096];
    int fd = memfd_create("source", MFD_CLOEXEC);
    CHECK(fd >= 0 && ftruncate(fd, SIZE) == 0);
    for (size_t at = 0; at < SIZE; at += sizeof bytes) {
        if (at > 98304 && at < 200704)
            continue;
        size_t len = SIZE - at < sizeof bytes ? SIZE - at : sizeof bytes;
        for (size_t i = 0; i < len; i++)
            bytes[i] = pattern(at + i);
        CHECK(pwrite(fd, bytes, len, at) == (ssize_t)len);
    }
    return fd;
}

/* Copies and checks the bytes. */
static void copy_and_check(int in, int out, loff_t from, size_t len)
{
    char bytes[512], wanted[512];
    loff_t off_in = from, off_out = from;
    errno = 77;
    CHECK(copy(in, &off_in, out, &off_out, len) == (ssize_t)len);
    CHECK(errno == 77 && off_in == from + (loff_t)len && off_out == off_in);
    for (size_t at = 0; at < len; at += 30000) {
        size_t part = len - at < sizeof bytes ? len - at : sizeof bytes;
        CHECK(pread(in, wanted, part, from + at) == (ssize_t)part);
        CHECK(pread(out, bytes, part, from + at) == (ssize_t)part);
        CHECK(memcmp(bytes, wanted, part) == 0);
    }
}

enum { SIGNALS = 500, PAUSE = 300 };

static int handler_in, handler_out;
static volatile sig_atomic_t handled;

static void copy_in_handler(int signal)
{
    int error = errno;
    (void)signal;
    copy_and_check(handler_in, handler_out, 4096 * (handled % 8), 4096);
    handled = handled + 1;
    if (handled < SIGNALS)
        alarm_after(PAUSE);
    errno = error;
}

/* A stack with room for a signal frame and `more` bytes, above a page without access. */
static void alternate_stack(size_t more)
{
    size_t size = (smallest_signal_stack() + more + 4095) / 4096 * 4096;
    char *pages = mmap(NULL, 4096 + size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    stack_t stack = { .ss_sp = pages + 4096, .ss_size = size };
    CHECK(pages != MAP_FAILED && mprotect(pages, 4096, PROT_NONE) == 0);
    CHECK(sigaltstack(&stack, NULL) == 0);
}

static void handle(int signal, void (*handler)(int))
{
    struct sigaction action = { .sa_handler = handler, .sa_flags = SA_ONSTACK | SA_RESTART };
    CHECK(sigaction(signal, &action, NULL) == 0);
}

/* A handler copies on a small stack of its own while the main thread copies and allocates. */
static void in_handlers(void)
{
    int in = memory(), out = target("out");
    handler_in = memory(), handler_out = target("handler");
    alternate_stack(4 << 10);
    handle(SIGALRM, copy_in_handler);
    alarm_after(PAUSE);
    for (int i = 0; i < 3000 || handled < SIGNALS; i++) {
        free(malloc(1000 + i % 5000));
        copy_and_check(in, out, i % 1000, 2000);
    }
}

static void *copy_in_thread(void *number)
{
    char name[32];
    snprintf(name, sizeof name, "thread-%ld", (long)number);
    int in = memory(), out = target(name);
    for (int i = 0; i < 20; i++)
        copy_and_check(in, out, 0, SIZE);
    return NULL;
}

/* More threads than the library has buffers, on small stacks. */
static void in_threads(int count)
{
    pthread_t threads[40];
    pthread_attr_t small;
    pthread_attr_init(&small);
    CHECK(pthread_attr_setstacksize(&small, 64 << 10) == 0);
    for (long i = 0; i < count; i++)
        CHECK(pthread_create(&threads[i], &small, copy_in_thread, (void *)i) == 0);
    for (int i = 0; i < count; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

static atomic_int enough;

static void *copy_until_enough(void *name)
{
    int in = memory(), out = target(name);
    while (!enough)
        copy_and_check(in, out, 0, SIZE);
    return NULL;
}

/* Children of a process whose other threads are in the middle of copies. */
static void in_forks(void)
{
    static char *names[3] = { "parent 1", "parent 2", "parent 3" };
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        CHECK(pthread_create(&threads[i], NULL, copy_until_enough, names[i]) == 0);
    for (int i = 0; i < 100; i++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            calls = 0;
            int in = memory(), out = target("child");
            copy_and_check(in, out, 0, SIZE);
            report();
            _exit(0);
        }
        CHECK(ending(child) == 0);
    }
    enough = 1;
    for (int i = 0; i < 3; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

static sigjmp_buf jump;

static void jump_out(int signal)
{
    siglongjmp(jump, signal);
}

/* A handler of SIGXFSZ that never returns. What was copied before is committed. */
static void at_limit(void)
{
    struct rlimit before, limit;
    volatile loff_t from = 0;
    int in = memory(), out = target("out");
    volatile int jumps = 0;
    handle(SIGXFSZ, jump_out);
    CHECK(getrlimit(RLIMIT_FSIZE, &before) == 0);
    limit = before, limit.rlim_cur = 5000;
    for (int i = 0; i < 50; i++) {
        CHECK(ftruncate(out, 0) == 0 && lseek(in, 0, SEEK_SET) == 0 && lseek(out, 0, SEEK_SET) == 0);
        CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
        if (sigsetjmp(jump, 1) == 0) {
            for (;;)
                CHECK(copy(in, NULL, out, NULL, 3000) > 0);
        }
        jumps++;
        CHECK(setrlimit(RLIMIT_FSIZE, &before) == 0);
        from = lseek(out, 0, SEEK_CUR);
        CHECK(from == 5000 && lseek(in, 0, SEEK_CUR) == from);
        CHECK(lseek(out, 0, SEEK_END) == from);
    }
    CHECK(jumps == 50);
    copy_and_check(in, out, 0, SIZE);
}

static void count_signal(int signal)
{
    (void)signal;
    handled = handled + 1;
}

static void *send_signals(void *main_thread)
{
    while (!enough) {
        usleep(500);
        pthread_kill(*(pthread_t *)main_thread, SIGUSR1);
    }
    return NULL;
}

/* Signals end copies early, with a true count. Ignored signals do not end them, and no signal is
 * lost or stays blocked. */
static void under_signals(void)
{
    enum { LARGE = 64 << 20 };
    pthread_t sender, self = pthread_self();
    int in = memory(), out = target("out");
    long shorts = 0;
    char byte;
    /* The first copy opens the log. */
    copy_and_check(in, out, 0, 1);
    int before = descriptors();
    CHECK(ftruncate(in, LARGE) == 0);
    for (loff_t at = SIZE; at < LARGE; at += 4096)
        CHECK(pwrite(in, "x", 1, at) == 1);
    handle(SIGUSR1, count_signal);
    signal(SIGUSR2, SIG_IGN);
    raise(SIGUSR2);
    CHECK(pthread_create(&sender, NULL, send_signals, &self) == 0);
    while (shorts < 10) {
        loff_t from = 0, to = 0;
        while (from < LARGE) {
            ssize_t done = copy(in, &from, out, &to, LARGE - from);
            CHECK(done > 0 && from == to);
            shorts += from < LARGE;
        }
    }
    enough = 1;
    CHECK(pthread_join(sender, NULL) == 0);
    CHECK(pread(out, &byte, 1, SIZE) == 1 && byte == 'x');
    sigset_t held, pending;
    CHECK(sigprocmask(SIG_SETMASK, NULL, &held) == 0 && sigisemptyset(&held));
    CHECK(sigpending(&pending) == 0 && sigisemptyset(&pending));
    CHECK(handled > 0);
    CHECK(descriptors() == before);
}

/* Reports whether another process would find a lock on the file. */
static void must_be_locked(int fd)
{
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        struct flock lock = { .l_type = F_WRLCK };
        _exit(fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK ? 0 : 1);
    }
    CHECK(ending(child) == 0);
}

/* Looking for holes must not cost the host its locks, which are released when any descriptor of
 * the file is closed, its lease, which breaks when the file is opened, or its file offset. */
static void holding_locks(void)
{
    struct flock lock = { .l_type = F_WRLCK };
    int file = source("source", SIZE), memories[] = { memory(), memfd_create("out", MFD_CLOEXEC) };
    CHECK(fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100000, 100000) == 0);
    int ins[] = { file, memories[0] }, outs[] = { memories[1], target("out") };
    for (int i = 0; i < 2; i++) {
        int before = descriptors();
        CHECK(fcntl(ins[i], F_SETLK, &lock) == 0 && fcntl(outs[i], F_SETLK, &lock) == 0);
        CHECK(lseek(ins[i], 1234, SEEK_SET) == 1234);
        copy_and_check(ins[i], outs[i], 0, SIZE);
        CHECK(lseek(ins[i], 0, SEEK_CUR) == 1234 && lseek(outs[i], 0, SEEK_CUR) == 0);
        must_be_locked(ins[i]);
        must_be_locked(outs[i]);
        /* The first copy opens the log. */
        CHECK(descriptors() <= before + 1);
    }
    /* A write lease requires that no other descriptor has the file open. */
    CHECK(fcntl(file, F_SETLEASE, F_WRLCK) == 0);
    copy_and_check(file, memories[1], 0, SIZE);
    CHECK(fcntl(file, F_GETLEASE) == F_WRLCK);
}

int main(int argc, char **argv)
{
    watchdog();
    CHECK(argc == 3);
    if (strcmp(argv[2], "handler") == 0)
        in_handlers();
    else if (strcmp(argv[2], "threads") == 0)
        in_threads(40);
    else if (strcmp(argv[2], "forks") == 0)
        in_forks();
    else if (strcmp(argv[2], "limit") == 0)
        at_limit();
    else if (strcmp(argv[2], "locks") == 0)
        holding_locks();
    else
        under_signals();
    report();
    return 0;
}
