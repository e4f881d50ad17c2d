/* Copies to a file that is open with O_APPEND; the kernel refuses it. Nothing may be written
 * there, not even by a log that appends to a file of the same name elsewhere. */
#include "check.h"

int main(void)
{
	watchdog();
	int in = source("source", 1000);
	int out = open("out", O_WRONLY | O_CREAT | O_APPEND, 0644);
	CHECK(out >= 0 && write(out, "kept", 4) == 4);
	for (int i = 0; i < 5; i++) {
		loff_t from = 0, to = i % 2 ? 0 : 4;
		CHECK(copy(in, &from, out, &to, 1000) == -1 && errno == EBADF && from == 0);
		CHECK(copy(in, &from, out, NULL, 1000) == -1 && errno == EBADF && from == 0);
		CHECK(copy(in, NULL, out, NULL, 0) == -1 && errno == EBADF);
	}
	report();
	puts("ok");
}
