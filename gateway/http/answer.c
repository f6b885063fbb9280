/* answer.c: responses that the platform itself generates: problems (RFC 9457), JSON, plain text.
 * Not on the warm path. */
#include "answer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cleanup.h"
#include "connection.h"
#include "loop.h"
#include "text.h"

const char *
gw_status_text(int status)
{
    /* reason phrases of RFC 9110 and its extensions; clients ignore them */
    static const char *const texts[600] = {
        [200] = "OK",
        [201] = "Created",
        [202] = "Accepted",
        [203] = "Non-Authoritative Information",
        [204] = "No Content",
        [205] = "Reset Content",
        [206] = "Partial Content",
        [300] = "Multiple Choices",
        [301] = "Moved Permanently",
        [302] = "Found",
        [303] = "See Other",
        [304] = "Not Modified",
        [307] = "Temporary Redirect",
        [308] = "Permanent Redirect",
        [400] = "Bad Request",
        [401] = "Unauthorized",
        [402] = "Payment Required",
        [403] = "Forbidden",
        [404] = "Not Found",
        [405] = "Method Not Allowed",
        [406] = "Not Acceptable",
        [408] = "Request Timeout",
        [409] = "Conflict",
        [410] = "Gone",
        [411] = "Length Required",
        [412] = "Precondition Failed",
        [413] = "Content Too Large",
        [414] = "URI Too Long",
        [415] = "Unsupported Media Type",
        [416] = "Range Not Satisfiable",
        [417] = "Expectation Failed",
        [418] = "I'm a Teapot",
        [421] = "Misdirected Request",
        [422] = "Unprocessable Content",
        [423] = "Locked",
        [424] = "Failed Dependency",
        [425] = "Too Early",
        [426] = "Upgrade Required",
        [428] = "Precondition Required",
        [429] = "Too Many Requests",
        [431] = "Request Header Fields Too Large",
        [451] = "Unavailable For Legal Reasons",
        [500] = "Internal Server Error",
        [501] = "Not Implemented",
        [502] = "Bad Gateway",
        [503] = "Service Unavailable",
        [504] = "Gateway Timeout",
        [505] = "HTTP Version Not Supported",
        [507] = "Insufficient Storage",
        [511] = "Network Authentication Required",
    };

    return status >= 0 && status < 600 && texts[status] != NULL ? texts[status] : "Other";
}

/* The Date field with its CRLF, formatted once per second. */
const char *
gw_date(struct gw_loop *loop)
{
    struct timespec now;
    struct tm tm;

    (void)clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if (now.tv_sec != loop->http->date_s) {
        loop->http->date_s = now.tv_sec;
        (void)gmtime_r(&now.tv_sec, &tm);
        (void)strftime(loop->http->date, sizeof loop->http->date,
                       "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm);
    }
    return loop->http->date;
}

/* The Keep-Alive field with its CRLF, formatted once per value of the option; "" for less than a
 * second. */
static const char *
keep_alive(struct gw_loop *loop)
{
    int64_t timeout_ms = loop->gw->http->keepalive_timeout_ms;
    struct gw_http_loop *http = loop->http;

    if (timeout_ms != http->keep_alive_ms) {
        http->keep_alive_ms = timeout_ms;
        http->keep_alive[0] = '\0';
        if (timeout_ms >= 1000)
            (void)snprintf(http->keep_alive, sizeof http->keep_alive,
                           "Keep-Alive: timeout=%lld\r\n", (long long)(timeout_ms / 1000));
    }
    return http->keep_alive;
}

const char *
gw_connection_fields(struct gw_conn *conn, const char **more)
{
    *more = "";
    if (gw_conn_closes_after(conn))
        return "Connection: close\r\n";
    *more = keep_alive(conn->loop);
    return conn->http10 ? "Connection: keep-alive\r\n" : "";
}

void
gw_answer(struct gw_conn *conn, int status, const char *type, const char *fields, const void *body,
          size_t len)
{
    const char *connection, *more;
    char head[1024];
    bool empty = status == 204 || status == 304;
    uv_buf_t pieces[4];
    unsigned count = 0;
    int n;

    if (conn->life == GW_CONN_CLOSING)
        return;
    conn->status = status;
    n = snprintf(head, sizeof head, "HTTP/1.1 %d %s\r\n%s%s", status, gw_status_text(status),
                 gw_date(conn->loop), fields != NULL ? fields : "");
    if (!empty)
        n += snprintf(head + n, sizeof head - (size_t)n,
                      "Content-Type: %s\r\nContent-Length: %zu\r\n", type, len);
    connection = gw_connection_fields(conn, &more);
    n += snprintf(head + n, sizeof head - (size_t)n, "%s%s\r\n", connection, more);
    if (conn->extra != NULL) { /* before the empty line */
        pieces[count++] = uv_buf_init(head, (unsigned)n - 2);
        pieces[count++] = uv_buf_init((char *)conn->extra->bytes, conn->extra->len);
    }
    pieces[count] = uv_buf_init(head + (count > 0 ? n - 2 : 0), count > 0 ? 2 : (unsigned)n);
    count++;
    conn->body_sent = conn->head_only || empty ? 0 : (int64_t)len;
    if (conn->body_sent > 0)
        pieces[count++] = uv_buf_init((char *)(uintptr_t)body, (unsigned)len);
    gw_conn_write(conn, pieces, count);
    gw_conn_responded(conn);
}

/* The header fields that a problem needs. */
static void
problem_fields(enum gw_code code, const char *call_id, int retry_after_s, char *buf, size_t n)
{
    char extra[40] = "";

    if (code == GW_OVERLOADED || code == GW_DRAINING)
        (void)snprintf(extra, sizeof extra, "Retry-After: %d\r\n",
                       retry_after_s > 0 ? retry_after_s : 1);
    else if (code == GW_UNAUTHORIZED)
        (void)snprintf(extra, sizeof extra, "WWW-Authenticate: Bearer\r\n");
    (void)snprintf(buf, n, "%s%s%s%s", extra, call_id != NULL ? "X-Call-Id: " : "",
                   call_id != NULL ? call_id : "", call_id != NULL ? "\r\n" : "");
}

/* The usual refusal, formatted without jansson: it has no facts and a text that needs no escaping.
 * Returns NULL if it needs escaping. */
static char *
plain_body(enum gw_code code, const char *call_id, const char *detail, size_t *len)
{
    char *body = NULL;
    int n;

    for (const char *p = detail; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || (unsigned char)*p > 0x7e || *p == '"' || *p == '\\')
            return NULL;
    n = asprintf(&body,
                 "{\"type\":\"urn:hearth:problem:%s\",\"title\":\"%s\",\"status\":%d,"
                 "\"detail\":\"%s\",\"code\":\"%s\"%s%s%s}",
                 gw_code_name(code), gw_code_title(code), gw_code_status(code), detail,
                 gw_code_name(code), call_id != NULL ? ",\"call_id\":\"" : "",
                 call_id != NULL ? call_id : "", call_id != NULL ? "\"" : "");
    *len = n > 0 ? (size_t)n : 0;
    return n > 0 ? body : NULL;
}

static char *
json_body(enum gw_code code, const char *call_id, json_t *facts, const char *detail, size_t *len)
{
    char clean[768], type[64], *text;
    json_t *body;

    (void)snprintf(type, sizeof type, "urn:hearth:problem:%s", gw_code_name(code));
    (void)snprintf(clean, sizeof clean, "%s", detail);
    text_printable(clean, false); /* it may contain bytes that a client sent */
    body = json_pack("{s:s,s:s,s:i,s:s,s:s}", "type", type, "title", gw_code_title(code), "status",
                     gw_code_status(code), "detail", clean, "code", gw_code_name(code));
    if (body != NULL && call_id != NULL)
        (void)json_object_set_new(body, "call_id", json_string(call_id));
    if (body != NULL && facts != NULL)
        (void)json_object_update(body, facts);
    text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
    *len = text != NULL ? strlen(text) : 0;
    json_decref(body);
    return text;
}

void
gw_problem_make(struct gw_answer *answer, enum gw_code code, const char *call_id, int retry_after_s,
                json_t *facts, const char *detail)
{
    answer->status = gw_code_status(code);
    answer->type = "application/problem+json";
    problem_fields(code, call_id, retry_after_s, answer->fields, sizeof answer->fields);
    answer->len = 0;
    answer->body = facts == NULL ? plain_body(code, call_id, detail, &answer->len) : NULL;
    if (answer->body == NULL)
        answer->body = json_body(code, call_id, facts, detail, &answer->len);
    json_decref(facts);
}

void
gw_answer_problem(struct gw_conn *conn, enum gw_code code, const char *call_id, json_t *facts,
                  const char *fmt, ...)
{
    struct gw_answer answer;
    char detail[768];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(detail, sizeof detail, fmt, ap);
    va_end(ap);
    gw_problem_make(&answer, code, call_id, conn->retry_after_s, facts, detail);
    conn->retry_after_s = 0;
    gw_answer(conn, answer.status, answer.type, answer.fields, answer.body, answer.len);
    free(answer.body);
}

void
gw_answer_problem_with(struct gw_conn *conn, enum gw_code code, const char *fields,
                       const char *text)
{
    struct gw_answer answer;

    gw_problem_make(&answer, code, NULL, 0, NULL, text);
    gw_answer(conn, answer.status, answer.type, fields != NULL ? fields : answer.fields,
              answer.body, answer.len);
    free(answer.body);
}
