/* A library to preload. Its copy_file_range fails with the errno in REFUSAL, or with ENOSYS as on a
 * kernel without the call. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

ssize_t copy_file_range(int in, off64_t *off_in, int out, off64_t *off_out, size_t len,
                        unsigned int flags)
{
    (void)in, (void)off_in, (void)out, (void)off_out, (void)len, (void)flags;
    const char *refusal = getenv("REFUSAL");
    errno = refusal ? atoi(refusal) : ENOSYS;
    return -1;
}
