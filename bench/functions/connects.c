/* connects.c: how long socket, connect and close take, as a function and as a program (NATIVE):
 * p50 and p99 of 500, in microseconds; and of a byte there and back on a kept connection. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 500

static double
now_us(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int
compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static int
measure(int port, char *text, size_t n)
{
    static double connects[ROUNDS], exchanges[ROUNDS];
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((unsigned short)port)};
    char byte = 'x';

    for (int i = 0; i < ROUNDS; i++) {
        double begun = now_us();
        int fd = socket(AF_INET, SOCK_STREAM, 0);

        if (fd < 0 || connect(fd, (const struct sockaddr *)&to, sizeof to) != 0)
            return -1;
        connects[i] = now_us() - begun;
        begun = now_us();
        if (send(fd, &byte, 1, 0) != 1 || recv(fd, &byte, 1, 0) != 1)
            return -1;
        exchanges[i] = now_us() - begun;
        (void)close(fd);
    }
    qsort(connects, ROUNDS, sizeof connects[0], compare);
    qsort(exchanges, ROUNDS, sizeof exchanges[0], compare);
    return snprintf(text, n, "%.1f %.1f %.1f\n", connects[ROUNDS / 2], connects[ROUNDS * 99 / 100],
                    exchanges[ROUNDS / 2]);
}

#ifdef NATIVE
int
main(int argc, char **argv)
{
    char text[100];

    if (argc != 2 || measure(atoi(argv[1]), text, sizeof text) < 0)
        return 1;
    (void)fputs(text, stdout);
    return 0;
}
#else
#include <hearth.h>

int
hearth_handle(hearth_call *call)
{
    char text[100];

    if (measure(atoi(hearth_env("PORT")), text, sizeof text) < 0)
        return 1;
    return hearth_printf(call, "%s", text);
}
#endif
