/* site.c: whether a request of the administration may come from where it says it does. A
 * browser of the operator's reaches listeners that strangers do not, and sends what any
 * page tells it to: so a page of another site is refused by its Origin, and a page whose
 * own name was made to mean this host (DNS rebinding) by its Host.
 *
 * Addresses cannot be rebound, nor can "localhost" and what ends in it, nor a name without
 * a dot: no stranger's name server answers for it. Other names are this host's own and
 * those of admin_hosts.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "admin/admin.h"
#include "gateway.h"
#include "http/connection.h"

#define HOST_BYTES 256

/* The host of "host:port" without its port, brackets and last dot; false: too long. */
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

/* Whether a list such as "a,b" names it. */
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
            strcasecmp(host, gw->host_name) == 0 || is_listed(gw->config.admin_hosts, host));
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
    /* where functions are served too, their pages are of this origin: without a token that
     * is nothing to go by */
    bool pages = conn->serves_calls && conn->loop->gw->no_auth;

    if (conn->u.handle.type == UV_TCP && authority != NULL && !host_ok(conn->loop->gw, authority))
        return "this Host is none of the daemon's own: allowed are addresses, names "
               "without a dot, the host's own, and those of the option admin_hosts";
    if (origin != NULL && (pages || authority == NULL || !same_origin(origin, authority)))
        return "the request comes from a page of another site (Origin): allowed is only the "
               "daemon's own";
    if (site != NULL && strcasecmp(site, "none") != 0 &&
        (pages || strcasecmp(site, "same-origin") != 0))
        return "the request comes from a page of another site (Sec-Fetch-Site): allowed is only "
               "the daemon's own";
    return NULL;
}
