/* Copies the second argument to the third by the function `copy` of the library that is its first
 * argument, which it loads at run time. Compiled with COPY it is that library. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

#ifdef COPY
ssize_t copy(int in, int out);

ssize_t copy(int in, int out)
{
	return copy_file_range(in, NULL, out, NULL, 1000, 0);
}
#else
int main(int argc, char **argv)
{
	if (argc != 4)
		return 90;
	int in = open(argv[2], O_RDONLY), out = open(argv[3], O_RDWR | O_CREAT | O_TRUNC, 0644);
	void *library = dlopen(argv[1], RTLD_NOW);
	if (!library)
		return 91;
	ssize_t (*copy)(int, int) = (ssize_t (*)(int, int))dlsym(library, "copy");
	return copy && copy(in, out) == 1000 ? 0 : 92;
}
#endif
