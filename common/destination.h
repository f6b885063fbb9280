/* destination.h: where a function may connect to, as its setting `network` names it: "HOST:PORT",
 * "[v6]:PORT" or "unix:/PATH". The gateway checks the list; the broker decides by it. */
#ifndef COMMON_DESTINATION_H
#define COMMON_DESTINATION_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DESTINATION_TEXT 264 /* bytes of one, as text: a host name has 253 letters (RFC 1035) */
#define DESTINATION_PATH 108 /* sun_path */
#define DESTINATION_HOST 254

enum destination_kind { DESTINATION_NAME, DESTINATION_ADDRESS, DESTINATION_UNIX };

struct destination {
    enum destination_kind kind;
    uint16_t port;               /* of the first two */
    char host[DESTINATION_HOST]; /* NAME: lower case, without a dot at the end */
    struct in6_addr address;     /* ADDRESS: IPv4 as ::ffff:a.b.c.d */
    char path[DESTINATION_PATH]; /* UNIX: absolute, without "." and ".."; /run for /var/run */
};

/* Reads n bytes. 0, or -EINVAL. */
int destination_parse(const char *text, size_t n, struct destination *d);
/* Reads the next of a list with commas, and moves *list behind it. False behind the last one. Those
 * that cannot be read are left out. */
bool destination_next(const char **list, struct destination *d);
/* Its usual form. */
void destination_format(const struct destination *d, char text[DESTINATION_TEXT]);

/* A host name in the form of `host`. 0, or -EINVAL where it is none. */
int destination_host(const char *name, size_t n, char host[DESTINATION_HOST]);
/* A path of a unix socket in the form of `path`. 0, or -EINVAL where it may not be named. */
int destination_path(const char *path, size_t n, char out[DESTINATION_PATH]);

#endif
