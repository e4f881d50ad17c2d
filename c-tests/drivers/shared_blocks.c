/* Makes copies for CFR_SHARED, which logs whether blocks are shared.
 *
 *     shared_blocks COPIED SENT HOLE CLONES
 *
 * Runs in an empty directory. COPIED is what is logged of a copy whose blocks the kernel may share,
 * SENT of blocks that it cannot share, HOLE of a copied hole, or `-` for nothing; CLONES says whether
 * the filesystem clones.
 * Writes the lines that a text log must hold and, with `# `, what the files hold and their positions. */
#include "check.h"
#include <limits.h>

#define BLOCK 65536

static const char *copied, *sent_note, *hole_note;

static const char *shown(int fd)
{
	static char texts[4][PATH_MAX + 20];
	static int turn;
	char link[40], path[PATH_MAX], *text = texts[turn++ % 4];
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t len = readlink(link, path, sizeof path);
	sprintf(text, "%d<%.*s>", fd, (int)len, path);
	return text;
}

/* Prints the end of the line, and the state of the files. */
static void ends(long result, const char *method, const char *note, int in, int out)
{
	const char *comma = strcmp(note, "-") == 0 ? "" : ", ";
	static unsigned char bytes[16 * BLOCK];
	unsigned long sum = 0;
	if (result < 0)
		printf(") = -1 %s (%s) (%s)\n", strerrorname_np(errno), strerror(errno), method);
	else
		printf(") = %ld (%s%s%s)\n", result, method, comma, *comma == 0 ? "" : note);
	ssize_t count = pread(out, bytes, sizeof bytes, 0);
	for (ssize_t i = 0; i < count; i++)
		sum = sum * 31 + bytes[i];
	printf("# %zd bytes, sum %lx, at %ld and %ld\n", count, sum, (long)lseek(in, 0, SEEK_CUR),
	       (long)lseek(out, 0, SEEK_CUR));
}

static void copies(int in, loff_t from, int out, loff_t to, size_t len, const char *note)
{
	char texts[2][30] = { "NULL", "NULL" };
	if (from >= 0)
		sprintf(texts[0], "[%ld]", (long)from);
	if (to >= 0)
		sprintf(texts[1], "[%ld]", (long)to);
	long result = copy_file_range(in, from < 0 ? NULL : &from, out, to < 0 ? NULL : &to, len, 0);
	printf("copy_file_range(%s, %s, %s, %s, %zu, 0", shown(in), texts[0], shown(out), texts[1], len);
	/* With no bytes the library reports the method none. */
	ends(result, getenv("CFR_BACKEND") == NULL ? "kernel" : result > 0 ? "emulated" : "none", note, in, out);
}

int main(int argc, char **argv)
{
	CHECK(argc == 5);
	watchdog();
	copied = argv[1], sent_note = argv[2], hole_note = argv[3];
	int clones = strcmp(argv[4], "clones") == 0;
	int in = source("source", 4 * BLOCK), out = target("target");

	copies(in, -1, out, -1, 2 * BLOCK, copied);
	copies(in, -1, out, -1, 100 * BLOCK, copied);
	copies(in, -1, out, -1, 100 * BLOCK, "-");
	copies(in, BLOCK, out, -1, BLOCK, copied);
	copies(in, -1, out, 9 * BLOCK, 1, "-");
	copies(in, 2 * BLOCK, out, 6 * BLOCK, 9 * BLOCK, copied);
	copies(in, 4 * BLOCK, out, 0, 1, "-");
	/* Between blocks that were written a moment ago. */
	int middle = source("middle", 3 * BLOCK);
	copies(in, BLOCK, middle, BLOCK, BLOCK, copied);
	/* Data with a hole in the middle, and only a hole. */
	int sparse = source("sparse", BLOCK), hole = target("hole"), gets = target("gets");
	CHECK(pwrite(sparse, "data", 4, 3 * BLOCK) == 4 && ftruncate(sparse, 4 * BLOCK) == 0);
	CHECK(ftruncate(hole, 4 * BLOCK) == 0);
	copies(sparse, 0, gets, 0, 4 * BLOCK, copied);
	copies(hole, 0, gets, 8 * BLOCK, 4 * BLOCK, hole_note);
	/* Many extents; every second one is a hole. */
	int many = target("many"), gets_many = target("gets many");
	for (int i = 0; i < 60; i += 2)
		CHECK(pwrite(many, "data", 4, i * BLOCK) == 4);
	CHECK(ftruncate(many, 60 * BLOCK) == 0);
	copies(many, 0, gets_many, 0, 60 * BLOCK, copied);
	/* The other hooks. */
	int sent = target("sent"), cloned = target("cloned");
	off_t offset = 0;
	long result = sendfile(sent, in, &offset, 3 * BLOCK);
	printf("sendfile(%s, %s, [0] => [%d], %d", shown(sent), shown(in), 3 * BLOCK, 3 * BLOCK);
	ends(result, "kernel", sent_note, in, sent);
	result = ioctl(cloned, FICLONE, in);
	CHECK((result == 0) == clones);
	printf("ioctl(%s, FICLONE, %s", shown(cloned), shown(in));
	ends(result, clones ? "reflink" : "kernel", clones ? "shared" : "-", in, cloned);
	/* A reflink of nothing but a hole. */
	int cloned_hole = target("cloned hole");
	result = ioctl(cloned_hole, FICLONE, hole);
	printf("ioctl(%s, FICLONE, %s", shown(cloned_hole), shown(hole));
	ends(result, clones ? "reflink" : "kernel", "-", hole, cloned_hole);
	struct file_clone_range range = { in, BLOCK, 0, BLOCK };
	result = ioctl(sent, FICLONERANGE, &range);
	printf("ioctl(%s, FICLONERANGE, {src_fd=%s, src_offset=%d, src_length=0, dest_offset=%d}", shown(sent), shown(in),
	       BLOCK, BLOCK);
	ends(result, clones ? "reflink" : "kernel", clones ? "shared" : "-", in, sent);
}
