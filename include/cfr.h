/* libcfr: copy_file_range(2), traced and held to its rules. C11, gnu17 and C++17; see libcfr(7).
 *
 * Offsets are 64 bits wide and spelled int64_t, so that this header needs no feature test macro
 * and agrees with the C library's own prototype under _GNU_SOURCE.
 * Generated from the Rust sources; do not edit. */

#ifndef CFR_H
#define CFR_H

#include <stdint.h>
#include <sys/types.h>

#include "linux/copy.h"


#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Copies `len` bytes from `fd_in` to `fd_out` as copy_file_range(2) tells, or as the dialect in
// force has it.
//
// `off_in` and `off_out` point to offsets in bytes, which move by the bytes copied, or are NULL
// for the descriptors' own offsets. `flags` is 0, or one of COPY_FR_COPY, COPY_FR_REFLINK and
// COPY_FR_DEDUP where the dialect knows them, as the default does: libcfr(7).
//
// Returns the bytes copied or shared, maybe fewer than `len`, and 0 at the end of the source; or
// -1 with errno set: EFAULT for a pointer that cannot be used, EOPNOTSUPP and EXDEV where blocks
// cannot be shared, EILSEQ where ranges that were to be deduplicated differ, and those of
// copy_file_range(2). A cancellation point.
ssize_t copy_file_range(int fd_in,
                        int64_t *off_in,
                        int fd_out,
                        int64_t *off_out,
                        size_t len,
                        unsigned int flags);

// The version of the loaded library, e.g. "0.1.0": a static string.
const char *cfr_version(void);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* CFR_H */
