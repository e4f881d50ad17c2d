/* libcfr: copy_file_range(2) with tracing, checked rules and COPY_FR_* flags; see libcfr(7).
 * For C89 to C23 and C++11 to C++23, before or after <unistd.h>.
 *
 * Offsets are 64 bits wide and spelled int64_t, so that this header needs no feature test macro
 * and agrees with the C library's own prototype under _GNU_SOURCE.
 * Generated from the Rust sources; do not edit. */

#ifndef CFR_H
#define CFR_H

#include <stdint.h>
#include <sys/types.h>

#include "linux/copy.h"

/* The version of this header; cfr_version() returns that of the loaded library. */
#define CFR_VERSION "0.1.0"
#define CFR_VERSION_MAJOR 0
#define CFR_VERSION_MINOR 1
#define CFR_VERSION_PATCH 0

/* A call of this function is a call of a symbol that the C library does not have, so that a program
 * that is not linked with -lcfr fails to link instead of running without the library. */
#define CFR_ONLY_IN_LCFR(function) __asm__("cfr_" #function "_needs_lcfr")


#ifdef __cplusplus
extern "C" {
#endif /* __cplusplus */

/**
 * Copies up to `len` bytes from `fd_in` to `fd_out`, by the rules of copy_file_range(2) or of the
 * dialect in force (libcfr(7)).
 *
 * `off_in` and `off_out` point to offsets in bytes, which move by the bytes copied, or are NULL
 * to use the file offsets of the descriptors. `flags` is 0 or, if the dialect knows it, one of
 * COPY_FR_COPY, COPY_FR_REFLINK and COPY_FR_DEDUP. The default dialect knows all three.
 *
 * Returns the bytes copied or shared, which may be fewer than `len`; 0 at the end of the source;
 * or -1 with errno set: EFAULT if a pointer cannot be used, EOPNOTSUPP or EXDEV if blocks cannot
 * be shared, EILSEQ if ranges to be deduplicated differ, and the errors of copy_file_range(2).
 * This function is a cancellation point.
 */
ssize_t copy_file_range(int fd_in,
                        int64_t *off_in,
                        int fd_out,
                        int64_t *off_out,
                        size_t len,
                        unsigned int flags)
CFR_ONLY_IN_LCFR(copy_file_range);

/**
 * Returns the version of the loaded library, for example "0.1.0". The string is static.
 */
const char *cfr_version(void);

#ifdef __cplusplus
} /* extern "C" */
#endif  /* __cplusplus */

#endif  /* CFR_H */
