// The workloads of `cargo xtask bench --peer qemu`: each prints "BENCH name seconds".
// Run without arguments it does all of them, else those that are named.
#define _GNU_SOURCE
#include <emmintrin.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile uint64_t sink;
static volatile double float_sink;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

// Byte stores with a growing stride over 20 MB.
static void sieve(void)
{
    const int n = 20000000;
    char *composite = calloc(n, 1);
    uint64_t primes = 0;
    for (int i = 2; i < n; i++) {
        if (composite[i])
            continue;
        primes++;
        for (long j = (long)i * i; j < n; j += i)
            composite[j] = 1;
    }
    sink = primes;
    free(composite);
}

static __attribute__((noinline)) int fibonacci(int n)
{
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

// Calls and returns.
static void fib(void)
{
    sink = fibonacci(38);
}

// Scalar double precision.
static void nbody(void)
{
    double p[5][3] = {{0, 0, 0}, {4.84, -1.16, -.10}, {8.34, 4.12, -.4}, {12.8, -15.1, -.22}, {15.3, -25.9, .17}};
    double v[5][3] = {{0}}, m[5] = {39.4, .037, .011, .0017, .002};
    for (int step = 0; step < 1000000; step++) {
        for (int i = 0; i < 5; i++)
            for (int j = i + 1; j < 5; j++) {
                double x = p[i][0] - p[j][0], y = p[i][1] - p[j][1], z = p[i][2] - p[j][2];
                double r = x * x + y * y + z * z;
                double g = .001 / (r * sqrt(r));
                for (int k = 0; k < 3; k++) {
                    double d = p[i][k] - p[j][k];
                    v[i][k] -= d * m[j] * g;
                    v[j][k] += d * m[i] * g;
                }
            }
        for (int i = 0; i < 5; i++)
            for (int k = 0; k < 3; k++)
                p[i][k] += .001 * v[i][k];
    }
    float_sink = p[1][0];
}

// Packed double precision: row times matrix, streamed.
static void matmul(void)
{
    const int n = 400;
    double *a = malloc(n * n * 8), *b = malloc(n * n * 8), *c = calloc(n * n, 8);
    for (int i = 0; i < n * n; i++) {
        a[i] = i % 7;
        b[i] = i % 11;
    }
    for (int i = 0; i < n; i++)
        for (int k = 0; k < n; k++) {
            double x = a[i * n + k];
            for (int j = 0; j < n; j++)
                c[i * n + j] += x * b[k * n + j];
        }
    float_sink = c[n * n / 2];
    free(a);
    free(b);
    free(c);
}

// A chain of table lookups.
static void crc(void)
{
    uint32_t c = ~0u, table[256];
    for (int i = 0; i < 256; i++) {
        uint32_t x = i;
        for (int k = 0; k < 8; k++)
            x = x & 1 ? 0xedb88320 ^ (x >> 1) : x >> 1;
        table[i] = x;
    }
    for (int i = 0; i < 100000000; i++)
        c = table[(c ^ i) & 255] ^ (c >> 8);
    sink = c;
}

// Dependent loads all over 16 MiB.
static void chase(void)
{
    const size_t n = 1 << 22;
    uint32_t *a = malloc(n * 4);
    for (size_t i = 0; i < n; i++)
        a[i] = i;
    uint64_t r = 88172645463325252ull;
    for (size_t i = n - 1; i; i--) {
        r ^= r << 13;
        r ^= r >> 7;
        r ^= r << 17;
        size_t j = r % i;
        uint32_t t = a[i];
        a[i] = a[j];
        a[j] = t;
    }
    uint32_t k = 0;
    for (int i = 0; i < 10000000; i++)
        k = a[k];
    sink = k;
    free(a);
}

static int f0(int x) { return x + 1; }
static int f1(int x) { return x * 3; }
static int f2(int x) { return x ^ 0x55; }
static int f3(int x) { return x >> 1; }

// Indirect calls that no predictor guesses.
static void indirect(void)
{
    static int (*volatile table[4])(int) = {f0, f1, f2, f3};
    int x = 1;
    uint32_t r = 1;
    for (int i = 0; i < 50000000; i++) {
        r = r * 1664525 + 1013904223;
        x = table[r >> 30](x);
    }
    sink = x;
}

// Packed integers in registers.
static void ssei(void)
{
    __m128i a = _mm_set1_epi16(3), b = _mm_set1_epi16(7), s = _mm_setzero_si128();
    for (int i = 0; i < 50000000; i++) {
        s = _mm_add_epi16(s, _mm_mullo_epi16(a, b));
        a = _mm_shuffle_epi32(a, 0x39);
        b = _mm_xor_si128(b, s);
        a = _mm_unpacklo_epi8(a, b);
    }
    uint64_t out[2];
    _mm_storeu_si128((void *)out, s);
    sink = out[0] ^ out[1];
}

// Extended precision on the register stack.
static void x87(void)
{
    long double s = 0;
    for (int i = 1; i < 20000000; i++)
        s += 1.0L / ((long double)i * i);
    float_sink = s;
}

static void memcpy_megabytes(void)
{
    char *a = malloc(1 << 20), *b = malloc(1 << 20);
    memset(a, 1, 1 << 20);
    for (int i = 0; i < 5000; i++) {
        memcpy(b, a, 1 << 20);
        a[i & 1023] = b[i & 4095];
    }
    sink = a[5];
    free(a);
    free(b);
}

static void system_call(void)
{
    for (int i = 0; i < 2000000; i++)
        syscall(SYS_getppid);
}

static void page_fault(void)
{
    const size_t size = 4 << 20;
    for (int i = 0; i < 100; i++) {
        char *p = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        for (size_t j = 0; j < size; j += 4096)
            p[j] = 1;
        munmap(p, size);
    }
}

static void fork_wait(void)
{
    for (int i = 0; i < 2000; i++) {
        pid_t child = fork();
        if (!child)
            _exit(0);
        waitpid(child, 0, 0);
    }
}

static void pipe_ping_pong(void)
{
    const int n = 100000;
    int there[2], back[2];
    char c = 0;
    if (pipe(there) || pipe(back))
        return;
    pid_t child = fork();
    if (!child) {
        for (int i = 0; i < n; i++)
            if (read(there[0], &c, 1) != 1 || write(back[1], &c, 1) != 1)
                _exit(1);
        _exit(0);
    }
    for (int i = 0; i < n; i++)
        if (write(there[1], &c, 1) != 1 || read(back[0], &c, 1) != 1)
            break;
    waitpid(child, 0, 0);
}

// A function that is rewritten before each call.
static void smc(void)
{
    unsigned char *p = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const unsigned char code[] = {0xb8, 0, 0, 0, 0, 0xc3};
    memcpy(p, code, sizeof code);
    uint64_t s = 0;
    for (int i = 0; i < 20000; i++) {
        *(volatile uint32_t *)(p + 1) = i;
        s += ((int (*)(void))p)();
    }
    sink = s;
}

static const struct {
    const char *name;
    void (*run)(void);
} workloads[] = {
    {"sieve", sieve},   {"fib", fib},       {"nbody", nbody},           {"matmul", matmul},
    {"crc", crc},       {"chase", chase},   {"indirect", indirect},     {"ssei", ssei},
    {"x87", x87},       {"memcpy", memcpy_megabytes}, {"syscall", system_call}, {"pagefault", page_fault},
    {"fork", fork_wait}, {"pipe", pipe_ping_pong}, {"smc", smc},
};

int main(int count, char **names)
{
    for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++) {
        int wanted = count < 2;
        for (int n = 1; n < count; n++)
            wanted |= !strcmp(names[n], workloads[i].name);
        if (!wanted)
            continue;
        double start = now();
        workloads[i].run();
        printf("BENCH %s %.6f\n", workloads[i].name, now() - start);
        fflush(stdout);
    }
    return 0;
}
