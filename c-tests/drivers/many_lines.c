/* Makes calls whose lines can be told apart: many_lines MODE PROCESSES THREADS CALLS. Each call copies
 * nothing from an offset of its own: the number of its worker times 2^32, plus the number of the call.
 * Prints a line for each worker: its number and how many calls it has finished.
 *
 *     all      every process has so many threads, which make so many calls
 *     killed   the processes are killed after a random time
 *     forks    one process with so many threads starts the others meanwhile
 *     signals  a signal handler makes the calls of a second worker
 *     guarded  a filter ends the process if it opens or writes a file
 *     paused   the process makes a file "paused", waits for a file "go", and makes the calls again
 *     user     the same, the second time as another user */
#include "check.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>

enum { MAX_WORKERS = 4096 };

/* The finished calls of each worker, for all processes. */
static atomic_long *finished;
static int in, out, threads;
static long count;

static void make_call(long worker)
{
	loff_t from = worker << 32 | finished[worker], to = 0;
	CHECK(copy_file_range(in, &from, out, &to, 1, 0) == 0);
	finished[worker]++;
}

static void *work(void *worker)
{
	for (long i = 0; i < count; i++)
		make_call((long)worker);
	return NULL;
}

/* Runs the threads of a process, whose workers begin with this one. */
static void run_threads(long first)
{
	pthread_t running[64];
	for (long i = 0; i < threads; i++)
		CHECK(pthread_create(&running[i], NULL, work, (void *)(first + i)) == 0);
	for (long i = 0; i < threads; i++)
		CHECK(pthread_join(running[i], NULL) == 0);
}

static void handle(int signal)
{
	(void)signal;
	make_call(1);
	alarm_after(50);
}

static void guard(void)
{
	static const int refused[] = { SYS_openat, SYS_write, SYS_pwrite64, SYS_lseek };
	struct sock_filter filter[16], *end = filter;
	int last = sizeof refused / sizeof *refused;
	*end++ = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (int i = 0; i < last; i++)
		*end++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, refused[i], last - i, 0);
	*end++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	*end++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	struct sock_fprog program = { end - filter, filter };
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

int main(int argc, char **argv)
{
	CHECK(argc == 5);
	watchdog();
	const char *mode = argv[1];
	int processes = atoi(argv[2]);
	threads = atoi(argv[3]);
	count = atol(argv[4]);
	CHECK(processes * threads <= MAX_WORKERS && threads <= 64);
	int is_killed = strcmp(mode, "killed") == 0;
	finished = mmap(NULL, MAX_WORKERS * sizeof *finished, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(finished != MAP_FAILED);
	in = target("many-in"), out = target("many-out");
	if (strcmp(mode, "signals") == 0) {
		CHECK(signal(SIGALRM, handle) != SIG_ERR);
		alarm_after(50);
		work(0);
		CHECK(signal(SIGALRM, SIG_IGN) != SIG_ERR);
		threads = 2;
	} else if (strcmp(mode, "guarded") == 0) {
		pid_t child = fork();
		if (child == 0) {
			guard();
			work(0);
			_exit(0);
		}
		CHECK(ending(child) == 0);
	} else if (strcmp(mode, "paused") == 0 || strcmp(mode, "user") == 0) {
		work(0);
		target("paused");
		while (access("go", F_OK) != 0)
			usleep(2000);
		if (strcmp(mode, "user") == 0)
			CHECK(setresuid(65534, 65534, 65534) == 0);
		work(0);
	} else {
		int is_forking = strcmp(mode, "forks") == 0;
		pthread_t running[64];
		for (long i = 0; is_forking && i < threads; i++)
			CHECK(pthread_create(&running[i], NULL, work, (void *)i) == 0);
		pid_t children[MAX_WORKERS];
		for (long i = is_forking; i < processes; i++) {
			children[i] = fork();
			CHECK(children[i] >= 0);
			if (children[i] == 0) {
				if (is_forking)
					work((void *)(i * threads));
				else
					run_threads(i * threads);
				_exit(0);
			}
			if (is_killed) {
				usleep(rand() % 3000);
				CHECK(kill(children[i], SIGKILL) == 0);
			}
		}
		for (long i = is_forking; i < processes; i++) {
			int status;
			CHECK(waitpid(children[i], &status, 0) == children[i]);
			CHECK(is_killed || status == 0);
		}
		for (long i = 0; is_forking && i < threads; i++)
			CHECK(pthread_join(running[i], NULL) == 0);
	}
	for (long i = 0; i < processes * threads; i++)
		if (finished[i] > 0)
			printf("%ld %ld\n", i, (long)finished[i]);
	return 0;
}
