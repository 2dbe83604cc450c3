/*
 * What comes to one viewer: over a WebSocket frames (RFC 6455) and, in their payloads, the mark that each event carries:
 *
 *     @bench:SSSSSSSSSS:NNNNNNNNNNNNNNNNNNN;      sequence number and CLOCK_MONOTONIC nanoseconds, in decimal
 *
 * No JSON is parsed.  A mark may be cut anywhere by the end of a read or of a frame; what there is of it is kept.
 */
#ifndef SCAN_H
#define SCAN_H

#include <stdint.h>
#include <string.h>

#include "histogram.h"

#define PREFIX "@bench:"
#define PREFIX_LEN 7
#define SEQ_LEN 10
#define TIME_LEN 19
#define MARK_LEN (PREFIX_LEN + SEQ_LEN + 1 + TIME_LEN + 1)

enum { CONTINUED = 0, TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10 };

/* What is counted for a group of sockets. */
struct tally {
    uint64_t messages, frames, bytes, reads, lost, repeated, pings, closes;
    unsigned last_close;
    struct histogram latency;
};

struct stream {
    int64_t last;          /* sequence number of the last event, -1 before the first */
    int64_t first_at;      /* when the first event came, 0 before */
    uint64_t left;         /* payload bytes of the frame that are still to come */
    uint8_t head[14];      /* a frame's head that was cut */
    uint8_t head_len, opcode, held_len, control_len;
    char held[MARK_LEN];   /* a mark that was cut */
    uint8_t control[125];  /* payload of a control frame */
};

static inline int64_t digits(const char *text, int count) {
    int64_t value = 0;
    for (int i = 0; i < count; i++) {
        unsigned digit = (unsigned)(text[i] - '0');
        if (digit > 9) return -1;
        value = value * 10 + digit;
    }
    return value;
}

/* Count the mark at `text`, which is MARK_LEN long; return 0 if it is none. */
static inline int count_mark(struct stream *s, struct tally *t, const char *text, int64_t now) {
    if (memcmp(text, PREFIX, PREFIX_LEN) != 0) return 0;
    int64_t seq = digits(text + PREFIX_LEN, SEQ_LEN), sent = digits(text + PREFIX_LEN + SEQ_LEN + 1, TIME_LEN);
    if (seq < 0 || sent < 0 || text[MARK_LEN - 1] != ';') return 0;
    t->messages++;
    record(&t->latency, now - sent);
    if (s->first_at == 0) s->first_at = now;
    if (s->last >= 0 && seq <= s->last) t->repeated++;
    else if (s->last >= 0 && seq > s->last + 1) t->lost += (uint64_t)(seq - s->last - 1);
    if (seq > s->last) s->last = seq;
    return 1;
}

static inline void hold(struct stream *s, const char *text, size_t len) {
    memcpy(s->held, text, len);
    s->held_len = (uint8_t)len;
}

static inline void scan_payload(struct stream *s, struct tally *t, const char *text, size_t len, int64_t now) {
    const char *end = text + len;
    while (s->held_len) {
        size_t missing = MARK_LEN - s->held_len, take = missing < (size_t)(end - text) ? missing : (size_t)(end - text);
        memcpy(s->held + s->held_len, text, take);
        s->held_len = (uint8_t)(s->held_len + take);
        text += take;
        if (s->held_len < MARK_LEN) return;
        if (count_mark(s, t, s->held, now)) {
            s->held_len = 0;
            break;
        }
        /* An @ that began no mark; another one may stand behind it. */
        const char *next = memchr(s->held + 1, '@', MARK_LEN - 1);
        size_t kept = next ? (size_t)(s->held + MARK_LEN - next) : 0;
        if (kept) memmove(s->held, next, kept);
        s->held_len = (uint8_t)kept;
    }
    while ((text = memchr(text, '@', (size_t)(end - text))) != NULL) {
        if (end - text < MARK_LEN) {
            hold(s, text, (size_t)(end - text));
            return;
        }
        text += count_mark(s, t, text, now) ? MARK_LEN : 1;
    }
}

/* Complete the head of a frame; return how many bytes were used, and set `whole` once it is complete. */
static inline size_t read_head(struct stream *s, const uint8_t *data, size_t len, int *whole) {
    size_t used = 0;
    *whole = 0;
    for (;;) {
        size_t need = 2;
        if (s->head_len >= 2) {
            unsigned code = s->head[1] & 0x7f;
            need += code == 126 ? 2 : code == 127 ? 8 : 0;
        }
        if (s->head_len >= need && s->head_len >= 2) break;
        if (used == len) return used;
        s->head[s->head_len++] = data[used++];
    }
    unsigned code = s->head[1] & 0x7f;
    uint64_t left = code;
    if (code >= 126) {
        left = 0;
        for (unsigned i = 2; i < (code == 126 ? 4u : 10u); i++) left = left << 8 | s->head[i];
    }
    s->opcode = s->head[0] & 0x0f;
    s->left = left;
    s->head_len = 0;
    s->control_len = 0;
    *whole = 1;
    return used;
}

/* Count what was read of a stream without frames; the heads of chunks stand between events, never in a mark. */
static inline void scan_raw(struct stream *s, struct tally *t, const uint8_t *data, size_t len, int64_t now) {
    t->bytes += len;
    t->reads++;
    scan_payload(s, t, (const char *)data, len, now);
}

/* Count what was read; return the opcode of a control frame that must be answered (PING, CLOSE), else 0. */
static inline int scan(struct stream *s, struct tally *t, const uint8_t *data, size_t len, int64_t now) {
    int answer = 0;
    t->bytes += len;
    t->reads++;
    while (len) {
        if (s->left == 0) {
            int whole;
            size_t used = read_head(s, data, len, &whole);
            data += used;
            len -= used;
            if (!whole) break;
            if (s->opcode < CLOSE) t->frames++;
        }
        size_t part = s->left < len ? (size_t)s->left : len;
        if (s->opcode < CLOSE) {
            if (part) scan_payload(s, t, (const char *)data, part, now);
        } else {
            size_t room = sizeof s->control - s->control_len, kept = part < room ? part : room;
            memcpy(s->control + s->control_len, data, kept);
            s->control_len = (uint8_t)(s->control_len + kept);
        }
        s->left -= part;
        data += part;
        len -= part;
        if (s->left == 0 && s->opcode == PING) { t->pings++; answer = PING; }
        if (s->left == 0 && s->opcode == CLOSE) {
            t->closes++;
            t->last_close = s->control_len >= 2 ? (unsigned)(s->control[0] << 8 | s->control[1]) : 1005;
            answer = CLOSE;
        }
    }
    return answer;
}

#endif
