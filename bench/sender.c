/* Sends mail as the clients of real mail servers do: PIPELINING (RFC 2920), the content of one message and MAIL, RCPT
 * and DATA of the next in one write. One thread, epoll; to a server that does not offer PIPELINING it waits for each
 * reply.
 *
 *   sender ADDRESS PORT SESSIONS COUNT SIZE
 *
 * COUNT messages of SIZE octets over SESSIONS connections that stay open; each message has addresses and a Message-ID
 * of its own. Ends with 0 when every message got 250, with 1 and a line on standard error when one did not.
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
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SESSIONS_MAX = 4096, EVENTS = 256, LINE_MAX_OCTETS = 1024, HEAD_MAX = 1024, WAIT_MS = 60000 };
enum step { GREETING, EHLO, MAIL, RCPT, DATA, END, QUIT };

struct session {
    int fd, pipelines, next_said; /* next_said: MAIL, RCPT and DATA of the next message went out with this one */
    enum step step;
    long number; /* of the message under way */
    char line[LINE_MAX_OCTETS];
    size_t length;
    char *out;
    size_t filled, written;
};

static long begun, wanted, taken, run_id;
static size_t size, body_length, out_room;
static char *body;
static int poller, open_now;
static struct sockaddr_in target;

static void fail(const char *what, const char *detail) {
    fprintf(stderr, "sender: %s: %s\n", what, detail);
    exit(1);
}

static void add(struct session *s, const char *octets, size_t length) {
    if (s->filled + length > out_room) fail("more to say than there is room for", "a defect of this program");
    memcpy(s->out + s->filled, octets, length);
    s->filled += length;
}

static void say(struct session *s, const char *text) { add(s, text, strlen(text)); }

static void flush(struct session *s) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};
    while (s->written < s->filled) {
        ssize_t n = write(s->fd, s->out + s->written, s->filled - s->written);
        if (n < 0 && errno == EAGAIN) {
            event.events |= EPOLLOUT;
            break;
        }
        if (n < 0) fail("write", strerror(errno));
        s->written += (size_t)n;
    }
    if (s->written == s->filled) s->written = s->filled = 0;
    epoll_ctl(poller, EPOLL_CTL_MOD, s->fd, &event);
}

static void begin(struct session *s) { /* MAIL of the next message; all three commands where they may go together */
    char text[256];
    s->number = begun++;
    snprintf(text, sizeof text, "MAIL FROM:<sender%ld@bench.example>\r\n", s->number % 100003);
    say(s, text);
    if (s->pipelines) {
        snprintf(text, sizeof text, "RCPT TO:<reader%ld@bench.example>\r\nDATA\r\n", s->number % 9973);
        say(s, text);
    }
}

static void content(struct session *s) {
    char head[HEAD_MAX];
    int length = snprintf(head, sizeof head,
        "From: Sender <sender%ld@bench.example>\r\nTo: Reader <reader%ld@bench.example>\r\n"
        "Subject: Report %ld\r\nMessage-ID: <%ld.%ld@bench.example>\r\nDate: Tue, 24 Nov 2026 12:00:00 +0000\r\n\r\n",
        s->number % 100003, s->number % 9973, s->number, run_id, s->number);
    add(s, head, (size_t)length);
    add(s, body, body_length);
    say(s, ".\r\n");
}

static void replied(struct session *s, const char *line) {
    char text[128];
    if (s->step == EHLO && !strncmp(line + 4, "PIPELINING", 10)) s->pipelines = 1;
    if (line[3] == '-') return;
    if (line[0] != (s->step == DATA ? '3' : '2')) fail("refused", line);
    switch (s->step) {
    case GREETING: say(s, "EHLO client.bench.example\r\n"), s->step = EHLO; break;
    case END:
        taken++;
        if (s->next_said) {
            s->next_said = 0, s->step = MAIL;
            break;
        } /* fall through */
    case EHLO:
        if (begun < wanted) begin(s), s->step = MAIL;
        else say(s, "QUIT\r\n"), s->step = QUIT;
        break;
    case MAIL:
        if (!s->pipelines) {
            snprintf(text, sizeof text, "RCPT TO:<reader%ld@bench.example>\r\n", s->number % 9973);
            say(s, text);
        }
        s->step = RCPT;
        break;
    case RCPT:
        if (!s->pipelines) say(s, "DATA\r\n");
        s->step = DATA;
        break;
    case DATA:
        content(s), s->step = END;
        if (s->pipelines && begun < wanted) begin(s), s->next_said = 1;
        break;
    case QUIT:
        close(s->fd), s->fd = -1, open_now--;
        break;
    }
}

static void readable(struct session *s) {
    static char octets[65536];
    ssize_t n = read(s->fd, octets, sizeof octets);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) fail("the connection ended", n ? strerror(errno) : s->line);
    for (ssize_t i = 0; i < n && s->fd >= 0; i++) {
        if (s->length < LINE_MAX_OCTETS - 1) s->line[s->length++] = octets[i];
        if (octets[i] != '\n') continue;
        s->line[s->length] = 0, s->length = 0;
        if (strlen(s->line) < 5) fail("no reply", s->line);
        replied(s, s->line);
    }
    if (s->fd >= 0 && s->filled > s->written) flush(s);
}

static void make_body(void) { /* words of letters, 72 octets a line */
    unsigned chance = 20261124;
    body = malloc(size + 80);
    while (body_length + 200 < size) {
        for (int i = 0; i < 70; i++) {
            chance = chance * 1103515245u + 12345u;
            body[body_length++] = (chance >> 16) % 6 ? (char)('a' + (chance >> 20) % 26) : ' ';
        }
        memcpy(body + body_length, "\r\n", 2), body_length += 2;
    }
}

static void open_session(struct session *s) {
    int on = 1;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};
    s->fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(s->fd, (struct sockaddr *)&target, sizeof target) < 0) fail("connect", strerror(errno));
    fcntl(s->fd, F_SETFL, O_NONBLOCK);
    s->out = malloc(out_room);
    epoll_ctl(poller, EPOLL_CTL_ADD, s->fd, &event);
    open_now++;
}

int main(int count, char **words) {
    static struct session sessions[SESSIONS_MAX];
    struct epoll_event events[EVENTS];
    if (count != 6) fail("usage", "sender ADDRESS PORT SESSIONS COUNT SIZE");
    long number = strtol(words[3], NULL, 10);
    wanted = strtol(words[4], NULL, 10), size = (size_t)strtol(words[5], NULL, 10), run_id = (long)time(NULL);
    target.sin_family = AF_INET, target.sin_port = htons((unsigned short)strtol(words[2], NULL, 10));
    if (number < 1 || number > SESSIONS_MAX || !inet_aton(words[1], &target.sin_addr)) fail("usage", words[1]);
    make_body();
    out_room = 2 * (body_length + HEAD_MAX);
    poller = epoll_create1(0);
    for (long i = 0; i < number; i++) open_session(&sessions[i]);
    while (open_now) {
        int ready = epoll_wait(poller, events, EVENTS, WAIT_MS);
        if (ready <= 0) fail("no reply", "for a minute");
        for (int i = 0; i < ready; i++) {
            struct session *s = events[i].data.ptr;
            if (events[i].events & EPOLLOUT) flush(s);
            if (s->fd >= 0 && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) readable(s);
        }
    }
    if (taken != wanted) fail("messages are missing", "not all were answered");
    return 0;
}
