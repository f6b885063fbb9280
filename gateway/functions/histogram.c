/* histogram.c: see histogram.h. */
#include "histogram.h"

#include <math.h>
#include <string.h>

unsigned
histogram_bucket(uint64_t bytes)
{
    unsigned log2, part;

    if (bytes <= UINT64_C(1) << HISTOGRAM_LEAST_LOG2)
        return 0;
    if (bytes >= UINT64_C(1) << HISTOGRAM_MOST_LOG2)
        return HISTOGRAM_BUCKETS - 1;
    bytes--; /* a bucket includes its upper bound */
    log2 = 63 - (unsigned)__builtin_clzll(bytes);
    part = (unsigned)(bytes >> (log2 - 6)) & (HISTOGRAM_PARTS - 1);
    return (log2 - HISTOGRAM_LEAST_LOG2) * HISTOGRAM_PARTS + part + 1;
}

uint64_t
histogram_bound(unsigned bucket)
{
    unsigned log2, part;

    if (bucket == 0)
        return UINT64_C(1) << HISTOGRAM_LEAST_LOG2;
    log2 = (bucket - 1) / HISTOGRAM_PARTS + HISTOGRAM_LEAST_LOG2;
    part = (bucket - 1) % HISTOGRAM_PARTS;
    return (uint64_t)(HISTOGRAM_PARTS + part + 1) << (log2 - 6);
}

static void
halve(struct histogram *h)
{
    uint64_t highest = 0;

    h->total = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        h->counts[i] /= 2;
        h->total += h->counts[i];
        if (h->counts[i] > 0)
            highest = histogram_bound(i);
    }
    if (h->max > highest)
        h->max = highest;
}

void
histogram_add(struct histogram *h, uint64_t bytes, uint32_t n)
{
    if (n > HISTOGRAM_FULL / 2)
        n = HISTOGRAM_FULL / 2;
    if (h->total + n > HISTOGRAM_FULL)
        halve(h);
    h->counts[histogram_bucket(bytes)] += n;
    h->total += n;
    if (bytes > h->max)
        h->max = bytes;
}

uint64_t
histogram_quantile(const struct histogram *h, double share)
{
    double rank = ceil(share * (double)h->total);
    uint64_t seen = 0, bound;

    if (h->total == 0)
        return 0;
    if (share > 1 - 1 / (double)h->total)
        return h->max;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->counts[i];
        if (seen > 0 && (double)seen >= rank) {
            bound = histogram_bound(i);
            return bound < h->max ? bound : h->max;
        }
    }
    return h->max;
}

json_t *
histogram_json(const struct histogram *h)
{
    json_t *buckets = json_array();

    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        if (h->counts[i] > 0)
            (void)json_array_append_new(buckets,
                                        json_pack("[i,I]", (int)i, (json_int_t)h->counts[i]));
    return json_pack("{s:I,s:o}", "max", (json_int_t)h->max, "buckets", buckets);
}

bool
histogram_from_json(struct histogram *h, json_t *json)
{
    json_t *one;
    size_t i;

    memset(h, 0, sizeof *h);
    h->max = (uint64_t)json_integer_value(json_object_get(json, "max"));
    json_array_foreach (json_object_get(json, "buckets"), i, one) {
        json_int_t bucket = json_integer_value(json_array_get(one, 0));
        json_int_t count = json_integer_value(json_array_get(one, 1));

        if (bucket < 0 || bucket >= HISTOGRAM_BUCKETS || count < 1 || count > UINT32_MAX) {
            memset(h, 0, sizeof *h);
            return false;
        }
        h->counts[bucket] = (uint32_t)count;
        h->total += (uint64_t)count;
    }
    return true;
}
