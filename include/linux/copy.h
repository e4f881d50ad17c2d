/* The flags of copy_file_range, where the 2015 proposal's manual page looked for them.
 * Generated from the Rust sources; do not edit. */

#ifndef CFR_LINUX_COPY_H
#define CFR_LINUX_COPY_H

// Copy all data of the range, and share no block. The 2015 proposal; the value is this project's.
#define COPY_FR_COPY 1

// Share the data, or fail. The 2015 proposal; the value is this project's.
#define COPY_FR_REFLINK 2

// Share the data if both ranges are identical. The 2015 proposal; the value is this project's.
#define COPY_FR_DEDUP 4

// The name that a review of the proposal gave to COPY_FR_DEDUP.
#define COPY_FR_DEDUPE 4

// Share the data, or fail, in the dialect freebsd-15 only. FreeBSD 15, `<sys/unistd.h>`.
#define COPY_FILE_RANGE_CLONE 8388608

#endif  /* CFR_LINUX_COPY_H */
