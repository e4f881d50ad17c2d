/* reflink SOURCE TARGET: makes TARGET share all blocks of SOURCE, or fails and leaves no TARGET.
 *
 *     cc reflink.c $(pkg-config --cflags --libs cfr) -o reflink
 */
#include <cfr.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The most bytes of one call. A multiple of every block size: only the last piece may end within a
 * block, and that is where the file ends. */
#define PIECE ((size_t) 1 << 30)

int main(int argc, char **argv)
{
    struct cfr_outcome outcome;
    char why[200];
    ssize_t n;
    int in, out, error;

    if (argc != 3) {
        fprintf(stderr, "usage: reflink SOURCE TARGET\n");
        return 2;
    }
    if ((in = open(argv[1], O_RDONLY)) < 0) {
        perror(argv[1]);
        return 1;
    }
    /* O_EXCL: what is removed after a failure is our own file, never one that was there before. */
    if ((out = open(argv[2], O_WRONLY | O_CREAT | O_EXCL, 0666)) < 0) {
        perror(argv[2]);
        return 1;
    }
    /* The struct says its size: a library that knows more members leaves those alone. */
    memset(&outcome, 0, sizeof outcome);
    outcome.size = sizeof outcome;
    /* With NULL the file offsets of both descriptors move, so each call goes on where the last one
     * ended. 0 is the end of the source. */
    do
        n = cfr_copy(in, NULL, out, NULL, PIECE, COPY_FR_REFLINK, NULL, &outcome);
    while (n > 0 || (n < 0 && errno == EINTR));
    /* close(2) may report what the disk could not keep. */
    error = n < 0 ? errno : close(out) < 0 ? errno : 0;
    if (error == 0)
        return 0;
    unlink(argv[2]);
    /* If a documented rule explains the error, it says more than the error's name. */
    if (n < 0 && cfr_rule_text(outcome.dialect, outcome.rule, why, sizeof why))
        fprintf(stderr, "reflink: %s: %s: %s\n", argv[2], strerror(error), why);
    else
        fprintf(stderr, "reflink: %s: %s\n", argv[2], strerror(error));
    return 1;
}
