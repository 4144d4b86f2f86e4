/* Loaded before the C library: pages of files that the disk has lost. The file that LOST names has a line for each, the number of
 * the file's inode and the bytes from and to; whoever reads any of them by pread gets EIO. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

ssize_t pread64(int file, void *bytes, size_t count, off64_t offset) {
    ssize_t (*next)(int, void *, size_t, off64_t) = (ssize_t (*)(int, void *, size_t, off64_t))dlsym(RTLD_NEXT, "pread64");
    const char *path = getenv("LOST");
    FILE *list = path ? fopen(path, "r") : NULL;
    struct stat about;
    long long inode, from, to;
    int is_lost = 0;
    while (list && fscanf(list, "%lld %lld %lld", &inode, &from, &to) == 3)
        if (fstat(file, &about) == 0 && (long long)about.st_ino == inode && offset < to && offset + (long long)count > from)
            is_lost = 1;
    if (list)
        fclose(list);
    if (is_lost) {
        errno = EIO;
        return -1;
    }
    return next(file, bytes, count, offset);
}
