/* broker.c: see broker.h. The broker's ends of all its sockets stay open here, so that they survive
 * its end: the next broker gets them again. The connections are the workers' own.
 */
#include "launcher/broker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker_protocol.h"
#include "cleanup.h"
#include "clock.h"
#include "fd_passing.h"
#include "launcher/report.h"
#include "launcher/service.h"
#include "launcher/watch.h"
#include "log.h"
#include "socket_name.h"
#include "text.h"

#define RESTARTS_WINDOW_MS 60000
#define MEMORY_BYTES       (512 << 20)
#define LISTENERS          4 /* that are named to it */
#define BEAT_MS            2000
#define BEATS              3 /* without an answer, until it is killed */

/* The option for the broker. False where the socket is none of the internet. */
static bool
name_listener(int fd, char *text, size_t n)
{
    char name[128];
    bool named = socket_name(fd, name, sizeof name) && !starts_with(name, "unix:");

    if (named)
        (void)snprintf(text, n, "--own=%s", name);
    return named;
}

static int
send_fd(const struct launcher *l, unsigned type, uint64_t id, int fd, struct hearth_err *err)
{
    struct broker_head head = {
        .version = BROKER_VERSION, .type = (uint16_t)type, .length = sizeof head, .id = id};
    int status = fd_send(l->broker_sock, &head, sizeof head, &fd, 1, 0);

    if (status == -EAGAIN && l->broker_pid > 0) {
        log_error("the broker takes no messages: killing it");
        (void)kill(l->broker_pid, SIGKILL);
    }
    return status == 0 ? 0 : err_set(err, -status, "send the broker a socket");
}

static int
start(struct launcher *l, struct hearth_err *err)
{
    char own[LISTENERS][320], most[64], form[64], allow[128], resolver[300];
    char *argv[LISTENERS + 6] = {(char *)"hearth-broker"};
    const struct launcher_options *o = &l->options;
    const struct launcher_socket_file *files[] = {&l->listen_file, &l->admin_file};
    const struct timeval send_timeout = {.tv_sec = 2};
    int pair[2], n = 1, named = 0, status;

    if (l->listeners_count > 0 && name_listener(l->listeners[0], own[named], sizeof own[0]))
        argv[n++] = own[named++];
    if (l->admin_listener >= 0 && name_listener(l->admin_listener, own[named], sizeof own[0]))
        argv[n++] = own[named++];
    for (int i = 0; i < 2; i++)
        if (files[i]->path != NULL) {
            (void)snprintf(own[named], sizeof own[0], "--own=unix:%s", files[i]->path);
            argv[n++] = own[named++];
        }
    (void)snprintf(form, sizeof form, "--log_format=%s",
                   o->log_format != NULL ? o->log_format : "text");
    (void)snprintf(most, sizeof most, "--most=%s",
                   o->network_connections != NULL ? o->network_connections : "1024");
    (void)snprintf(allow, sizeof allow, "--allow=%s",
                   o->network_allow != NULL ? o->network_allow : "");
    (void)snprintf(resolver, sizeof resolver, "--resolver=%s",
                   o->resolver != NULL ? o->resolver : "");
    argv[n++] = form;
    argv[n++] = most;
    argv[n++] = allow;
    argv[n++] = resolver;
    argv[n] = NULL;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return err_set(err, errno, "make the socket of the broker");
    if (l->broker_sock >= 0)
        (void)close(l->broker_sock);
    l->broker_sock = pair[0];
    /* one that no longer reads must not block the launcher */
    (void)setsockopt(pair[0], SOL_SOCKET, SO_SNDTIMEO, &send_timeout, sizeof send_timeout);
    status = launcher_service_start(l,
                                    &(struct launcher_service){.program = "hearth-broker",
                                                               .argv = argv,
                                                               .sock = pair[1],
                                                               .uid = LAUNCHER_UID_BROKER,
                                                               .memory = MEMORY_BYTES,
                                                               .threads = 4},
                                    LAUNCHER_TAG_BROKER, &l->broker_pid, &l->broker_pidfd, err);
    (void)close(pair[1]);
    l->broker_beats = 0;
    l->broker_beat_ns = clock_ns();
    if (status == 0 && l->broker_gateway[1] >= 0)
        status = send_fd(l, BROKER_GATEWAY, 0, l->broker_gateway[1], err);
    for (uint32_t i = 0; i < l->workers_top && status == 0; i++)
        if (l->children[i].kind == LAUNCHER_WORKER && l->children[i].broker >= 0)
            status = send_fd(l, BROKER_INSTANCE, l->children[i].id, l->children[i].broker, err);
    return status;
}

int
launcher_broker_for_gateway(struct launcher *l, struct hearth_err *err)
{
    for (int i = 0; i < 2; i++)
        if (l->broker_gateway[i] >= 0)
            (void)close(take_fd(&l->broker_gateway[i]));
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, l->broker_gateway) != 0)
        return err_set(err, errno, "make the socket of the broker");
    if (l->broker_pid > 0 && send_fd(l, BROKER_GATEWAY, 0, l->broker_gateway[1], err) < 0)
        log_warning("%s", err->text); /* it is ending: the next one gets it */
    return 0;
}

int
launcher_broker_pair(struct launcher *l, int *theirs, int *ours, struct hearth_err *err)
{
    int pair[2], status = l->broker_pid > 0 ? 0 : start(l, err);

    if (status < 0)
        return status;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return err_set(err, errno, "make the socket of the broker");
    *theirs = pair[0];
    *ours = pair[1];
    return 0;
}

void
launcher_broker_attach(struct launcher *l, const struct launcher_child *c)
{
    struct hearth_err err = {0};

    if (send_fd(l, BROKER_INSTANCE, c->id, c->broker, &err) < 0)
        launcher_log_error(l, "%s", err.text);
}

int
launcher_broker_beat(struct launcher *l)
{
    const struct broker_head beat = {
        .version = BROKER_VERSION, .type = BROKER_BEAT, .length = sizeof beat};
    union broker_message answer;
    int64_t left_ms;

    if (l->broker_pid <= 0)
        return -1;
    left_ms = BEAT_MS - (clock_ns() - l->broker_beat_ns) / 1000000;
    if (left_ms > 0)
        return (int)left_ms;
    for (int i = 0; i < BEATS + 1; i++) {
        ssize_t got = recv(l->broker_sock, &answer, sizeof answer, MSG_DONTWAIT);

        if (got > 0 && broker_is(&answer, (size_t)got, BROKER_BEAT, BROKER_BEAT))
            l->broker_beats = 0;
    }
    if (l->broker_beats == BEATS) {
        log_error("the broker has not answered for %d ms: killing it", BEATS * BEAT_MS);
        (void)kill(l->broker_pid, SIGKILL);
    }
    (void)send(l->broker_sock, &beat, sizeof beat, MSG_DONTWAIT | MSG_NOSIGNAL);
    l->broker_beats++;
    l->broker_beat_ns = clock_ns();
    return BEAT_MS;
}

void
launcher_broker_ended(struct launcher *l)
{
    struct hearth_err err = {0};

    if (!launcher_service_ended(l, "the broker", &l->broker_pid, &l->broker_pidfd))
        return;
    if (!launcher_may_restart(&l->broker_restarts, RESTARTS_WINDOW_MS))
        log_error("the broker keeps ending: the next one is started for the next instance with "
                  "destinations");
    else if (start(l, &err) < 0)
        log_error("%s", err.text);
}

void
launcher_broker_close(struct launcher *l)
{
    if (l->broker_pid <= 0)
        return;
    (void)kill(l->broker_pid, SIGKILL);
    (void)waitpid(l->broker_pid, NULL, 0);
    l->broker_pid = 0;
}
