/* networks.c: see networks.h. */
#include "networks.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define V4_BITS 96 /* bits before an IPv4 address in its IPv6 form */

static bool
from_text(const char *text, struct in6_addr *address)
{
    struct in_addr v4;

    if (inet_pton(AF_INET, text, &v4) == 1) {
        memset(address, 0, sizeof *address);
        address->s6_addr[10] = address->s6_addr[11] = 0xff;
        memcpy(address->s6_addr + 12, &v4, sizeof v4);
        return true;
    }
    return inet_pton(AF_INET6, text, address) == 1;
}

bool
address_parse(const char *text, size_t n, struct in6_addr *address)
{
    char copy[INET6_ADDRSTRLEN + 10], *at = copy, *end;

    if (n == 0 || n >= sizeof copy)
        return false;
    memcpy(copy, text, n);
    copy[n] = '\0';
    end = strchr(copy, ']');
    if (copy[0] == '[') {
        if (end == NULL || (end[1] != '\0' && end[1] != ':'))
            return false;
        *end = '\0';
        at++;
    } else if ((end = strchr(copy, ':')) != NULL && strchr(end + 1, ':') == NULL) {
        *end = '\0'; /* one colon: IPv4 and a port */
    }
    return from_text(at, address);
}

void
address_format(const struct in6_addr *address, char text[INET6_ADDRSTRLEN])
{
    if (IN6_IS_ADDR_V4MAPPED(address))
        (void)inet_ntop(AF_INET, address->s6_addr + 12, text, INET6_ADDRSTRLEN);
    else
        (void)inet_ntop(AF_INET6, address, text, INET6_ADDRSTRLEN);
}

/* "ADDRESS" or "ADDRESS/BITS" */
static bool
add_network(struct networks *networks, char *text)
{
    struct in6_addr address;
    char *slash = strchr(text, '/'), *end = NULL;
    unsigned long bits = 128;
    unsigned before;

    if (slash != NULL)
        *slash = '\0';
    if (networks->count == NETWORKS_MOST || !from_text(text, &address))
        return false;
    before = strchr(text, ':') == NULL ? V4_BITS : 0;
    if (slash != NULL) {
        bits = strtoul(slash + 1, &end, 10) + before;
        if (!isdigit((unsigned char)slash[1]) || *end != '\0' || bits > 128)
            return false;
    }
    networks->list[networks->count].address = address;
    networks->list[networks->count].bits = (unsigned)bits;
    networks->count++;
    return true;
}

int
networks_parse(const char *text, struct networks *networks, struct hearth_err *err)
{
    char copy[512], *rest = copy, *name;

    memset(networks, 0, sizeof *networks);
    if (strlen(text) >= sizeof copy)
        return err_set(err, EINVAL, "the list of networks is too long");
    memcpy(copy, text, strlen(text) + 1);
    while ((name = strtok_r(rest, ", \t", &rest)) != NULL) {
        if (strcmp(name, "unix") == 0)
            networks->has_unix = true;
        else if (!add_network(networks, name))
            return err_set(err, EINVAL,
                           "\"%s\" is no network; expected at most %d of ADDRESS, ADDRESS/BITS or "
                           "unix",
                           name, NETWORKS_MOST);
    }
    return 0;
}

bool
networks_have(const struct networks *networks, const struct in6_addr *address)
{
    for (unsigned i = 0; i < networks->count; i++) {
        const unsigned char *a = networks->list[i].address.s6_addr, *b = address->s6_addr;
        unsigned bytes = networks->list[i].bits / 8, bits = networks->list[i].bits % 8;

        if (memcmp(a, b, bytes) == 0 && (bits == 0 || (a[bytes] ^ b[bytes]) >> (8 - bits) == 0))
            return true;
    }
    return false;
}
