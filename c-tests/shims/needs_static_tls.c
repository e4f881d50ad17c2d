/* A library that needs 512 bytes of static thread-local memory. */
__attribute__((tls_model("initial-exec"))) _Thread_local char memory[512];

char *thread_memory(void)
{
	return memory;
}
