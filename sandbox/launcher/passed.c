/* passed.c: see passed.h. */
#include "launcher/passed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "launcher/sockets.h"
#include "log.h"
#include "text.h"

#define BARRIER_US (5 * 1000 * 1000)

/* One of the two listeners: what is passed for it, and what was kept of it. */
struct side {
    const char *kept_as, *address; /* address: NULL: there is no such listener */
    int most;
    int passed[LIMIT_THREADS], passed_count;
    int kept[LIMIT_THREADS], kept_count;
};

enum { CALLS, ADMIN, SIDES };

static void
describe(const struct launcher *l, struct side sides[SIDES])
{
    sides[CALLS] =
        (struct side){.kept_as = "hearth-listen", .address = l->options.listen, .most = l->threads};
    sides[ADMIN] = (struct side){.kept_as = "hearth-admin", .address = l->options.admin, .most = 1};
}

static int
take(struct side *side, int fd, const char *name, struct hearth_err *err)
{
    int flags = fcntl(fd, F_GETFL);

    if (sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) <= 0)
        return err_set(err, EINVAL,
                       "the service manager passed \"%s\", which is no listening stream socket",
                       name);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
        return err_set(err, errno, "set up the socket \"%s\"", name);
    if (side->passed_count == side->most)
        return err_set(err, EINVAL,
                       "the service manager passed too many sockets: one may be named admin, and "
                       "of others there may be as many as threads");
    side->passed[side->passed_count++] = fd;
    return 0;
}

static int
sort(struct side sides[SIDES], int fd, const char *name, struct hearth_err *err)
{
    for (int i = 0; i < SIDES; i++)
        if (strcmp(name, sides[i].kept_as) == 0 && sides[i].kept_count < LIMIT_THREADS) {
            sides[i].kept[sides[i].kept_count++] = fd;
            return 0;
        }
    return take(&sides[strcmp(name, "admin") == 0 ? ADMIN : CALLS], fd, name, err);
}

/* Whether what was kept is still what the options want. */
static bool
is_wanted(const struct side *side)
{
    bool wanted =
        side->passed_count == 0 && side->address != NULL && side->kept_count == side->most;

    for (int i = 0; i < side->kept_count && wanted; i++)
        wanted = launcher_is_bound(side->kept[i], side->address);
    return wanted;
}

/* The service manager must have closed its own copies before the same port can be bound anew. */
static void
drop(struct side *side)
{
    while (side->kept_count > 0)
        (void)close(side->kept[--side->kept_count]);
    (void)sd_notifyf(0, "FDSTOREREMOVE=1\nFDNAME=%s", side->kept_as);
    (void)sd_notify_barrier(0, BARRIER_US);
}

static void
choose(struct side *side, const char *option)
{
    if (side->passed_count > 0)
        log_info("the service manager passed a listening socket: the option %s is not used",
                 option);
    if (side->kept_count == 0)
        return;
    if (!is_wanted(side)) {
        drop(side);
        return;
    }
    memcpy(side->passed, side->kept, sizeof side->passed);
    side->passed_count = side->kept_count;
    log_info("listening on the sockets of before the restart: %s", side->address);
}

int
launcher_take_passed(struct launcher *l, struct hearth_err *err)
{
    struct side sides[SIDES];
    char **names = NULL;
    int n = sd_listen_fds_with_names(1, &names), status = 0;

    if (n < 0)
        return err_set(err, -n, "take the sockets of the service manager");
    describe(l, sides);
    for (int i = 0; i < n && status == 0; i++)
        status = sort(sides, SD_LISTEN_FDS_START + i, names[i], err);
    for (int i = 0; i < n; i++)
        free(names[i]);
    free(names);
    if (status < 0)
        return status;
    choose(&sides[CALLS], "listen");
    choose(&sides[ADMIN], "admin");
    memcpy(l->listeners, sides[CALLS].passed, sizeof l->listeners);
    l->listeners_count = sides[CALLS].passed_count;
    l->admin_listener = sides[ADMIN].passed_count > 0 ? sides[ADMIN].passed[0] : -1;
    return 0;
}

void
launcher_keep(const char *name, const char *address, const int *fds, int count)
{
    char text[64];

    if (starts_with(address, "unix:"))
        return; /* its file goes with this process */
    (void)snprintf(text, sizeof text, "FDSTORE=1\nFDNAME=hearth-%s", name);
    (void)sd_pid_notify_with_fds(0, 0, text, fds, (unsigned)count);
}
