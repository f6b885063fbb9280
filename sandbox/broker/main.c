/* main.c: hearth-broker: makes the connections of functions to the destinations that their setting
 * `network` lists. A process of its own, without privilege, in the host's network namespace. It
 * resolves, decides and connects; it never reads or writes what flows. The launcher gives it the
 * sockets of the gateway and of workers; the gateway tells it what each instance may do.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/private.h"
#include "fd_passing.h"
#include "filter.h"
#include "inherit.h"
#include "log.h"
#include "networks.h"

#define PRUNE_MS 2000

static struct broker broker;

static void
on_launcher(uv_poll_t *poll, int status, int events)
{
    union broker_message msg;
    int fd = -1;
    unsigned n = 1;
    bool all = true;
    ssize_t got = status < 0 ? 0
                             : fd_receive(INHERIT_BROKER_LAUNCHER, &msg, sizeof msg, &fd, &n, &all,
                                          MSG_DONTWAIT);

    (void)events;
    if (got == -EAGAIN || got == -EMFILE)
        return;
    if (got <= 0)
        exit(0); /* the daemon has ended */
    if (n == 0 && broker_is(&msg, (size_t)got, BROKER_BEAT, BROKER_BEAT)) {
        (void)send(INHERIT_BROKER_LAUNCHER, &msg, (size_t)got, MSG_DONTWAIT | MSG_NOSIGNAL);
        return;
    }
    if (!broker_is(&msg, (size_t)got, BROKER_GATEWAY, BROKER_INSTANCE) || n != 1) {
        if (n == 1)
            (void)close(fd);
        log_error("a socket could not be received (are there descriptors left?)");
        return; /* that instance has no network */
    }
    if (msg.head.type == BROKER_GATEWAY) {
        links_end_all(poll->loop->data);
        if (report_set(poll->loop->data, fd, links_on_gateway) == 0)
            report_head(poll->loop->data, BROKER_HELLO, 0);
    } else {
        links_attach(poll->loop->data, msg.head.id, fd);
    }
}

static void
on_prune(uv_timer_t *timer)
{
    struct broker *b = timer->loop->data;

    bool lost = report_has_lost(b);

    if (lost) /* the gateway's lists are made anew */
        report_head(b, BROKER_HELLO, 0);
    for (struct instance *i = b->instances; i != NULL; i = i->hh.next) {
        table_prune(b, i);
        report_refusals_left(b, i);
        for (struct connection *c = i->connections; c != NULL && lost; c = c->next)
            if (c->opened)
                report_connection(b, c, BROKER_OPENED, 0, 0, 0);
    }
    links_end_deaf(b);
}

/* ---- start ---- */

static void
add_own(struct broker *b, const char *text)
{
    struct own_listener *own = &b->own[b->own_count];
    struct destination d;

    if (b->own_count == sizeof b->own / sizeof b->own[0] ||
        destination_parse(text, strlen(text), &d) < 0)
        return;
    own->port = d.port;
    own->address = d.address;
    if (IN6_IS_ADDR_V4MAPPED(&d.address) && d.address.s6_addr32[3] == 0)
        own->address = in6addr_any;
    memcpy(own->path, d.path, sizeof own->path);
    b->own_count++;
}

static const char *
value_of(const char *argument, const char *name)
{
    size_t n = strlen(name);

    return strncmp(argument, name, n) == 0 ? argument + n : NULL;
}

static int
start(struct broker *b, int argc, char **argv, struct hearth_err *err)
{
    const char *server = NULL, *value;
    int status;

    b->connections_most = 1024;
    b->next_number = uv_hrtime(); /* not those of a broker before this one */
    for (int i = 1; i < argc; i++) {
        if ((value = value_of(argv[i], "--own=")) != NULL)
            add_own(b, value);
        else if ((value = value_of(argv[i], "--resolver=")) != NULL && value[0] != '\0')
            server = value;
        else if ((value = value_of(argv[i], "--most=")) != NULL)
            b->connections_most = (uint32_t)strtoul(value, NULL, 10);
        else if ((value = value_of(argv[i], "--allow=")) != NULL) {
            b->allow_metadata = strstr(value, "metadata") != NULL;
            b->allow_own = strstr(value, "listeners") != NULL;
        }
    }
    status = uv_loop_init(&b->loop);
    if (status < 0)
        return err_set(err, -status, "make a loop");
    b->loop.data = b;
    b->diag = diag_open(err);
    if (b->diag < 0)
        return b->diag;
    if (report_open(b) < 0)
        return err_set(err, ENOMEM, "keep reports");
    status = names_open(b, server, err);
    if (status < 0)
        return status;
    status = uv_poll_init(&b->loop, &b->launcher, INHERIT_BROKER_LAUNCHER);
    if (status == 0)
        status = uv_poll_start(&b->launcher, UV_READABLE, on_launcher);
    if (status < 0)
        return err_set(err, -status, "watch the launcher");
    (void)uv_timer_init(&b->loop, &b->prune);
    (void)uv_timer_start(&b->prune, on_prune, PRUNE_MS, PRUNE_MS);
    return sbx_filter_apply(SBX_PROFILE_BROKER, err);
}

static void
on_alarm(int sig)
{
    (void)sig;
}

int
main(int argc, char **argv)
{
    static const int ignored[] = {SIGPIPE, SIGINT, SIGTERM, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2};
    struct hearth_err err = {0};

    const struct sigaction interrupt = {.sa_handler = on_alarm}; /* no SA_RESTART: see connect.c */

    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
        (void)signal(ignored[i], SIG_IGN);
    (void)sigaction(SIGALRM, &interrupt, NULL);
    log_open("hearth-broker", LOG_LEVEL_INFO);
    log_take_form(argc, argv);
    if (start(&broker, argc, argv, &err) < 0) {
        log_error("the broker: %s", err.text);
        return 1;
    }
    (void)uv_run(&broker.loop, UV_RUN_DEFAULT);
    return 0;
}
