/* site.c: checks the Host and the origin of administration requests, against DNS rebinding and
 * cross-site requests. An operator's browser reaches listeners that outsiders cannot reach, and
 * sends what any page asks it to. A page of another site is refused because of its Origin. A page
 * whose name was rebound to this host is refused because of its Host.
 *
 * Accepted hosts are addresses, which cannot be rebound; "localhost" and names below it; names
 * without a dot, for which no foreign name server answers; this host's own name; and the names of
 * admin_hosts.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "admin.h"
#include "connection.h"
#include "loop.h"

#define HOST_BYTES 256

/* Copies the host of "host:port", without port, brackets and a trailing dot. Returns false if it is
 * too long. */
static bool
host_of(const char *authority, char *host)
{
    const char *from = authority, *end = strchr(authority, ']');
    size_t n;

    if (authority[0] == '[' && end != NULL && (end[1] == ':' || end[1] == '\0'))
        from++;
    else
        end = authority + strcspn(authority, ":");
    n = (size_t)(end - from);
    if (n >= HOST_BYTES)
        return false;
    memcpy(host, from, n);
    host[n] = '\0';
    if (n > 0 && host[n - 1] == '.')
        host[n - 1] = '\0';
    return true;
}

static bool
is_address(const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

/* Whether a list such as "a,b" contains the host. */
static bool
is_listed(const char *list, const char *host)
{
    size_t len = strlen(host);

    while (*list != '\0') {
        size_t n = strcspn(list, ", ");

        if (n == len && n > 0 && strncasecmp(list, host, n) == 0)
            return true;
        list += n + (list[n] != '\0');
    }
    return false;
}

static bool
has_no_dot(const char *host)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";

    return host[strspn(host, letters)] == '\0';
}

static bool
is_below_localhost(const char *host)
{
    static const char tail[] = ".localhost";
    size_t n = strlen(host);

    return n >= sizeof tail && strcasecmp(host + n - (sizeof tail - 1), tail) == 0;
}

static bool
host_ok(const struct gw *gw, const char *authority)
{
    char host[HOST_BYTES];

    return host_of(authority, host) &&
           (is_address(host) || has_no_dot(host) || is_below_localhost(host) ||
            strcasecmp(host, gw->admin->host_name) == 0 ||
            is_listed(gw->admin->config.admin_hosts, host));
}

static bool
same_origin(const char *origin, const char *authority)
{
    if (strncasecmp(origin, "http://", 7) == 0)
        return strcasecmp(origin + 7, authority) == 0;
    return strncasecmp(origin, "https://", 8) == 0 && strcasecmp(origin + 8, authority) == 0;
}

const char *
gw_site_refusal(const struct gw_conn *conn)
{
    const char *authority = gw_conn_field(conn, "Host");
    const char *origin = gw_conn_field(conn, "Origin");
    const char *site = gw_conn_field(conn, "Sec-Fetch-Site");
    /* If functions are served on the same listener, their pages have the same origin. Without a
     * token the origin then proves nothing. */
    bool pages = conn->serves_calls && conn->loop->gw->admin->no_auth;

    if (conn->u.handle.type == UV_TCP && authority != NULL && !host_ok(conn->loop->gw, authority))
        return "unknown Host: accepted are addresses, names without a dot, the name of "
               "this host, and those of the option admin_hosts";
    if (origin != NULL && (pages || authority == NULL || !same_origin(origin, authority)))
        return "the request comes from a page of another site (Origin); only the daemon's own "
               "is allowed";
    if (site != NULL && strcasecmp(site, "none") != 0 &&
        (pages || strcasecmp(site, "same-origin") != 0))
        return "the request comes from a page of another site (Sec-Fetch-Site); only the daemon's "
               "own is allowed";
    return NULL;
}
