/* Calls copy_file_range(2) by instruction, for programs under the library, which hooks `syscall`
 * too. Returns the kernel's result; an error is its negative number. */
#ifndef KERNEL_COPY_H
#define KERNEL_COPY_H

#include <sys/syscall.h>
#include <sys/types.h>

static inline long kernel_copy(int in, off_t *off_in, int out, off_t *off_out, size_t len, unsigned flags)
{
    long result;
#if defined(__x86_64__)
    register off_t *r10 __asm__("r10") = off_out;
    register size_t r8 __asm__("r8") = len;
    register unsigned long r9 __asm__("r9") = flags;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "0"((long)SYS_copy_file_range), "D"((long)in), "S"(off_in), "d"((long)out),
                       "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = SYS_copy_file_range;
    register long x0 __asm__("x0") = in;
    register off_t *x1 __asm__("x1") = off_in;
    register long x2 __asm__("x2") = out;
    register off_t *x3 __asm__("x3") = off_out;
    register size_t x4 __asm__("x4") = len;
    register unsigned long x5 __asm__("x5") = flags;
    __asm__ volatile("svc 0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory");
    result = x0;
#endif
    return result;
}

#endif
