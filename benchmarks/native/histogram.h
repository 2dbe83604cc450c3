/*
 * Latencies in nanoseconds, in buckets that are at most 1/64 of their value wide.
 */
#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stdint.h>
#include <stdio.h>

#define SUB_BITS 6
#define SUB (1 << SUB_BITS)
#define BUCKETS ((64 - SUB_BITS) * SUB)

struct histogram {
    uint64_t count, max;
    uint64_t buckets[BUCKETS];
};

static inline unsigned bucket_of(uint64_t ns) {
    if (ns < SUB) return (unsigned)ns;
    unsigned shift = 63u - (unsigned)__builtin_clzll(ns) - SUB_BITS;
    return (shift + 1) * SUB + (unsigned)((ns >> shift) - SUB);
}

/* The highest value of a bucket: percentiles are rounded up, never down. */
static inline uint64_t upper_of(unsigned bucket) {
    if (bucket < SUB) return bucket;
    unsigned shift = bucket / SUB - 1;
    return (((uint64_t)(bucket % SUB) + SUB + 1) << shift) - 1;
}

static inline void record(struct histogram *h, int64_t ns) {
    uint64_t value = ns > 0 ? (uint64_t)ns : 0;
    h->count++;
    if (value > h->max) h->max = value;
    h->buckets[bucket_of(value)]++;
}

static inline void print_histogram(FILE *out, const struct histogram *h) {
    const char *comma = "";
    fprintf(out, "[");
    for (unsigned i = 0; i < BUCKETS; i++)
        if (h->buckets[i]) {
            fprintf(out, "%s[%llu,%llu]", comma, (unsigned long long)upper_of(i), (unsigned long long)h->buckets[i]);
            comma = ",";
        }
    fprintf(out, "]");
}

#endif
