/*
 * The load: one process with thousands of viewers, over WebSockets or server-sent events, that counts what comes and when.
 *
 * It takes commands as lines on stdin and answers each with a line of JSON on stdout:
 *
 *     open COHORT PORT FILE CONCURRENCY SECONDS LAST   open a socket for each request in FILE, at most CONCURRENCY at a
 *                                                      time; LAST is the number of the event each has seen, -1 for none
 *     close COHORT                                     close its sockets
 *     cut COHORT                                       the same with a reset, as when a machine is gone
 *     farewell COHORT                                  say goodbye on its WebSockets (RFC 6455 7.1.2); they close by the answer
 *     reset                                            forget what was counted
 *     report                                           tell what was counted since
 *
 * FILE holds, for each socket, two 32-bit lengths and two texts: the HTTP request and what to send once it is upgraded.
 * What is answered by 200 instead of an upgrade is a stream of events.  A socket that is refused is tried again a quarter of a second later, as a viewer would, until SECONDS are over.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "viewer.h"

#define COHORTS 8
#define EVENTS 512
#define READ (256 * 1024)
#define ANSWER 1024
#define RETRY_NS 250000000LL

static struct cohort cohorts[COHORTS];
static int poller;
static uint8_t buffer[READ];

static struct {
    int on;
    struct cohort *cohort;
    struct sockaddr_in address;
    unsigned next, in_flight, most, open;
    uint64_t retries;
    int64_t began, deadline;
    char refusal[ANSWER];
} opening;

static void interest(struct viewer *v, uint32_t events, int operation) {
    struct epoll_event event = {.events = events, .data.ptr = v};
    if (epoll_ctl(poller, operation, v->fd, &event) < 0) die("epoll_ctl");
}

static void leave(struct viewer *v) {
    if (v->fd >= 0) close(v->fd);
    v->fd = -1;
    free(v->answer);
    v->answer = NULL;
}

static void refused(struct viewer *v, const char *why) {
    snprintf(opening.refusal, sizeof opening.refusal, "%.*s", (int)strcspn(why, "\r\n\"\\"), why);
    leave(v);
    v->state = IDLE;
    v->not_before = now_ns() + RETRY_NS;
    opening.in_flight--;
    opening.retries++;
}

static void dial(struct viewer *v) {
    int one = 1;
    v->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (v->fd < 0) die("socket");
    setsockopt(v->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    v->state = CONNECTING;
    v->sent = 0;
    v->answer_len = 0;
    opening.in_flight++;
    if (connect(v->fd, (struct sockaddr *)&opening.address, sizeof opening.address) < 0 && errno != EINPROGRESS) {
        refused(v, strerror(errno));
        return;
    }
    interest(v, EPOLLOUT, EPOLL_CTL_ADD);
}

static void request(struct viewer *v) {
    ssize_t sent = send(v->fd, v->request + v->sent, v->request_len - v->sent, MSG_NOSIGNAL);
    if (sent < 0) {
        if (errno != EAGAIN) refused(v, strerror(errno));
        return;
    }
    v->sent += (uint32_t)sent;
    if (v->sent == v->request_len) {
        v->state = UPGRADING;
        v->answer = malloc(ANSWER);
        interest(v, EPOLLIN, EPOLL_CTL_MOD);
    }
}

static void gone(struct viewer *v) {
    leave(v);
    v->state = GONE;
    cohorts[v->cohort].gone++;
}

static void answer_control(struct viewer *v, int opcode) {
    uint8_t frame[6 + 125] = {(uint8_t)(0x80 | (opcode == PING ? PONG : CLOSE)), (uint8_t)(0x80 | v->stream.control_len)};
    memcpy(frame + 6, v->stream.control, v->stream.control_len); /* masked with zeros */
    if (send(v->fd, frame, 6u + v->stream.control_len, MSG_NOSIGNAL) < 0 && errno != EAGAIN) gone(v);
    else if (opcode == CLOSE) gone(v);
}

static void hear(struct viewer *v, const uint8_t *data, size_t len) {
    struct tally *tally = &cohorts[v->cohort].tally;
    if (v->is_stream) {
        scan_raw(&v->stream, tally, data, len, now_ns());
        return;
    }
    int answer = scan(&v->stream, tally, data, len, now_ns());
    if (answer) answer_control(v, answer);
}

static void upgrade(struct viewer *v) {
    ssize_t got = recv(v->fd, v->answer + v->answer_len, ANSWER - 1 - v->answer_len, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
        refused(v, got ? strerror(errno) : "closed");
        return;
    }
    v->answer_len += (unsigned)got;
    v->answer[v->answer_len] = 0;
    char *end = strstr(v->answer, "\r\n\r\n");
    if (!end && v->answer_len < ANSWER - 1) return;
    v->is_stream = strncmp(v->answer, "HTTP/1.1 200", 12) == 0;
    if (!end || !(v->is_stream || strncmp(v->answer, "HTTP/1.1 101", 12) == 0)) {
        refused(v, v->answer);
        return;
    }
    v->state = OPEN;
    opening.in_flight--;
    opening.open++;
    if (v->after_len && send(v->fd, v->after, v->after_len, MSG_NOSIGNAL) != (ssize_t)v->after_len) die("subscribing");
    size_t rest = v->answer_len - (size_t)(end + 4 - v->answer);
    if (rest) hear(v, (uint8_t *)end + 4, rest);
    free(v->answer);
    v->answer = NULL;
}

static void serve(struct viewer *v) {
    if (v->state == CONNECTING) request(v);
    else if (v->state == UPGRADING) upgrade(v);
    else if (v->state == OPEN) {
        ssize_t got = recv(v->fd, buffer, sizeof buffer, 0);
        if (got > 0) hear(v, buffer, (size_t)got);
        else if (got == 0 || errno != EAGAIN) gone(v);
    }
}

static void finish_opening(void) {
    unsigned failed = opening.cohort->count - opening.open;
    for (unsigned i = 0; i < opening.cohort->count; i++)
        if (opening.cohort->viewers[i].state < OPEN) leave(&opening.cohort->viewers[i]);
    opening.on = 0;
    printf("{\"opened\":%u,\"failed\":%u,\"retries\":%llu,\"seconds\":%.6f,\"refusal\":\"%s\"}\n", opening.open, failed,
           (unsigned long long)opening.retries, (double)(now_ns() - opening.began) / 1e9, opening.refusal);
    fflush(stdout);
}

/* Dial whoever is next, in a circle, as those who were refused wait for their turn. */
static void open_more(void) {
    struct cohort *c = opening.cohort;
    int64_t now = now_ns();
    for (unsigned looked = 0; looked < c->count && opening.in_flight < opening.most; looked++) {
        struct viewer *v = &c->viewers[opening.next];
        opening.next = (opening.next + 1) % c->count;
        if (v->state == IDLE && now >= v->not_before) dial(v);
    }
    if (opening.open == c->count || now > opening.deadline) finish_opening();
}

static void close_cohort(struct cohort *c) {
    for (unsigned i = 0; i < c->count; i++) leave(&c->viewers[i]);
    free(c->viewers);
    free(c->file);
    memset(c, 0, sizeof *c);
}

static void farewell(struct cohort *c) {
    static const uint8_t normal[] = {0x80 | CLOSE, 0x82, 0, 0, 0, 0, 0x03, 0xe8}; /* 1000, masked with zeros */
    for (unsigned i = 0; i < c->count; i++) {
        struct viewer *v = &c->viewers[i];
        if (v->state == OPEN && !v->is_stream && send(v->fd, normal, sizeof normal, MSG_NOSIGNAL) < 0) gone(v);
    }
}

static void open_cohort(int number, int port, const char *path, unsigned most, double seconds, long long last) {
    struct cohort *c = &cohorts[number];
    close_cohort(c);
    read_cohort(c, number, path, last);
    memset(&opening, 0, sizeof opening);
    opening.on = 1;
    opening.cohort = c;
    opening.most = most;
    opening.began = now_ns();
    opening.deadline = opening.began + (int64_t)(seconds * 1e9);
    opening.address.sin_family = AF_INET;
    opening.address.sin_port = htons((uint16_t)port);
    opening.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
}

static void command(char *line) {
    int number = 0, port;
    unsigned most;
    double seconds;
    long long last;
    char path[512];
    if (sscanf(line, "open %d %d %511s %u %lf %lld", &number, &port, path, &most, &seconds, &last) == 6 && number < COHORTS) {
        open_cohort(number, port, path, most, seconds, last);
        return; /* answered once they are open */
    }
    if (sscanf(line, "close %d", &number) == 1 && number < COHORTS) {
        close_cohort(&cohorts[number]);
        printf("{}");
    } else if (sscanf(line, "cut %d", &number) == 1 && number < COHORTS) {
        reset_on_close(&cohorts[number]);
        close_cohort(&cohorts[number]);
        printf("{}");
    } else if (sscanf(line, "farewell %d", &number) == 1 && number < COHORTS) {
        farewell(&cohorts[number]);
        printf("{}");
    } else if (strcmp(line, "reset") == 0) {
        for (int i = 0; i < COHORTS; i++) memset(&cohorts[i].tally, 0, sizeof cohorts[i].tally);
        printf("{\"at\":%lld}", (long long)now_ns());
    } else if (strcmp(line, "report") == 0) {
        printf("{\"at\":%lld,\"cohorts\":[", (long long)now_ns());
        for (int i = 0; i < COHORTS; i++) {
            if (i) printf(",");
            report_cohort(&cohorts[i]);
        }
        printf("]}");
    } else {
        fprintf(stderr, "no such command: %s\n", line);
        exit(2);
    }
    printf("\n");
    fflush(stdout);
}

static void read_commands(void) {
    static char text[2048];
    static size_t len;
    ssize_t got = read(STDIN_FILENO, text + len, sizeof text - 1 - len);
    if (got == 0) exit(0);
    if (got < 0) return;
    len += (size_t)got;
    text[len] = 0;
    for (char *end; (end = strchr(text, '\n')) != NULL;) {
        *end = 0;
        command(text);
        len -= (size_t)(end + 1 - text);
        memmove(text, end + 1, len + 1);
    }
}

int main(void) {
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    poller = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}, events[EVENTS];
    epoll_ctl(poller, EPOLL_CTL_ADD, STDIN_FILENO, &event);
    for (;;) {
        int ready = epoll_wait(poller, events, EVENTS, opening.on ? 10 : -1);
        int commands = 0;
        for (int i = 0; i < ready; i++) {
            if (events[i].data.ptr) serve(events[i].data.ptr);
            else commands = 1;
        }
        /* Behind the sockets: a command may free viewers that this round still names. */
        if (commands) read_commands();
        if (opening.on) open_more();
    }
}
