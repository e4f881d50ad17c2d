/* Checks that the C library's own prototype is what order.c assumes. */
#define _GNU_SOURCE
#include <unistd.h>

typedef ssize_t expected(int, __off64_t *, int, __off64_t *, size_t, unsigned int);
_Static_assert(_Generic(&copy_file_range, expected *: 1, default: 0), "the C library's");
_Static_assert(__builtin_types_compatible_p(__typeof__(copy_file_range), expected), "likewise");

int main(void)
{
    return 0;
}
