/* Copies once. The hazard is in how the program is built and started. */
#include "check.h"

int main(void)
{
	watchdog();
	int in = source("source", 1000), out = target("out");
	copy_start(in, out, 1000);
	report();
	puts("ok");
}
