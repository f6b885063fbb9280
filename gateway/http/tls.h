/* tls.h: TLS 1.2 and 1.3 on the connections of TCP listeners (OpenSSL). What is read and written
 * passes through here between the socket and the parser; a connection without TLS does not notice.
 */
#ifndef GATEWAY_TLS_H
#define GATEWAY_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <uv.h>

#include "err.h"

struct gw;
struct gw_conn;

/* Reads a certificate chain and its key (PEM), and uses them for connections from now on. On an
 * error those of before stay. Returns 0 or a negative errno. */
int gw_tls_load(struct gw *gw, FILE *cert, FILE *key, struct hearth_err *err);

/* A connection that was accepted. Returns false if there is no memory. */
bool gw_tls_begin(struct gw_conn *conn);
/* Bytes that the socket gave. Returns the plain text in them, which lies in a buffer of the loop:
 * its length; 0 if there is none yet; -1 at the end or an error: nothing more comes. *fatal: no
 * answer can be sent either. */
ssize_t gw_tls_read(struct gw_conn *conn, const char *bytes, size_t n, char **plain, bool *fatal);
/* Encrypts and sends. Returns false on an error. */
bool gw_tls_write(struct gw_conn *conn, const uv_buf_t *pieces, unsigned n);
/* Tells the client that nothing follows, so that it can tell an end from a cut. */
void gw_tls_say_end(struct gw_conn *conn);
/* The same cannot be said any more. */
void gw_tls_cut(struct gw_conn *conn);
void gw_tls_free(struct gw_conn *conn);

#endif
