/* inprocess.c: reference (a), the handlers inside one libuv + llhttp loop.
 * The limit that everything else is measured against: one read and one write per wake-up and
 * connection, pipelined answers in one write, no heap memory per call, bodies answered from the
 * buffer they came in. Invariant: while an answer waits to be written, its connection does not
 * read, so the slices that it points at stay where they are. */
#include <llhttp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define MAX_BODY   (1024u * 1024u)
#define MAX_HEAD   (32u * 1024u)
#define READ_ROOM  (64u * 1024u) /* a read is never offered less */
#define INPUT_SIZE (MAX_BODY + MAX_HEAD + READ_ROOM)
#define OUT_SIZE   (16u * 1024u) /* heads and small bodies of one write */
#define OUT_HEAD   256u          /* no response head is longer */
#define COPY_BELOW                                                                                 \
    2048u /* a smaller body is copied behind its head instead of being a slice of its own */
#define MAX_SLICES 4u /* as many as uv_write takes without allocating */
#define BACKLOG    1024

enum route { ROUTE_NONE, ROUTE_HELLO, ROUTE_ECHO };

/* One client. Offsets count from input[]; [pos, end) is read but not parsed. */
struct client {
    uv_tcp_t tcp;
    uv_write_t write;
    llhttp_t parser;
    struct client *next_free;

    size_t pos;
    size_t end;
    size_t url_off;
    size_t url_len;
    size_t body_off;
    size_t body_len;
    size_t head_len; /* of a head that took more than one read, without the first */
    enum route route;
    bool in_head;
    bool reading;
    bool last;           /* close once everything is written */
    const char *refusal; /* the status, where a callback ended the parsing */

    unsigned n_slices;
    uv_buf_t slices[MAX_SLICES];
    size_t out_len;
    char out[OUT_SIZE];
    char input[INPUT_SIZE];
};

static llhttp_settings_t settings;
static struct client *free_clients;

/* ---- the answer: slices of out[] and of input[] ---- */

static void
add_slice(struct client *c, char *base, size_t len)
{
    uv_buf_t *tail = c->n_slices ? &c->slices[c->n_slices - 1] : NULL;

    if (tail && tail->base + tail->len == base)
        tail->len += len;
    else
        c->slices[c->n_slices++] = uv_buf_init(base, (unsigned)len);
}

static void
add_copy(struct client *c, const char *data, size_t len)
{
    char *at = c->out + c->out_len;

    memcpy(at, data, len);
    c->out_len += len;
    add_slice(c, at, len);
}

static size_t
put_decimal(char *to, size_t value)
{
    char digits[20];
    size_t n = 0;

    do {
        digits[n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    for (size_t i = 0; i < n; i++)
        to[i] = digits[n - 1 - i];
    return n;
}

static size_t
put_text(char *to, const char *text)
{
    size_t len = strlen(text);

    memcpy(to, text, len);
    return len;
}

static void
answer(struct client *c, const char *status, char *body, size_t len)
{
    char *head = c->out + c->out_len;
    size_t n = put_text(head, "HTTP/1.1 ");

    n += put_text(head + n, status);
    n += put_text(head + n, "\r\nContent-Type: text/plain\r\nContent-Length: ");
    n += put_decimal(head + n, len);
    if (c->last)
        n += put_text(head + n, "\r\nConnection: close");
    else if (c->parser.http_minor == 0)
        n += put_text(head + n, "\r\nConnection: keep-alive");
    n += put_text(head + n, "\r\n\r\n");
    c->out_len += n;
    add_slice(c, head, n);

    if (len == 0 || c->parser.method == HTTP_HEAD)
        return;
    if (len < COPY_BELOW)
        add_copy(c, body, len);
    else
        add_slice(c, body, len);
}

static bool
room_for_answer(const struct client *c)
{
    return c->n_slices + 2 <= MAX_SLICES && c->out_len + OUT_HEAD + COPY_BELOW <= OUT_SIZE;
}

/* ---- the handlers ---- */

static void
handle(struct client *c)
{
    static char hello[] = "hello, world";
    static char unknown[] = "no such function";

    switch (c->route) {
    case ROUTE_HELLO:
        answer(c, "200 OK", hello, sizeof(hello) - 1);
        break;
    case ROUTE_ECHO:
        answer(c, "200 OK", c->input + c->body_off, c->body_len);
        break;
    case ROUTE_NONE:
        answer(c, "404 Not Found", unknown, sizeof(unknown) - 1);
        break;
    }
}

static enum route
find_route(const char *url, size_t len)
{
    static const char hello[] = "/function/hello";
    static const char echo[] = "/function/echo";
    const char *query = memchr(url, '?', len);

    if (query)
        len = (size_t)(query - url);
    if (len == sizeof(hello) - 1 && memcmp(url, hello, len) == 0)
        return ROUTE_HELLO;
    if (len == sizeof(echo) - 1 && memcmp(url, echo, len) == 0)
        return ROUTE_ECHO;
    return ROUTE_NONE;
}

/* ---- what the parser says ---- */

static int
on_message_begin(llhttp_t *parser)
{
    struct client *c = parser->data;

    c->url_len = 0;
    c->body_len = 0;
    c->head_len = 0;
    c->in_head = true;
    return HPE_OK;
}

static int
on_url(llhttp_t *parser, const char *at, size_t len)
{
    struct client *c = parser->data;

    if (c->url_len == 0)
        c->url_off = (size_t)(at - c->input);
    c->url_len += len;
    return HPE_OK;
}

static int
on_headers_complete(llhttp_t *parser)
{
    struct client *c = parser->data;

    c->in_head = false;
    c->route = find_route(c->input + c->url_off, c->url_len);
    if (parser->content_length > MAX_BODY) {
        c->refusal = "413 Content Too Large";
        return -1;
    }
    return HPE_OK;
}

/* The slices of a body of fixed length follow each other in input[]; those of a chunked one are
 * moved together. */
static int
on_body(llhttp_t *parser, const char *at, size_t len)
{
    struct client *c = parser->data;
    char *to = c->input + c->body_off + c->body_len;

    if (c->route != ROUTE_ECHO)
        return HPE_OK;
    if (len > MAX_BODY - c->body_len) {
        c->refusal = "413 Content Too Large";
        return HPE_USER;
    }
    if (c->body_len == 0)
        c->body_off = (size_t)(at - c->input);
    else if (at != to)
        memmove(to, at, len);
    c->body_len += len;
    return HPE_OK;
}

static int
on_message_complete(llhttp_t *parser)
{
    struct client *c = parser->data;

    c->last = !llhttp_should_keep_alive(parser);
    handle(c);
    c->body_len = 0;
    return c->last || !room_for_answer(c) ? HPE_PAUSED : HPE_OK;
}

/* ---- the connection ---- */

static void on_input_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf);
static void on_input_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);
static void feed(struct client *c);

static void
on_client_closed(uv_handle_t *handle)
{
    struct client *c = handle->data;

    c->next_free = free_clients;
    free_clients = c;
}

static void
close_client(struct client *c)
{
    if (!uv_is_closing((uv_handle_t *)&c->tcp))
        uv_close((uv_handle_t *)&c->tcp, on_client_closed);
}

static void
set_reading(struct client *c, bool reading)
{
    if (c->reading == reading)
        return;
    c->reading = reading;
    if (reading)
        uv_read_start((uv_stream_t *)&c->tcp, on_input_room, on_input_read);
    else
        uv_read_stop((uv_stream_t *)&c->tcp);
}

static void
on_output_written(uv_write_t *req, int status)
{
    struct client *c = req->data;

    c->n_slices = 0;
    c->out_len = 0;
    if (status < 0)
        close_client(c);
    else
        feed(c);
}

/* Writes what is ready: 0 when all of it went out, UV_EAGAIN when the rest follows and feed() is
 * called again. */
static int
flush(struct client *c)
{
    uv_stream_t *stream = (uv_stream_t *)&c->tcp;
    unsigned first = 0;
    int n;

    if (c->n_slices == 0)
        return 0;
    n = uv_try_write(stream, c->slices, c->n_slices);
    if (n < 0 && n != UV_EAGAIN)
        return n;
    for (size_t done = n > 0 ? (size_t)n : 0; first < c->n_slices; first++) {
        uv_buf_t *slice = &c->slices[first];

        if (done < slice->len) {
            slice->base += done;
            slice->len -= done;
            break;
        }
        done -= slice->len;
    }
    if (first == c->n_slices) {
        c->n_slices = 0;
        c->out_len = 0;
        return 0;
    }
    n = uv_write(&c->write, stream, c->slices + first, c->n_slices - first, on_output_written);
    return n < 0 ? n : UV_EAGAIN;
}

/* Parses what was read, until the output is full. */
static void
parse(struct client *c)
{
    llhttp_errno_t code = llhttp_execute(&c->parser, c->input + c->pos, c->end - c->pos);

    switch (code) {
    case HPE_OK:
        c->pos = c->end;
        break;
    case HPE_PAUSED:
        c->pos = (size_t)(llhttp_get_error_pos(&c->parser) - c->input);
        llhttp_resume(&c->parser);
        break;
    case HPE_PAUSED_UPGRADE: /* not offered: what follows is HTTP still */
        c->pos = (size_t)(llhttp_get_error_pos(&c->parser) - c->input);
        llhttp_resume_after_upgrade(&c->parser);
        break;
    default:
        c->last = true;
        c->pos = c->end;
        answer(c, c->refusal ? c->refusal : "400 Bad Request", NULL, 0);
        break;
    }
}

/* Keeps of a message that has not arrived in full what is still needed: its URL, then its body. */
static void
retain(struct client *c)
{
    bool in_head = c->in_head && c->url_len;
    size_t *off = in_head ? &c->url_off : &c->body_off;
    size_t len = in_head ? c->url_len : c->body_len;

    if (len == 0) {
        c->end = 0;
    } else {
        c->end = *off + len;
        if (INPUT_SIZE - c->end < READ_ROOM) {
            memmove(c->input, c->input + *off, len);
            *off = 0;
            c->end = len;
        }
    }
    c->pos = c->end;
}

/* Answers all that input[] holds, as far as the client takes it. */
static void
feed(struct client *c)
{
    do {
        int n;

        if (c->pos < c->end && !c->last)
            parse(c);
        n = flush(c);
        if (n == UV_EAGAIN) {
            set_reading(c, false);
            return;
        }
        if (n < 0 || c->last) {
            close_client(c);
            return;
        }
    } while (c->pos < c->end);

    retain(c);
    set_reading(c, true);
}

static void
on_input_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct client *c = handle->data;

    (void)suggested;
    *buf = uv_buf_init(c->input + c->end, (unsigned)(INPUT_SIZE - c->end));
}

static void
on_input_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct client *c = stream->data;

    (void)buf;
    if (n < 0) {
        close_client(c);
        return;
    }
    if (n == 0)
        return;
    c->end += (size_t)n;
    if (c->in_head)
        c->head_len += (size_t)n;
    feed(c);
    if (c->in_head && c->head_len > MAX_HEAD)
        close_client(c);
}

static struct client *
take_client(void)
{
    struct client *c = free_clients;

    if (c)
        free_clients = c->next_free;
    else
        c = malloc(sizeof(*c));
    if (c)
        memset(c, 0, offsetof(struct client, out));
    return c;
}

static void
on_connection(uv_stream_t *listener, int status)
{
    struct client *c = status < 0 ? NULL : take_client();

    if (!c)
        return;
    uv_tcp_init(listener->loop, &c->tcp);
    c->tcp.data = c;
    c->write.data = c;
    llhttp_init(&c->parser, HTTP_REQUEST, &settings);
    c->parser.data = c;
    if (uv_accept(listener, (uv_stream_t *)&c->tcp) < 0) {
        close_client(c);
        return;
    }
    uv_tcp_nodelay(&c->tcp, 1);
    set_reading(c, true);
}

static void
init_settings(void)
{
    llhttp_settings_init(&settings);
    settings.on_message_begin = on_message_begin;
    settings.on_url = on_url;
    settings.on_headers_complete = on_headers_complete;
    settings.on_body = on_body;
    settings.on_message_complete = on_message_complete;
}

static int
listen_on(uv_loop_t *loop, uv_tcp_t *listener, int port)
{
    struct sockaddr_in addr;
    int n = uv_ip4_addr("127.0.0.1", port, &addr);

    if (n == 0)
        n = uv_tcp_init(loop, listener);
    if (n == 0)
        n = uv_tcp_bind(listener, (const struct sockaddr *)&addr, 0);
    if (n == 0)
        n = uv_listen((uv_stream_t *)listener, BACKLOG, on_connection);
    return n;
}

int
main(int argc, char **argv)
{
    uv_loop_t *loop = uv_default_loop();
    uv_tcp_t listener;
    int port = argc == 2 ? atoi(argv[1]) : 0;
    int n;

    if (port < 1 || port > 65535) {
        fprintf(stderr, "usage: inprocess PORT\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    init_settings();
    n = listen_on(loop, &listener, port);
    if (n < 0) {
        fprintf(stderr, "inprocess: port %d: %s\n", port, uv_strerror(n));
        return 1;
    }
    return uv_run(loop, UV_RUN_DEFAULT);
}
