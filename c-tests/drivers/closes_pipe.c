/* Copies through the library's pipe while another thread closes every descriptor at 10 and above,
 * where the pipe is: each copy is correct and raises no signal.
 *
 *     closes_pipe SECONDS */
#include "check.h"

enum { SIZE = 1 << 20 };

static atomic_int enough;

static void *close_all(void *unused)
{
    (void)unused;
    while (!enough)
        for (int fd = 10; fd < 64; fd++)
            close(fd);
    return NULL;
}

int main(int argc, char **argv)
{
    static char found[SIZE];
    pthread_t closer;
    long copies = 0;
    watchdog();
    CHECK(argc == 2);
    int in = source("source", SIZE), out = target("out"), before = descriptors();
    CHECK(pthread_create(&closer, NULL, close_all, NULL) == 0);
    for (double end = now() + atof(argv[1]); now() < end || copies < 100; copies++) {
        CHECK(ftruncate(out, 0) == 0);
        loff_t off_in = 0, off_out = 0;
        while (off_in < SIZE)
            CHECK(copy(in, &off_in, out, &off_out, SIZE - off_in) > 0);
        CHECK(off_out == SIZE && pread(out, found, SIZE, 0) == SIZE);
        for (size_t i = 0; i < SIZE; i += 499)
            CHECK(found[i] == pattern(i));
    }
    enough = 1;
    CHECK(pthread_join(closer, NULL) == 0);
    CHECK(descriptors() == before);
    puts("ok");
    return 0;
}
