/* Makes the calls that its words name and prints the result of each: a count or an error, then the
 * position of both descriptors and, if the call has offsets, the offsets.
 *
 *     injected_calls SOURCE TARGET WORD...
 *
 *     copy=LEN     copy_file_range at the positions of the descriptors
 *     at=LEN       copy_file_range with two offsets, which begin at 0 and are kept from call to call
 *     to=OFFSET    sets the target's offset
 *     number=LEN   copy through syscall(2)
 *     reflink=LEN  at with COPY_FR_REFLINK
 *     send=LEN     sendfile(2)
 *     send64=LEN   sendfile64
 *     clone        FICLONE
 *     range=LEN    FICLONERANGE
 *     dedupe=LEN   FIDEDUPERANGE of two targets: the status and the bytes of both, and the length in the
 *                  struct afterwards
 *     probe        copy_file_range without descriptors
 *     out=PATH     makes this file the target
 *     unnamed=DIR  makes a file of O_TMPFILE in this directory the target
 *     memory=NAME  makes a memory file of this name the target
 *     unlink       removes the target's name, which is that of the command line
 *     seek=OFFSET  moves both descriptors there
 *     root=DIR     makes this directory, which has no /proc, the root
 *     name=NAME    renames the calling thread
 *     thread       makes the next call in another thread
 *     fork         a child of fork(2) does the rest, and the parent waits for it
 *     jump         the handler of the next signal leaves by siglongjmp(3)
 *     spend        prints the milliseconds that the next call takes, in whole tens
 *
 * SIGUSR1 and SIGRTMIN+1 are printed when they arrive. */
#include "check.h"

/* What the library calls SIGRTMIN, with every C library. musl keeps one signal more for itself. */
#define GLIBC_SIGRTMIN 34

#include <linux/fs.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#define REFLINK 2

static int in, out;
static loff_t off_in, off_out;
static const char *word;
static bool in_thread, times;
static volatile sig_atomic_t jumps;
static sigjmp_buf away;
static pthread_t caller;

static void say(const char *text)
{
    CHECK(write(1, text, strlen(text)) == (ssize_t)strlen(text));
}

static void on_signal(int signal)
{
    say(pthread_equal(pthread_self(), caller) ? "" : "in another thread: ");
    say(signal == SIGUSR1 ? "SIGUSR1\n" : "SIGRTMIN+1\n");
    if (jumps) {
        jumps = 0;
        siglongjmp(away, 1);
    }
}

static bool is(const char *name, long *len)
{
    size_t size = strlen(name);
    if (strncmp(word, name, size) != 0 || (word[size] != '\0' && word[size] != '='))
        return false;
    *len = word[size] == '=' ? atol(word + size + 1) : 0;
    return true;
}

static long dedupe(size_t len, char *more)
{
    struct {
        struct file_dedupe_range range;
        struct file_dedupe_range_info targets[2];
    } all = { .range = { .src_length = len, .dest_count = 2 } };
    for (int i = 0; i < 2; i++) {
        all.targets[i].dest_fd = out;
        all.targets[i].bytes_deduped = 77;
        all.targets[i].status = 77;
    }
    long result = ioctl(in, FIDEDUPERANGE, &all);
    int error = errno;
    sprintf(more, " status %d %d bytes %llu %llu length %llu", all.targets[0].status,
            all.targets[1].status, (unsigned long long)all.targets[0].bytes_deduped,
            (unsigned long long)all.targets[1].bytes_deduped, (unsigned long long)all.range.src_length);
    errno = error;
    return result;
}

static long made(char *more)
{
    long len;
    *more = '\0';
    errno = 77;
    if (is("copy", &len))
        return copy_file_range(in, NULL, out, NULL, len, 0);
    if (is("number", &len))
        return syscall(SYS_copy_file_range, in, NULL, out, NULL, len, 0);
    if (is("at", &len) || is("reflink", &len)) {
        long result = copy_file_range(in, &off_in, out, &off_out, len, word[0] == 'r' ? REFLINK : 0);
        sprintf(more, " offsets %lld %lld", (long long)off_in, (long long)off_out);
        return result;
    }
    if (is("send64", &len))
        return sendfile64(out, in, NULL, len);
    if (is("send", &len))
        return sendfile(out, in, NULL, len);
    if (is("clone", &len))
        return ioctl(out, FICLONE, in);
    if (is("range", &len)) {
        struct file_clone_range range = { .src_fd = in, .src_length = len };
        return ioctl(out, FICLONERANGE, &range);
    }
    if (is("dedupe", &len))
        return dedupe(len, more);
    if (is("probe", &len))
        return copy_file_range(-1, NULL, -1, NULL, 1, 0);
    fprintf(stderr, "injected_calls: unknown word %s\n", word);
    exit(2);
}

static long now_ms(void)
{
    struct timespec now;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void *call(void *unused)
{
    char more[200] = "", line[400];
    caller = pthread_self();
    long begun = now_ms();
    if (sigsetjmp(away, 1) != 0) {
        say("jumped\n");
        return unused;
    }
    long result = made(more);
    int error = errno;
    int name = strcspn(word, "=");
    int used = sprintf(line, "%.*s ", name, word);
    if (result < 0)
        used += sprintf(line + used, "%s", strerrorname_np(error));
    else
        used += sprintf(line + used, "%ld%s", result, error == 77 ? "" : " and errno");
    used += sprintf(line + used, " at %lld %lld%s", (long long)lseek(in, 0, SEEK_CUR),
                    (long long)lseek(out, 0, SEEK_CUR), more);
    if (times)
        used += sprintf(line + used, " in %ld0 ms", (now_ms() - begun) / 10);
    times = false;
    sprintf(line + used, "\n");
    say(line);
    return unused;
}

int main(int argc, char **argv)
{
    CHECK(argc >= 3);
    in = open(argv[1], O_RDONLY);
    out = open(argv[2], O_RDWR | O_CREAT, 0600);
    CHECK(in >= 0 && out >= 0);
    struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0 && sigaction(GLIBC_SIGRTMIN + 1, &action, NULL) == 0);
    for (int i = 3; i < argc; i++) {
        word = argv[i];
        if (strcmp(word, "thread") == 0) {
            in_thread = true;
        } else if (strcmp(word, "jump") == 0) {
            jumps = 1;
        } else if (strcmp(word, "spend") == 0) {
            times = true;
        } else if (strncmp(word, "to=", 3) == 0) {
            off_out = atol(word + 3);
        } else if (strncmp(word, "out=", 4) == 0) {
            close(out);
            CHECK((out = open(word + 4, O_RDWR | O_CREAT, 0600)) >= 0);
        } else if (strncmp(word, "unnamed=", 8) == 0) {
            close(out);
            CHECK((out = open(word + 8, O_RDWR | O_TMPFILE, 0600)) >= 0);
        } else if (strncmp(word, "memory=", 7) == 0) {
            close(out);
            CHECK((out = memfd_create(word + 7, 0)) >= 0);
        } else if (strcmp(word, "unlink") == 0) {
            CHECK(unlink(argv[2]) == 0);
        } else if (strncmp(word, "seek=", 5) == 0) {
            CHECK(lseek(in, atol(word + 5), SEEK_SET) >= 0 && lseek(out, atol(word + 5), SEEK_SET) >= 0);
        } else if (strncmp(word, "root=", 5) == 0) {
            CHECK(chroot(word + 5) == 0 && chdir("/") == 0);
        } else if (strncmp(word, "name=", 5) == 0) {
            CHECK(prctl(PR_SET_NAME, word + 5) == 0);
        } else if (strcmp(word, "fork") == 0) {
            pid_t child = fork();
            CHECK(child >= 0);
            if (child > 0) {
                int status;
                CHECK(waitpid(child, &status, 0) == child);
                return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
            }
        } else if (in_thread) {
            pthread_t thread;
            in_thread = false;
            CHECK(pthread_create(&thread, NULL, call, NULL) == 0 && pthread_join(thread, NULL) == 0);
        } else {
            call(NULL);
        }
    }
    return 0;
}
