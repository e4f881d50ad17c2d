/* A library to preload. Its copy_file_range copies nothing and returns 7. It sets SHIM=loaded in
 * the environment of the program. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <unistd.h>

__attribute__((constructor)) static void mark(void)
{
    setenv("SHIM", "loaded", 1);
}

ssize_t copy_file_range(int in, off64_t *off_in, int out, off64_t *off_out, size_t len,
                        unsigned int flags)
{
    (void)in, (void)off_in, (void)out, (void)off_out, (void)len, (void)flags;
    return 7;
}
