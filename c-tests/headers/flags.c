/* Includes <linux/copy.h> alone, which defines macros and nothing else. Prints the macros. */
#include <linux/copy.h>

#include <stdio.h>

int main(void)
{
    printf("%d %d %d %d %#x\n", COPY_FR_COPY, COPY_FR_REFLINK, COPY_FR_DEDUP, COPY_FR_DEDUPE,
           COPY_FILE_RANGE_CLONE);
    return 0;
}
