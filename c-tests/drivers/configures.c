/* Sets its own settings with cfr_configure, and counts its calls with cfr_stats.
 *
 *     configures errors
 *     configures set [NAME=VALUE]...
 *     configures again
 *     configures threads
 *     configures stats
 *     configures fork
 *
 * Runs in an empty directory. `set` sets each in turn, prints the error of each that fails, copies 1000
 * bytes without flags, and prints how. */
/* Before check.h, which calls copy_file_range: clang takes no other name for it after that. */
#define _GNU_SOURCE
#include <cfr.h>

#include <stddef.h>

#include "check.h"

static int in, out;

/* Returns 0, or the error. */
static int configure(const char *name, const char *value)
{
	errno = 4711;
	int result = cfr_configure(name, value);
	CHECK(result == 0 ? errno == 4711 : result == -1);
	return result == 0 ? 0 : errno;
}

static struct cfr_outcome copy_once(void)
{
	struct cfr_outcome outcome = { .size = sizeof outcome };
	int64_t from = 0, to = 0;
	ssize_t count = cfr_copy(in, &from, out, &to, 1000, 0, NULL, &outcome);
	CHECK(count == (outcome.error == 0 ? (ssize_t)outcome.bytes : -1));
	return outcome;
}

static ssize_t copy_bare(void)
{
	int64_t from = 0, to = 0;
	return copy_file_range(in, &from, out, &to, 1000, 0);
}

static void errors(void)
{
	CHECK(configure("no_such_setting", "1") == ENOENT);
	CHECK(configure("", "1") == ENOENT && configure(NULL, "1") == ENOENT);
	CHECK(configure("DIALECT", "linux") == ENOENT && configure("CFR_DIALECT", "linux") == ENOENT);
	CHECK(configure("log-file", "x") == ENOENT);
	/* Those of the launcher. */
	CHECK(configure("strict", "yes") == ENOENT && configure("cookie", "1") == ENOENT);
	CHECK(configure("dialect", "linux-9") == EINVAL && configure("log", "loud") == EINVAL);
	CHECK(configure("log_file", "%z") == EINVAL && configure("inject", "eror=EIO") == EINVAL);
	CHECK(configure("summary", "YES") == EINVAL && configure("fallback", "18") == EINVAL);
	CHECK(configure("stats", "maybe") == EINVAL);
	CHECK(configure("environment", "log,nothing") == EINVAL);
	CHECK(configure("environment", "stats") == EINVAL && configure("environment", ",") == EINVAL);
	/* What was refused has changed nothing. */
	CHECK(strcmp(copy_once().dialect, "extended") == 0);
	/* Of two that contradict each other, the second is refused. */
	CHECK(configure("default_flags", "COPY_FR_REFLINK") == 0);
	CHECK(configure("dialect", "freebsd-15") == EINVAL);
	CHECK(copy_once().flags == COPY_FR_REFLINK);
	CHECK(configure("default_flags", NULL) == 0 && configure("dialect", "freebsd-15") == 0);
	CHECK(configure("default_flags", "COPY_FR_REFLINK") == EINVAL);
	CHECK(strcmp(copy_once().dialect, "freebsd-15") == 0);
	CHECK(configure("dialect", "") == 0 && strcmp(copy_once().dialect, "extended") == 0);
	/* Both functions are hit by it, and the text was copied. */
	char text[] = "error=EIO";
	CHECK(configure("inject", text) == 0);
	memset(text, 'x', sizeof text - 1);
	CHECK(copy_once().error == EIO && copy_bare() == -1 && errno == EIO);
	CHECK(configure("dialect", "linux") == 0 && copy_once().error == EIO);
	CHECK(configure("inject", NULL) == 0 && copy_once().error == 0 && copy_bare() == 1000);
	/* Faults count from the moment at which they are set, whatever else is changed meanwhile. */
	CHECK(configure("inject", "zero:when=3") == 0 && copy_bare() == 1000);
	CHECK(configure("backend", "emulate") == 0 && copy_bare() == 1000);
	CHECK(configure("backend", "") == 0 && copy_bare() == 0 && copy_bare() == 1000);
}

static void set(char **words)
{
	for (; *words != NULL; words++) {
		char *value = strchr(*words, '=');
		*value = '\0';
		int error = configure(*words, value + 1);
		if (error != 0)
			printf("%s: %s\n", *words, strerror(error));
	}
	struct cfr_outcome outcome = copy_once();
	printf("%s %s error=%d flags=%u\n", outcome.dialect, cfr_method_name(outcome.method),
	       outcome.error, outcome.flags);
	ssize_t count = copy_bare();
	printf("%zd\n", count);
}

/* A log that is switched off and on opens no second descriptor; one that is open stays what it is. */
static void again(void)
{
	CHECK(configure("log", "info") == 0 && configure("log_file", "log") == 0);
	CHECK(configure("log_file", "other") == 0 && configure("log_file", "log") == 0);
	CHECK(copy_bare() == 1000);
	int before = descriptors();
	for (int i = 0; i < 100; i++) {
		CHECK(configure("log", "off") == 0 && copy_bare() == 1000);
		CHECK(configure("log", "warn") == 0 && copy_bare() == 1000);
		CHECK(configure("log", "info") == 0 && copy_bare() == 1000);
	}
	CHECK(descriptors() == before);
	CHECK(configure("log_file", "other") == EBUSY && configure("log_format", "json") == EBUSY);
	CHECK(configure("summary", "sum") == EBUSY);
	CHECK(copy_bare() == 1000 && access("other", F_OK) < 0);
}

static atomic_int stop;

static void *copies(void *unused)
{
	while (!stop)
		CHECK(copy_bare() == 1000 && copy_once().bytes == 1000);
	return unused;
}

static void handler(int number)
{
	int saved = errno;
	(void)number;
	int error = configure("backend", "auto");
	CHECK(error == 0 || error == EBUSY);
	errno = saved;
}

static void *configures(void *unused)
{
	for (int i = 0; i < 200; i++) {
		int error = configure("backend", i % 2 ? "emulate" : "auto");
		CHECK(error == 0 || error == EBUSY);
	}
	return unused;
}

/* Settings change while other threads copy, and in signal handlers and children. */
static void threads(void)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART };
	pthread_t copying[2], configuring[2];
	int status;
	CHECK(sigaction(SIGALRM, &action, NULL) == 0);
	for (int i = 0; i < 2; i++) {
		CHECK(pthread_create(&copying[i], NULL, copies, NULL) == 0);
		CHECK(pthread_create(&configuring[i], NULL, configures, NULL) == 0);
	}
	static const char *const values[][2] = { { "verify", "yes" }, { "verify", "no" },
		{ "dialect", "linux" }, { "dialect", "extended" }, { "stats", "yes" }, { "stats", "no" },
		{ "hooks", "syscall" }, { "hooks", "" }, { "environment", "none" },
		{ "environment", "all" } };
	for (int i = 0; i < 200; i++) {
		const char *const *value = values[i % 10];
		int error = configure(value[0], value[1]);
		CHECK(error == 0 || error == EBUSY);
		if (i % 20 == 0)
			alarm_after(300);
		if (i % 50 == 0) {
			pid_t child = fork();
			CHECK(child >= 0);
			if (child == 0) {
				alarm(MAX_CHILD_SECONDS);
				CHECK(copy_bare() == 1000);
				/* Another thread of the parent may have been in it. */
				error = configure("backend", "kernel");
				CHECK(error == EBUSY ||
				      (error == 0 && copy_once().method == CFR_METHOD_KERNEL));
				_exit(0);
			}
			CHECK(waitpid(child, &status, 0) == child && status == 0);
		}
	}
	stop = 1;
	for (int i = 0; i < 2; i++) {
		CHECK(pthread_join(copying[i], NULL) == 0);
		CHECK(pthread_join(configuring[i], NULL) == 0);
	}
}

static void stats(void)
{
	struct {
		struct cfr_stats stats;
		unsigned char more[16];
	} got;
	struct cfr_stats *now = &got.stats;
	int64_t from = 0;
	memset(&got, 0xee, sizeof got);
	now->size = sizeof *now;
	errno = 0;
	/* Nothing was watched: no zeros. */
	CHECK(cfr_stats(now) == -1 && errno == ENODATA && now->calls == 0xeeeeeeeeeeeeeeee);
	CHECK(copy_bare() == 1000 && cfr_stats(now) == -1 && errno == ENODATA);
	CHECK(configure("stats", "yes") == 0);
	CHECK(cfr_stats(NULL) == -1 && errno == EINVAL);
	now->size = 0;
	CHECK(cfr_stats(now) == -1 && errno == EINVAL);
	now->size = sizeof *now;
	errno = 4711;
	CHECK(cfr_stats(now) == 0 && errno == 4711 && now->calls == 0 && now->bytes == 0);
	CHECK(copy_bare() == 1000 && copy_once().bytes == 1000);
	CHECK(copy_file_range(-1, &from, out, NULL, 10, 0) == -1);
	CHECK(configure("backend", "emulate") == 0 && copy_bare() == 1000);
	CHECK(cfr_stats(now) == 0);
	CHECK(now->calls == 4 && now->bytes == 3000 && now->errors == 1 && now->unfinished == 0);
	CHECK(now->hook_calls[CFR_HOOK_COPY_FILE_RANGE] == 4 && now->hook_calls[CFR_HOOK_SYSCALL] == 0);
	CHECK(now->method_calls[CFR_METHOD_KERNEL] == 3 && now->method_bytes[CFR_METHOD_KERNEL] == 2000);
	CHECK(now->method_calls[CFR_METHOD_EMULATED] == 1);
	CHECK(now->method_bytes[CFR_METHOD_EMULATED] == 1000);
	CHECK(got.more[0] == 0xee);
	/* An older and a newer struct. */
	memset(&got, 0xee, sizeof got);
	now->size = offsetof(struct cfr_stats, unfinished);
	CHECK(cfr_stats(now) == 0 && now->calls == 4 && now->unfinished == 0xeeeeeeeeeeeeeeee);
	now->size = sizeof got;
	CHECK(cfr_stats(now) == 0 && now->bytes == 3000 && got.more[15] == 0);
	now->size = sizeof *now;
	CHECK(configure("stats", "no") == 0 && cfr_stats(now) == -1 && errno == ENODATA);
	CHECK(copy_bare() == 1000 && configure("stats", "yes") == 0);
	CHECK(cfr_stats(now) == 0 && now->calls == 4);
}

/* A child begins at zero. */
static void forked(void)
{
	struct cfr_stats now = { .size = sizeof now };
	int status;
	CHECK(configure("stats", "yes") == 0 && copy_bare() == 1000);
	pid_t child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		CHECK(cfr_stats(&now) == 0 && now.calls == 0);
		CHECK(copy_bare() == 1000 && cfr_stats(&now) == 0 && now.calls == 1);
		_exit(0);
	}
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	CHECK(cfr_stats(&now) == 0 && now.calls == 1);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	watchdog();
	in = source("source", 1000);
	out = target("target");
	if (strcmp(what, "errors") == 0)
		errors();
	else if (strcmp(what, "set") == 0)
		set(argv + 2);
	else if (strcmp(what, "again") == 0)
		again();
	else if (strcmp(what, "threads") == 0)
		threads();
	else if (strcmp(what, "stats") == 0)
		stats();
	else if (strcmp(what, "fork") == 0)
		forked();
	else
		return 2;
	puts("ok");
	return 0;
}
