/* A library to preload. Its copy_file_range writes a wrong byte at the offset SPOILED of the
 * range. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <unistd.h>

ssize_t copy_file_range(int in, off64_t *off_in, int out, off64_t *off_out, size_t len,
                        unsigned int flags)
{
    static char bytes[1 << 20];
    (void)flags;
    ssize_t count = pread(in, bytes, len < sizeof bytes ? len : sizeof bytes, *off_in);
    if (count <= 0)
        return count;
    bytes[atol(getenv("SPOILED")) % count] ^= 1;
    count = pwrite(out, bytes, count, *off_out);
    *off_in += count;
    *off_out += count;
    return count;
}
