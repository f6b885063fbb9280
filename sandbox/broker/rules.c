/* rules.c: which destination is allowed. Pure: it knows no socket and no clock. */
#include "broker/private.h"

#include <string.h>

bool
rules_address(const struct sockaddr *sa, size_t n, struct in6_addr *address, uint16_t *port)
{
    static const struct in6_addr loopback = IN6ADDR_LOOPBACK_INIT;

    if (n >= sizeof(struct sockaddr_in) && sa->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)sa;

        memset(address, 0, sizeof *address);
        address->s6_addr[10] = address->s6_addr[11] = 0xff;
        memcpy(address->s6_addr + 12, &v4->sin_addr, 4);
        *port = ntohs(v4->sin_port);
    } else if (n >= sizeof(struct sockaddr_in6) && sa->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)sa;

        *address = v6->sin6_addr;
        *port = ntohs(v6->sin6_port);
    } else {
        return false;
    }
    /* the kernel connects "any" to this host */
    if (IN6_IS_ADDR_UNSPECIFIED(address))
        *address = loopback;
    else if (IN6_IS_ADDR_V4MAPPED(address) && address->s6_addr32[3] == 0)
        address->s6_addr32[3] = htonl(INADDR_LOOPBACK);
    return true;
}

bool
rules_is_metadata(const struct in6_addr *address)
{
    static const unsigned char fd00_ec2[8] = {0xfd, 0x00, 0x0e, 0xc2};

    if (IN6_IS_ADDR_V4MAPPED(address))
        return address->s6_addr[12] == 169 && address->s6_addr[13] == 254;
    return IN6_IS_ADDR_LINKLOCAL(address) || memcmp(address, fd00_ec2, sizeof fd00_ec2) == 0;
}

enum rules_own
rules_own(const struct broker *b, const struct in6_addr *address, uint16_t port)
{
    enum rules_own found = RULES_NOT_OWN;

    for (unsigned i = 0; i < b->own_count; i++) {
        const struct own_listener *own = &b->own[i];

        if (own->path[0] != '\0' || own->port != port)
            continue;
        if (!IN6_IS_ADDR_UNSPECIFIED(&own->address) &&
            memcmp(&own->address, address, sizeof *address) == 0)
            return RULES_OWN;
        if (IN6_IS_ADDR_UNSPECIFIED(&own->address))
            found = RULES_OWN_IF_LOCAL;
    }
    return found;
}

bool
rules_list_has_address(const char *list, const struct in6_addr *address, uint16_t port)
{
    struct destination d;

    while (destination_next(&list, &d))
        if (d.kind == DESTINATION_ADDRESS && d.port == port &&
            memcmp(&d.address, address, sizeof *address) == 0)
            return true;
    return false;
}

bool
rules_list_has_name(const char *list, const char *host)
{
    struct destination d;

    while (destination_next(&list, &d))
        if (d.kind == DESTINATION_NAME && strcmp(d.host, host) == 0)
            return true;
    return false;
}

bool
rules_list_has_path(const char *list, const char *path)
{
    struct destination d;

    while (destination_next(&list, &d))
        if (d.kind == DESTINATION_UNIX && strcmp(d.path, path) == 0)
            return true;
    return false;
}
