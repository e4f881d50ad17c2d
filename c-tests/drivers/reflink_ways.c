/* Requests a reflink of its first argument into the second. The macros say how, because cfr inspect
 * is to find it in the file: through the import, by instruction, or both; or by instruction in a
 * function that gets the request, by its name or by a pointer. In each case the program also makes an ioctl in the other way. */
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#define INLINE static inline __attribute__((always_inline))
#ifdef BY_POINTER
#define BY_FUNCTION
#endif
#ifdef BY_FUNCTION
#define BY_INSTRUCTION
static __attribute__((noinline))
#else
INLINE
#endif
long kernel_ioctl(long fd, unsigned long request, long argument)
{
	long result;
#if defined(__x86_64__)
	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "0"((long)SYS_ioctl), "D"(fd), "S"(request), "d"(argument)
			 : "rcx", "r11", "memory");
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = SYS_ioctl;
	register long x0 __asm__("x0") = fd;
	register unsigned long x1 __asm__("x1") = request;
	register long x2 __asm__("x2") = argument;
	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
	result = x0;
#endif
	return result;
}

#ifdef BY_POINTER
/* Not static: another file may change it. The call reads it from memory, as it does with the address of
 * an imported function. */
long (*pointer)(long, unsigned long, long) = kernel_ioctl;
#define kernel_ioctl pointer
#endif

struct winsize size;

/* A function of its own: the compiler would load the request once for both ways. */
static __attribute__((noinline)) void by_import(int out, int in)
{
#ifdef BY_IMPORT
	ioctl(out, FICLONE, in);
#else
	(void)in;
	ioctl(out, TIOCGWINSZ, &size);
#endif
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 90;
	int in = open(argv[1], O_RDONLY), out = open(argv[2], O_RDWR | O_CREAT | O_TRUNC, 0644);
	if (in < 0 || out < 0)
		return 91;
#ifdef BY_INSTRUCTION
	kernel_ioctl(out, FICLONE, in);
#else
	kernel_ioctl(out, TIOCGWINSZ, (long)&size);
#endif
	by_import(out, in);
	return 0;
}
