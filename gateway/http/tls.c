/* tls.c: see tls.h. OpenSSL reads from the bytes that the socket gave, and writes into a buffer
 * that is sent when it is full and at the end of each operation: it never touches the socket. */
#include "tls.h"

#include <errno.h>

#define INT_MAX                                                                                    \
    __INT_MAX__ /* OpenSSL's headers need it, and common/limits.h hides the C library's */

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "connection.h"
#include "loop.h"

#define JOIN_BYTES 4096 /* pieces of less go into one record */

struct gw_tls {
    SSL *ssl;
    const char *in; /* what the socket gave and OpenSSL has not read */
    size_t in_n;
    struct gw_buffer *out;
    bool ended; /* nothing can be said any more */
};

/* ---- the bytes of the socket ---- */

static int
bio_read(BIO *bio, char *buf, int n)
{
    struct gw_tls *tls = ((struct gw_conn *)BIO_get_data(bio))->tls;
    size_t part = tls->in_n < (size_t)n ? tls->in_n : (size_t)n;

    BIO_clear_retry_flags(bio);
    if (part == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    memcpy(buf, tls->in, part);
    tls->in += part;
    tls->in_n -= part;
    return (int)part;
}

static void
send_out(struct gw_conn *conn)
{
    struct gw_buffer *out = conn->tls->out;
    uv_buf_t piece;

    if (out == NULL || out->len == 0)
        return;
    conn->tls->out = NULL; /* sending may close the connection */
    piece = uv_buf_init((char *)out->bytes, out->len);
    gw_conn_send(conn, &piece, 1);
    gw_pool_give(&conn->loop->pool, out);
}

static int
bio_write(BIO *bio, const char *buf, int n)
{
    struct gw_conn *conn = BIO_get_data(bio);
    struct gw_tls *tls = conn->tls;

    BIO_clear_retry_flags(bio);
    if (tls->out != NULL && tls->out->len + (size_t)n > tls->out->size)
        send_out(conn);
    if (tls->out == NULL)
        tls->out = gw_pool_take(&conn->loop->pool, GW_READ_BYTES);
    if (tls->out == NULL || tls->out->len + (size_t)n > tls->out->size)
        return -1;
    memcpy(tls->out->bytes + tls->out->len, buf, (size_t)n);
    tls->out->len += (uint32_t)n;
    return n;
}

static long
bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static BIO *
make_bio(struct gw_conn *conn)
{
    BIO *bio = BIO_new(conn->loop->gw->http->tls_bio);

    if (bio == NULL)
        return NULL;
    BIO_set_data(bio, conn);
    BIO_set_init(bio, 1);
    return bio;
}

/* ---- certificate and key ---- */

static int
select_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_n, const unsigned char *in,
                unsigned in_n, void *user)
{
    static const unsigned char http11[] = "\x08http/1.1";

    (void)ssl;
    (void)user;
    if (SSL_select_next_proto((unsigned char **)(uintptr_t)out, out_n, http11, sizeof http11 - 1,
                              in, in_n) == OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_OK;
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static const char *
why(void)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());

    return reason != NULL ? reason : "it has none in PEM";
}

/* The first certificate is the server's own, the others lead to its issuer. */
static int
use_chain(SSL_CTX *context, FILE *file, struct hearth_err *err)
{
    X509 *cert = PEM_read_X509(file, NULL, NULL, NULL);
    bool used = cert != NULL && SSL_CTX_use_certificate(context, cert) == 1;

    X509_free(cert);
    if (!used)
        return err_set(err, EINVAL, "tls_cert: %s", why());
    while ((cert = PEM_read_X509(file, NULL, NULL, NULL)) != NULL)
        if (SSL_CTX_add_extra_chain_cert(context, cert) != 1) {
            X509_free(cert);
            return err_set(err, EINVAL, "tls_cert: %s", why());
        }
    ERR_clear_error(); /* the end of the file */
    return 0;
}

static int
use_key(SSL_CTX *context, FILE *file, struct hearth_err *err)
{
    EVP_PKEY *key = PEM_read_PrivateKey(file, NULL, NULL, (void *)(uintptr_t) "");
    bool used = key != NULL && SSL_CTX_use_PrivateKey(context, key) == 1;

    EVP_PKEY_free(key);
    return used ? 0 : err_set(err, EINVAL, "tls_key: %s", why());
}

static int
make_method(struct gw *gw)
{
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "hearth");

    if (method == NULL || BIO_meth_set_read(method, bio_read) != 1 ||
        BIO_meth_set_write(method, bio_write) != 1 || BIO_meth_set_ctrl(method, bio_ctrl) != 1)
        return -ENOMEM;
    gw->http->tls_bio = method;
    return 0;
}

int
gw_tls_load(struct gw *gw, FILE *cert, FILE *key, struct hearth_err *err)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method()), *before;
    int status;

    ERR_clear_error();
    if (context == NULL || (gw->http->tls_bio == NULL && make_method(gw) < 0)) {
        SSL_CTX_free(context);
        return err_set(err, ENOMEM, "start TLS");
    }
    (void)SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    (void)SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    (void)SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    (void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_alpn_select_cb(context, select_protocol, NULL);
    status = use_chain(context, cert, err);
    if (status == 0)
        status = use_key(context, key, err);
    if (status == 0 && SSL_CTX_check_private_key(context) != 1)
        status = err_set(err, EINVAL, "tls_key is not the key of tls_cert");
    if (status < 0) {
        SSL_CTX_free(context);
        return status;
    }
    gw_locked struct gw *held = gw_lock(gw);

    before = gw->http->tls;
    gw->http->tls = context;
    SSL_CTX_free(before); /* connections keep it */
    return 0;
}

/* ---- one connection ---- */

bool
gw_tls_begin(struct gw_conn *conn)
{
    struct gw *gw = conn->loop->gw;
    struct gw_tls *tls = calloc(1, sizeof *tls);
    BIO *bio;
    gw_locked struct gw *held = gw_lock(gw);

    if (tls == NULL)
        return false;
    conn->tls = tls;
    tls->ssl = SSL_new(gw->http->tls);
    bio = tls->ssl != NULL ? make_bio(conn) : NULL;
    if (bio == NULL)
        return false;
    SSL_set_bio(tls->ssl, bio, bio); /* takes it, once for both */
    SSL_set_accept_state(tls->ssl);
    return true;
}

ssize_t
gw_tls_read(struct gw_conn *conn, const char *bytes, size_t n, char **plain, bool *fatal)
{
    struct gw_tls *tls = conn->tls;
    unsigned char *buffer = conn->loop->http->plain_buffer;
    size_t room = sizeof conn->loop->http->plain_buffer, at = 0;
    int got = 1, error;

    tls->in = bytes;
    tls->in_n = n;
    *plain = (char *)buffer;
    *fatal = false;
    ERR_clear_error();
    while (at < room && (got = SSL_read(tls->ssl, buffer + at, (int)(room - at))) > 0)
        at += (size_t)got;
    error = got > 0 ? SSL_ERROR_NONE : SSL_get_error(tls->ssl, got);
    send_out(conn);
    tls->in_n = 0;
    if (conn->life == GW_CONN_CLOSING || at > 0 || error == SSL_ERROR_WANT_READ)
        return (
            ssize_t)at; /* an end is met again with the next bytes, or with that of the socket */
    *fatal = error != SSL_ERROR_ZERO_RETURN;
    tls->ended = tls->ended || *fatal;
    return -1;
}

bool
gw_tls_write(struct gw_conn *conn, const uv_buf_t *pieces, unsigned n)
{
    struct gw_tls *tls = conn->tls;
    char joined[JOIN_BYTES];
    size_t total = 0;
    uv_buf_t one;
    bool ok = !tls->ended;

    for (unsigned i = 0; i < n; i++)
        total += pieces[i].len;
    if (n > 1 && total <= sizeof joined) {
        total = 0;
        for (unsigned i = 0; i < n; i++) {
            memcpy(joined + total, pieces[i].base, pieces[i].len);
            total += pieces[i].len;
        }
        one = uv_buf_init(joined, (unsigned)total);
        pieces = &one;
        n = 1;
    }
    ERR_clear_error();
    for (unsigned i = 0; i < n && ok; i++)
        ok = pieces[i].len == 0 ||
             SSL_write(tls->ssl, pieces[i].base, (int)pieces[i].len) == (int)pieces[i].len;
    send_out(conn);
    tls->ended = tls->ended || !ok;
    return ok;
}

void
gw_tls_say_end(struct gw_conn *conn)
{
    struct gw_tls *tls = conn->tls;

    if (tls == NULL || tls->ended)
        return;
    tls->ended = true;
    ERR_clear_error();
    if (SSL_is_init_finished(tls->ssl))
        (void)SSL_shutdown(tls->ssl);
    send_out(conn);
}

void
gw_tls_cut(struct gw_conn *conn)
{
    if (conn->tls != NULL)
        conn->tls->ended = true;
}

void
gw_tls_free(struct gw_conn *conn)
{
    if (conn->tls == NULL)
        return;
    SSL_free(conn->tls->ssl);
    gw_pool_give(&conn->loop->pool, conn->tls->out);
    free(conn->tls);
    conn->tls = NULL;
}
