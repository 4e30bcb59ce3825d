/* Writes down, in order, everything that a process does to the files whose path holds $TRACE_NAME.
 *
 * A sync of the folder $TRACE_FOLDER is written down as well.  Preloaded before the C library.  A record is: kind (1 byte), length of the path (1), offset (8),
 * length of the data (8), path, data; integers as the machine has them.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int traced(int fd, char *path) {
    char link[64];
    const char *name = getenv("TRACE_NAME");
    if (name == NULL) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, 255);
    if (length <= 0) return 0;
    path[length] = 0;
    const char *folder = getenv("TRACE_FOLDER");
    if (folder != NULL && strcmp(path, folder) == 0) return 1;
    return strstr(path, name) != NULL && strstr(path, "-shm") == NULL;
}

static void note(char kind, const char *path, int64_t offset, const void *data, uint64_t size) {
    static int log = -1;
    if (log < 0)
        log = syscall(SYS_openat, AT_FDCWD, getenv("TRACE_LOG"), O_WRONLY | O_CREAT | O_APPEND, 0600);
    uint8_t head[18];
    head[0] = kind;
    head[1] = strlen(path);
    memcpy(head + 2, &offset, 8);
    memcpy(head + 10, &size, 8);
    syscall(SYS_write, log, head, sizeof head);
    syscall(SYS_write, log, path, strlen(path));
    if (size) syscall(SYS_write, log, data, size);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) {
    char path[256];
    if (traced(fd, path)) note('w', path, offset, data, size);
    return syscall(SYS_pwrite64, fd, data, size, offset);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) { return pwrite(fd, data, size, offset); }

ssize_t write(int fd, const void *data, size_t size) {
    char path[256];
    if (traced(fd, path)) note('w', path, lseek(fd, 0, SEEK_CUR), data, size);
    return syscall(SYS_write, fd, data, size);
}

int ftruncate(int fd, off_t size) {
    char path[256];
    if (traced(fd, path)) note('t', path, size, NULL, 0);
    return syscall(SYS_ftruncate, fd, size);
}
int ftruncate64(int fd, off64_t size) { return ftruncate(fd, size); }

static int sync_with(long call, int fd) {
    char path[256];
    int done = syscall(call, fd);
    if (traced(fd, path)) note('s', path, 0, NULL, 0);
    return done;
}
int fsync(int fd) { return sync_with(SYS_fsync, fd); }
int fdatasync(int fd) { return sync_with(SYS_fdatasync, fd); }

int unlink(const char *path) {
    const char *name = getenv("TRACE_NAME");
    if (name != NULL && strstr(path, name) != NULL && strstr(path, "-shm") == NULL)
        note('u', path, 0, NULL, 0);
    return syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}
