/* Opens the library late, when others have taken all of the static thread-local memory. The
 * block for it is laid out at the start, and a library that needs room in it can then no longer
 * be opened. */
#include "check.h"
#include <dlfcn.h>

typedef ssize_t function(int, loff_t *, int, loff_t *, size_t, unsigned);

/* Returns how many copies of one library can be opened; each needs 512 bytes. */
static int open_all(const char *library)
{
	for (int i = 0; i < 100; i++) {
		char name[16];
		snprintf(name, sizeof name, "./tls-%d.so", i);
		int in = open(library, O_RDONLY), out = open(name, O_WRONLY | O_CREAT, 0700);
		struct stat stat;
		CHECK(in >= 0 && out >= 0 && fstat(in, &stat) == 0);
		CHECK(sendfile(out, in, NULL, stat.st_size) == stat.st_size);
		close(in), close(out);
		void *opened = dlopen(name, RTLD_NOW);
		const char *error = opened == NULL ? dlerror() : "";
		CHECK(unlink(name) == 0);
		if (opened == NULL) {
			CHECK(strstr(error, "static TLS") != NULL);
			return i;
		}
		char *(*memory)(void) = (char *(*)(void))dlsym(opened, "thread_memory");
		CHECK(memory != NULL && memory()[0] == 0);
	}
	return 100;
}

static void *copier(void *copy_through)
{
	loff_t from = 0, to = 0;
	int in = open("source", O_RDONLY), out = open("out", O_RDWR);
	errno = 77;
	atomic_fetch_add(&calls, 1);
	CHECK(((function *)copy_through)(in, &from, out, &to, 1000, 0) == 1000 && errno == 77);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread;
	watchdog();
	CHECK(argc == 4);
	close(source("source", 1000)), close(target("out"));
	int opened = open_all(argv[3]);
	CHECK(opened > 0 && opened < 100);
	void *library = dlopen(argv[2], RTLD_NOW | RTLD_LOCAL);
	CHECK(library != NULL);
	void *copy_through = dlsym(library, "copy_file_range");
	CHECK(copy_through != NULL);
	copier(copy_through);
	CHECK(pthread_create(&thread, NULL, copier, copy_through) == 0);
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK(dlclose(library) == 0);
	report();
	puts("ok");
}
