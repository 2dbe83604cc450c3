/*
 * The limit: a loop that sends the same bytes to every socket, and does nothing else.
 *
 * It listens on a port that it prints, upgrades whoever comes, and takes commands as lines on stdin, answered as JSON:
 *
 *     pace RATE INTERVAL_US BYTES SECONDS     events a second, least time between two frames, bytes of an event on the wire
 *     close                                   end all connections
 *
 * Between two frames events gather as they do in a server that paces its frames: each is stamped with when it was due.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST 20000
#define SECOND 1000000000LL
#define MARK "@bench:%010llu:%019lld;"
#define MARK_LEN 38
#define ROOM (16 * 1024 * 1024)
#define UPGRADED "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"

static int viewers[MOST], count, listener;
static uint64_t number;
static char frame[ROOM];

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * SECOND + t.tv_nsec;
}

static void sleep_until(int64_t ns) {
    struct timespec t = {.tv_sec = ns / SECOND, .tv_nsec = ns % SECOND};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) {}
}

/* Write one text frame of `events` events behind one another; return its length. */
static size_t build(uint64_t events, size_t bytes, int64_t due, int64_t gap) {
    size_t payload = events * bytes, at = 2;
    if (payload + 10 > ROOM) {
        fprintf(stderr, "a frame of %zu bytes is over the bound\n", payload);
        exit(2);
    }
    frame[0] = (char)0x81;
    if (payload < 126) frame[1] = (char)payload;
    else {
        int octets = payload < 65536 ? 2 : 8;
        frame[1] = (char)(octets == 2 ? 126 : 127);
        for (int i = octets - 1; i >= 0; i--) frame[at++] = (char)(payload >> (8 * i));
    }
    for (uint64_t i = 0; i < events; i++) {
        char mark[MARK_LEN + 1];
        snprintf(mark, sizeof mark, MARK, (unsigned long long)++number, (long long)(due + (int64_t)i * gap));
        memcpy(frame + at, mark, MARK_LEN);
        memset(frame + at + MARK_LEN, 'x', bytes - MARK_LEN);
        at += bytes;
    }
    return at;
}

static void drop(int index) {
    close(viewers[index]);
    viewers[index] = viewers[--count];
}

static uint64_t send_all(size_t len) {
    uint64_t sends = 0;
    for (int i = 0; i < count; i++)
        for (size_t sent = 0; sent < len;) {
            ssize_t some = send(viewers[i], frame + sent, len - sent, MSG_NOSIGNAL);
            sends++;
            if (some < 0) {
                drop(i--);
                break;
            }
            sent += (size_t)some;
        }
    return sends;
}

static void pace(double rate, int64_t interval, size_t bytes, double seconds) {
    uint64_t sent = 0, sends = 0, frames = 0, octets = 0;
    int64_t began = now_ns(), end = began + (int64_t)(seconds * 1e9), gap = (int64_t)(1e9 / rate), next = began;
    while (next < end) {
        sleep_until(next);
        int64_t now = now_ns();
        uint64_t due = (uint64_t)((double)(now - began) * rate / 1e9) + 1;
        if (due > sent) {
            size_t len = build(due - sent, bytes, began + (int64_t)sent * gap, gap);
            sends += send_all(len);
            octets += len;
            frames++;
            sent = due;
        }
        /* Not before the interval is over, and not before there is something to send. */
        int64_t wanted = began + (int64_t)sent * gap;
        next = next + interval > now ? next + interval : now;
        if (next < wanted) next = wanted;
    }
    printf("{\"events\":%llu,\"frames\":%llu,\"sends\":%llu,\"bytes\":%llu,\"viewers\":%d,\"seconds\":%.6f}\n",
           (unsigned long long)sent, (unsigned long long)frames, (unsigned long long)sends, (unsigned long long)octets, count,
           (double)(now_ns() - began) / 1e9);
    fflush(stdout);
}

/* Take a viewer in: its request is read to the end and answered, whatever it asks. */
static void welcome(void) {
    char request[16384];
    size_t len = 0;
    int one = 1, fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0 || count == MOST) return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    while (len < 4 || memcmp(request + len - 4, "\r\n\r\n", 4) != 0) {
        ssize_t got = recv(fd, request + len, sizeof request - len, 0);
        if (got <= 0) {
            close(fd);
            return;
        }
        len += (size_t)got;
    }
    if (send(fd, UPGRADED, sizeof UPGRADED - 1, MSG_NOSIGNAL) < 0) close(fd);
    else viewers[count++] = fd;
}

static void command(void) {
    char line[256];
    double rate, seconds;
    long long interval;
    unsigned long bytes;
    if (!fgets(line, sizeof line, stdin)) exit(0);
    if (sscanf(line, "pace %lf %lld %lu %lf", &rate, &interval, &bytes, &seconds) == 4 && bytes >= MARK_LEN && rate > 0) {
        pace(rate, interval * 1000, bytes, seconds);
    } else if (strcmp(line, "close\n") == 0) {
        while (count) drop(0);
        number = 0;
        printf("{}\n");
        fflush(stdout);
    } else {
        fprintf(stderr, "no such command: %s", line);
        exit(2);
    }
}

int main(void) {
    struct rlimit files;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    setvbuf(stdin, NULL, _IONBF, 0); /* what is buffered, poll does not see */
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&address, len) < 0 || listen(listener, 4096) < 0) return 1;
    getsockname(listener, (struct sockaddr *)&address, &len);
    printf("{\"port\":%d}\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        struct pollfd watched[2] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = listener, .events = POLLIN}};
        poll(watched, 2, -1);
        if (watched[1].revents) welcome();
        else if (watched[0].revents) command();
    }
}
