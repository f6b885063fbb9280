/* network_flood.c: connects as often as it can, and looks up as many names as it can. */
#include "attack.h"

#include <netdb.h>
#include <netinet/in.h>
#include <time.h>

const char *
attack(hearth_call *call)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(9)};
    struct addrinfo *list;
    char name[64];

    for (int i = 0; hearth_deadline_ms(call) > 1000; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

        if (fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof to) == 0)
            return "a server";
        if (fd >= 0)
            (void)close(fd);
        (void)snprintf(name, sizeof name, "x%d.other.test", i);
        if (i % 8 == 0 && getaddrinfo(name, "80", NULL, &list) == 0)
            return "a name that is not listed";
    }
    return NULL;
}
