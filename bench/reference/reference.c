/* The limit: what one core must spend to do the same work on the wire, and nothing else.
 *
 * One thread, epoll, level-triggered. Upgrades are answered with a fixed 101. Each masked client frame is read,
 * unmasked and noted; twenty times a second every room that had input sends one prebuilt frame to each of its
 * members, with one send() each. No rules, no commits, no codec, no limits, no pings.
 *
 *   reference PORT MEMBERS FRAME_BYTES TICK_HZ
 *
 * A client names its place in the path: GET /ROOM/SLOT. The frame's payload holds, for each slot, the first byte of
 * the last message of that slot: by it the load generator knows which commands a frame answers.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ROOMS = 8192, SLOTS = 64, FDS = 65536, IN_BYTES = 8192, EVENTS = 512, FRAME_MAX = 65535 };

struct connection {
    int room, slot, held; /* room -1: the upgrade is not through */
    unsigned char *in;
};
struct room {
    int dirty, fds[SLOTS];
    unsigned char *frame;
};

static struct connection connections[FDS];
static struct room rooms[ROOMS];
static int members, frame_bytes, payload_at, rooms_used;
static unsigned long long sent, short_writes;

static const char ACCEPTED[] =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: reference\r\n\r\n";

static int64_t now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void drop(int fd) {
    struct connection *c = &connections[fd];
    if (c->room >= 0 && rooms[c->room].fds[c->slot] == fd) rooms[c->room].fds[c->slot] = -1;
    free(c->in);
    c->in = NULL;
    close(fd);
}

static void build_frame(struct room *room) {
    int payload = frame_bytes - (frame_bytes < 128 ? 2 : 4);
    room->frame = calloc(1, frame_bytes);
    if (!room->frame) die("calloc");
    room->frame[0] = 0x82;
    if (frame_bytes < 128) {
        room->frame[1] = payload;
    } else {
        room->frame[1] = 126;
        room->frame[2] = payload >> 8;
        room->frame[3] = payload & 255;
    }
}

/* Returns how many bytes of the request were used; 0: more is needed; -1: not a request of ours. */
static int upgrade(int fd, struct connection *c) {
    unsigned char *end = memmem(c->in, c->held, "\r\n\r\n", 4);
    int room, slot;
    if (!end) return c->held == IN_BYTES ? -1 : 0;
    if (sscanf((char *)c->in, "GET /%d/%d ", &room, &slot) != 2) return -1;
    if (room < 0 || room >= ROOMS || slot < 0 || slot >= members) return -1;
    c->room = room;
    c->slot = slot;
    if (!rooms[room].frame) build_frame(&rooms[room]);
    if (room >= rooms_used) rooms_used = room + 1;
    rooms[room].fds[slot] = fd;
    if (send(fd, ACCEPTED, sizeof ACCEPTED - 1, MSG_NOSIGNAL) < 0) return -1;
    return (int)(end - c->in) + 4;
}

/* Takes every whole frame in the buffer; returns bytes used, -1 on a close or a fault. */
static int frames(struct connection *c) {
    int at = 0;
    while (c->held - at >= 6) {
        unsigned char *f = c->in + at;
        int length = f[1] & 127, header = 2;
        if (!(f[1] & 128) || (f[0] & 15) == 8) return -1;
        if (length == 126) {
            if (c->held - at < 8) break;
            length = f[2] << 8 | f[3];
            header = 4;
        } else if (length == 127) {
            return -1;
        }
        if (c->held - at < header + 4 + length) break;
        unsigned char *mask = f + header, *payload = mask + 4;
        for (int i = 0; i < length; i++) payload[i] ^= mask[i & 3];
        if (length > 0) {
            struct room *room = &rooms[c->room];
            room->frame[payload_at + c->slot] = payload[0];
            room->dirty = 1;
        }
        at += header + 4 + length;
    }
    return at;
}

static void readable(int fd) {
    struct connection *c = &connections[fd];
    ssize_t got = recv(fd, c->in + c->held, IN_BYTES - c->held, 0);
    if (got <= 0) {
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
        drop(fd);
        return;
    }
    c->held += (int)got;
    int used = 0;
    if (c->room < 0) {
        used = upgrade(fd, c);
    } else {
        used = frames(c);
    }
    if (used < 0 || (used == 0 && c->held == IN_BYTES)) {
        drop(fd);
        return;
    }
    c->held -= used;
    if (used && c->held) memmove(c->in, c->in + used, c->held);
}

static void tick(void) {
    for (int r = 0; r < rooms_used; r++) {
        struct room *room = &rooms[r];
        if (!room->dirty) continue;
        room->dirty = 0;
        for (int s = 0; s < members; s++) {
            if (room->fds[s] < 0) continue;
            if (send(room->fds[s], room->frame, frame_bytes, MSG_NOSIGNAL) == frame_bytes) {
                sent++;
            } else {
                short_writes++;
            }
        }
    }
}

static void accept_all(int listener, int poll) {
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), one = 1;
        if (fd < 0) return;
        if (fd >= FDS) {
            close(fd);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct connection *c = &connections[fd];
        c->room = -1;
        c->held = 0;
        c->in = malloc(IN_BYTES);
        if (!c->in) die("malloc");
        struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
        if (epoll_ctl(poll, EPOLL_CTL_ADD, fd, &e) < 0) die("epoll_ctl");
    }
}

int main(int argc, char **argv) {
    if (argc != 5) {
        fprintf(stderr, "reference PORT MEMBERS FRAME_BYTES TICK_HZ\n");
        return 2;
    }
    members = atoi(argv[2]);
    frame_bytes = atoi(argv[3]);
    int hz = atoi(argv[4]), one = 1;
    payload_at = frame_bytes < 128 ? 2 : 4;
    if (members < 1 || members > SLOTS || frame_bytes < members + payload_at || frame_bytes > FRAME_MAX || hz < 1) return 2;
    for (int r = 0; r < ROOMS; r++)
        for (int s = 0; s < SLOTS; s++) rooms[r].fds[s] = -1;

    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), poll = epoll_create1(EPOLL_CLOEXEC);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(listener, (struct sockaddr *)&here, sizeof here) < 0 || listen(listener, 4096) < 0) die("bind");
    socklen_t size = sizeof here;
    getsockname(listener, (struct sockaddr *)&here, &size);
    struct epoll_event e = {.events = EPOLLIN, .data.fd = listener};
    epoll_ctl(poll, EPOLL_CTL_ADD, listener, &e);
    printf("%d\n", ntohs(here.sin_port));
    fflush(stdout);

    struct epoll_event ready[EVENTS];
    int64_t period = 1000000 / hz, next = now_us() + period;
    for (;;) {
        int64_t left = next - now_us();
        int n = epoll_wait(poll, ready, EVENTS, left > 0 ? (int)((left + 999) / 1000) : 0);
        for (int i = 0; i < n; i++) {
            if (ready[i].data.fd == listener) {
                accept_all(listener, poll);
            } else {
                readable(ready[i].data.fd);
            }
        }
        if (now_us() >= next) {
            tick();
            next += period;
            if (next < now_us()) next = now_us() + period;
        }
    }
}
