/* probe.c: a function that connects as it is told, with system calls of its own, and says what
 * became of each: "ok", or the name of the errno.
 *
 *   ?ip=A&port=N    connects, and keeps the socket open if &keep
 *   ?name=H&port=N  looks it up, and connects to the first address
 *   ?again          connects to the address that was looked up last
 *   ?path=P         a unix socket; "@x": an abstract one
 *   ?deafen         shuts the socket to the broker down
 *   ?open           how many are kept; ?close closes them; ?use writes and reads a byte on each
 */
#include <arpa/inet.h>
#include <errno.h>
#include <hearth.h>
#include <netdb.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int kept[64], count;
static struct sockaddr_storage last; /* the first address of the last look-up */
static socklen_t last_len;

static const char *
result(int status)
{
    return status == 0 ? "ok" : strerrorname_np(errno);
}

static int
try(hearth_call *call, const struct sockaddr *address, socklen_t n)
{
    int type = SOCK_STREAM | (hearth_query(call, "nonblocking") != NULL ? SOCK_NONBLOCK : 0);
    int fd = socket(address->sa_family, type, 0), status;

    if (fd < 0)
        return hearth_printf(call, "socket %s\n", strerrorname_np(errno));
    status = hearth_printf(call, "%s\n", result(connect(fd, address, n)));
    if (hearth_query(call, "keep") != NULL && count < 64)
        kept[count++] = fd;
    else
        (void)close(fd);
    return status;
}

static int
try_internet(hearth_call *call, const char *ip, const char *port)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = v4.sin_port};

    if (inet_pton(AF_INET, ip, &v4.sin_addr) == 1)
        return try(call, (const struct sockaddr *)&v4, sizeof v4);
    if (inet_pton(AF_INET6, ip, &v6.sin6_addr) == 1)
        return try(call, (const struct sockaddr *)&v6, sizeof v6);
    return 1;
}

static int
try_name(hearth_call *call, const char *name, const char *port)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    int status = getaddrinfo(name, port, &hints, &list);

    if (status != 0)
        return hearth_printf(call, "lookup %d %s\n", status,
                             status == EAI_SYSTEM ? strerrorname_np(errno) : "");
    last_len = list->ai_addrlen;
    memcpy(&last, list->ai_addr, last_len);
    freeaddrinfo(list);
    return try(call, (const struct sockaddr *)&last, last_len);
}

static int
try_path(hearth_call *call, const char *path)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    size_t n = strlen(path);

    if (n >= sizeof un.sun_path)
        return 1;
    memcpy(un.sun_path, path, n);
    if (path[0] == '@')
        un.sun_path[0] = '\0';
    return try(call, (const struct sockaddr *)&un,
               (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
}

static int
use(hearth_call *call)
{
    char byte;

    for (int i = 0; i < count; i++) {
        ssize_t n = send(kept[i], "x", 1, MSG_NOSIGNAL);

        n = n == 1 ? recv(kept[i], &byte, 1, 0) : -2;
        if (hearth_printf(call, "%s\n",
                          n == 1    ? "ok"
                          : n == 0  ? "end"
                          : n == -2 ? "unsent"
                                    : strerrorname_np(errno)) != 0)
            return 1;
    }
    return 0;
}

int
hearth_handle(hearth_call *call)
{
    const char *ip = hearth_query(call, "ip"), *name = hearth_query(call, "name");
    const char *port = hearth_query(call, "port"), *path = hearth_query(call, "path");

    if (ip != NULL && port != NULL)
        return try_internet(call, ip, port);
    if (name != NULL && port != NULL)
        return try_name(call, name, port);
    if (hearth_query(call, "again") != NULL)
        return try(call, (const struct sockaddr *)&last, last_len);
    if (path != NULL)
        return try_path(call, path);
    if (hearth_query(call, "use") != NULL)
        return use(call);
    if (hearth_query(call, "deafen") != NULL)
        return hearth_printf(call, "%s\n", result(shutdown(128, SHUT_RDWR)));
    if (hearth_query(call, "close") != NULL)
        while (count > 0)
            (void)close(kept[--count]);
    return hearth_printf(call, "%d\n", count);
}
