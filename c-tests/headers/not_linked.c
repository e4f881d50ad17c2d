/* A program that must not link without -lcfr: it includes <cfr.h> and calls copy_file_range. */
#include <cfr.h>

int main(void)
{
	return copy_file_range(-1, 0, -1, 0, 0, COPY_FR_REFLINK) < 0 ? 0 : 1;
}
