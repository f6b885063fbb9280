/* networks.h: a list of networks, as an option names it: "127.0.0.1, 10.0.0.0/8, 2001:db8::/32,
 * unix". */
#ifndef COMMON_NETWORKS_H
#define COMMON_NETWORKS_H

#include <netinet/in.h>
#include <stdbool.h>

#include "err.h"

#define NETWORKS_MOST 16

/* An address of either family: IPv4 as ::ffff:a.b.c.d. */
struct networks {
    unsigned count;
    struct {
        struct in6_addr address;
        unsigned bits; /* of 128 */
    } list[NETWORKS_MOST];
    bool has_unix;
};

/* "": none. 0, or -EINVAL with what is allowed. */
int networks_parse(const char *text, struct networks *networks, struct hearth_err *err);
bool networks_have(const struct networks *networks, const struct in6_addr *address);

/* Reads "192.0.2.7", "192.0.2.7:80", "2001:db8::7" or "[2001:db8::7]:80" from n bytes. */
bool address_parse(const char *text, size_t n, struct in6_addr *address);
/* Writes it in its usual form. */
void address_format(const struct in6_addr *address, char text[INET6_ADDRSTRLEN]);

#endif
