/* Defines a variable `environ` of its own. The C library keeps the environment under another name,
 * and this one stays NULL. */
#include "check.h"

char **environ;

int main(void)
{
	watchdog();
	CHECK(environ == NULL && getenv("PATH") != NULL);
	int in = source("source", 1000), out = target("out");
	copy_start(in, out, 1000);
	report();
	puts("ok");
}
