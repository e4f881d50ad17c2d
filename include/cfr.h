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


/** No byte moved, and the kernel was not asked to move one. */
#define CFR_METHOD_NONE 0

/** By the kernel's copy_file_range, or the kernel refused the call. */
#define CFR_METHOD_KERNEL 1

/** Shared by FICLONERANGE. */
#define CFR_METHOD_REFLINK 2

/** Shared by FIDEDUPERANGE, after the kernel compared both ranges. */
#define CFR_METHOD_DEDUPE 3

/** At least partly by the library, through a pipe or a buffer. */
#define CFR_METHOD_EMULATED 4

/** By the next library's function (CFR_FORWARD=next), in a way that it does not report. */
#define CFR_METHOD_NEXT 5

/** As the process's setting says. Every option's default. */
#define CFR_DEFAULT 0

#define CFR_YES 1

#define CFR_NO 2

/** The kernel copies; the library after an error of CFR_FALLBACK. */
#define CFR_BACKEND_AUTO 1

/** Only the kernel copies. */
#define CFR_BACKEND_KERNEL 2

/** Only the library copies. */
#define CFR_BACKEND_EMULATE 3

/** A broken rule is the answer. */
#define CFR_CHECKS_ENFORCE 1

/** A broken rule is logged, and the call is made. */
#define CFR_CHECKS_WARN 2

/** No rule is looked at. */
#define CFR_CHECKS_OFF 3

/** It was not asked, or the filesystem does not say. */
#define CFR_SHARED_UNKNOWN 0

/** The target's range shares all its blocks. */
#define CFR_SHARED_ALL 1

/** It shares some of its blocks. */
#define CFR_SHARED_PART 2

/** It shares no block. */
#define CFR_SHARED_NONE 3

/** copy_file_range, and cfr_copy. */
#define CFR_HOOK_COPY_FILE_RANGE 0

/** syscall with SYS_copy_file_range. */
#define CFR_HOOK_SYSCALL 1

/** ioctl with FICLONE, FICLONERANGE or FIDEDUPERANGE. */
#define CFR_HOOK_IOCTL 2

/** sendfile to a regular file or a block device. */
#define CFR_HOOK_SENDFILE 3

/** sendfile64 to a regular file or a block device. */
#define CFR_HOOK_SENDFILE64 4

/**
 * The options of one call. A member that is 0 or NULL leaves it to the process's setting. All other
 * values that this header does not name are EINVAL.
 */
struct cfr_options {
  /** sizeof(struct cfr_options). */
  size_t size;
  /** The name of a dialect, as for CFR_DIALECT: "linux-5.19". */
  const char *dialect;
  /** CFR_BACKEND_AUTO, CFR_BACKEND_KERNEL or CFR_BACKEND_EMULATE. */
  int backend;
  /** CFR_CHECKS_ENFORCE, CFR_CHECKS_WARN or CFR_CHECKS_OFF. */
  int checks;
  /** CFR_YES: read both ranges back and compare them. */
  int verify;
  /** CFR_YES: find out whether the target's range shares its blocks. */
  int shared;
  /** CFR_YES, with COPY_FR_REFLINK or COPY_FILE_RANGE_CLONE only: copy if the blocks cannot be shared. */
  int else_copy;
  /** 0. */
  int reserved;
};

/** The outcome of one call. */
struct cfr_outcome {
  /** sizeof(struct cfr_outcome), set by the program. */
  size_t size;
  /** The bytes that were copied or shared. */
  uint64_t bytes;
  /** The error number of a call that failed, else 0. */
  int error;
  /** How the bytes moved: CFR_METHOD_KERNEL, ... */
  int method;
  /** CFR_SHARED_UNKNOWN, CFR_SHARED_ALL, CFR_SHARED_PART or CFR_SHARED_NONE. */
  int shared;
  /**
   * The flags that the call was made with: 0 if `else_copy` has copied, and those of
   * CFR_DEFAULT_FLAGS if the program passed none.
   */
  unsigned int flags;
  /** The rule that decided, or that explains the error; else an empty string. */
  char rule[32];
  /** The dialect that the call was made in. */
  char dialect[24];
};

/**
 * The calls of watched hooks in this process. A linked library watches copy_file_range; the setting
 * "hooks" adds others.
 */
struct cfr_stats {
  /** sizeof(struct cfr_stats), set by the program. */
  size_t size;
  /** Calls that have begun. */
  uint64_t calls;
  /** Calls of these that have not ended. */
  uint64_t unfinished;
  /** Calls that failed; for FIDEDUPERANGE targets that failed. */
  uint64_t errors;
  /** Bytes that were copied or shared. */
  uint64_t bytes;
  /** Calls that have ended, by CFR_METHOD_KERNEL, ...; for FIDEDUPERANGE targets. */
  uint64_t method_calls[8];
  /** Their bytes. */
  uint64_t method_bytes[8];
  /** Calls that have ended, by CFR_HOOK_COPY_FILE_RANGE, ... */
  uint64_t hook_calls[8];
};

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

/** Returns the version of the loaded library, for example "0.1.0". The string is static. */
const char *cfr_version(void);

/**
 * Returns the name of a method, as in the log: "kernel" for CFR_METHOD_KERNEL. The string is static.
 * NULL if there is no such method.
 */
const char *cfr_method_name(int method);

/**
 * Writes the text of a rule and the document that states it into `buffer`, and returns `buffer`. What
 * does not fit in its `size` bytes is cut off. `dialect` and `rule` are names, for example of a
 * struct cfr_outcome; a dialect of NULL is that of the process.
 *
 * Returns NULL, and leaves the buffer as it is, if there is no such rule, or if `size` is 0.
 */
const char *cfr_rule_text(const char *dialect,
                          const char *rule,
                          char *buffer,
                          size_t size);

/**
 * Copies as copy_file_range does, under options of its own, and fills `outcome` with how it was done.
 * Either may be NULL. Each struct begins with its size, which the program sets.
 *
 * Returns what copy_file_range returns. EINVAL if an option has an unknown value or a struct has no
 * size; E2BIG if the options are larger than this library knows them and the rest is not zero, or if
 * a struct is larger than 4096 bytes; then nothing is copied and `outcome` stays as it is. EAGAIN
 * while the library is being loaded. May be called by any thread, in a signal handler, and after
 * fork(2). It is a cancellation point.
 */
ssize_t cfr_copy(int fd_in,
                 int64_t *off_in,
                 int fd_out,
                 int64_t *off_out,
                 size_t len,
                 unsigned int flags,
                 const struct cfr_options *options,
                 struct cfr_outcome *outcome);

/**
 * Sets a setting of this process, from its next call on: `name` is that of a CFR_ variable in lower
 * case and without the prefix, for example "dialect" or "log_file", and `value` is as in the
 * environment. NULL or an empty value is the default of a linked library.
 *
 * "environment" takes "none", "all" or names separated by commas: the settings that the environment
 * may set. Every other one that the program has not set gets its default. "stats" takes "yes" or "no":
 * whether calls are counted for cfr_stats.
 *
 * Returns 0, or -1 with errno set: ENOENT if there is no such setting, EINVAL if it does not have this
 * value or contradicts another one of the program's, EBUSY if another thread is in this function or
 * the log is open and cannot change any more, ENOMEM. May be called by any thread and in a signal
 * handler. Each call maps up to 16 KiB that stay mapped.
 */
int cfr_configure(const char *name,
                  const char *value);

/**
 * Fills `stats` with what this process has copied since it set "stats" to "yes" (cfr_configure), or
 * since it was started with CFR_SUMMARY. A child that was forked begins at zero.
 *
 * Returns 0, or -1 with errno set: ENODATA if nothing is counted, EINVAL if `stats` is NULL or has no
 * size, E2BIG if its size is more than 4096. May be called by any thread and in a signal handler.
 */
int cfr_stats(struct cfr_stats *stats);

#ifdef __cplusplus
} /* extern "C" */
#endif  /* __cplusplus */

#endif  /* CFR_H */
