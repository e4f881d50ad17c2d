/* Copies in a handler of SIGALRM, again and again, whatever it interrupts: malloc, a copy, the log.
 * With "altstack" the handler has a stack of 8 KiB with nothing below it. With
 * "smallest" it has 3 KiB more than the kernel's signal frame, which lazy binding alone may
 * need. */
#include "check.h"
#include <sys/mman.h>

enum { SIGNALS = 1000, PAUSE = 400 };

static int in, handler_out;
static atomic_int handled;

static void handler(int number)
{
	int saved = errno;
	loff_t from = 0, to = 0;
	(void)number;
	errno = 77;
	if (copy(in, &from, handler_out, &to, 1000) != 1000 || errno != 77)
		_exit(97);
	if (atomic_fetch_add(&handled, 1) + 1 < SIGNALS)
		alarm_after(PAUSE);
	errno = saved;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART };
	watchdog();
	in = source("source", 1000);
	int out = target("main");
	handler_out = target("handler");
	copy_start(in, out, 1000);
	if (argc > 2) {
		size_t size = strcmp(argv[2], "smallest") == 0 ? smallest_signal_stack() + 3072 : 8192;
		size_t rest = -size % 4096;
		char *pages = mmap(NULL, 4096 + size + rest, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		CHECK(pages != MAP_FAILED && mprotect(pages + 4096, size + rest, PROT_READ | PROT_WRITE) == 0);
		stack_t stack = { .ss_sp = pages + 4096, .ss_size = size };
		CHECK(sigaltstack(&stack, NULL) == 0);
		action.sa_flags |= SA_ONSTACK;
	}
	CHECK(sigaction(SIGALRM, &action, NULL) == 0);
	alarm_after(PAUSE);
	for (unsigned round = 0; handled < SIGNALS; round++) {
		void *memory = malloc(16 + round % 5000);
		copy_start(in, out, 1000);
		free(memory);
	}
	report();
	puts("ok");
}
