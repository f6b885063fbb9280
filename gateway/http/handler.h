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
#include <stdint.h>

#include "codes.h"

struct gw_conn;

struct gw_handler {
    /* The head is complete. Sets conn->exchange, or answers. */
    void (*begin)(struct gw_conn *conn);
    /* A piece of the body. The bytes are in the read buffer, which stays valid until read_done. */
    void (*body)(void *exchange, const unsigned char *bytes, size_t n);
    void (*body_end)(void *exchange);
    /* At least so many more bytes of the body will follow. May be NULL. */
    void (*body_grows)(void *exchange, uint64_t bytes);
    /* The read buffer is about to be reused. May be NULL. */
    void (*read_done)(void *exchange);
    /* Whether the rest of the body will be read. If so, a client that waits for 100 Continue gets
     * it. */
    bool (*takes_body)(const void *exchange);
    /* The rest of the body will not come: it is malformed (GW_BAD_REQUEST), has too many trailers
     * (GW_HEADERS_TOO_LARGE), or is late (GW_REQUEST_TIMEOUT). Returns true if the handler has
     * answered; otherwise `gone` follows. */
    bool (*refuse)(void *exchange, enum gw_code code, const char *why);
    /* The client has disconnected. No response can be sent. */
    void (*gone)(void *exchange);
    /* The body must arrive at a minimum rate (BODY_PACE), within a time for the whole. If false, it
     * must make some progress within body_timeout. */
    bool paced;
};

/* Notified once, when the connection takes more of the response (gw_conn_is_full is false), or is
 * closed. */
struct gw_write_waiter {
    void (*done)(struct gw_write_waiter *waiter);
};

#endif
