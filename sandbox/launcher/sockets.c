/* sockets.c: the listening sockets, which stay open when the gateway is started again. A unix
 * socket also has a file: only the process that made it removes it. */
#include "launcher/sockets.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cleanup.h"
#include "text.h"

#define BACKLOG 4096

/* Whether the path is a socket that no process listens on, left by one that was killed. Only
 * ECONNREFUSED means that: EAGAIN comes from a listener whose queue is full, EPROTOTYPE from a
 * socket of another type. */
static bool
is_stale(const struct sockaddr_un *at, const struct stat *st)
{
    cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    return S_ISSOCK(st->st_mode) && fd >= 0 &&
           connect(fd, (const struct sockaddr *)at, sizeof *at) != 0 && errno == ECONNREFUSED;
}

static bool
is_same_file(const char *path, dev_t dev, ino_t ino)
{
    struct stat now;

    return lstat(path, &now) == 0 && now.st_dev == dev && now.st_ino == ino;
}

/* Removes a stale socket. A socket in use, or another file, stays. */
static int
remove_stale(const struct sockaddr_un *at, struct hearth_err *err)
{
    struct stat st;

    if (lstat(at->sun_path, &st) != 0)
        return errno == ENOENT ? 0 : err_set(err, errno, "look at unix:%s", at->sun_path);
    if (!is_stale(at, &st))
        return err_set(err, EADDRINUSE, "listen on unix:%s", at->sun_path);
    /* not if another hearthd has replaced it meanwhile */
    if (is_same_file(at->sun_path, st.st_dev, st.st_ino) && unlink(at->sun_path) != 0 &&
        errno != ENOENT)
        return err_set(err, errno, "remove the stale socket %s", at->sun_path);
    return 0;
}

/* bind fails if the file exists: so the file is ours. */
static int
bind_here(int fd, const char *path, const struct sockaddr_un *at, struct launcher_socket_file *file,
          struct hearth_err *err)
{
    struct stat st;
    int status;

    if (bind(fd, (const struct sockaddr *)at, sizeof *at) != 0)
        return err_set(err, errno, "listen on unix:%s", path);
    if (lstat(path, &st) != 0)
        return err_set(err, errno, "look at the new socket %s", path);
    *file = (struct launcher_socket_file){.path = path, .dev = st.st_dev, .ino = st.st_ino};
    if (chmod(path, 0660) == 0 && listen(fd, BACKLOG) == 0)
        return 0;
    status = err_set(err, errno, "listen on unix:%s", path);
    launcher_unbind(file);
    return status;
}

static int
bind_unix(const char *path, int *out, struct launcher_socket_file *file, struct hearth_err *err)
{
    cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int status;

    if (fd < 0)
        return err_set(err, errno, "make a unix socket");
    if (strlen(path) >= sizeof at.sun_path)
        return err_set(err, ENAMETOOLONG, "listen on unix:%s", path);
    memcpy(at.sun_path, path, strlen(path) + 1);
    status = remove_stale(&at, err);
    if (status == 0)
        status = bind_here(fd, path, &at, file, err);
    if (status == 0)
        *out = take_fd(&fd);
    return status;
}

void
launcher_unbind(struct launcher_socket_file *file)
{
    if (file->path != NULL && is_same_file(file->path, file->dev, file->ino))
        (void)unlink(file->path);
    file->path = NULL;
}

static int
resolve(const char *address, struct addrinfo **found, struct hearth_err *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    char host[256];
    const char *colon = strrchr(address, ':');
    const char *from = address;
    size_t n;
    int status;

    if (colon == NULL || (size_t)(colon - address) >= sizeof host)
        return err_set(err, EINVAL, "listen on \"%s\": expected ADDR:PORT or unix:PATH", address);
    n = (size_t)(colon - address);
    if (n >= 2 && from[0] == '[' && from[n - 1] == ']') {
        from++;
        n -= 2;
    }
    (void)snprintf(host, sizeof host, "%.*s", (int)n, from);
    status = getaddrinfo(n > 0 ? host : NULL, colon + 1, &hints, found);
    if (status != 0)
        return err_set(err, EINVAL, "listen on \"%s\" (%s)", address, gai_strerror(status));
    return 0;
}

static int
bind_one(const struct addrinfo *at, bool share, int *out)
{
    cleanup_close int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1;

    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0)
        return -errno;
    if (share && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0)
        return -errno;
    if (bind(fd, at->ai_addr, at->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0)
        return -errno;
    *out = take_fd(&fd);
    return 0;
}

bool
launcher_is_bound(int fd, const char *address)
{
    struct addrinfo *found = NULL;
    struct sockaddr_storage at = {0};
    socklen_t len = sizeof at;
    struct hearth_err err;
    bool same;

    if (starts_with(address, "unix:") || getsockname(fd, (struct sockaddr *)&at, &len) != 0 ||
        resolve(address, &found, &err) < 0 || found == NULL)
        return false;
    same = len == found->ai_addrlen && memcmp(&at, found->ai_addr, len) == 0;
    freeaddrinfo(found);
    return same;
}

int
launcher_bind(const char *address, int count, int *fds, struct launcher_socket_file *file,
              struct hearth_err *err)
{
    struct addrinfo *found = NULL;
    struct sockaddr_storage at;
    socklen_t at_len = sizeof at;
    int status;

    if (starts_with(address, "unix:"))
        return bind_unix(address + 5, fds, file, err);
    status = resolve(address, &found, err);
    if (status < 0)
        return status;
    for (int i = 0; i < count && status == 0; i++) {
        status = bind_one(found, count > 1, &fds[i]);
        /* port 0: the others use the port that the first one got */
        if (status == 0 && i == 0 && getsockname(fds[0], (struct sockaddr *)&at, &at_len) == 0 &&
            at_len == found->ai_addrlen)
            memcpy(found->ai_addr, &at, at_len);
    }
    freeaddrinfo(found);
    return status == 0 ? 0 : err_set(err, -status, "listen on %s", address);
}
