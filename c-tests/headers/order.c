/* What <cfr.h> promises, checked by the compiler. CFR_FIRST, CFR_LAST and CFR_ALONE say how it
 * stands to <unistd.h>; where both declare copy_file_range, the compiler holds one against the
 * other. */
#ifdef CFR_LAST
#include <unistd.h>
#endif
#include <cfr.h>
#ifdef CFR_FIRST
#include <unistd.h>
#endif
/* Twice does no harm. */
#include <cfr.h>
#include <linux/copy.h>

#define HOLDS(what) _Static_assert(what, #what)

/* The prototype in the C library's own words: __off64_t is loff_t by its permanent name. */
typedef ssize_t expected(int, __off64_t *, int, __off64_t *, size_t, unsigned int);
HOLDS(_Generic(&copy_file_range, expected *: 1, default: 0));
HOLDS(_Generic(&cfr_version, const char *(*)(void): 1, default: 0));

HOLDS(COPY_FR_COPY == 1);
HOLDS(COPY_FR_REFLINK == 2);
HOLDS(COPY_FR_DEDUP == 4);
HOLDS(COPY_FR_DEDUPE == COPY_FR_DEDUP);
HOLDS(COPY_FILE_RANGE_CLONE == 0x00800000);
/* Something for the preprocessor too. */
#if COPY_FR_COPY + COPY_FR_REFLINK + COPY_FR_DEDUP != 7
#error "the names are no numbers"
#endif

int main(void)
{
    int64_t offset = 0;
    return copy_file_range(-1, &offset, -1, 0, 0, COPY_FR_COPY) == -1 ? 0 : 1;
}
