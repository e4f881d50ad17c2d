/* A library to preload. It hides the stack's end, so that the environment cannot be found before the
 * C library knows it. */
void *__libc_stack_end;
