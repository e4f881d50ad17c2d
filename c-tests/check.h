/* Shared by the hazard programs: checks that print where they failed, files with known bytes,
 * and the count of calls that a log must hold. A program runs in an empty directory. Its first
 * argument is the path of the log, even if there is no log. */
#ifndef CHECK_H
#define CHECK_H

#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
/* Older headers compile in this order only. */
#include <sys/mount.h>
#include <linux/fs.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "portable.h"

#define CHECK(what) ((what) ? (void)0 : failed(__FILE__, __LINE__, #what))

static inline void failed(const char *file, int line, const char *what)
{
	dprintf(1, "%s:%d: %s (errno %d)\n", file, line, what, errno);
	_exit(99);
}

/* Seconds that only a process needs that hangs, however busy the machine is. A child ends first, so
 * that its parent can report it, and the harness waits longest (crates/testkit/src/run.rs). */
enum { MAX_CHILD_SECONDS = 60, MAX_SECONDS = 240 };

/* Kills the process after MAX_SECONDS, whatever it does with its signals. Children do not inherit
 * it. */
static inline void watchdog(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL };
	struct itimerspec time = { .it_value.tv_sec = MAX_SECONDS };
	timer_t timer;
	CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
	CHECK(timer_settime(timer, 0, &time, NULL) == 0);
}

/* Sends SIGALRM once, after this many microseconds. A handler asks for the next one when it is done:
 * on a machine on which it takes longer than a timer's period, a periodic timer would leave no time
 * for anything else. */
static inline void alarm_after(long microseconds)
{
	struct itimerval once = { .it_value.tv_usec = microseconds };
	CHECK(setitimer(ITIMER_REAL, &once, NULL) == 0);
}

static inline double now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

/* Returns how many seconds an endless program copies: the environment variable LASTS, or 1. */
static inline double lasts(void)
{
	const char *seconds = getenv("LASTS");
	return seconds != NULL ? atof(seconds) : 1;
}

/* Returns the byte at this offset of every source. */
static inline char pattern(size_t place)
{
	return "0123456789abcdefghijklmnopqrstuvwxyz"[place % 36];
}

/* Creates a file of `len` bytes, open for reading and writing. */
static inline int source(const char *name, size_t len)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	CHECK(fd >= 0);
	char bytes[4096];
	for (size_t done = 0; done < len;) {
		size_t part = len - done < sizeof bytes ? len - done : sizeof bytes;
		for (size_t i = 0; i < part; i++)
			bytes[i] = pattern(done + i);
		CHECK(write(fd, bytes, part) == (ssize_t)part);
		done += part;
	}
	CHECK(lseek(fd, 0, SEEK_SET) == 0);
	return fd;
}

/* Creates an empty file, open for reading and writing. */
static inline int target(const char *name)
{
	return source(name, 0);
}

/* Calls made and not yet reported. */
static atomic_long calls;

/* The call through which the program copies. */
static enum { COPY_FILE_RANGE, SYSCALL, SENDFILE, SENDFILE64, CLONE, CLONE_RANGE, DEDUPE_RANGE } hook;

/* HOOK in the environment chooses it. It is read at the start, because programs clear their
 * environment. */
__attribute__((constructor)) static void choose_hook(void)
{
	static const char *const names[] = { "copy_file_range", "syscall", "sendfile", "sendfile64",
		"FICLONE", "FICLONERANGE", "FIDEDUPERANGE" };
	const char *name = getenv("HOOK");
	for (int i = 0; name != NULL && i < 7; i++)
		if (strcmp(name, names[i]) == 0)
			hook = i;
}

/* sendfile(2) writes at the target's position. */
static inline ssize_t send_file(int in, loff_t *off_in, int out, loff_t *off_out, size_t len)
{
	if (off_out != NULL && lseek(out, *off_out, SEEK_SET) < 0)
		return -1;
	ssize_t count = hook == SENDFILE ? sendfile(out, in, off_in, len) : sendfile64(out, in, off_in, len);
	if (count > 0 && off_out != NULL)
		*off_out += count;
	return count;
}

/* The ioctls share all bytes or none, and their offsets are numbers and not pointers. Not inlined: the
 * buffer would be on the stack of all copies. */
__attribute__((noinline, unused))
static ssize_t share(int in, loff_t *off_in, int out, loff_t *off_out, size_t len)
{
	loff_t from = off_in != NULL ? *off_in : 0, to = off_out != NULL ? *off_out : 0;
	struct file_clone_range clone = { in, from, len, to };
	union {
		struct file_dedupe_range range;
		char room[sizeof(struct file_dedupe_range) + sizeof(struct file_dedupe_range_info)];
	} dedupe = { .range = { .src_offset = from, .src_length = len, .dest_count = 1 } };
	struct file_dedupe_range_info *target = dedupe.range.info;
	char bytes[1000];
	long result;
	*target = (struct file_dedupe_range_info){ .dest_fd = out, .dest_offset = to };
	if (hook == DEDUPE_RANGE && in >= 0 && out >= 0 && len <= sizeof bytes) {
		/* Only equal ranges can be shared. */
		ssize_t count = pread(in, bytes, len, from);
		if (count < 0 || pwrite(out, bytes, count, to) != count)
			return -1;
	}
	switch (hook) {
	case CLONE:
		result = ioctl(out, FICLONE, in);
		break;
	case CLONE_RANGE:
		result = ioctl(out, FICLONERANGE, &clone);
		break;
	default:
		result = ioctl(in, FIDEDUPERANGE, &dedupe);
		if (result == 0 && target->status < 0) {
			errno = -target->status;
			result = -1;
		}
		CHECK(result < 0 || target->status == FILE_DEDUPE_RANGE_SAME);
		CHECK(result < 0 || target->bytes_deduped == len);
	}
	if (result < 0)
		return -1;
	if (off_in != NULL)
		*off_in += len;
	if (off_out != NULL)
		*off_out += len;
	return len;
}

/* Copies through the hook and counts the call. */
static inline ssize_t copy(int in, loff_t *off_in, int out, loff_t *off_out, size_t len)
{
	atomic_fetch_add(&calls, 1);
	switch (hook) {
	case COPY_FILE_RANGE:
		return copy_file_range(in, off_in, out, off_out, len, 0);
	case SYSCALL:
		return syscall(SYS_copy_file_range, in, off_in, out, off_out, len, 0);
	case SENDFILE: case SENDFILE64:
		return send_file(in, off_in, out, off_out, len);
	default:
		return share(in, off_in, out, off_out, len);
	}
}

/* Copies `len` bytes from the start of one file to the start of another. */
static inline void copy_start(int in, int out, size_t len)
{
	loff_t from = 0, to = 0;
	CHECK(copy(in, &from, out, &to, len) == (ssize_t)len);
	CHECK(from == (loff_t)len && to == (loff_t)len);
}

/* The calls that a busy machine may delay although their lines do not wait. If a line waited in each
 * call, hundreds would be delayed. */
enum { MAX_DELAYED = 12 };

/* Copies while the log is full and never read. A line waits for a second at most, and only the first
 * in a row. */
static inline void copy_while_full(int in, int out)
{
	static atomic_int delayed;
	double begun = now(), took;
	errno = 77;
	copy_start(in, out, 1000);
	CHECK(errno == 77);
	took = now() - begun;
	if (took > 0.9)
		CHECK(atomic_fetch_add(&delayed, 1) < MAX_DELAYED);
	CHECK(took < 10);
}

/* Adds the calls since the last report to the file that the test reads. */
static inline void report(void)
{
	char line[24];
	int fd = open("calls", O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
	CHECK(fd >= 0);
	int len = snprintf(line, sizeof line, "%ld\n", atomic_exchange(&calls, 0));
	CHECK(write(fd, line, len) == len);
	close(fd);
}

/* Returns the number of the calling thread's open descriptors, plus 3: `.`, `..` and the
 * directory. */
static inline int descriptors(void)
{
	DIR *open_ones = opendir("/proc/thread-self/fd");
	int count = 0;
	CHECK(open_ones != NULL);
	while (readdir(open_ones) != NULL)
		count++;
	closedir(open_ones);
	return count;
}

/* Fills a pipe, FIFO, socket or terminal, until it has taken no byte for half a second: a kernel
 * thread moves a terminal's bytes on later and makes room again. */
static inline void fill_channel(int fd)
{
	char bytes[4096] = "";
	int flags = fcntl(fd, F_GETFL), refused = 0;
	CHECK(flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0);
	while (refused < 50) {
		if (write(fd, bytes, sizeof bytes) > 0 || write(fd, bytes, 1) > 0) {
			refused = 0;
			continue;
		}
		CHECK(errno == EAGAIN);
		refused++;
		usleep(10000);
	}
	CHECK(fcntl(fd, F_SETFL, flags) == 0);
}

/* Executes the program again with one more argument and with a standard error that is a full
 * pipe, never read. */
static inline void fill_standard_error(char **argv)
{
	int pair[2];
	CHECK(pipe(pair) == 0);
	fill_channel(pair[1]);
	CHECK(dup2(pair[1], 2) == 2);
	execl("/proc/self/exe", argv[0], argv[1], "inner", NULL);
	_exit(98);
}

/* Waits for the child and returns its wait status, 0 if it exited with 0. */
static inline int ending(pid_t child)
{
	int status;
	CHECK(waitpid(child, &status, 0) == child);
	return status;
}

#endif
