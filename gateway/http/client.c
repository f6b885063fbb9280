/* client.c: who sends the requests of a connection: its peer, or, if that is one of the
 * trusted_proxies, whom the proxy names in X-Forwarded-For or Forwarded (RFC 7239). */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <uthash.h>

#include "connection.h"
#include "loop.h"
#include "networks.h"

#define LIMIT_PROXIES 2048 /* bytes of what proxies have said; of more, the end */

static void
to_in6(const struct sockaddr_storage *at, struct in6_addr *address)
{
    if (at->ss_family == AF_INET6) {
        *address = ((const struct sockaddr_in6 *)(const void *)at)->sin6_addr;
        return;
    }
    *address = (struct in6_addr){.s6_addr = {[10] = 0xff, [11] = 0xff}};
    memcpy(address->s6_addr + 12, &((const struct sockaddr_in *)(const void *)at)->sin_addr, 4);
}

/* An address of which clients are connected. */
struct gw_address {
    UT_hash_handle hh;
    struct in6_addr address;
    uint32_t count;
};

/* Counts the connection for its address. Returns false if there are too many. */
static bool
take_address(struct gw_conn *conn, const struct in6_addr *address)
{
    struct gw *gw = conn->loop->gw;
    uint32_t most = gw->http->conns_per_address;
    struct gw_address *entry;
    gw_locked struct gw *held = most > 0 ? gw_lock(gw) : NULL;

    if (most == 0)
        return true;
    HASH_FIND(hh, gw->http->addresses, address, sizeof *address, entry);
    if (entry == NULL) {
        entry = calloc(1, sizeof *entry);
        if (entry == NULL)
            return false;
        entry->address = *address;
        HASH_ADD(hh, gw->http->addresses, address, sizeof entry->address, entry);
    }
    if (entry->count >= most)
        return false;
    entry->count++;
    conn->address = entry;
    return true;
}

void
gw_address_give(struct gw_conn *conn)
{
    struct gw *gw = conn->loop->gw;
    struct gw_address *entry = conn->address;

    if (entry == NULL)
        return;
    gw_locked struct gw *held = gw_lock(gw);

    conn->address = NULL;
    if (--entry->count > 0)
        return;
    HASH_DEL(gw->http->addresses, entry);
    free(entry);
}

bool
gw_conn_learn_peer(struct gw_conn *conn, int fd)
{
    const struct networks *proxies = &conn->loop->gw->http->trusted_proxies;
    struct sockaddr_storage at = {.ss_family = AF_UNSPEC};
    struct in6_addr address;
    socklen_t len = sizeof at;

    if (getpeername(fd, (struct sockaddr *)&at, &len) != 0)
        at.ss_family = AF_UNSPEC; /* a connection that has ended already */
    if (at.ss_family != AF_INET && at.ss_family != AF_INET6) {
        memcpy(conn->peer, "unix", sizeof "unix");
        conn->peer_trusted = proxies->has_unix;
        return true;
    }
    to_in6(&at, &address);
    address_format(&address, conn->peer);
    conn->peer_trusted = networks_have(proxies, &address);
    return conn->peer_trusted || take_address(conn, &address);
}

bool
gw_is_proxy_field(const char *name, size_t n)
{
    static const char *const names[] = {"Forwarded", "X-Forwarded-For", "X-Forwarded-Proto",
                                        "X-Forwarded-Host"};

    if (n != 9 && (n < 15 || n > 17))
        return false;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strlen(names[i]) == n && strncasecmp(names[i], name, n) == 0)
            return true;
    return false;
}

/* Where the part that begins at `from` ends: at `end`, outside of quotes (RFC 9110, 5.6.4). */
static size_t
part_end(const char *list, size_t from, size_t n, char end)
{
    bool quoted = false;

    for (; from < n; from++) {
        if (quoted && list[from] == '\\')
            from++;
        else if (list[from] == '"')
            quoted = !quoted;
        else if (list[from] == end && !quoted)
            break;
    }
    return from < n ? from : n;
}

/* Takes white space from both ends. */
static void
trim(const char *list, size_t *from, size_t *to)
{
    while (*from < *to && (list[*from] == ' ' || list[*from] == '\t'))
        (*from)++;
    while (*to > *from && (list[*to - 1] == ' ' || list[*to - 1] == '\t'))
        (*to)--;
}

/* The address in one element of Forwarded: for="[2001:db8::1]:80";proto=http */
static bool
forwarded_for(const char *element, size_t n, struct in6_addr *address)
{
    for (size_t at = 0; at < n;) {
        size_t from = at, to = part_end(element, at, n, ';');

        at = to + 1;
        trim(element, &from, &to);
        if (to - from < 4 || strncasecmp(element + from, "for=", 4) != 0)
            continue;
        from += 4;
        if (to - from >= 2 && element[from] == '"' && element[to - 1] == '"') {
            from++;
            to--;
        }
        return address_parse(element + from, to - from, address);
    }
    return false;
}

#define HOPS_MOST 32 /* elements that are followed, the nearest ones */

/* Goes through the list from its end, where the nearest proxy has added, as long as those named
 * there are trusted themselves. */
static void
follow(const struct networks *proxies, const char *list, bool forwarded,
       char client[INET6_ADDRSTRLEN])
{
    size_t froms[HOPS_MOST], tos[HOPS_MOST], n = strlen(list), count = 0;

    for (size_t at = 0; at < n;) {
        size_t from = at, to = part_end(list, at, n, ',');

        at = to + 1;
        trim(list, &from, &to);
        if (from == to)
            continue; /* an empty element says nothing (RFC 9110, 5.6.1.2) */
        froms[count % HOPS_MOST] = from;
        tos[count % HOPS_MOST] = to;
        count++;
    }
    for (size_t hop = 0; hop < count && hop < HOPS_MOST; hop++) {
        size_t i = (count - 1 - hop) % HOPS_MOST;
        struct in6_addr address;

        if (!(forwarded ? forwarded_for(list + froms[i], tos[i] - froms[i], &address)
                        : address_parse(list + froms[i], tos[i] - froms[i], &address)))
            return;
        address_format(&address, client);
        if (!networks_have(proxies, &address))
            return;
    }
}

void
gw_conn_client(const struct gw_conn *conn, char client[INET6_ADDRSTRLEN])
{
    static const char *const names[] = {"X-Forwarded-For", "Forwarded"};
    char list[LIMIT_PROXIES];

    memcpy(client, conn->peer, sizeof conn->peer);
    for (size_t i = 0; conn->peer_trusted && i < 2; i++)
        if (gw_conn_join_fields(conn, names[i], list, sizeof list)) {
            follow(&conn->loop->gw->http->trusted_proxies, list, i == 1, client);
            return;
        }
}
