/* A load generator that costs little beside what it loads: one thread, epoll, one mail on each connection.
 *
 *   loader ADDRESS PORT rate|keep NUMBER SECONDS SIZE NAME LIST
 *
 * rate N: open loop, connection n begins at n / N seconds, whatever became of the others, as the Internet does it.
 * keep N: closed loop, N clients with one connection after the other.
 * Each connection comes from one of a few thousand loopback addresses, so that no limit for one address decides. The
 * recipients that got 250 are written to the file LIST, one a line. On standard output, one JSON line: how the attempts
 * ended ("250", another code with the command that got it, or what became of the connection), and when.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { FDS_MAX = 65536, KINDS_MAX = 64, EVENTS = 512, SAMPLES_MAX = 2000000, CODE_MAX = 48 };
static const double PATIENCE = 60.0; /* seconds that a client waits for a reply */
static const char *STEPS[] = {"greeting", "EHLO", "MAIL", "RCPT", "DATA", "END"};

struct client {
    int used, step, connected;
    long number;
    double began, heard;
    size_t length;
    char line[1024];
};
struct kind {
    char name[CODE_MAX];
    long count;
};

static struct client clients[FDS_MAX];
static struct kind kinds[KINDS_MAX];
static float taken[SAMPLES_MAX], refused[SAMPLES_MAX];
static long taken_count, refused_count, in_time, attempts, unsent, number, open_now;
static int kind_count, poller;
static double load_ends;
static struct sockaddr_in target;
static char *body;
static size_t body_length;
static const char *name;
static FILE *list;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void note(const char *how) {
    for (int i = 0; i < kind_count; i++)
        if (strcmp(kinds[i].name, how) == 0) {
            kinds[i].count++;
            return;
        }
    if (kind_count < KINDS_MAX) {
        snprintf(kinds[kind_count].name, CODE_MAX, "%s", how);
        kinds[kind_count++].count = 1;
    }
}

/* The attempt on `fd` is over. */
static void end(int fd, const char *how) {
    struct client *c = &clients[fd];
    char text[CODE_MAX];
    double at = now();
    attempts++;
    if (strcmp(how, "250") == 0) {
        note(how);
        if (taken_count < SAMPLES_MAX) taken[taken_count++] = (float)(at - c->began);
        in_time += at < load_ends;
        fprintf(list, "%s%ld@demo.example\n", name, c->number);
    } else {
        snprintf(text, sizeof text, "%s %s", how, c->connected ? STEPS[c->step] : "connect");
        note(text);
        if (refused_count < SAMPLES_MAX) refused[refused_count++] = (float)(at - c->began);
    }
    c->used = 0;
    open_now--;
    close(fd);
}

static void begin(void) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    if (fd < 0 || fd >= FDS_MAX) {
        if (fd >= 0) close(fd);
        unsent++;
        return;
    }
    struct sockaddr_in source = {.sin_family = AF_INET};
    long n = number++;
    source.sin_addr.s_addr = htonl(0x7f580000u + (unsigned)(n % 250) * 256 + 1 + (unsigned)(n / 250 % 20));
    setsockopt(fd, IPPROTO_IP, 24 /* IP_BIND_ADDRESS_NO_PORT */, &one, sizeof one);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct client *c = &clients[fd];
    memset(c, 0, sizeof *c);
    c->used = 1;
    c->number = n;
    c->began = c->heard = now();
    open_now++;
    if (bind(fd, (struct sockaddr *)&source, sizeof source) != 0 ||
        (connect(fd, (struct sockaddr *)&target, sizeof target) != 0 && errno != EINPROGRESS)) {
        end(fd, strerror(errno));
        return;
    }
    struct epoll_event wanted = {.events = EPOLLIN | EPOLLOUT, .data.fd = fd};
    epoll_ctl(poller, EPOLL_CTL_ADD, fd, &wanted);
}

/* A whole reply has come: say the next thing. Returns 0 when the attempt is over. */
static int answer(int fd, const char *line) {
    struct client *c = &clients[fd];
    char code[4] = {line[0], line[1], line[2], 0}, text[256];
    if (code[0] != '2' && code[0] != '3') {
        end(fd, code);
        return 0;
    }
    if (c->step == 5) {
        (void)!write(fd, "QUIT\r\n", 6);
        end(fd, "250");
        return 0;
    }
    const char *out = text;
    size_t length;
    switch (c->step++) {
    case 0: length = (size_t)sprintf(text, "EHLO client.example\r\n"); break;
    case 1: length = (size_t)sprintf(text, "MAIL FROM:<a@partner.example>\r\n"); break;
    case 2: length = (size_t)sprintf(text, "RCPT TO:<%.60s%ld@demo.example>\r\n", name, c->number); break;
    case 3: length = (size_t)sprintf(text, "DATA\r\n"); break;
    default: out = body; length = body_length;
    }
    if (write(fd, out, length) != (ssize_t)length) { /* a message fits the socket's buffer */
        end(fd, "could not write");
        return 0;
    }
    return 1;
}

static void hear(int fd) {
    struct client *c = &clients[fd];
    ssize_t got = read(fd, c->line + c->length, sizeof c->line - 1 - c->length);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
        end(fd, got == 0 ? "closed" : strerror(errno));
        return;
    }
    c->heard = now();
    c->length += (size_t)got;
    c->line[c->length] = 0;
    char *line = c->line, *stop;
    while ((stop = strstr(line, "\r\n")) != NULL) {
        if (line[3] != '-' && !answer(fd, line)) return;
        line = stop + 2;
    }
    c->length -= (size_t)(line - c->line);
    memmove(c->line, line, c->length + 1);
}

static void ready(int fd, unsigned events) {
    struct client *c = &clients[fd];
    if (!c->used) return;
    if (!c->connected) {
        int error = 0;
        socklen_t size = sizeof error;
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error) {
            end(fd, strerror(error));
            return;
        }
        c->connected = 1;
        struct epoll_event wanted = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(poller, EPOLL_CTL_MOD, fd, &wanted);
    }
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) hear(fd);
}

static int by_size(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static int milliseconds(float *values, long count, double share) {
    if (count == 0) return 0;
    qsort(values, (size_t)count, sizeof *values, by_size);
    return (int)(values[(long)((double)count * share)] * 1000);
}

int main(int argc, char **argv) {
    if (argc != 9) return 2;
    double pace = strcmp(argv[3], "rate") == 0 ? atof(argv[4]) : 0, seconds = atof(argv[5]), looked = 0;
    long kept = pace > 0 ? 0 : atol(argv[4]), lines = atol(argv[6]) / 78 + 1;
    name = argv[7];
    list = fopen(argv[8], "w");
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    target.sin_family = AF_INET;
    target.sin_port = htons((unsigned short)atoi(argv[2]));
    if (list == NULL || inet_pton(AF_INET, argv[1], &target.sin_addr) != 1) return 2;
    body = malloc((size_t)lines * 78 + 256);
    body_length = (size_t)sprintf(body, "From: <a@partner.example>\r\nSubject: load\r\n\r\n");
    for (long i = 0; i < lines; i++) {
        memset(body + body_length, 'y', 76);
        memcpy(body + body_length + 76, "\r\n", 2);
        body_length += 78;
    }
    memcpy(body + body_length, ".\r\n", 3);
    body_length += 3;
    poller = epoll_create1(0);
    struct epoll_event found[EVENTS];
    double began = now();
    load_ends = began + seconds;
    for (;;) {
        double at = now();
        if (at < load_ends) {
            long wanted = pace > 0 ? (long)((at - began) * pace) - number - unsent : kept - open_now;
            for (long i = 0; i < wanted; i++) begin();
        } else if (open_now == 0)
            break;
        int count = epoll_wait(poller, found, EVENTS, 2);
        for (int i = 0; i < count; i++) ready(found[i].data.fd, found[i].events);
        if (at - looked > 1) {
            looked = at;
            for (int fd = 0; fd < FDS_MAX; fd++)
                if (clients[fd].used && at - clients[fd].heard > PATIENCE) end(fd, "no reply");
        }
    }
    double lasted = now() - began;
    fclose(list);
    printf("{\"ends\": {");
    for (int i = 0; i < kind_count; i++) printf("%s\"%s\": %ld", i ? ", " : "", kinds[i].name, kinds[i].count);
    printf("}, \"attempts\": %ld, \"unsent\": %ld, \"seconds\": %.2f, \"offered\": %.1f, \"good_put\": %.1f", attempts,
           unsent, lasted, (double)number / seconds, (double)in_time / seconds);
    printf(", \"p50_ms\": %d", milliseconds(taken, taken_count, 0.5));
    printf(", \"p99_ms\": %d, \"refused_p99_ms\": %d}\n", milliseconds(taken, taken_count, 0.99),
           milliseconds(refused, refused_count, 0.99));
    return 0;
}
