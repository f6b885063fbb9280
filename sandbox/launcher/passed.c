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

#define KEPT       "hearth-" /* begins the names that this program gives */
#define BARRIER_US (5 * 1000 * 1000)

static int
take(struct launcher *l, int fd, const char *name, struct hearth_err *err)
{
    bool is_admin = strcmp(name, "admin") == 0;
    int flags = fcntl(fd, F_GETFL);

    if (sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) <= 0)
        return err_set(err, EINVAL,
                       "the service manager passed \"%s\", which is no listening stream socket",
                       name);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
        return err_set(err, errno, "set up the socket \"%s\"", name);
    if (is_admin ? l->admin_listener >= 0 : l->listeners_count == l->threads)
        return err_set(err, EINVAL,
                       "the service manager passed too many sockets: one may be named admin, and "
                       "of others there may be as many as threads, %d",
                       l->threads);
    if (is_admin)
        l->admin_listener = fd;
    else
        l->listeners[l->listeners_count++] = fd;
    return 0;
}

/* ---- kept ones ---- */

struct kept {
    int listen[LIMIT_THREADS], admin;
    int count;
};

static bool
is_wanted(const struct launcher *l, const struct kept *kept)
{
    bool wanted = kept->count == l->threads && (kept->admin >= 0) == (l->options.admin != NULL);

    for (int i = 0; i < kept->count && wanted; i++)
        wanted = launcher_is_bound(kept->listen[i], l->options.listen);
    return wanted && (kept->admin < 0 || launcher_is_bound(kept->admin, l->options.admin));
}

/* The options have changed. The service manager must have closed its own copies before the same
 * port can be bound anew. */
static void
drop_kept(const struct kept *kept)
{
    for (int i = 0; i < kept->count; i++)
        (void)close(kept->listen[i]);
    if (kept->admin >= 0)
        (void)close(kept->admin);
    (void)sd_notify(0, "FDSTOREREMOVE=1\nFDNAME=" KEPT "listen");
    (void)sd_notify(0, "FDSTOREREMOVE=1\nFDNAME=" KEPT "admin");
    (void)sd_notify_barrier(0, BARRIER_US);
}

static void
take_kept(struct launcher *l, const struct kept *kept)
{
    if (kept->count == 0 && kept->admin < 0)
        return;
    if (l->listeners_count > 0 || l->admin_listener >= 0 || !is_wanted(l, kept)) {
        drop_kept(kept);
        return;
    }
    memcpy(l->listeners, kept->listen, sizeof l->listeners);
    l->listeners_count = kept->count;
    l->admin_listener = kept->admin;
    log_info("listening on the sockets of before the restart");
}

static bool
put_aside(struct kept *kept, int fd, const char *name)
{
    if (strcmp(name, KEPT "admin") == 0 && kept->admin < 0)
        kept->admin = fd;
    else if (strcmp(name, KEPT "listen") == 0 && kept->count < LIMIT_THREADS)
        kept->listen[kept->count++] = fd;
    else
        return false;
    return true;
}

int
launcher_take_passed(struct launcher *l, struct hearth_err *err)
{
    struct kept kept = {.admin = -1};
    char **names = NULL;
    int n = sd_listen_fds_with_names(1, &names), status = 0;

    if (n < 0)
        return err_set(err, -n, "take the sockets of the service manager");
    for (int i = 0; i < n && status == 0; i++)
        if (!put_aside(&kept, SD_LISTEN_FDS_START + i, names[i]))
            status = take(l, SD_LISTEN_FDS_START + i, names[i], err);
    for (int i = 0; i < n; i++)
        free(names[i]);
    free(names);
    if (status < 0)
        return status;
    if (l->listeners_count > 0)
        log_info("the service manager passed the listening socket: the option listen is not used");
    if (l->admin_listener >= 0 && l->options.admin != NULL)
        log_info("the service manager passed the socket \"admin\": the option admin is not used");
    take_kept(l, &kept);
    return 0;
}

void
launcher_keep_sockets(const struct launcher *l)
{
    /* the file of a unix socket goes with this process */
    if (!starts_with(l->options.listen, "unix:"))
        (void)sd_pid_notify_with_fds(0, 0, "FDSTORE=1\nFDNAME=" KEPT "listen", l->listeners,
                                     (unsigned)l->listeners_count);
    if (l->options.admin != NULL && !starts_with(l->options.admin, "unix:"))
        (void)sd_pid_notify_with_fds(0, 0, "FDSTORE=1\nFDNAME=" KEPT "admin", &l->admin_listener,
                                     1);
}
