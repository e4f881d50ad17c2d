/* Checks what <cfr.h> promises, in C89 to C23. CFR_FIRST, CFR_LAST and CFR_ALONE choose its position
 * relative to <unistd.h>. If both declare copy_file_range, the compiler compares the declarations. */
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

#include <string.h>

/* An array of a negative size is an error. */
#define HOLDS(name, what) extern char name[(what) ? 1 : -1]

/* A second declaration must agree with the first: loff_t is a name of this type in both libraries. */
typedef ssize_t function(int, int64_t *, int, int64_t *, size_t, unsigned int);
extern function copy_file_range;
extern const char *cfr_version(void);

HOLDS(copy, COPY_FR_COPY == 1);
HOLDS(reflink, COPY_FR_REFLINK == 2);
HOLDS(dedup, COPY_FR_DEDUP == 4);
HOLDS(dedupe, COPY_FR_DEDUPE == COPY_FR_DEDUP);
HOLDS(clone, COPY_FILE_RANGE_CLONE == 0x00800000);
HOLDS(offset, sizeof(int64_t) == 8);
/* The flags are usable in the preprocessor, and so is the version. */
#if COPY_FR_COPY + COPY_FR_REFLINK + COPY_FR_DEDUP != 7
#error "the flags are not numbers"
#endif
#if CFR_VERSION_MAJOR < 0 || CFR_VERSION_MINOR < 0 || CFR_VERSION_PATCH < 0
#error "the version is not three numbers"
#endif

int main(void)
{
	int64_t offset = 0;
	function *called = copy_file_range;
	if (strcmp(cfr_version(), CFR_VERSION) != 0)
		return 2;
	return called(-1, &offset, -1, 0, 0, COPY_FR_COPY) == -1 ? 0 : 1;
}
