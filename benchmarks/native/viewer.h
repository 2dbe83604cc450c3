/*
 * A viewer, the cohort it belongs to, and what is told of a cohort.
 */
#ifndef VIEWER_H
#define VIEWER_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "scan.h"

enum state { IDLE, CONNECTING, UPGRADING, OPEN, GONE };

struct viewer {
    int fd, cohort;
    int is_stream; /* server-sent events, no frames */
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

/* Fill an empty cohort with the viewers of a file; each has seen event number `last`. */
static inline void read_cohort(struct cohort *c, int number, const char *path, int64_t last) {
    FILE *file = fopen(path, "rb");
    if (!file) die(path);
    fseek(file, 0, SEEK_END);
    size_t size = (size_t)ftell(file), at = 0;
    rewind(file);
    c->file = malloc(size + 1);
    if (fread(c->file, 1, size, file) != size) die(path);
    fclose(file);
    for (unsigned room = 0; at + 8 <= size; c->count++) {
        if (c->count == room) c->viewers = realloc(c->viewers, (room = room ? room * 2 : 64) * sizeof *c->viewers);
        struct viewer *v = &c->viewers[c->count];
        memset(v, 0, sizeof *v);
        memcpy(&v->request_len, c->file + at, 4);
        memcpy(&v->after_len, c->file + at + 4, 4);
        v->request = c->file + at + 8;
        v->after = v->request + v->request_len;
        v->fd = -1;
        v->cohort = number;
        v->stream.last = last;
        at += 8 + v->request_len + v->after_len;
    }
}

/* Let the sockets of a cohort end with a reset instead of a FIN. */
static inline void reset_on_close(struct cohort *c) {
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    for (unsigned i = 0; i < c->count; i++)
        if (c->viewers[i].fd >= 0) setsockopt(c->viewers[i].fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
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
