/* A library to preload. Its syscall and ioctl call the kernel and add up the register in which a
 * variadic function gets the number of its arguments in vector registers; the program can ask for the
 * sum. x86-64 only. */
static __attribute__((used)) long vector_arguments;

long shim_vector_arguments(void)
{
	return vector_arguments;
}

__asm__(".globl ioctl\n"
        ".type ioctl, @function\n"
        "ioctl:\n"
        "	movzbl %al, %eax\n"
        "	addq %rax, vector_arguments(%rip)\n"
        "	movl $16, %eax\n"
        "	syscall\n"
        "	ret\n"
        ".globl syscall\n"
        ".type syscall, @function\n"
        "syscall:\n"
        "	movzbl %al, %eax\n"
        "	addq %rax, vector_arguments(%rip)\n"
        "	movq %rdi, %rax\n"
        "	movq %rsi, %rdi\n"
        "	movq %rdx, %rsi\n"
        "	movq %rcx, %rdx\n"
        "	syscall\n"
        "	ret\n");
