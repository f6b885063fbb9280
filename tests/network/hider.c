/* hider.c: a function that keeps its connection from being found.
 *
 *   ?port=N   connects to 127.0.0.1
 *   ?hide     moves the descriptor about from now on, in a thread of its own
 *   ?go       the same, and a timer lets the process go on whenever it is stopped
 *   ?map      keeps the socket in a mapping, without a descriptor
 *   ?leave    the first thread exits; another one lives on, and writes to the connection
 *   ?use      writes and reads a byte: "ok" or "ended"
 */
#include <arpa/inet.h>
#include <hearth.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static _Atomic int current = -1;

static void *
move_about(void *unused)
{
    for (;;) {
        int was = current, next = was == 60 ? 61 : 60;

        if (dup2(was, next) < 0)
            return unused;
        current = next;
        (void)close(was);
    }
}

static void *
write_on(void *unused)
{
    const struct timespec pause = {.tv_nsec = 1000000};

    while (send(current, "x", 1, MSG_NOSIGNAL) == 1)
        (void)nanosleep(&pause, NULL);
    for (;;)
        (void)nanosleep(&pause, NULL);
    return unused;
}

static void
on_continued(int sig)
{
    (void)sig;
}

static int
go_on(void)
{
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGCONT};
    const struct itimerspec often = {.it_interval.tv_nsec = 200000, .it_value.tv_nsec = 200000};
    timer_t timer;

    return signal(SIGCONT, on_continued) == SIG_ERR ||
           timer_create(CLOCK_MONOTONIC, &event, &timer) != 0 ||
           timer_settime(timer, 0, &often, NULL) != 0;
}

static int
map_socket(void)
{
    return mmap(NULL, 4096, PROT_READ, MAP_SHARED, current, 0) == MAP_FAILED || close(current) != 0;
}

static int
use(hearth_call *call)
{
    char byte;

    for (;;) {
        int fd = current;
        ssize_t n = send(fd, "x", 1, MSG_NOSIGNAL);

        if (n != 1 && fd != current)
            continue; /* it was moved meanwhile */
        if (n != 1)
            return hearth_printf(call, "ended\n");
        do {
            fd = current;
            n = recv(fd, &byte, 1, 0);
        } while (n < 0 && fd != current);
        return hearth_printf(call, n == 1 ? "ok\n" : "ended\n");
    }
}

int
hearth_handle(hearth_call *call)
{
    const char *port = hearth_query(call, "port");
    pthread_t thread;

    if (port != NULL) {
        struct sockaddr_in to = {.sin_family = AF_INET,
                                 .sin_port = htons((uint16_t)atoi(port)),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

        current = socket(AF_INET, SOCK_STREAM, 0);
        return connect(current, (const struct sockaddr *)&to, sizeof to);
    }
    if (hearth_query(call, "hide") != NULL)
        return pthread_create(&thread, NULL, move_about, NULL);
    if (hearth_query(call, "go") != NULL)
        return pthread_create(&thread, NULL, move_about, NULL) != 0 || go_on();
    if (hearth_query(call, "map") != NULL)
        return map_socket();
    if (hearth_query(call, "leave") != NULL) {
        if (pthread_create(&thread, NULL, write_on, NULL) != 0)
            return 1;
        syscall(SYS_exit, 0);
    }
    return use(call);
}
