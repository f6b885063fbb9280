/* access.c: see access.h. */
#include "access.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "connection.h"
#include "container.h"
#include "log.h"
#include "loop.h"
#include "text.h"

#define FULL      (256 * 1024) /* bytes that may wait; more lines are lost */
#define ENOUGH    (32 * 1024)  /* bytes that are written at once */
#define LINE_MOST 16384        /* all of a request, with each byte written as four */
#define FLUSH_MS  1000

/* Of one loop. One buffer is filled while the other one is written. */
struct gw_access {
    char *filling, *writing; /* FULL bytes each */
    size_t filled;
    size_t at, n; /* of `writing`: bytes that were written, and that are to be */
    bool busy;
    bool broken;   /* the file ends within a line */
    uint64_t lost; /* lines */
    uv_fs_t req;
    struct gw_timer timer;
};

/* What is known of a request before its response. */
struct begun {
    int64_t at_ms, at_ns;
    char client[INET6_ADDRSTRLEN];
    char referer[512], agent[512]; /* "": none */
    char request[2048];            /* "GET /path HTTP/1.1" */
};

static int file = -1;

int
gw_access_open(const char *path, struct hearth_err *err)
{
    /* not blocking, in case somebody has made a FIFO of it */
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0640);
    struct stat st;

    if (fd < 0)
        return err_set(err, errno, "open the access log %s in the state folder", path);
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        (void)close(fd);
        return err_set(err, EINVAL, "the access log %s in the state folder is no file", path);
    }
    if (file < 0) {
        file = fd;
        return 0;
    }
    (void)dup3(fd, file, O_CLOEXEC); /* while the other loops go on writing */
    (void)close(fd);
    return 0;
}

/* ---- writing ---- */

static void write_more(struct gw_loop *loop);

static uint64_t
count_lines(const char *bytes, size_t n)
{
    uint64_t lines = 0;

    for (size_t i = 0; i < n; i++)
        lines += bytes[i] == '\n';
    return lines;
}

static void
say_lost(struct gw_access *access, const char *why)
{
    if (access->lost > 0)
        log_warning("%llu lines of the access log were lost: %s", (unsigned long long)access->lost,
                    why);
    access->lost = 0;
}

/* Begins with what was filled meanwhile, or waits for more of it. */
static void
on_idle(struct gw_loop *loop)
{
    struct gw_access *access = loop->http->access;

    if (access->filled >= ENOUGH)
        write_more(loop);
    else if (access->filled > 0)
        gw_timer_set(loop, &access->timer, FLUSH_MS, access->timer.fire);
}

static void
on_written(uv_fs_t *req)
{
    struct gw_loop *loop = req->data;
    struct gw_access *access = loop->http->access;
    ssize_t put = req->result;

    uv_fs_req_cleanup(req);
    access->busy = false;
    if (put > 0)
        access->at += (size_t)put;
    if (put <= 0) {
        access->lost += count_lines(access->writing + access->at, access->n - access->at);
        /* a line that was written in part is ended, so that the next one is whole */
        access->broken = access->at > 0 && access->writing[access->at - 1] != '\n';
        access->at = access->n = 0;
        say_lost(access, put < 0 ? strerror((int)-put) : "nothing was written");
    }
    if (access->at < access->n) {
        write_more(loop);
        return;
    }
    say_lost(access, "the disk is too slow");
    on_idle(loop);
}

/* Swaps the buffers. */
static void
take_filled(struct gw_access *access)
{
    char *full = access->filling;

    access->filling = access->writing;
    access->writing = full;
    access->n = access->filled;
    access->at = access->filled = 0;
    if (access->broken && access->n < FULL) {
        memmove(full + 1, full, access->n++);
        full[0] = '\n';
        access->broken = false;
    }
}

/* What is left of the buffer that is written, else the one that was filled. */
static void
write_more(struct gw_loop *loop)
{
    struct gw_access *access = loop->http->access;
    uv_buf_t piece;

    if (access->busy)
        return;
    if (access->at == access->n)
        take_filled(access);
    if (access->n == 0)
        return;
    piece = uv_buf_init(access->writing + access->at, (unsigned)(access->n - access->at));
    access->req.data = loop;
    access->busy = uv_fs_write(loop->uv, &access->req, file, &piece, 1, -1, on_written) == 0;
}

static void
on_flush(struct gw_timer *timer)
{
    write_more(container_of(timer, struct gw_access, timer)->req.data);
}

bool
gw_access_last(struct gw_loop *loop)
{
    struct gw_access *access = loop->http->access;

    if (access == NULL)
        return true;
    if (!access->busy && (access->at < access->n || access->filled > 0))
        write_more(loop);
    return !access->busy;
}

static struct gw_access *
access_of(struct gw_loop *loop)
{
    struct gw_access *access = loop->http->access;

    if (access != NULL)
        return access;
    access = calloc(1, sizeof *access);
    if (access == NULL)
        return NULL;
    access->filling = malloc(FULL);
    access->writing = malloc(FULL);
    access->req.data = loop;
    access->timer.fire = on_flush;
    if (access->filling == NULL || access->writing == NULL) {
        free(access->filling);
        free(access->writing);
        free(access);
        return NULL;
    }
    return loop->http->access = access;
}

static void
add_line(struct gw_loop *loop, const char *line, size_t n)
{
    struct gw_access *access = access_of(loop);

    if (access == NULL || access->filled + n + 1 > FULL) {
        if (access != NULL)
            access->lost++;
        return;
    }
    if (access->filled == 0)
        gw_timer_set(loop, &access->timer, FLUSH_MS, on_flush);
    memcpy(access->filling + access->filled, line, n);
    access->filled += n;
    if (access->filled >= ENOUGH)
        write_more(loop);
}

/* ---- a line ---- */

struct line {
    char bytes[LINE_MOST];
    size_t len;
};

static void __attribute__((format(printf, 2, 3))) put(struct line *line, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(line->bytes + line->len, sizeof line->bytes - line->len, fmt, ap);
    va_end(ap);
    if (n > 0)
        line->len += (size_t)n;
    if (line->len >= sizeof line->bytes)
        line->len = sizeof line->bytes - 1;
}

/* A text in quotes, as Apache and nginx write it: what could end it, and what is not printable
 * ASCII, as \xHH. */
static void
put_quoted(struct line *line, const char *text)
{
    put(line, "\"");
    for (; *text != '\0'; text++)
        if (*text == '"' || *text == '\\' || *text < 0x20 || *text > 0x7e)
            put(line, "\\x%02X", (unsigned char)*text);
        else
            put(line, "%c", *text);
    put(line, "\"");
}

/* The value of a member of a JSON object. */
static void
put_json(struct line *line, const char *name, const char *text)
{
    char copy[2048];

    (void)snprintf(copy, sizeof copy, "%s", text);
    text_printable(copy, false);
    put(line, ",\"%s\":\"", name);
    for (const char *at = copy; *at != '\0'; at++)
        put(line, *at == '"' || *at == '\\' ? "\\%c" : "%c", *at);
    put(line, "\"");
}

static void
print_common(struct line *line, const struct gw_conn *conn, const struct begun *b, int status)
{
    time_t seconds = b->at_ms / 1000;
    char at[48];
    struct tm tm;

    (void)strftime(at, sizeof at, "%d/%b/%Y:%H:%M:%S +0000", gmtime_r(&seconds, &tm));
    put(line, "%s - - [%s] ", b->client, at);
    put_quoted(line, b->request);
    if (conn->body_sent > 0)
        put(line, " %d %lld", status, (long long)conn->body_sent);
    else
        put(line, " %d -", status);
    if (conn->loop->gw->http->access_format == GW_ACCESS_COMBINED) {
        put(line, " ");
        put_quoted(line, b->referer[0] != '\0' ? b->referer : "-");
        put(line, " ");
        put_quoted(line, b->agent[0] != '\0' ? b->agent : "-");
    }
}

static void
print_json(struct line *line, const struct gw_conn *conn, const struct begun *b, int status)
{
    char at[TEXT_TIME];

    put(line, "{\"time\":\"%s\",\"client\":\"%s\",\"status\":%d,\"bytes\":%lld,\"duration\":%.3f",
        text_time(b->at_ms, at), b->client, status, (long long)conn->body_sent,
        (double)(gw_now_ns() - b->at_ns) / 1e6);
    put_json(line, "call_id", conn->call_id);
    put_json(line, "request", b->request);
    if (b->referer[0] != '\0')
        put_json(line, "referer", b->referer);
    if (b->agent[0] != '\0')
        put_json(line, "user_agent", b->agent);
    put(line, "}");
}

/* ---- a request ---- */

static void
copy_field(const struct gw_conn *conn, const char *name, char *to, size_t n)
{
    const char *value = gw_conn_field(conn, name);

    (void)snprintf(to, n, "%s", value != NULL ? value : "");
}

void
gw_access_begin(struct gw_conn *conn)
{
    const char *strings = (const char *)conn->head->bytes + sizeof(struct frame_request);
    const char *query = conn->request.query_at != 0 ? strings + conn->request.query_at : NULL;
    struct begun *b;

    if (conn->access == NULL)
        conn->access = gw_pool_take(&conn->loop->pool, sizeof *b);
    if (conn->access == NULL)
        return;
    b = (struct begun *)(void *)conn->access->bytes;
    b->at_ms = clock_wall_ms();
    b->at_ns = gw_now_ns();
    gw_conn_client(conn, b->client);
    copy_field(conn, "Referer", b->referer, sizeof b->referer);
    copy_field(conn, "User-Agent", b->agent, sizeof b->agent);
    (void)snprintf(b->request, sizeof b->request, "%s %s%s%s HTTP/1.%d", conn->method,
                   (const char *)conn->head->bytes + conn->name_at, query != NULL ? "?" : "",
                   query != NULL ? query : "", conn->http10 ? 0 : 1);
}

static void
forget(struct gw_conn *conn)
{
    gw_pool_give(&conn->loop->pool, conn->access);
    conn->access = NULL;
}

void
gw_access_end(struct gw_conn *conn)
{
    static const int client_gone = 499; /* nginx's number for it */
    struct begun none = {.at_ms = clock_wall_ms(), .at_ns = gw_now_ns(), .request = "-"};
    struct begun *b = &none;
    struct line line;
    int status = conn->status != 0 ? conn->status : client_gone;

    line.len = 0;
    if (conn->loop->gw->http->access_format == GW_ACCESS_OFF) {
        forget(conn); /* a reload has switched it off meanwhile */
        return;
    }
    if (conn->access != NULL)
        b = (struct begun *)(void *)conn->access->bytes;
    else if (conn->status == 0 || conn->phase >= GW_REQUEST_BODY)
        return; /* no request had begun, or none when it was switched on */
    else
        (void)snprintf(none.client, sizeof none.client, "%s", conn->peer);
    if (conn->loop->gw->http->access_format == GW_ACCESS_JSON)
        print_json(&line, conn, b, status);
    else
        print_common(&line, conn, b, status);
    put(&line, "\n");
    line.bytes[line.len - 1] = '\n';
    add_line(conn->loop, line.bytes, line.len);
    forget(conn);
}
