/*
 * A viewer, the cohort it belongs to, and what is told of a cohort.
 */
#ifndef VIEWER_H
#define VIEWER_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "scan.h"

enum state { IDLE, CONNECTING, UPGRADING, OPEN, GONE };

struct viewer {
    int fd, cohort;
    enum state state;
    int64_t not_before;
    const char *request, *after;
    uint32_t request_len, after_len, sent;
    char *answer; /* the HTTP answer, while it comes */
    unsigned answer_len;
    struct stream stream;
};

struct cohort {
    struct viewer *viewers;
    char *file;
    unsigned count;
    uint64_t gone;
    struct tally tally;
};

static inline int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000LL + t.tv_nsec;
}

static inline void die(const char *what) {
    perror(what);
    exit(1);
}

static inline void report_cohort(const struct cohort *c) {
    int64_t lowest = -1, highest = -1, last_first = 0;
    unsigned open = 0, heard = 0;
    for (unsigned i = 0; i < c->count; i++) {
        const struct viewer *v = &c->viewers[i];
        const struct stream *s = &v->stream;
        open += v->state == OPEN;
        heard += s->first_at != 0;
        if (s->first_at > last_first) last_first = s->first_at;
        if (i == 0 || s->last < lowest) lowest = s->last;
        if (s->last > highest) highest = s->last;
    }
    const struct tally *t = &c->tally;
    printf("{\"viewers\":%u,\"open\":%u,\"heard\":%u,\"last_first\":%lld,\"lowest\":%lld,\"highest\":%lld,\"messages\":%llu,"
           "\"frames\":%llu,\"bytes\":%llu,\"reads\":%llu,\"lost\":%llu,\"repeated\":%llu,\"pings\":%llu,\"closes\":%llu,"
           "\"last_close\":%u,\"gone\":%llu,\"slowest\":%llu,\"latency\":",
           c->count, open, heard, (long long)last_first, (long long)lowest, (long long)highest,
           (unsigned long long)t->messages, (unsigned long long)t->frames, (unsigned long long)t->bytes,
           (unsigned long long)t->reads, (unsigned long long)t->lost, (unsigned long long)t->repeated,
           (unsigned long long)t->pings, (unsigned long long)t->closes, t->last_close, (unsigned long long)c->gone,
           (unsigned long long)t->latency.max);
    print_histogram(stdout, &t->latency);
    printf("}");
}

#endif
