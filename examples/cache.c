/* cache.c: keeps what it has computed, and drops it when memory runs low (hearth_memory_low): the
 * number of primes below n.   GET /function/cache?n=1000000
 */
#include <hearth.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES 512
#define MOST    4000000

static struct entry {
    unsigned n, count;
    unsigned char *sieve; /* n bytes: 1 for what is not prime */
} cache[ENTRIES];

static void
drop(struct entry *entry)
{
    free(entry->sieve);
    *entry = (struct entry){0};
}

void
hearth_memory_low(void)
{
    for (int i = 0; i < ENTRIES; i++)
        drop(&cache[i]);
    (void)hearth_log(NULL, HEARTH_INFO, "the cache was dropped");
}

static int
fill(struct entry *entry, unsigned n)
{
    drop(entry);
    entry->sieve = calloc(1, n);
    if (entry->sieve == NULL)
        return -1;
    entry->n = n;
    for (unsigned i = 2; i < n; i++) {
        if (entry->sieve[i])
            continue;
        entry->count++;
        for (unsigned long k = (unsigned long)i * i; k < n; k += i)
            entry->sieve[k] = 1;
    }
    return 0;
}

int
hearth_handle(hearth_call *call)
{
    const char *text = hearth_query(call, "n");
    unsigned long n = text != NULL ? strtoul(text, NULL, 10) : 0;
    struct entry *entry = &cache[n % ENTRIES];
    int known = entry->n == n;

    if (n < 3 || n > MOST) {
        (void)hearth_status(call, 400);
        return hearth_printf(call, "n: 3 to %d\n", MOST);
    }
    if (!known && fill(entry, (unsigned)n) != 0)
        return 1;
    return hearth_printf(call, "%u primes below %lu (%s)\n", entry->count, n,
                         known ? "known" : "computed");
}
