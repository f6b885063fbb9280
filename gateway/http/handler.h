/* handler.h: what serves a request once its head is whole. http/ knows no more of it: calls/ and
 * admin/ each fill one in, and main says which request goes to which (gw.route).
 *
 * All of it is called on the connection's loop. An exchange is the handler's record of one
 * request; it ends with gw_conn_responded or gw_conn_cut, called by the handler, or with `gone`.
 */
#ifndef GATEWAY_HANDLER_H
#define GATEWAY_HANDLER_H

#include <stdbool.h>
#include <stddef.h>

struct gw_conn;

struct gw_handler {
    /* The head is whole. Sets conn->exchange, or answers. */
    void (*begin)(struct gw_conn *conn);
    /* A piece of the body: bytes of the read buffer, which stay until read_done. */
    void (*body)(void *exchange, const unsigned char *bytes, size_t n);
    void (*body_end)(void *exchange);
    /* The read buffer is used for other bytes from now on. May be NULL. */
    void (*read_done)(void *exchange);
    /* Whether the rest of the body will be read: a client may wait to hear so. */
    bool (*takes_body)(const void *exchange);
    /* The body is malformed. True where the handler has answered; else it is as `gone`. */
    bool (*malformed)(void *exchange, const char *why);
    /* The client has gone, or its body did not come in time: nobody hears the answer. */
    void (*gone)(void *exchange);
    /* The body has to keep a pace (see BODY_PACE); else the handler's own timeout bounds it. */
    bool paced;
};

/* Who waits until all that was written to a connection has been taken, or it has gone. */
struct gw_write_waiter {
    void (*done)(struct gw_write_waiter *waiter);
};

#endif
