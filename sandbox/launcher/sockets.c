/* sockets.c: the listening sockets, which outlive every gateway. */
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
#include "launcher/launcher.h"

#define BACKLOG 4096

/* A socket file that nobody listens on any more is replaced; a live one is not. */
static int
bind_unix(const char *path, int *out, struct hearth_err *err)
{
    cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct stat st;

    if (fd < 0)
        return err_set(err, errno, "make a unix socket");
    if (strlen(path) >= sizeof at.sun_path)
        return err_set(err, ENAMETOOLONG, "listen on unix:%s", path);
    memcpy(at.sun_path, path, strlen(path) + 1);
    if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode)) {
        if (connect(fd, (struct sockaddr *)&at, sizeof at) == 0)
            return err_set(err, EADDRINUSE, "listen on unix:%s", path);
        (void)unlink(path);
    }
    if (bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(fd, BACKLOG) != 0)
        return err_set(err, errno, "listen on unix:%s", path);
    (void)chmod(path, 0660);
    *out = take_fd(&fd);
    return 0;
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
        return err_set(err, EINVAL, "listen on \"%s\": want ADDR:PORT or unix:PATH", address);
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

int
launcher_bind(const char *address, int count, int *fds, struct hearth_err *err)
{
    struct addrinfo *found = NULL;
    struct sockaddr_storage at;
    socklen_t at_len = sizeof at;
    int status;

    if (strncmp(address, "unix:", 5) == 0)
        return bind_unix(address + 5, fds, err);
    status = resolve(address, &found, err);
    if (status < 0)
        return status;
    for (int i = 0; i < count && status == 0; i++) {
        status = bind_one(found, count > 1, &fds[i]);
        /* port 0: the others share the port that the first one was given */
        if (status == 0 && i == 0 && getsockname(fds[0], (struct sockaddr *)&at, &at_len) == 0 &&
            at_len == found->ai_addrlen)
            memcpy(found->ai_addr, &at, at_len);
    }
    freeaddrinfo(found);
    return status == 0 ? 0 : err_set(err, -status, "listen on %s", address);
}
