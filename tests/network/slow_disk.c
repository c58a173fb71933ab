/* Preloaded into a process: while the file that SLOW_DISK names exists, every write to a regular file, and every flush of
   one, takes SLOW_DISK_SECONDS. As a disk that stalls does; there is no device mapper in a test. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static void stall(int descriptor) {
    const char *switch_file = getenv("SLOW_DISK"), *seconds = getenv("SLOW_DISK_SECONDS");
    struct stat status;
    if (switch_file == NULL || seconds == NULL || access(switch_file, F_OK) != 0) return;
    if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) return;
    usleep((useconds_t)(atof(seconds) * 1e6));
}

#define NEXT(name, ...) static __typeof__(name) *next = NULL; \
    if (next == NULL) next = (__typeof__(name) *)dlsym(RTLD_NEXT, #name); \
    stall(descriptor); \
    return next(__VA_ARGS__)

ssize_t write(int descriptor, const void *bytes, size_t count) { NEXT(write, descriptor, bytes, count); }
ssize_t writev(int descriptor, const struct iovec *parts, int count) { NEXT(writev, descriptor, parts, count); }
ssize_t pwrite64(int descriptor, const void *bytes, size_t count, off64_t at) { NEXT(pwrite64, descriptor, bytes, count, at); }
int fsync(int descriptor) { NEXT(fsync, descriptor); }
int fdatasync(int descriptor) { NEXT(fdatasync, descriptor); }
