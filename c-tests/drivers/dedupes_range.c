/* Dedupes one range, at the same offset of both files.
 *
 *     dedupes_range SOURCE TARGET OFFSET LEN
 *
 * Prints the bytes that the kernel reports and the status. */
#include "check.h"

int main(int argc, char **argv)
{
	CHECK(argc == 5);
	int in = open(argv[1], O_RDONLY), out = open(argv[2], O_RDWR);
	union {
		struct file_dedupe_range range;
		char room[sizeof(struct file_dedupe_range) + sizeof(struct file_dedupe_range_info)];
	} all = { .range = { .src_offset = atoll(argv[3]), .src_length = atoll(argv[4]), .dest_count = 1 } };
	all.range.info[0] = (struct file_dedupe_range_info){ .dest_fd = out, .dest_offset = all.range.src_offset };
	CHECK(in >= 0 && out >= 0 && ioctl(in, FIDEDUPERANGE, &all.range) == 0);
	printf("%llu %d\n", all.range.info[0].bytes_deduped, all.range.info[0].status);
}
