/* What the tests use and musl, or a glibc before 2.35, does not have. */
#ifndef PORTABLE_H
#define PORTABLE_H

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef __GLIBC_PREREQ
#define __GLIBC_PREREQ(major, minor) 0
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

/* Returns the size in bytes of the smallest signal stack that the kernel accepts. */
static inline size_t smallest_signal_stack(void)
{
	size_t size = getauxval(AT_MINSIGSTKSZ);
	return size != 0 ? size : 2048;
}

/* Returns the size in bytes of the smallest stack of a thread that the library promises to work on:
 * glibc's. musl allows 2 KiB. */
static inline size_t smallest_stack(void)
{
	size_t size = PTHREAD_STACK_MIN;
	return size > 16384 ? size : 16384;
}

#if !__GLIBC_PREREQ(2, 34)
static inline int close_range(unsigned first, unsigned last, int flags)
{
	return syscall(SYS_close_range, first, last, flags);
}

static inline void closefrom(int first)
{
	close_range(first, ~0u, 0);
}
#endif

#if defined(__GLIBC__) && !__GLIBC_PREREQ(2, 34)
#define _Fork fork
#endif

#if !__GLIBC_PREREQ(2, 32)
static inline const char *strerrorname_np(int error)
{
	static const struct {
		int error;
		const char *name;
	} names[] = {
#define NAME(error) { error, #error }
		NAME(EPERM), NAME(ENOENT), NAME(EINTR), NAME(EIO), NAME(ENXIO), NAME(EBADF), NAME(EAGAIN),
		NAME(ENOMEM), NAME(EACCES), NAME(EFAULT), NAME(EBUSY), NAME(EEXIST), NAME(EXDEV),
		NAME(ENODEV), NAME(ENOTDIR), NAME(EISDIR), NAME(EINVAL), NAME(ENFILE), NAME(EMFILE),
		NAME(ENOTTY), NAME(ETXTBSY), NAME(EFBIG), NAME(ENOSPC), NAME(ESPIPE), NAME(EROFS),
		NAME(EPIPE), NAME(ENOSYS), NAME(EOVERFLOW), NAME(EILSEQ), NAME(EOPNOTSUPP), NAME(ETIMEDOUT),
		NAME(ESTALE), NAME(EDQUOT), NAME(ECANCELED),
#undef NAME
	};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (names[i].error == error)
			return names[i].name;
	return NULL;
}
#endif

#ifndef __GLIBC__
/* Returns what glibc, whose texts the log has, calls an error that musl calls otherwise. */
static inline const char *error_text(int error)
{
	switch (error) {
	case ENXIO: return "No such device or address";
	case ENOMEM: return "Cannot allocate memory";
	case EBUSY: return "Device or resource busy";
	case EXDEV: return "Invalid cross-device link";
	case ENFILE: return "Too many open files in system";
	case EMFILE: return "Too many open files";
	case ENOTTY: return "Inappropriate ioctl for device";
	case ESPIPE: return "Illegal seek";
	case ENOSYS: return "Function not implemented";
	case EIO: return "Input/output error";
	case EILSEQ: return "Invalid or incomplete multibyte or wide character";
	case EOVERFLOW: return "Value too large for defined data type";
	case EOPNOTSUPP: return "Operation not supported";
	case EDQUOT: return "Disk quota exceeded";
	default: return strerror(error);
	}
}
#define strerror error_text

/* musl has this function, but defines the name as a macro. */
#ifdef sendfile64
#undef sendfile64
ssize_t sendfile64(int, int, off_t *, size_t);
#endif
#endif

#endif
