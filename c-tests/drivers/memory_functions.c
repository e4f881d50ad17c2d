/* Compares the library's memory functions with the C library's, for each length and alignment that
 * takes another way in them. The test renames them to cfr_memcpy and so on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

void *cfr_memcpy(void *to, const void *from, size_t size);
void *cfr_memmove(void *to, const void *from, size_t size);
void *cfr_memset(void *to, int byte, size_t size);
int cfr_memcmp(const void *one, const void *other, size_t size);
int cfr_bcmp(const void *one, const void *other, size_t size);
size_t cfr_strlen(const char *string);

#define MOST 300
#define ROOM 1024

static unsigned char one[ROOM], other[ROOM];

static void fill(unsigned seed)
{
	for (int i = 0; i < ROOM; i++) {
		seed = seed * 1103515245 + 12345;
		one[i] = other[i] = (unsigned char)(seed >> 16);
	}
}

static void check(int right, const char *what, int size, int from, int to)
{
	if (right)
		return;
	printf("%s: %d bytes from %d to %d\n", what, size, from, to);
	exit(1);
}

static int sign(int number)
{
	return (number > 0) - (number < 0);
}

/* Two pages, of which the second cannot be read. Returns its start. */
static char *guarded(void)
{
	char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (pages == MAP_FAILED || mprotect(pages + 4096, 4096, PROT_NONE) != 0)
		exit(2);
	return pages + 4096;
}

int main(void)
{
	for (int size = 0; size <= MOST; size++)
		for (int from = 0; from < 17; from++)
			for (int to = 0; to < 17; to++) {
				fill(size);
				check(cfr_memcpy(one + 512 + to, one + from, size) == one + 512 + to,
				      "memcpy", size, from, to);
				memcpy(other + 512 + to, other + from, size);
				check(!memcmp(one, other, ROOM), "memcpy", size, from, to);
			}
	for (int size = 0; size <= MOST; size++)
		for (int from = 0; from < 17; from++)
			for (int to = 0; to <= 2 * MOST; to += 1 + to / 40) {
				fill(size);
				check(cfr_memmove(one + to, one + MOST + from, size) == one + to,
				      "memmove", size, from, to);
				memmove(other + to, other + MOST + from, size);
				check(!memcmp(one, other, ROOM), "memmove", size, from, to);
			}
	for (int size = 0; size <= MOST; size++)
		for (int to = 0; to < 17; to++) {
			fill(size);
			check(cfr_memset(one + to, 0x1a5, size) == one + to, "memset", size, 0, to);
			memset(other + to, 0xa5, size);
			check(!memcmp(one, other, ROOM), "memset", size, 0, to);
		}
	for (int size = 0; size <= MOST; size++)
		for (int from = 0; from < 17; from++)
			/* The position of the difference; the last is beyond the range. */
			for (int at = 0; at <= size; at++) {
				fill(size);
				other[at + from] ^= 0x80;
				int wanted = sign(memcmp(one + from, other + from, size));
				check(sign(cfr_memcmp(one + from, other + from, size)) == wanted,
				      "memcmp", size, from, at);
				check(!cfr_bcmp(one + from, other + from, size) == !wanted,
				      "bcmp", size, from, at);
			}
	char *end = guarded();
	for (int size = 0; size <= MOST; size++) {
		memset(end - size - 1, 'x', size);
		end[-1] = 0;
		check(cfr_strlen(end - size - 1) == (size_t)size, "strlen", size, 0, 0);
		check(cfr_memcmp(end - size, end - size, size) == 0, "memcmp", size, 0, 0);
		cfr_memcpy(one, end - size, size);
		cfr_memcpy(end - size, one, size);
		cfr_memset(end - size, 'x', size);
		for (int from = 0; from < 17; from++) {
			memset(one, 'y', sizeof one);
			one[from + size] = 0;
			check(cfr_strlen((char *)one + from) == (size_t)size, "strlen", size, from, 0);
		}
	}
	puts("same");
}
