/* answer.c: responses that the platform makes itself: problems (RFC 9457), JSON,
 * plain text. Not on the warm path. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cleanup.h"
#include "gateway.h"

static const struct {
    const char *name;
    int status;
    const char *title;
} codes[] = {
#define X(name, text, status, title) {text, status, title},
    GW_CODES(X)
#undef X
};

const char *
gw_code_name(enum gw_code code)
{
    return codes[code].name;
}

int
gw_code_status(enum gw_code code)
{
    return codes[code].status;
}

const char *
gw_status_text(int status)
{
    /* those that RFC 9110 and its extensions name; the phrase means nothing */
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

/* "Date: …\r\n", made once a second. */
const char *
gw_date(struct gw *gw)
{
    struct timespec now;
    struct tm tm;

    (void)clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if (now.tv_sec != gw->date_s) {
        gw->date_s = now.tv_sec;
        (void)gmtime_r(&now.tv_sec, &tm);
        (void)strftime(gw->date, sizeof gw->date, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm);
    }
    return gw->date;
}

void
gw_answer(struct gw_conn *conn, int status, const char *type, const char *fields, const void *body,
          size_t len)
{
    char head[1024];
    bool empty = status == 204 || status == 304;
    uv_buf_t pieces[2];
    int n;

    if (conn->closing)
        return;
    n = snprintf(head, sizeof head, "HTTP/1.1 %d %s\r\n%s%s", status, gw_status_text(status),
                 gw_date(conn->gw), fields != NULL ? fields : "");
    if (!empty)
        n += snprintf(head + n, sizeof head - (size_t)n,
                      "Content-Type: %s\r\nContent-Length: %zu\r\n", type, len);
    n += snprintf(head + n, sizeof head - (size_t)n, "%s\r\n",
                  conn->close_after ? "Connection: close\r\n"
                                    : (conn->http10 ? "Connection: keep-alive\r\n" : ""));
    pieces[0] = uv_buf_init(head, (unsigned)n);
    pieces[1] = uv_buf_init((char *)(uintptr_t)body, (unsigned)len);
    (void)gw_conn_write(conn, pieces, conn->head_only || empty || len == 0 ? 1 : 2);
    gw_conn_responded(conn);
}

void
gw_answer_json(struct gw_conn *conn, int status, json_t *body)
{
    cleanup_free char *text = json_dumps(body, JSON_INDENT(2));

    json_decref(body);
    if (text == NULL) {
        gw_answer_problem(conn, GW_INTERNAL, NULL, NULL, "no memory for the answer");
        return;
    }
    gw_answer(conn, status, "application/json", NULL, text, strlen(text));
}

/* Fields that go with a problem's status. */
static const char *
problem_fields(enum gw_code code, const char *call_id, char *buf, size_t n)
{
    const char *extra = "";

    if (code == GW_OVERLOADED || code == GW_DRAINING)
        extra = "Retry-After: 1\r\n";
    else if (code == GW_UNAUTHORIZED)
        extra = "WWW-Authenticate: Bearer\r\n";
    (void)snprintf(buf, n, "%s%s%s%s", extra, call_id != NULL ? "X-Call-Id: " : "",
                   call_id != NULL ? call_id : "", call_id != NULL ? "\r\n" : "");
    return buf;
}

void
gw_answer_problem(struct gw_conn *conn, enum gw_code code, const char *call_id, json_t *facts,
                  const char *fmt, ...)
{
    char detail[512], type[64], fields[160];
    cleanup_free char *text = NULL;
    json_t *body;
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(detail, sizeof detail, fmt, ap);
    va_end(ap);
    (void)snprintf(type, sizeof type, "urn:hearth:problem:%s", codes[code].name);
    /* what a client sent may stand in the detail, and need not be UTF-8 */
    for (char *p = detail; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || (unsigned char)*p > 0x7e)
            *p = '?';
    body = json_pack("{s:s,s:s,s:i,s:s,s:s}", "type", type, "title", codes[code].title, "status",
                     codes[code].status, "detail", detail, "code", codes[code].name);
    if (body != NULL && call_id != NULL)
        (void)json_object_set_new(body, "call_id", json_string(call_id));
    if (body != NULL && facts != NULL)
        (void)json_object_update(body, facts);
    json_decref(facts);
    text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    gw_answer(conn, codes[code].status, "application/problem+json",
              problem_fields(code, call_id, fields, sizeof fields), text,
              text != NULL ? strlen(text) : 0);
}
