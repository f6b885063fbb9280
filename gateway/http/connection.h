/* connection.h: one client connection and its current request. A connection belongs to the loop
 * that accepted it. */
#ifndef GATEWAY_CONNECTION_H
#define GATEWAY_CONNECTION_H

#include <llhttp.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "channel.h"
#include "chunks.h"
#include "codes.h"
#include "err.h"
#include "handler.h"
#include "http.h"
#include "limits.h"
#include "pool.h"
#include "spool.h"
#include "strict.h"
#include "traceparent.h"
#include "wheel.h"

/* An unused request body of at most this many bytes is read to its end, so that the connection can
 * be reused. With a longer one the connection is closed. */
#define DISCARD_BYTES INT64_C(16777216)

/* Whether bytes wait for the client to read. */
#define gw_conn_is_writing(conn) ((conn)->out != NULL)

#define TURN_CHUNKS   64 /* chunks of a chunked body in one turn: see turn_is_over */
#define LIMIT_HOST    255
#define GW_EXTRA_MOST 1024 /* bytes of conn->extra */

/* How far a request has been read. */
enum gw_request_phase {
    GW_REQUEST_NONE, /* no byte of it has been received */
    GW_REQUEST_HEAD, /* its head is being read */
    GW_REQUEST_BODY, /* its head is complete, and the handler has begun */
    GW_REQUEST_WHOLE
};

enum gw_conn_life {
    GW_CONN_OPEN,
    GW_CONN_LINGERING, /* nothing more is written; waiting for the client to close */
    GW_CONN_CLOSING    /* its handle is being closed */
};

struct gw_conn {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } u;
    struct gw_loop *loop;
    struct gw_conn *next, *prev; /* in the list of its standing */
    enum gw_standing standing;
    struct gw_conn *backlog_next, *backlog_prev;
    bool in_backlog;
    llhttp_t parser;
    struct gw_timer timer;
    bool serves_calls, serves_admin, admin_alone;
    char peer[INET6_ADDRSTRLEN]; /* its address, or "unix" */
    bool peer_trusted;           /* one of trusted_proxies */
    struct gw_tls *tls;          /* NULL: none */
    struct gw_address *address;  /* it is counted there; NULL: it is not */
    enum gw_conn_life life;
    /* the current request */
    enum gw_request_phase phase;
    const struct gw_handler *handler;
    void *exchange; /* the handler's record; NULL: answered, or the head is not complete yet */
    bool names_function;
    struct gw_buffer *head;
    uint32_t field_at, name_len, fields;
    uint32_t dropped;               /* fields that are not passed on */
    struct frame_request request;   /* the head as far as it is known */
    uint32_t name_at, function_len; /* the function's name within the target */
    char call_id[LIMIT_CALL_ID + 1];
    struct gw_strict strict;
    char authority[LIMIT_HOST + 1]; /* of a target in absolute form; else "" */
    /* what the fields say that the platform itself obeys */
    uint32_t hosts, origins, codings, lengths;
    bool wrong_host, wrong_coding, wrong_length, wrong_expectation;
    bool says_close, says_keep_alive;
    bool expects_continue, sent_continue;
    int64_t body_left; /* of a body with a length */
    bool body_chunked;
    struct gw_chunks chunks;
    bool wants_memory; /* X-Hearth-Report: memory */
    struct gw_trace trace;
    char method[LIMIT_METHOD + 1]; /* parsed before llhttp, which knows only some methods */
    uint8_t method_len;
    bool method_done;
    enum gw_code bad;    /* why a callback stopped the parser; valid if `stopped` */
    const char *bad_why; /* the same as text, or NULL */
    bool stopped;
    bool responded, head_only, chunked;
    struct gw_buffer *extra; /* fields of whatever answers this request; NULL: none */
    int retry_after_s;       /* for a refusal; 0: the default */
    uint32_t hold_ms;        /* after the response, until the next request is read */
    bool held;               /* that time is running */
    bool close_after, feeding;
    bool reading; /* from the socket */
    bool paused;  /* the handler has no space for more of the body: parsing stops */
    bool http10;
    struct gw_buffer *early;             /* bytes received ahead of their turn */
    uint32_t turn_requests, turn_chunks; /* in the current turn: see turn_is_over */
    int64_t turn_until_ns;
    bool in_turn; /* take_turn is running and continues with the next request itself */
    bool corked;  /* responses are collected in `cork` and written when the turn ends */
    struct gw_buffer *cork;
    struct gw_buffer *access; /* see access.c; NULL: none */
    int status;               /* of the response; 0: it has not begun */
    int64_t body_sent;        /* bytes of its body */
    int64_t discarded;        /* bytes of an unused body */
    int64_t paced_bytes;      /* bytes of an operator's body since its pace was last checked */
    int64_t body_by_ms;       /* deadline for the whole of that body */
    int64_t body_at_ms;       /* when the last byte of a body was received */
    /* what was written and the socket has not taken yet */
    struct gw_spool *out; /* NULL: nothing */
    int64_t out_at;       /* of it, taken by the socket */
    int64_t out_most;     /* see gw_conn_bound */
    uv_write_t out_req;
    size_t out_sending;                   /* bytes that out_req writes; 0: it is not in use */
    int64_t out_checked;                  /* bytes taken when the timer last looked */
    bool out_full;                        /* see gw_conn_is_full */
    bool half_closed;                     /* the client sends nothing more */
    bool head_written;                    /* the response's head, or more of it, has been written */
    int64_t probe_ms;                     /* until half_closed is probed again; 0: it was not yet */
    struct gw_write_waiter *write_waiter; /* NULL: none */
};

/* connection.c */
/* Makes a connection whose handle is not open yet. NULL if there is no memory. */
struct gw_conn *gw_conn_new(struct gw_loop *loop, bool is_unix, bool calls, bool admin);
/* Starts reading the first request. The handle must be open. */
void gw_conn_begin(struct gw_conn *conn);
void gw_conn_close(struct gw_conn *conn);
/* Closes in such a way that the client detects the truncated response. */
void gw_conn_cut(struct gw_conn *conn);
/* Resumes reading from the client. */
void gw_conn_read_on(struct gw_conn *conn);
void gw_conn_read_stop(struct gw_conn *conn);
/* Writes the pieces in order. What the socket does not take is kept: see spool.h. */
void gw_conn_write(struct gw_conn *conn, uv_buf_t *pieces, unsigned n);
/* The same for bytes that are as the socket is to get them. */
void gw_conn_send(struct gw_conn *conn, uv_buf_t *pieces, unsigned n);
/* How many bytes of the current response may wait for the client before gw_conn_is_full. */
void gw_conn_bound(struct gw_conn *conn, int64_t bytes);
/* Whether its source should write no more until the write waiter is notified. */
bool gw_conn_is_full(const struct gw_conn *conn);
/* Decides, before the head of a response is written, whether the connection closes after it. The
 * head must say the same. */
bool gw_conn_closes_after(struct gw_conn *conn);
/* The response has been written completely: the next request may be read. */
void gw_conn_responded(struct gw_conn *conn);
void gw_conn_backlog_init(struct gw_loop *loop);
/* Closes, starts the next request, or waits, as the state of the current one says. */
void gw_conn_advance(struct gw_conn *conn);

/* client.c */
/* Finds out who is at the other end of a socket. Returns false if too many of its address are
 * connected already (connections_per_address). */
bool gw_conn_learn_peer(struct gw_conn *conn, int fd);
/* The connection ends: it does not count for its address any more. */
void gw_address_give(struct gw_conn *conn);
/* The address of the client of the current request. */
void gw_conn_client(const struct gw_conn *conn, char client[INET6_ADDRSTRLEN]);
/* Whether only a trusted proxy may send this field. */
bool gw_is_proxy_field(const char *name, size_t n);

/* write.c */
/* Writes what was collected within a turn. */
void gw_conn_uncork(struct gw_conn *conn);
/* Whether the client has taken bytes since this was asked last. */
bool gw_conn_is_taking(struct gw_conn *conn);
void gw_conn_notify_waiter(struct gw_conn *conn);

/* parse.c */
const llhttp_settings_t *gw_parser_settings(void);
/* The NAME in the target /function/NAME: conn->function_len bytes, without a NUL. */
const char *gw_conn_function_name(const struct gw_conn *conn);
/* The value of a field of the request's head, or NULL. Not for the hot path. */
const char *gw_conn_field(const struct gw_conn *conn, const char *name);
/* All fields of that name as one list, "a, b"; if they are longer than n bytes, their end. False if
 * there are none. */
bool gw_conn_join_fields(const struct gw_conn *conn, const char *name, char *list, size_t n);
/* Parses bytes of a body. Returns how many were consumed; *why is set if the next one is wrong. */
size_t gw_parse_body(struct gw_conn *conn, const char *bytes, size_t n, const char **why);
/* Parses the method. Returns the number of bytes consumed, or -EINVAL if it is not a token. */
ssize_t gw_parse_method(struct gw_conn *conn, const char *bytes, size_t n);
/* Starts the header timeout: a request that makes no progress within it is refused. */
void gw_conn_expect_progress(struct gw_conn *conn);
void gw_conn_send_continue(struct gw_conn *conn);

/* A random number; not for secrets. */
uint64_t gw_http_random(struct gw_loop *loop);

/* accept.c: admission and eviction of connections */
void gw_conn_accept(struct gw_loop *loop, struct gw_listener *listener, bool calls, bool admin);
/* Updates the list that the connection is in, if its standing has changed. */
void gw_conn_stand(struct gw_conn *conn);
void gw_conn_leave(struct gw_conn *conn);
/* Moves a connection that is between two requests to another loop. */
void gw_conn_move(struct gw_conn *conn, struct gw_loop *to);

#endif
