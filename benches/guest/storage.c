// What `cargo xtask bench --storage` has a guest do with a disk, past the page cache and
// through it: each prints "BENCH name seconds". The argument is the disk.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define MEGABYTES 256
#define RANDOM_READS 4096
#define WRITTEN 64
#define BLOCK 4096
#define CHUNK (1 << 20)

static char *buffer;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static void must(int good, const char *what)
{
    if (!good) {
        perror(what);
        exit(1);
    }
}

static int disk(const char *path, int flags)
{
    int file = open(path, flags);
    must(file >= 0, path);
    return file;
}

// The disk from its beginning, a megabyte at a time.
static void read_all(const char *path, int flags)
{
    int file = disk(path, O_RDONLY | flags);
    for (int i = 0; i < MEGABYTES; i++)
        must(read(file, buffer, CHUNK) == CHUNK, "read");
    close(file);
}

static void direct(const char *path)
{
    read_all(path, O_DIRECT);
}

// As dd does it: by the kernel's read-ahead.
static void cached(const char *path)
{
    int file = disk(path, O_RDONLY);
    posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
    close(file);
    read_all(path, 0);
}

// Single blocks here and there: what a request costs.
static void random_reads(const char *path)
{
    int file = disk(path, O_RDONLY | O_DIRECT);
    uint32_t x = 12345;
    for (int i = 0; i < RANDOM_READS; i++) {
        x = x * 1664525 + 1013904223;
        off_t at = (off_t)(x % (MEGABYTES * (CHUNK / BLOCK))) * BLOCK;
        must(pread(file, buffer, BLOCK, at) == BLOCK, "pread");
    }
    close(file);
}

// The same data over what is there, to the medium.
static void write_all(const char *path)
{
    int file = disk(path, O_WRONLY | O_DIRECT);
    for (int i = 0; i < WRITTEN; i++)
        must(write(file, buffer, CHUNK) == CHUNK, "write");
    must(fsync(file) == 0, "fsync");
    close(file);
}

static const struct {
    const char *name;
    void (*run)(const char *);
} works[] = {{"read", direct}, {"dd", cached}, {"random", random_reads}, {"write", write_all}};

int main(int count, char **arguments)
{
    must(count == 2 && posix_memalign((void **)&buffer, BLOCK, CHUNK) == 0, "a disk and memory");
    for (size_t i = 0; i < sizeof works / sizeof *works; i++) {
        double start = now();
        works[i].run(arguments[1]);
        printf("BENCH %s %.6f\n", works[i].name, now() - start);
        fflush(stdout);
    }
    return 0;
}
