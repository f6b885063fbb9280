/* strict.h: what the head of a request must be besides what llhttp checks, which reads leniently.
 * Pure: a scanner that sees the bytes of a head before llhttp does. */
#ifndef GATEWAY_STRICT_H
#define GATEWAY_STRICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gw_strict {
    enum {
        GW_STRICT_TARGET, /* the method and its space are done */
        GW_STRICT_VERSION,
        GW_STRICT_LINE, /* at the first byte of a line */
        GW_STRICT_NAME,
        GW_STRICT_VALUE,
        GW_STRICT_LF, /* a line's CR was seen */
        GW_STRICT_LAST_LF,
        GW_STRICT_DONE
    } state;
    uint32_t bytes, fields; /* so far, of target, version and fields */
    uint32_t at;            /* bytes of the target, version or name so far */
    char last;              /* of them */
    bool is_length;
    enum { GW_STRICT_FITS, GW_STRICT_HEAD_TOO_LARGE, GW_STRICT_TARGET_TOO_LONG } over;
};

struct gw_strict_limits {
    int64_t bytes, fields, target;
};

/* Scans the next bytes of a head. Returns how many of them belong to it; fewer than n in state
 * DONE, or if the next one is wrong, or one too many by the limits: then *why is set. So the same
 * request has the same end whether it comes in one piece or byte by byte. A tab within the value of
 * Content-Length becomes a space, which means the same (RFC 9110, 5.6.3) and which llhttp reads. */
size_t gw_strict_scan(struct gw_strict *strict, const struct gw_strict_limits *limits, char *bytes,
                      size_t n, const char **why);

/* uri-host [ ":" port ] (RFC 9110, 7.2; RFC 3986, 3.2.2). It may be empty. */
bool gw_host_ok(const char *host);
/* Whether a comma-separated list has this token; case does not matter. */
bool gw_list_has(const char *list, const char *token);

#endif
