/* connection.h: one client, and the request of it that is read or answered. It belongs
 * to the loop that accepted it. */
#ifndef GATEWAY_CONNECTION_H
#define GATEWAY_CONNECTION_H

#include <llhttp.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "channel.h"
#include "codes.h"
#include "err.h"
#include "limits.h"
#include "pool.h"
#include "wheel.h"

struct gw;
struct gw_call;
struct gw_link;
struct gw_loop;
struct gw_request; /* of /v1: admin.h */

enum gw_route { GW_ROUTE_NONE, GW_ROUTE_CALL, GW_ROUTE_ADMIN, GW_ROUTE_DISCARD };

struct gw_conn {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } u;
    struct gw_loop *loop;
    struct gw_conn *next, *prev;
    llhttp_t parser;
    struct gw_timer timer;
    bool serves_calls, serves_admin, admin_alone;
    /* the request that is being read or answered */
    enum gw_route route;
    struct gw_buffer *head;
    uint32_t field_at, name_len, fields;
    struct frame_request request;   /* what is known of the head so far */
    uint32_t name_at, function_len; /* the function's name within the target */
    char call_id[LIMIT_CALL_ID + 1];
    bool has_host, has_two_hosts, expects_continue;
    enum gw_code bad; /* why a callback stopped the parser, where stopped */
    bool stopped;
    struct gw_call *call;
    struct gw_request *admin;
    bool started, message_complete, responded, head_only, chunked;
    int retry_after_s; /* for a refusal; 0: soon */
    bool close_after, lingering, closing, feeding, advancing, reading, head_done;
    bool http10;
    /* bytes that came before their turn */
    struct gw_buffer *early;
    int64_t discarded;      /* bytes of a body that nobody wanted */
    uint32_t writes;        /* not yet done */
    struct gw_link *blocks; /* waits until this connection's writes are done */
};

/* connection.c */
void gw_conn_accept(struct gw_loop *loop, uv_stream_t *listener, bool calls, bool admin);
void gw_conn_close(struct gw_conn *conn);
/* Closes so that the client can tell that the response is not whole. */
void gw_conn_cut(struct gw_conn *conn);
/* Reads on, where reading had stopped. */
void gw_conn_read_on(struct gw_conn *conn);
void gw_conn_read_stop(struct gw_conn *conn);
/* The value of a field of the request's head, or NULL. Not for the hot path. */
const char *gw_conn_field(const struct gw_conn *conn, const char *name);
/* Writes these pieces in order; copies what the socket does not take at once.
 * Returns false where that had to wait. */
bool gw_conn_write(struct gw_conn *conn, uv_buf_t *pieces, unsigned n);
/* The response has been written whole: the next request may be read. */
void gw_conn_responded(struct gw_conn *conn);

/* parse.c */
const llhttp_settings_t *gw_parser_settings(void);
/* Something has to happen within the time for a head, or the connection closes. */
void gw_conn_expect_progress(struct gw_conn *conn);

/* server.c */
int gw_server_open(struct gw *gw, int first_fd, int count, bool admin, struct hearth_err *err);
void gw_server_drain(struct gw *gw);
/* Ends the loop once nothing runs any more. */
void gw_server_check_drained(struct gw_loop *loop);

#endif
