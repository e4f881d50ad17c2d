/* dedupe SOURCE TARGET: makes two equal files share their blocks. The kernel compares the bytes and
 * shares only what is equal, so no byte of TARGET can change, whatever happens meanwhile.
 *
 *     cc dedupe.c $(pkg-config --cflags --libs cfr) -o dedupe
 */
#include <cfr.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

/* 16 MiB: filesystems limit a dedupe, and both ranges are read while they are locked. */
#define PIECE ((size_t) 16 << 20)

int main(int argc, char **argv)
{
    /* Offsets of our own: the call moves both by what it has shared. */
    int64_t from = 0, to = 0;
    ssize_t n;
    int in, out;

    if (argc != 3) {
        fprintf(stderr, "usage: dedupe SOURCE TARGET\n");
        return 2;
    }
    if ((in = open(argv[1], O_RDONLY)) < 0) {
        perror(argv[1]);
        return 1;
    }
    /* Only a writable target can be given other blocks. No O_TRUNC: its bytes are what is compared. */
    if ((out = open(argv[2], O_RDWR)) < 0) {
        perror(argv[2]);
        return 1;
    }
    do
        n = copy_file_range(in, &from, out, &to, PIECE, COPY_FR_DEDUP);
    while (n > 0 || (n < 0 && errno == EINTR));

    printf("%" PRId64 " bytes are shared now\n", from);
    if (n == 0)
        return 0;
    if (errno == EILSEQ)
        /* What is before the difference stays shared. */
        fprintf(stderr, "dedupe: the files differ somewhere after byte %" PRId64 "\n", from);
    else
        perror("dedupe");
    return 1;
}
