/* handler.h: the interface between http/ and the code that serves a request once its head is
 * complete. calls/ and admin/ each implement it; gw_http.route selects one of them.
 *
 * All functions are called on the connection's loop. An exchange is the handler's record of one
 * request. It ends when the handler calls gw_conn_responded or gw_conn_cut, or when `gone` is
 * called.
 */
#ifndef GATEWAY_HANDLER_H
#define GATEWAY_HANDLER_H

#include <stdbool.h>
#include <stddef.h>

struct gw_conn;

struct gw_handler {
    /* The head is complete. Sets conn->exchange, or answers. */
    void (*begin)(struct gw_conn *conn);
    /* A piece of the body. The bytes are in the read buffer, which stays valid until read_done. */
    void (*body)(void *exchange, const unsigned char *bytes, size_t n);
    void (*body_end)(void *exchange);
    /* The read buffer is about to be reused. May be NULL. */
    void (*read_done)(void *exchange);
    /* Whether the rest of the body will be read. If so, a client that waits for 100 Continue gets
     * it. */
    bool (*takes_body)(const void *exchange);
    /* The body is malformed. Returns true if the handler has answered; otherwise `gone` follows. */
    bool (*malformed)(void *exchange, const char *why);
    /* The client has disconnected, or its body was not received in time. No response can be sent.
     */
    void (*gone)(void *exchange);
    /* The body must arrive at a minimum rate (BODY_PACE). If false, the handler has its own
     * timeout. */
    bool paced;
};

/* Notified once, when everything written to a connection has been taken or the connection is
 * closed. */
struct gw_write_waiter {
    void (*done)(struct gw_write_waiter *waiter);
};

#endif
