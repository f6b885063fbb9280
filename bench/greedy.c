/* greedy.c: what one client gets beside others that ask for something without a pause.
 *
 *   cc -O2 -o greedy bench/greedy.c && ./greedy PORT CLIENTS SECONDS PATH
 *
 * Each of the CLIENTS sends GET /x 2,400 times a packet and takes the answers as they come;
 * one more client asks for PATH, one request after another. Prints its latencies; with 0
 * CLIENTS, its quiet ones.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { REQUESTS = 2400, CLIENTS_MAX = 64, SAMPLES = 4000000 };

static void
give_up(const char *what)
{
    perror(what);
    exit(1);
}

static double
now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int
connect_to(int port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)) != 0 ||
        connect(fd, (struct sockaddr *)&at, sizeof at) != 0)
        give_up("connect");
    return fd;
}

static _Noreturn void
be_greedy(int port)
{
    static char requests[REQUESTS * 32], answers[1 << 18];
    size_t len = 0, at = 0;
    int fd = connect_to(port);

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int i = 0; i < REQUESTS; i++)
        len += (size_t)sprintf(requests + len, "GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
    for (;;) {
        struct pollfd ready = {.fd = fd, .events = POLLIN | POLLOUT};

        (void)poll(&ready, 1, -1);
        if ((ready.revents & POLLIN) != 0 && recv(fd, answers, sizeof answers, MSG_DONTWAIT) == 0)
            _exit(1);
        if ((ready.revents & POLLOUT) != 0) {
            ssize_t sent = send(fd, requests + at, len - at, MSG_DONTWAIT | MSG_NOSIGNAL);

            at = sent > 0 ? (at + (size_t)sent) % len : at;
        }
    }
}

/* Whether a whole answer with a Content-Length is there. */
static int
is_whole(const char *answer, size_t n)
{
    const char *end = strstr(answer, "\r\n\r\n"), *length = strstr(answer, "Content-Length: ");

    return end != NULL &&
           n >= (size_t)(end - answer) + 4 + (length != NULL ? strtoul(length + 16, NULL, 10) : 0);
}

static double
ask(int fd, const char *request)
{
    static char answer[1 << 16];
    double from = now_ms();
    size_t n = 0;

    if (send(fd, request, strlen(request), MSG_NOSIGNAL) < 0)
        give_up("send");
    do {
        ssize_t got = recv(fd, answer + n, sizeof answer - n - 1, 0);

        if (got <= 0)
            give_up("recv");
        n += (size_t)got;
        answer[n] = '\0';
    } while (!is_whole(answer, n));
    return now_ms() - from;
}

static int
by_time(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

int
main(int argc, char **argv)
{
    static double took[SAMPLES];
    char request[512];
    pid_t pids[CLIENTS_MAX];
    int port, clients, n = 0, fd;
    double until;

    if (argc != 5 || (clients = atoi(argv[2])) < 0 || clients > CLIENTS_MAX) {
        (void)fprintf(stderr, "usage: greedy PORT CLIENTS SECONDS PATH\n");
        return 2;
    }
    port = atoi(argv[1]);
    for (int i = 0; i < clients; i++)
        if ((pids[i] = fork()) == 0)
            be_greedy(port);
    fd = connect_to(port);
    (void)snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", argv[4]);
    for (int i = 0; i < 100; i++)
        (void)ask(fd, request); /* by then the others are at it */
    until = now_ms() + atof(argv[3]) * 1e3;
    while (n < SAMPLES && now_ms() < until)
        took[n++] = ask(fd, request);
    for (int i = 0; i < clients; i++) {
        (void)kill(pids[i], SIGKILL);
        (void)waitpid(pids[i], NULL, 0);
    }
    qsort(took, (size_t)n, sizeof took[0], by_time);
    (void)printf("beside %d: %d requests, p50 %.3f ms, p99 %.3f ms, max %.3f ms\n", clients, n,
                 took[n / 2], took[n * 99 / 100], took[n - 1]);
    return 0;
}
