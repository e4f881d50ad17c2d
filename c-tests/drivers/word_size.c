/* A 32-bit program that is linked with the C library alone, without headers and start files: a
 * compiler without 32-bit libraries of its own can build it. Prints its word size on both standard
 * streams. Executes its arguments if it has any, else exits with 3. */
long write(int fd, const void *data, unsigned long size);
int execvp(const char *file, char *const argv[]);
void exit(int status);

/* Calls main with the arguments that the kernel puts on the stack. */
__asm__(".globl _start\n"
	"_start:\n"
	"	xorl %ebp, %ebp\n"
	"	movl (%esp), %eax\n"
	"	leal 4(%esp), %edx\n"
	"	andl $-16, %esp\n"
	"	subl $8, %esp\n"
	"	pushl %edx\n"
	"	pushl %eax\n"
	"	call main\n"
	"	pushl %eax\n"
	"	call exit\n");

int main(int argc, char **argv)
{
	char text[] = "? bytes\n";
	text[0] = '0' + sizeof(void *);
	write(1, text, sizeof(text) - 1);
	write(2, text, sizeof(text) - 1);
	if (argc > 1)
		execvp(argv[1], argv + 1);
	return 3;
}
