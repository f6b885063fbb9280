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
#include "gateway.h"
#include "http/handler.h"
#include "limits.h"
#include "pool.h"
#include "wheel.h"

/* A body that nobody wants is read to its end, so that the connection can go on, where it is
 * no longer than that. */
#define DISCARD_BYTES INT64_C(16777216)

#define TURN_CHUNKS 64 /* pieces of a chunked body in one turn: see turn_is_over */

struct gw_conn {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } u;
    struct gw_loop *loop;
    struct gw_conn *next, *prev; /* of the same standing */
    enum gw_standing standing;
    struct gw_conn *backlog_next, *backlog_prev;
    bool in_backlog;
    llhttp_t parser;
    struct gw_timer timer;
    bool serves_calls, serves_admin, admin_alone;
    /* the request that is being read or answered */
    const struct gw_handler *handler;
    void *exchange; /* of the handler; NULL: the request is answered, or its head not whole */
    bool names_function;
    struct gw_buffer *head;
    uint32_t field_at, name_len, fields;
    struct frame_request request;   /* what is known of the head so far */
    uint32_t name_at, function_len; /* the function's name within the target */
    char call_id[LIMIT_CALL_ID + 1];
    bool has_host, has_two_hosts, expects_continue, said_continue;
    char method[LIMIT_METHOD + 1]; /* read before the parser: it knows but some */
    uint8_t method_len;
    bool method_done;
    enum gw_code bad; /* why a callback stopped the parser, where stopped */
    bool stopped;
    bool started, message_complete, responded, head_only, chunked;
    int retry_after_s; /* for a refusal; 0: soon */
    bool close_after, lingering, closing, feeding, head_done;
    bool reading; /* from the socket */
    bool paused;  /* who takes the body has no room: no more of it is parsed */
    bool http10;
    struct gw_buffer *early;             /* bytes that came before their turn */
    uint32_t turn_requests, turn_chunks; /* since its turn began: see turn_is_over */
    int64_t turn_until_ns;
    bool in_turn; /* the loop of take_turn runs, and goes on by itself */
    bool corked;  /* answers are gathered in `cork`, and written when the turn ends */
    struct gw_buffer *cork;
    int64_t discarded;                    /* bytes of a body that nobody wanted */
    int64_t paced_bytes;                  /* of an operator's body, since its pace was looked at */
    int64_t body_by_ms;                   /* when that body has to be here whole */
    uint32_t writes;                      /* not yet done */
    struct gw_write_waiter *write_waiter; /* NULL: nobody waits for the writes */
};

/* connection.c */
/* A record of the loop's, its handle not yet open; NULL without memory. */
struct gw_conn *gw_conn_new(struct gw_loop *loop, bool is_unix, bool calls, bool admin);
/* Its handle is open: its first request may come. */
void gw_conn_begin(struct gw_conn *conn);
void gw_conn_close(struct gw_conn *conn);
/* Closes so that the client can tell that the response is not whole. */
void gw_conn_cut(struct gw_conn *conn);
/* Takes more of the client, where that had been stopped. */
void gw_conn_read_on(struct gw_conn *conn);
void gw_conn_read_stop(struct gw_conn *conn);
/* Writes these pieces in order; copies what the socket does not take at once.
 * Returns false where that had to wait. */
bool gw_conn_write(struct gw_conn *conn, uv_buf_t *pieces, unsigned n);
/* Before the head of an answer is written: whether the connection closes after it, which
 * the head then says. */
bool gw_conn_closes_after(struct gw_conn *conn);
/* The response has been written whole: the next request may be read. */
void gw_conn_responded(struct gw_conn *conn);
void gw_conn_backlog_init(struct gw_loop *loop);

/* parse.c */
const llhttp_settings_t *gw_parser_settings(void);
/* The target's NAME in /function/NAME: conn->function_len letters. */
const char *gw_conn_function_name(const struct gw_conn *conn);
/* The value of a field of the request's head, or NULL. Not for the hot path. */
const char *gw_conn_field(const struct gw_conn *conn, const char *name);
/* Reads the method. Returns how many bytes that took, or -EINVAL where it is none. */
ssize_t gw_parse_method(struct gw_conn *conn, const char *bytes, size_t n);
/* The request has to come on within the time for a head, or it is refused. */
void gw_conn_expect_progress(struct gw_conn *conn);
void gw_conn_say_continue(struct gw_conn *conn);

/* accept.c: who gets a place, and who gives one */
void gw_conn_accept(struct gw_loop *loop, struct gw_listener *listener, bool calls, bool admin);
/* Into the list of its standing, where that has changed. */
void gw_conn_stand(struct gw_conn *conn);
void gw_conn_leave(struct gw_conn *conn);
/* Hands a connection that is between two requests to another loop. */
void gw_conn_move(struct gw_conn *conn, struct gw_loop *to);

/* server.c */
int gw_server_open(struct gw *gw, int first_fd, int count, bool admin, struct hearth_err *err);
void gw_server_drain(struct gw *gw);
/* Ends the loop once nothing runs any more. */
void gw_server_check_drained(struct gw_loop *loop);

#endif
