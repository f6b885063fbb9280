/* destination.c: see destination.h. */
#include "destination.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "networks.h"

#define UNIX    "unix:"
#define VAR_RUN "/var/run/" /* a link to /run (file-hierarchy(7)); clients know either name */

int
destination_host(const char *name, size_t n, char host[DESTINATION_HOST])
{
    bool letter = false;

    if (n > 0 && name[n - 1] == '.')
        n--;
    if (n == 0 || n >= DESTINATION_HOST || name[0] == '.' || name[0] == '-')
        return -EINVAL;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)name[i];

        if ((!isalnum(c) && c != '-' && c != '_' && c != '.') || c > 127 ||
            (c == '.' && name[i + 1] == '.' && i + 1 < n))
            return -EINVAL;
        letter = letter || isalpha(c);
        host[i] = (char)tolower(c);
    }
    host[n] = '\0';
    return letter ? 0 : -EINVAL; /* "1.2" is no name, and no address here either */
}

int
destination_path(const char *path, size_t n, char out[DESTINATION_PATH])
{
    const char *shorter = path;

    if (n > strlen(VAR_RUN) && memcmp(path, VAR_RUN, strlen(VAR_RUN)) == 0) {
        shorter += strlen("/var");
        n -= strlen("/var");
    }
    if (n < 2 || n >= DESTINATION_PATH || shorter[0] != '/' || shorter[n - 1] == '/' ||
        memchr(shorter, '\0', n) != NULL || memchr(shorter, ',', n) != NULL)
        return -EINVAL;
    memcpy(out, shorter, n);
    out[n] = '\0';
    for (const char *at = out; at != NULL; at = strchr(at + 1, '/')) {
        size_t part = strcspn(at + 1, "/");

        if (part == 0 || (part == 1 && at[1] == '.') || (part == 2 && at[1] == '.' && at[2] == '.'))
            return -EINVAL;
    }
    for (const char *at = out; *at != '\0'; at++)
        if (iscntrl((unsigned char)*at))
            return -EINVAL;
    return 0;
}

static int
parse_port(const char *text, size_t n, uint16_t *port)
{
    unsigned long value = 0;

    if (n == 0 || n > 5)
        return -EINVAL;
    for (size_t i = 0; i < n; i++) {
        if (!isdigit((unsigned char)text[i]))
            return -EINVAL;
        value = 10 * value + (unsigned long)(text[i] - '0');
    }
    *port = (uint16_t)value;
    return value >= 1 && value <= 65535 ? 0 : -EINVAL;
}

/* n bytes: of an address alone. */
static bool
parse_address(const char *text, size_t n, bool brackets, struct in6_addr *address)
{
    char copy[INET6_ADDRSTRLEN];

    if (n == 0 || n >= sizeof copy || (memchr(text, ':', n) != NULL) != brackets)
        return false;
    memcpy(copy, text, n);
    copy[n] = '\0';
    return address_parse(copy, n, address);
}

int
destination_parse(const char *text, size_t n, struct destination *d)
{
    struct destination made = {0};
    const char *colon = memrchr(text, ':', n);
    size_t host;

    if (n > strlen(UNIX) && memcmp(text, UNIX, strlen(UNIX)) == 0) {
        made.kind = DESTINATION_UNIX;
        if (destination_path(text + strlen(UNIX), n - strlen(UNIX), made.path) < 0)
            return -EINVAL;
        *d = made;
        return 0;
    }
    if (colon == NULL || parse_port(colon + 1, n - (size_t)(colon + 1 - text), &made.port) < 0)
        return -EINVAL;
    host = (size_t)(colon - text);
    made.kind = DESTINATION_ADDRESS;
    if (host > 2 && text[0] == '[' && text[host - 1] == ']') {
        if (!parse_address(text + 1, host - 2, true, &made.address))
            return -EINVAL;
    } else if (!parse_address(text, host, false, &made.address)) {
        made.kind = DESTINATION_NAME;
        if (destination_host(text, host, made.host) < 0)
            return -EINVAL;
    }
    *d = made;
    return 0;
}

bool
destination_next(const char **list, struct destination *d)
{
    while (**list != '\0') {
        const char *at = *list;
        size_t n = strcspn(at, ",");

        *list += n + (at[n] == ',');
        if (destination_parse(at, n, d) == 0)
            return true;
    }
    return false;
}

void
destination_format(const struct destination *d, char text[DESTINATION_TEXT])
{
    char address[INET6_ADDRSTRLEN];
    bool v6;

    switch (d->kind) {
    case DESTINATION_UNIX:
        (void)snprintf(text, DESTINATION_TEXT, UNIX "%s", d->path);
        break;
    case DESTINATION_ADDRESS:
        address_format(&d->address, address);
        v6 = strchr(address, ':') != NULL;
        (void)snprintf(text, DESTINATION_TEXT, "%s%s%s:%u", v6 ? "[" : "", address, v6 ? "]" : "",
                       d->port);
        break;
    case DESTINATION_NAME:
        (void)snprintf(text, DESTINATION_TEXT, "%s:%u", d->host, d->port);
        break;
    }
}
