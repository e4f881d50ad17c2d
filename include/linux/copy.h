/* The flags of copy_file_range, where the 2015 proposal's manual page looked for them.
 * Generated from the Rust sources; do not edit. */

#ifndef CFR_LINUX_COPY_H
#define CFR_LINUX_COPY_H

/**
 * Copy all data and share no block. From the 2015 proposal, which gave no value; this one is the
 * project's.
 */
#define COPY_FR_COPY 1

/** Share the blocks or fail. From the 2015 proposal; the value is the project's. */
#define COPY_FR_REFLINK 2

/**
 * Share the blocks if both ranges are identical, or fail. From the 2015 proposal; the value is the
 * project's.
 */
#define COPY_FR_DEDUP 4

/** Another name of COPY_FR_DEDUP, from the proposal's review. */
#define COPY_FR_DEDUPE 4

/** Share the blocks or fail, in the dialect freebsd-15 only. From FreeBSD 15, `<sys/unistd.h>`. */
#define COPY_FILE_RANGE_CLONE 8388608

#endif  /* CFR_LINUX_COPY_H */
