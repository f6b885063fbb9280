/* http.h: the HTTP server: shared state, state per loop, listeners and draining. */
#ifndef GATEWAY_HTTP_H
#define GATEWAY_HTTP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "err.h"
#include "limits.h"
#include "loop.h"
#include "networks.h"
#include "spool.h"

struct bio_method_st;
struct gw_access;
struct ssl_ctx_st;
struct gw_conn;
struct gw_handler;

#define GW_READ_BYTES (LIMIT_FRAME_BODY + 8192) /* most bytes of one read: a frame and its head */

/* What a connection is in use for, the least valuable first. When descriptors run out, connections
 * are closed in this order. A call whose request has been received completely is never closed for
 * another client. */
enum gw_standing {
    GW_STANDS_ENDED,   /* answered; the rest of its body is discarded, or it is about to close */
    GW_STANDS_IDLE,    /* between two requests, or nothing has been received yet */
    GW_STANDS_HEAD,    /* the head of a request is being received */
    GW_STANDS_READING, /* the response is complete and is being sent */
    GW_STANDS_HOLDING, /* waiting for the request's body, or for the client to read */
    GW_STANDS_SERVED,  /* the request is complete and is being served */
    GW_STANDINGS
};

struct gw_listener {
    uv_poll_t poll;
    int fd;
    bool is_unix;
};

/* Shared by all loops; main sets it up before the loops are made. */
struct gw_http {
    /* selects the handler of a request whose head is complete */
    const struct gw_handler *(*route)(const struct gw_conn *conn);
    /* options that a reload changes */
    _Atomic int64_t header_timeout_ms, body_timeout_ms, write_timeout_ms, keepalive_timeout_ms;
    _Atomic int64_t max_head, max_fields, max_url; /* of a request: bytes, fields, bytes */
    _Atomic uint32_t conns_per_address;            /* 0: no limit */
    struct gw_address *addresses; /* of the clients, if that is limited; with the lock held */
    struct gw_spool_use spool_use;
    struct networks trusted_proxies;
    int trace_fd; /* to the exporter; 0: nothing is traced */
    _Atomic int64_t trace_percent;
    atomic_ullong traces_dropped; /* calls */
    _Atomic int access_format;    /* enum gw_access_format; an option that a reload changes */
    struct ssl_ctx_st *tls;       /* for new connections, with the lock held; NULL: no TLS */
    struct bio_method_st *tls_bio;
    int64_t drain_time_ms, drain_by_ms;
    bool spread;             /* all loops accept connections from the start: balance.c */
    _Atomic uint32_t active; /* only the first `active` loops accept connections: balance.c */
    bool admin_alone;        /* operators have a separate listener */
    bool one_listener;       /* fewer listeners than loops: the main loop accepts for all */
    uint32_t conns_max;      /* for all loops together: see accept.c */
    _Atomic int64_t full_logged_ms; /* when the log last reported that all places are taken */
};

struct gw_http_loop {
    struct gw_listener listeners[2]; /* for calls; on the main loop optionally one for operators */
    int listeners_count;
    struct gw_conn *standing[GW_STANDINGS]; /* one list per standing, the oldest first */
    struct gw_conn *backlog;                /* connections with unparsed bytes whose turn is over */
    uint32_t backlog_count;
    uv_idle_t backlog_idle; /* active while the backlog is not empty */
    int spare_fd;           /* closed to accept and refuse a client when no descriptor is free */
    struct gw_mail shed_mail;
    atomic_bool shed_asked;
    atomic_uint conns_count;
    atomic_ullong conns_total;
    uint64_t id_seed; /* for the call ids that this loop makes */
    /* see balance.c */
    atomic_uint to_move; /* connections to be moved to another loop */
    uint32_t moved;
    atomic_bool drained;      /* while draining: nothing runs on this loop any more */
    struct gw_access *access; /* access.c; NULL: nothing was logged so far */
    char date[40];
    int64_t date_s;
    char keep_alive[40]; /* the field, for keep_alive_ms */
    int64_t keep_alive_ms;
    unsigned char read_buffer[GW_READ_BYTES];
    unsigned char plain_buffer[GW_READ_BYTES]; /* see tls.h */
};

/* Makes loop->http. Returns 0 or a negative errno. */
int gw_http_attach(struct gw_loop *loop);

/* accept.c */
/* Open connections, of all loops. */
uint32_t gw_conns_count(const struct gw *gw);

/* server.c */
/* The descriptors from first_fd on are `count` listeners for calls, and one for operators if
 * `admin` is set. */
int gw_server_open(struct gw *gw, int first_fd, int count, bool admin, struct hearth_err *err);
void gw_server_drain(struct gw *gw);
/* Stops the main loop once nothing runs on any loop. */
void gw_server_check_drained(struct gw_loop *loop);

/* balance.c */
int gw_balance_prepare(struct hearth_err *err); /* opens /proc/stat; call it before chroot */
void gw_balance_start(struct gw *gw);
/* The loop that a connection of this loop should be moved to, or NULL. The caller must move it: the
 * balance counts it as moved. */
struct gw_loop *gw_balance_better_loop(struct gw_loop *loop);

#endif
