/* Makes one call in which it is expected to end: ends_in_call CALL FROM TO [FILE]. If FILE is given, a
 * second thread makes the call, and the first one ends the program once FILE exists. */
#include "check.h"

static char **arguments;

static void *makes_call(void *unused)
{
	const char *call = arguments[1];
	loff_t from = 1000, to = 4096;
	int in = open(arguments[2], O_RDONLY), out = open(arguments[3], O_RDWR | O_CREAT, 0644);
	CHECK(in >= 0 && out >= 0);
	if (strcmp(call, "copy_file_range") == 0) {
		copy_file_range(in, &from, out, NULL, 1 << 20, 0);
	} else if (strcmp(call, "syscall") == 0) {
		syscall(SYS_copy_file_range, in, NULL, out, &to, 5000L, 1L << 30);
	} else if (strcmp(call, "FICLONE") == 0) {
		ioctl(out, FICLONE, in);
	} else if (strcmp(call, "FICLONERANGE") == 0) {
		struct file_clone_range range = { .src_fd = in, .src_length = 4096, .dest_offset = 8192 };
		ioctl(out, FICLONERANGE, &range);
	} else if (strcmp(call, "FIDEDUPERANGE") == 0) {
		_Alignas(struct file_dedupe_range) char room[sizeof(struct file_dedupe_range)
			+ sizeof(struct file_dedupe_range_info)] = { 0 };
		struct file_dedupe_range *range = (struct file_dedupe_range *)room;
		range->src_length = 4096;
		range->dest_count = 1;
		range->info[0].dest_fd = out;
		range->info[0].dest_offset = 4096;
		ioctl(in, FIDEDUPERANGE, range);
	} else {
		off_t offset = 7;
		sendfile(out, in, &offset, 100);
	}
	return unused;
}

int main(int argc, char **argv)
{
	CHECK(argc >= 4);
	arguments = argv;
	watchdog();
	if (argc == 4) {
		makes_call(NULL);
		return 0;
	}
	pthread_t thread;
	struct stat st;
	CHECK(pthread_create(&thread, NULL, makes_call, NULL) == 0);
	while (stat(argv[4], &st) != 0)
		usleep(1000);
	_exit(5);
}
