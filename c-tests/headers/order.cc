// The same checks as order.c, for C++.
#ifdef CFR_LAST
#include <unistd.h>
#endif
#include <cfr.h>
#ifdef CFR_FIRST
#include <unistd.h>
#endif
#include <cfr.h>
#include <linux/copy.h>

#include <cstring>
#include <type_traits>

using function = ssize_t(int, int64_t *, int, int64_t *, size_t, unsigned int);
static_assert(std::is_same<decltype(copy_file_range), function>::value, "the C library's");
static_assert(std::is_same<decltype(cfr_version), const char *()>::value, "cfr_version");
static_assert(COPY_FR_COPY == 1 && COPY_FR_REFLINK == 2 && COPY_FR_DEDUP == 4, "values");
static_assert(COPY_FR_DEDUPE == COPY_FR_DEDUP, "values");
static_assert(COPY_FILE_RANGE_CLONE == 0x00800000, "values");

int main()
{
	int64_t offset = 0;
	if (std::strcmp(cfr_version(), CFR_VERSION) != 0)
		return 2;
	return copy_file_range(-1, &offset, -1, nullptr, 0, COPY_FR_COPY) == -1 ? 0 : 1;
}
