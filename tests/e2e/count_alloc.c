/* count_alloc.c: preloaded into the gateway by test_warm.c. Counts the heap allocations and prints
 * their number at exit. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);

static _Atomic unsigned long taken;

void *
malloc(size_t n)
{
    taken++;
    return __libc_malloc(n);
}

void *
calloc(size_t n, size_t size)
{
    taken++;
    return __libc_calloc(n, size);
}

void *
realloc(void *p, size_t n)
{
    taken++;
    return __libc_realloc(p, n);
}

__attribute__((destructor)) static void
report(void)
{
    char line[64];
    int n = snprintf(line, sizeof line, "heap takes: %lu\n", (unsigned long)taken);

    (void)!write(2, line, (size_t)n);
}
