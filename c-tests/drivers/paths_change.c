/* Copies in a loop, and changes the paths of the descriptors between two copies.
 *
 *     paths_change HOW
 *
 * Runs in an empty directory. A copy asks for as many bytes as the number that the paths have at
 * that moment, `in#7#` and `out#7#`: so each log line shows whether its paths are current. From
 * DELETED on both files have no name; from HIDDEN on /proc is not reachable. */
#include "check.h"

#define DELETED 10000
#define HIDDEN 20000
#define ROUNDS 400
#define IN_A_ROW 4
#define SIGNALS 500
#define PAUSE 200

/* The two files, and the number in their names. */
struct pair {
	int in, out;
	long number;
};

static void name(char *text, const char *kind, long number)
{
	sprintf(text, "%s#%ld#", kind, number);
}

static struct pair files(long number)
{
	char text[40];
	struct pair pair = { .number = number };
	name(text, "in", number);
	pair.in = source(text, 3 * HIDDEN);
	name(text, "out", number);
	pair.out = target(text);
	return pair;
}

static inline void copies(const struct pair *pair, int count)
{
	while (count-- > 0) {
		loff_t from = 0, to = 0;
		if (copy_file_range(pair->in, &from, pair->out, &to, pair->number, 0) != pair->number)
			failed(__FILE__, __LINE__, "a copy");
	}
}

static void renames(struct pair *pair, long number)
{
	static const char *const kinds[] = { "in", "out" };
	for (int i = 0; i < 2; i++) {
		char old[40], new[40];
		name(old, kinds[i], pair->number);
		name(new, kinds[i], number);
		if (rename(old, new) != 0)
			failed(__FILE__, __LINE__, "rename");
	}
	pair->number = number;
}

static void by_rename(void)
{
	struct pair pair = files(1);
	for (long i = 2; i < ROUNDS; i++) {
		copies(&pair, IN_A_ROW);
		renames(&pair, i);
		copies(&pair, IN_A_ROW);
	}
}

static void by_rename_above(void)
{
	char old[40], new[40];
	CHECK(mkdir("above#1#", 0700) == 0);
	struct pair pair = { source("above#1#/in", 3 * HIDDEN), target("above#1#/out"), 1 };
	for (long i = 2; i < ROUNDS; i++) {
		name(old, "above", pair.number);
		name(new, "above", i);
		copies(&pair, IN_A_ROW);
		CHECK(rename(old, new) == 0);
		pair.number = i;
		copies(&pair, IN_A_ROW);
	}
}

static void by_unlink(void)
{
	for (long i = 1; i < ROUNDS; i++) {
		char text[40];
		struct pair pair = files(i);
		copies(&pair, IN_A_ROW);
		name(text, "in", i);
		CHECK(unlink(text) == 0);
		name(text, "out", i);
		CHECK(unlink(text) == 0);
		pair.number += DELETED;
		copies(&pair, IN_A_ROW);
		close(pair.in);
		close(pair.out);
	}
}

/* A target whose path has both numbers: a single rename changes it, with nothing in between. */
static void by_dup(void)
{
	int in[2] = { files(1).in, files(2).in };
	struct pair shown = { dup(in[0]), target("out#1##2#"), 1 };
	for (long i = 0; i < 20 * ROUNDS; i++) {
		dup2(in[i % 2], shown.in);
		shown.number = 1 + i % 2;
		copies(&shown, 1);
	}
}

static void by_close(void)
{
	for (long i = 1; i < ROUNDS; i++) {
		struct pair pair = files(1 + i % 5);
		copies(&pair, IN_A_ROW);
		close(pair.in);
		close(pair.out);
	}
}

static void by_chroot(void)
{
	int root = open("/", O_PATH), here = open(".", O_PATH);
	struct pair pair = files(1);
	CHECK(root >= 0 && here >= 0);
	for (long i = 0; i < ROUNDS; i++) {
		copies(&pair, IN_A_ROW);
		CHECK(chroot(".") == 0);
		pair.number += HIDDEN;
		copies(&pair, IN_A_ROW);
		CHECK(fchdir(root) == 0 && chroot(".") == 0 && fchdir(here) == 0);
		pair.number -= HIDDEN;
	}
}

/* A child has its own descriptors and a copy of the parent's memory. */
static void by_forked_child(void)
{
	struct pair pair = files(1), other = files(2);
	for (long i = 0; i < ROUNDS / 4; i++) {
		copies(&pair, IN_A_ROW);
		pid_t child = fork();
		if (child == 0) {
			dup2(other.in, pair.in);
			dup2(other.out, pair.out);
			other.in = pair.in;
			other.out = pair.out;
			copies(&other, IN_A_ROW);
			_exit(0);
		}
		copies(&pair, IN_A_ROW);
		CHECK(ending(child) == 0);
	}
}

/* In the parent's memory, in a frame of its own, which the child leaves unchanged. */
static __attribute__((noinline)) void vforks(struct pair *pair, struct pair *other)
{
	copies(pair, IN_A_ROW);
	pid_t child = vfork();
	if (child == 0) {
		dup2(other->in, pair->in);
		dup2(other->out, pair->out);
		struct pair mixed = { pair->in, pair->out, other->number };
		copies(&mixed, IN_A_ROW);
		_exit(0);
	}
	copies(pair, IN_A_ROW);
	CHECK(ending(child) == 0);
}

static void by_vforked_child(void)
{
	struct pair pair = files(1), other = files(2);
	for (long i = 0; i < ROUNDS / 4; i++)
		vforks(&pair, &other);
}

static struct pair of_handler, of_thread;
static atomic_int handled;

static void handle(int signal)
{
	(void)signal;
	copies(&of_handler, 2);
	if (atomic_fetch_add(&handled, 1) + 1 < SIGNALS)
		alarm_after(PAUSE);
}

static void by_signal(void)
{
	of_handler = files(2);
	of_thread = files(1);
	CHECK(signal(SIGALRM, handle) != SIG_ERR);
	alarm_after(PAUSE);
	while (handled < SIGNALS)
		copies(&of_thread, IN_A_ROW);
}

static void *of_its_own(void *number)
{
	struct pair pair = files((long)number * 10);
	for (int i = 1; i < 10; i++) {
		copies(&pair, 30);
		renames(&pair, (long)number * 10 + i);
	}
	return NULL;
}

static void by_threads(void)
{
	pthread_t threads[64];
	for (long i = 0; i < 64; i++)
		CHECK(pthread_create(&threads[i], NULL, of_its_own, (void *)(i + 1)) == 0);
	for (int i = 0; i < 64; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
}

/* A rename by another thread shows after a millisecond at the latest, and no copy is fast enough
 * to have been made so often in that time. Before that the path may be either: such lines are
 * listed in the file "unsure". */
#define IN_A_MILLISECOND 2000
/* Then so many copies show the new path, before the next rename. */
#define SURE 1000

static atomic_long turn, shown = -1, over;

static void *renames_often(void *pair)
{
	for (long i = 2; i < 20; i++) {
		while (shown != turn)
			usleep(1000);
		turn++;
		renames(pair, i);
		turn++;
	}
	over = 1;
	return NULL;
}

static void by_another_thread(void)
{
	static char unsure[10000000];
	pthread_t thread;
	struct pair pair = files(1), as_now = pair;
	long line = 0, seen = 0, since = 0;
	CHECK(pthread_create(&thread, NULL, renames_often, &pair) == 0);
	for (; !over && line < (long)sizeof unsure; line++) {
		copies(&as_now, 1);
		since++;
		if (turn != seen || since < IN_A_MILLISECOND)
			unsure[line] = 1;
		else if (since >= IN_A_MILLISECOND + SURE)
			shown = seen;
		if (turn != seen && turn % 2 == 0) {
			seen = turn;
			as_now = pair;
			since = 0;
		}
	}
	CHECK(pthread_join(thread, NULL) == 0);
	FILE *list = fopen("unsure", "w");
	CHECK(list != NULL);
	for (long i = 0; i < line; i++)
		if (unsure[i])
			fprintf(list, "%ld\n", i);
	CHECK(fclose(list) == 0);
}

int main(int argc, char **argv)
{
	CHECK(argc == 2);
	watchdog();
	const struct {
		const char *how;
		void (*change)(void);
	} ways[] = {
		{ "rename", by_rename }, { "rename above", by_rename_above }, { "unlink", by_unlink },
		{ "dup2", by_dup }, { "close", by_close }, { "chroot", by_chroot },
		{ "fork", by_forked_child }, { "vfork", by_vforked_child }, { "signal", by_signal }, { "threads", by_threads },
		{ "another thread", by_another_thread },
	};
	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
		if (strcmp(ways[i].how, argv[1]) == 0) {
			ways[i].change();
			return 0;
		}
	return 98;
}
