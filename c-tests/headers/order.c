/* Checks at compile time what <cfr.h> promises. CFR_FIRST, CFR_LAST and CFR_ALONE choose its
 * position relative to <unistd.h>. If both declare copy_file_range, the compiler compares the
 * declarations. */
#ifdef CFR_LAST
#include <unistd.h>
#endif
#include <cfr.h>
#ifdef CFR_FIRST
#include <unistd.h>
#endif
/* Including it twice is harmless. */
#include <cfr.h>
#include <linux/copy.h>

#define HOLDS(what) _Static_assert(what, #what)

/* The prototype with the C library's own type: __off64_t, of which loff_t is another name. */
typedef ssize_t expected(int, __off64_t *, int, __off64_t *, size_t, unsigned int);
HOLDS(_Generic(&copy_file_range, expected *: 1, default: 0));
HOLDS(_Generic(&cfr_version, const char *(*)(void): 1, default: 0));

HOLDS(COPY_FR_COPY == 1);
HOLDS(COPY_FR_REFLINK == 2);
HOLDS(COPY_FR_DEDUP == 4);
HOLDS(COPY_FR_DEDUPE == COPY_FR_DEDUP);
HOLDS(COPY_FILE_RANGE_CLONE == 0x00800000);
/* The flags are usable in the preprocessor. */
#if COPY_FR_COPY + COPY_FR_REFLINK + COPY_FR_DEDUP != 7
#error "the flags are not numbers"
#endif

int main(void)
{
    int64_t offset = 0;
    return copy_file_range(-1, &offset, -1, 0, 0, COPY_FR_COPY) == -1 ? 0 : 1;
}
