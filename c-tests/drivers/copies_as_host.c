/* Calls cfr_copy where a host may call copy_file_range.
 *
 *     copies_as_host CHILDREN
 *
 * Forks CHILDREN children while threads copy. Runs in an empty directory, prints `ok`. */
/* Before check.h, which calls copy_file_range: clang takes no other name for it after that. */
#define _GNU_SOURCE
#include <cfr.h>

#include <stddef.h>

#include "check.h"

static int in, out;
static struct cfr_options emulate = { .size = sizeof emulate, .backend = CFR_BACKEND_EMULATE };

/* Copies `len` bytes from the start to the start, and checks that the outcome and errno say so. */
static void copy_told(size_t len, const struct cfr_options *options, int method)
{
	struct cfr_outcome outcome = { .size = sizeof outcome, .error = -1, .method = -1 };
	int64_t from = 0, to = 0;
	errno = 4711;
	CHECK(cfr_copy(in, &from, out, &to, len, 0, options, &outcome) == (ssize_t)len);
	CHECK(errno == 4711 && from == (int64_t)len && to == from);
	CHECK(outcome.bytes == len && outcome.error == 0 && outcome.method == method);
	CHECK(outcome.shared == CFR_SHARED_UNKNOWN && outcome.rule[0] == '\0');
	CHECK(strcmp(outcome.dialect, "extended") == 0);
}

/* A call that fails says why, and its errno is that of copy_file_range. */
static void fail(void)
{
	struct cfr_outcome outcome = { .size = sizeof outcome };
	int64_t from = 0;
	CHECK(cfr_copy(-1, &from, out, NULL, 10, 0, NULL, &outcome) == -1 && errno == EBADF);
	CHECK(outcome.bytes == 0 && outcome.error == EBADF && from == 0);
	CHECK(strcmp(outcome.rule, "fd-in-closed") == 0);
	CHECK(cfr_copy(in, (int64_t *)1, out, NULL, 10, 0, NULL, &outcome) == -1 && errno == EFAULT);
	CHECK(strcmp(outcome.rule, "off-in-unreadable") == 0);
	/* What was there of the last call is gone. */
	copy_told(10, NULL, CFR_METHOD_KERNEL);
}

/* Options that are refused: nothing is copied, and the outcome stays. */
static void refuse(struct cfr_options options, int error)
{
	struct cfr_outcome outcome = { .size = sizeof outcome, .bytes = 4711 };
	int64_t from = 0, to = 0;
	errno = 0;
	CHECK(cfr_copy(in, &from, out, &to, 10, 0, &options, &outcome) == -1 && errno == error);
	CHECK(from == 0 && to == 0 && outcome.bytes == 4711);
}

static void refuse_all(void)
{
	static const size_t size = sizeof(struct cfr_options);
	refuse((struct cfr_options){ .size = 0 }, EINVAL);
	refuse((struct cfr_options){ .size = 7 }, EINVAL);
	refuse((struct cfr_options){ .size = 4097 }, E2BIG);
	refuse((struct cfr_options){ .size = (size_t)-1 }, E2BIG);
	refuse((struct cfr_options){ .size = size, .dialect = "linux-9" }, EINVAL);
	refuse((struct cfr_options){ .size = size, .dialect = "" }, EINVAL);
	refuse((struct cfr_options){ .size = size, .backend = 4 }, EINVAL);
	refuse((struct cfr_options){ .size = size, .backend = -1 }, EINVAL);
	refuse((struct cfr_options){ .size = size, .checks = 4 }, EINVAL);
	refuse((struct cfr_options){ .size = size, .verify = 3 }, EINVAL);
	refuse((struct cfr_options){ .size = size, .shared = 3 }, EINVAL);
	refuse((struct cfr_options){ .size = size, .else_copy = 3 }, EINVAL);
	/* Only a call that shares blocks can copy instead. */
	refuse((struct cfr_options){ .size = size, .else_copy = CFR_YES }, EINVAL);
	refuse((struct cfr_options){ .size = size, .reserved = 1 }, EINVAL);
}

/* Structs of an older header, which end earlier, and of a newer one. */
static void sizes(void)
{
	struct {
		struct cfr_options options;
		char more[40];
	} options = { .options = emulate };
	struct {
		struct cfr_outcome outcome;
		unsigned char more[40];
	} outcome;
	int64_t from, to;
	for (size_t size = sizeof(size_t); size <= sizeof options; size++) {
		options.options = emulate;
		options.options.size = size;
		from = to = 0;
		CHECK(cfr_copy(in, &from, out, &to, 100, 0, &options.options, NULL) == 100);
	}
	options.options.size = sizeof options;
	options.more[39] = 1;
	CHECK(cfr_copy(in, &from, out, &to, 100, 0, &options.options, NULL) == -1 && errno == E2BIG);
	/* Beyond its size nothing is looked at. */
	options.options.size = sizeof options - 1;
	CHECK(cfr_copy(in, &from, out, &to, 100, 0, &options.options, NULL) == 100);
	/* Options without a backend: the kernel copies. */
	options.options = emulate;
	options.options.size = offsetof(struct cfr_options, backend);
	for (size_t size = sizeof(size_t); size <= sizeof outcome; size++) {
		memset(&outcome, 0xee, sizeof outcome);
		outcome.outcome.size = size;
		from = to = 0;
		CHECK(cfr_copy(in, &from, out, &to, 100, 0, &options.options, &outcome.outcome) == 100);
		CHECK(outcome.outcome.size == size);
		if (size >= offsetof(struct cfr_outcome, error))
			CHECK(outcome.outcome.bytes == 100);
		if (size >= offsetof(struct cfr_outcome, shared))
			CHECK(outcome.outcome.method == CFR_METHOD_KERNEL);
		/* Members that the library does not know are zero, and nothing is written beyond. */
		for (size_t at = sizeof(struct cfr_outcome); at < sizeof outcome; at++)
			CHECK(((unsigned char *)&outcome)[at] == (at < size ? 0 : 0xee));
		for (size_t at = size; at < sizeof outcome; at++)
			CHECK(((unsigned char *)&outcome)[at] == 0xee);
	}
	outcome.outcome.size = 0;
	CHECK(cfr_copy(in, &from, out, &to, 1, 0, NULL, &outcome.outcome) == -1 && errno == EINVAL);
	outcome.outcome.size = 5000;
	CHECK(cfr_copy(in, &from, out, &to, 1, 0, NULL, &outcome.outcome) == -1 && errno == E2BIG);
}

static void texts(void)
{
	char text[200] = "unchanged", small[10];
	CHECK(strcmp(cfr_method_name(CFR_METHOD_NONE), "none") == 0);
	CHECK(strcmp(cfr_method_name(CFR_METHOD_KERNEL), "kernel") == 0);
	CHECK(strcmp(cfr_method_name(CFR_METHOD_REFLINK), "reflink") == 0);
	CHECK(strcmp(cfr_method_name(CFR_METHOD_DEDUPE), "dedupe") == 0);
	CHECK(strcmp(cfr_method_name(CFR_METHOD_EMULATED), "emulated") == 0);
	CHECK(strcmp(cfr_method_name(CFR_METHOD_NEXT), "next") == 0);
	CHECK(cfr_method_name(-1) == NULL && cfr_method_name(CFR_METHOD_NEXT + 1) == NULL);

	CHECK(cfr_rule_text("extended", "no-such-rule", text, sizeof text) == NULL);
	CHECK(cfr_rule_text("no-such-dialect", "overlap", text, sizeof text) == NULL);
	CHECK(cfr_rule_text("extended", NULL, text, sizeof text) == NULL);
	CHECK(cfr_rule_text("extended", "overlap", text, 0) == NULL);
	CHECK(cfr_rule_text("extended", "overlap", NULL, 5) == NULL);
	CHECK(strcmp(text, "unchanged") == 0);
	CHECK(cfr_rule_text(NULL, "fd-in-closed", text, sizeof text) == text);
	CHECK(strcmp(text, "fd_in is not open, or open with O_PATH only (Linux 6.12 fs/read_write.c, "
			   "SYSCALL_DEFINE6(copy_file_range))") == 0);
	memset(small, 'x', sizeof small);
	CHECK(cfr_rule_text("linux", "fd-in-closed", small, 6) == small);
	CHECK(memcmp(small, "fd_in\0xxxx", sizeof small) == 0);
	CHECK(cfr_rule_text("linux", "fd-in-closed", small, 1) == small && small[0] == '\0');
}

static volatile sig_atomic_t handled;

static void handler(int number)
{
	int saved = errno;
	(void)number;
	copy_told(1000, handled % 2 ? &emulate : NULL, handled % 2 ? CFR_METHOD_EMULATED : CFR_METHOD_KERNEL);
	handled++;
	errno = saved;
}

/* In a handler that interrupts the same call. */
static void in_signal_handlers(void)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART };
	CHECK(sigaction(SIGALRM, &action, NULL) == 0);
	for (int i = 0; handled < 50; i++) {
		if (i % 20 == 0)
			alarm_after(200);
		copy_told(1000, &emulate, CFR_METHOD_EMULATED);
	}
}

static void *copies(void *count)
{
	for (int i = 0; i < *(int *)count; i++)
		copy_told(10, i % 2 ? &emulate : NULL, i % 2 ? CFR_METHOD_EMULATED : CFR_METHOD_KERNEL);
	return NULL;
}

/* In threads with the smallest stack, and in children that were forked meanwhile. */
static void in_threads_and_children(int children)
{
	pthread_t threads[4];
	pthread_attr_t attributes;
	int count = 300, status;
	CHECK(pthread_attr_init(&attributes) == 0);
	CHECK(pthread_attr_setstacksize(&attributes, smallest_stack()) == 0);
	for (int i = 0; i < 4; i++)
		CHECK(pthread_create(&threads[i], &attributes, copies, &count) == 0);
	for (int i = 0; i < children; i++) {
		pid_t child = fork();
		CHECK(child >= 0);
		if (child == 0) {
			alarm(MAX_CHILD_SECONDS);
			copies(&(int){ 10 });
			_exit(0);
		}
		CHECK(waitpid(child, &status, 0) == child && status == 0);
	}
	for (int i = 0; i < 4; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
}

static atomic_int ready, cancelled, cleaned, returned;

static void cleanup(void *unused)
{
	(void)unused;
	cleaned++;
}

static void *is_cancelled(void *unused)
{
	struct cfr_outcome outcome = { .size = sizeof outcome };
	int64_t from = 0, to = 0;
	pthread_cleanup_push(cleanup, unused);
	ready = 1;
	while (!cancelled)
		sched_yield();
	cfr_copy(in, &from, out, &to, 50, 0, &emulate, &outcome);
	returned++;
	pthread_testcancel();
	pthread_cleanup_pop(0);
	return NULL;
}

/* It is a cancellation point where copy_file_range is one, and the cleanup handlers run. */
static void cancels(void)
{
	pthread_t thread;
	void *result;
	CHECK(pthread_create(&thread, NULL, is_cancelled, NULL) == 0);
	while (!ready)
		sched_yield();
	CHECK(pthread_cancel(thread) == 0);
	cancelled = 1;
	CHECK(pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED && cleaned == 1);
#ifdef __GLIBC__
	CHECK(returned == 0);
#else
	CHECK(returned == 1);
#endif
}

static void *is_cancelled_anywhere(void *unused)
{
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &(int){ 0 });
	ready = 1;
	for (;;) {
		int64_t from = 0, to = 0;
		cfr_copy(in, &from, out, &to, 1000, 0, &emulate, NULL);
	}
	return unused;
}

/* An asynchronous cancellation comes at any time, and never in a frame of the library. */
static void cancels_anywhere(void)
{
	for (int i = 0; i < 50; i++) {
		struct timespec pause = { .tv_nsec = i * 7000 };
		pthread_t thread;
		void *result;
		ready = 0;
		CHECK(pthread_create(&thread, NULL, is_cancelled_anywhere, NULL) == 0);
		while (!ready)
			sched_yield();
		nanosleep(&pause, NULL);
		CHECK(pthread_cancel(thread) == 0);
		CHECK(pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED);
	}
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	watchdog();
	in = source("source", 65536);
	out = target("target");
	copy_told(1000, NULL, CFR_METHOD_KERNEL);
	copy_told(1000, &emulate, CFR_METHOD_EMULATED);
	fail();
	refuse_all();
	sizes();
	texts();
	in_signal_handlers();
	in_threads_and_children(atoi(argv[1]));
	cancels();
	cancels_anywhere();
	/* The library keeps no descriptor. */
	CHECK(open("source", O_RDONLY) == out + 1);
	puts("ok");
	return 0;
}
