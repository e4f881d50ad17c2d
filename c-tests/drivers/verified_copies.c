/* Copies with CFR_VERIFY=yes to a target that is open for writing only.
 *
 *     verified_copies right | wrong | locked
 *
 * right: every copy succeeds, by positions and by pointers. wrong: every copy turns out to be wrong
 * and fails with EIO, and no offset moves. locked: the process has a record lock on the target
 * through another descriptor, and still has it afterwards. */
#include "check.h"

enum { SIZE = 300000 };

/* Reports whether another process finds the target locked. */
static int is_locked(void)
{
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
        int fd = open("out", O_RDWR);
        _exit(fd < 0 || fcntl(fd, F_GETLK, &lock) != 0 ? 99 : lock.l_type != F_UNLCK);
    }
    int status = ending(child);
    CHECK(status == 0 || status == 1 << 8);
    return status != 0;
}

int main(int argc, char **argv)
{
    watchdog();
    CHECK(argc == 2);
    int wrong = strcmp(argv[1], "wrong") == 0;
    int in = source("source", SIZE), out = open("out", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    CHECK(out >= 0);
    if (strcmp(argv[1], "locked") == 0) {
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
        int other = open("out", O_RDWR);
        CHECK(other >= 0 && fcntl(other, F_SETLK, &lock) == 0);
        copy_start(in, out, SIZE);
        CHECK(is_locked());
        report();
        return 0;
    }
    int before = descriptors();
    loff_t from = 1000, to = 2000;
    errno = 77;
    ssize_t copied = copy(in, &from, out, &to, 200000);
    if (wrong)
        CHECK(copied == -1 && errno == EIO && from == 1000 && to == 2000);
    else
        CHECK(copied == 200000 && errno == 77 && from == 201000 && to == 202000);
    CHECK(lseek(in, 0, SEEK_CUR) == 0 && lseek(out, 0, SEEK_CUR) == 0);
    copied = copy(in, NULL, out, NULL, SIZE);
    CHECK(copied == (wrong ? -1 : SIZE));
    CHECK(lseek(in, 0, SEEK_CUR) == (wrong ? 0 : SIZE));
    CHECK(lseek(out, 0, SEEK_CUR) == (wrong ? 0 : SIZE));
    CHECK(copy(in, NULL, out, NULL, 0) == 0);
    CHECK(descriptors() == before);
    report();
    return 0;
}
