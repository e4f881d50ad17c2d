/* Calls the variadic functions ioctl and syscall of shims/variadic_calls.c, and prints how many vector
 * registers with arguments they were told of. */
#include "check.h"

#include <dlfcn.h>

int main(void)
{
	long (*vector_arguments)(void) = (long (*)(void))dlsym(RTLD_DEFAULT, "shim_vector_arguments");
	int number, file = source("source", 4096);
	CHECK(ioctl(file, FIONREAD, &number) == 0 && number == 4096);
	CHECK(syscall(SYS_getppid) == getppid());
	(void)ioctl(file, FICLONE, -1);
	(void)ioctl(file, _IOW(0x94, 9, long), -1);
	dprintf(1, "%ld\n", vector_arguments());
	return 0;
}
