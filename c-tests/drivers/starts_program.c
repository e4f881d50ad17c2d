/* Starts the program that its arguments name, or with FORK_ONLY no program but a copy of itself. */
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

int main(int argc, char **argv)
{
	pid_t child;
	int status;
	if (argc < 2 || !argv[1])
		return 90;
#if defined(BY_SPAWN)
	if (posix_spawn(&child, argv[1], NULL, NULL, argv + 1, environ) != 0)
		return 91;
#else
	child = fork();
	if (child == 0) {
#ifndef FORK_ONLY
		execv(argv[1], argv + 1);
#endif
		_exit(92);
	}
#endif
	if (waitpid(child, &status, 0) != child)
		return 93;
	return WEXITSTATUS(status);
}
