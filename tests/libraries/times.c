/* times.c: waiting and being woken: sleeps by nanosleep, poll, select and a condition, alarms
 * and interval timers with signals, POSIX timers, epoll with timerfd and eventfd, pipes.
 */
#include <errno.h>
#include <hearth.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t alarms;

static void
on_alarm(int signal)
{
    (void)signal;
    alarms++;
}

static int64_t
now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int
say(hearth_call *call, const char *name, int result, int64_t begin, int64_t at_least)
{
    int error = errno;

    if (result < 0)
        return hearth_printf(call, "%s: %s\n", name, strerror(error));
    return hearth_printf(call, "%s: %d %s\n", name, result,
                         now_ms() - begin >= at_least ? "late enough" : "early");
}

static int
use_sleeps(hearth_call *call)
{
    struct timespec t = {.tv_nsec = 10000000}, until;
    struct timeval v = {.tv_usec = 10000};
    pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t c = PTHREAD_COND_INITIALIZER;
    int64_t begin = now_ms();
    int bad;

    bad = say(call, "nanosleep", nanosleep(&t, NULL), begin, 10);
    begin = now_ms();
    bad |= say(call, "usleep", usleep(10000), begin, 10);
    begin = now_ms();
    bad |= say(call, "poll", poll(NULL, 0, 10), begin, 9);
    begin = now_ms();
    bad |= say(call, "ppoll", ppoll(NULL, 0, &t, NULL), begin, 9);
    begin = now_ms();
    bad |= say(call, "select", select(0, NULL, NULL, NULL, &v), begin, 9);
    begin = now_ms();
    bad |= say(call, "pselect", pselect(0, NULL, NULL, NULL, &t, NULL), begin, 9);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec = (until.tv_nsec + 10000000) % 1000000000;
    until.tv_sec += until.tv_nsec < 10000000;
    pthread_mutex_lock(&m);
    bad |= hearth_printf(call, "condition: %s\n", strerror(pthread_cond_timedwait(&c, &m, &until)));
    pthread_mutex_unlock(&m);
    return bad;
}

static int
use_signals(hearth_call *call)
{
    struct sigaction action = {.sa_handler = on_alarm}, old;
    struct itimerval interval = {.it_value.tv_usec = 10000};
    struct itimerspec once = {.it_value.tv_nsec = 10000000};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
    sigset_t set, none;
    timer_t timer;
    int bad, fd;

    alarms = 0;
    bad = hearth_printf(call, "sigaction: %d\n", sigaction(SIGALRM, &action, &old));
    bad |= hearth_printf(call, "raise: %d", raise(SIGALRM));
    bad |= hearth_printf(call, " %d\n", (int)alarms);
    bad |= hearth_printf(call, "alarm: %u", alarm(100));
    bad |= hearth_printf(call, " left %d\n", alarm(0) > 0);
    /* Blocked until the wait, so that it cannot come before. */
    sigemptyset(&none);
    sigemptyset(&set);
    sigaddset(&set, SIGALRM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    bad |= hearth_printf(call, "setitimer: %d\n", setitimer(ITIMER_REAL, &interval, NULL));
    sigsuspend(&none);
    bad |= hearth_printf(call, "alarms: %d\n", (int)alarms);
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0)
        bad |= hearth_printf(call, "timer_create: %m\n");
    else {
        timer_settime(timer, 0, &once, NULL);
        bad |= hearth_printf(call, "sigtimedwait: %d\n",
                             sigtimedwait(&set, NULL, &(struct timespec){.tv_sec = 2}) == SIGALRM);
        timer_delete(timer);
    }
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    fd = signalfd(-1, &set, SFD_CLOEXEC);
    bad |=
        fd >= 0 ? hearth_printf(call, "signalfd: made\n") : hearth_printf(call, "signalfd: %m\n");
    if (fd >= 0)
        close(fd);
    sigaction(SIGALRM, &old, NULL);
    return bad;
}

static int
use_descriptors(hearth_call *call)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC), timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), ends[2] = {-1, -1}, bad;
    struct itimerspec once = {.it_value.tv_nsec = 10000000};
    struct epoll_event e = {.events = EPOLLIN, .data.u32 = 1}, got = {0};
    uint64_t n = 0;
    char text[8] = "";

    if (epoll < 0 || timer < 0 || event < 0 || pipe(ends) != 0)
        return hearth_printf(call, "descriptors: %m\n");
    epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &e);
    e.data.u32 = 2;
    epoll_ctl(epoll, EPOLL_CTL_ADD, event, &e);
    timerfd_settime(timer, 0, &once, NULL);
    bad = hearth_printf(call, "epoll: %d ", epoll_wait(epoll, &got, 1, 2000));
    bad |= hearth_printf(call, "of %u, %zd bytes\n", got.data.u32, read(timer, &n, sizeof n));
    bad |= hearth_printf(call, "eventfd: %d ", eventfd_write(event, 7));
    bad |= hearth_printf(call, "%d ", epoll_wait(epoll, &got, 1, 2000));
    eventfd_read(event, &n);
    bad |= hearth_printf(call, "of %u: %u\n", got.data.u32, (unsigned int)n);
    bad |= hearth_printf(call, "pipe: %zd ", write(ends[1], "hearth", 6));
    bad |= hearth_printf(call, "%zd ", read(ends[0], text, 7));
    bad |= hearth_printf(call, "%s\n", text);
    close(epoll);
    close(timer);
    close(event);
    close(ends[0]);
    close(ends[1]);
    return bad;
}

int
hearth_handle(hearth_call *call)
{
    return use_sleeps(call) | use_signals(call) | use_descriptors(call);
}
