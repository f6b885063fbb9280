/* socket_name.c: see socket_name.h. */
#include "socket_name.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

bool
socket_name(int fd, char *text, size_t n)
{
    struct sockaddr_storage at = {0};
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(void *)&at;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(void *)&at;
    const struct sockaddr_un *un = (const struct sockaddr_un *)(void *)&at;
    char address[INET6_ADDRSTRLEN];
    socklen_t len = sizeof at;

    text[0] = '\0';
    if (getsockname(fd, (struct sockaddr *)&at, &len) != 0)
        return false;
    if (at.ss_family == AF_INET)
        (void)snprintf(text, n, "%s:%u", inet_ntop(AF_INET, &v4->sin_addr, address, sizeof address),
                       ntohs(v4->sin_port));
    else if (at.ss_family == AF_INET6)
        (void)snprintf(text, n, "[%s]:%u",
                       inet_ntop(AF_INET6, &v6->sin6_addr, address, sizeof address),
                       ntohs(v6->sin6_port));
    else if (at.ss_family == AF_UNIX)
        (void)snprintf(text, n, "unix:%.*s", (int)sizeof un->sun_path, un->sun_path);
    return text[0] != '\0';
}
