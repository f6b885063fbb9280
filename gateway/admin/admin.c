/* admin.c: routes and authorizes the requests of operators. */
#include "admin.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "answer.h"
#include "cleanup.h"
#include "connection.h"
#include "container.h"
#include "deploy.h"
#include "function.h"
#include "instance.h"
#include "loop.h"
#include "metrics.h"
#include "name.h"
#include "routes.h"
#include "settings_json.h"

#define REFUSAL_DELAY_MS 500 /* delay of the answer to a wrong token */

/* ---- lifetime of a request ---- */

void
gw_request_free(struct gw_request *req)
{
    gw_timer_unset(req->loop, &req->timer);
    free(req->answer.body);
    free(req->query);
    free(req->body);
    free(req);
}

static void
deliver_answer(struct gw_loop *loop, struct gw_mail *mail)
{
    struct gw_request *req = container_of(mail, struct gw_request, mail);
    const struct gw_answer *answer = &req->answer;
    struct gw_conn *conn = req->conn;

    (void)loop;
    if (conn != NULL) {
        conn->exchange = NULL;
        if (conn->phase != GW_REQUEST_WHOLE)
            conn->close_after = true;
        gw_answer(conn, answer->status, answer->type, answer->fields, answer->body, answer->len);
    }
    gw_request_free(req);
}

static void
answer_now(struct gw_request *req)
{
    if (req->away)
        gw_post(req->loop, &req->mail, deliver_answer);
    else
        deliver_answer(req->loop, &req->mail);
}

void
gw_request_problem(struct gw_request *req, enum gw_code code, json_t *facts, const char *fmt, ...)
{
    char detail[768];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(detail, sizeof detail, fmt, ap);
    va_end(ap);
    gw_problem_make(&req->answer, code, NULL, 0, facts, detail);
    answer_now(req);
}

void
gw_request_bad_setting(struct gw_request *req, const struct gw_bad_setting *bad)
{
    gw_request_problem(req, GW_BAD_SETTING,
                       json_pack("{s:s,s:s}", "setting", bad->name, "allowed", bad->allowed),
                       "%s: expected %s; nothing was changed", bad->name, bad->allowed);
}

void
gw_request_text(struct gw_request *req, int status, const char *type, char *text, size_t len)
{
    if (text == NULL) {
        gw_request_problem(req, GW_INTERNAL, NULL, "no memory for the response");
        return;
    }
    req->answer.status = status;
    req->answer.type = type;
    req->answer.body = text;
    req->answer.len = len;
    answer_now(req);
}

void
gw_request_json(struct gw_request *req, int status, json_t *body)
{
    char *text = json_dumps(body, JSON_INDENT(2) | JSON_REAL_PRECISION(12));

    json_decref(body);
    gw_request_text(req, status, "application/json", text, text != NULL ? strlen(text) : 0);
}

/* The client is gone. Work that has begun is completed; its answer is dropped. */
static void
on_gone(void *exchange)
{
    struct gw_request *req = exchange;

    req->conn = NULL;
    req->gone = true;
    if (!req->answered)
        gw_request_free(req); /* its body never became complete, so nothing has begun */
}

/* ---- authorization ---- */

/* Compares in a time that does not depend on the position of the first difference. */
static bool
same_token(const char *given, const char *token)
{
    size_t n = strlen(token);
    unsigned char differs = strlen(given) != n;

    for (size_t i = 0; i < n; i++)
        differs |= (unsigned char)(token[i] ^ (differs ? token[i] ^ 1 : given[i]));
    return differs == 0;
}

static bool
authorized(const struct gw_conn *conn, const struct gw_route *route)
{
    const char *field = gw_conn_field(conn, "Authorization");

    if (route->access == GW_OPEN || conn->loop->gw->admin->no_auth)
        return true;
    if (route->access == GW_OPEN_ON_ADMIN && conn->admin_alone)
        return true;
    return field != NULL && strncasecmp(field, "Bearer ", 7) == 0 &&
           same_token(field + 7, conn->loop->gw->admin->token);
}

static void
on_refusal_due(struct gw_timer *timer)
{
    struct gw_request *req = container_of(timer, struct gw_request, timer);

    gw_request_problem(req, GW_UNAUTHORIZED, NULL,
                       "expected \"Authorization: Bearer TOKEN\", with the token from the file "
                       "token in the state folder");
}

/* ---- routing ---- */

static struct gw_request *
request_new(struct gw_conn *conn, const struct gw_route *route)
{
    struct gw_request *req = calloc(1, sizeof *req);
    const char *type = gw_conn_field(conn, "Content-Type");
    const char *accept = gw_conn_field(conn, "Accept");
    const char *strings = (const char *)conn->head->bytes + sizeof(struct frame_request);

    if (req == NULL)
        return NULL;
    req->gw = conn->loop->gw;
    req->loop = conn->loop;
    req->conn = conn;
    req->route = route;
    req->most = route->most;
    req->on_admin = conn->serves_admin;
    req->calls_here = conn->serves_calls;
    if (conn->request.query_at != 0)
        req->query = strdup(strings + conn->request.query_at);
    if (type != NULL)
        (void)snprintf(req->type, sizeof req->type, "%.*s", (int)strcspn(type, "; "), type);
    req->wants_protobuf =
        accept != NULL && strstr(accept, "application/vnd.google.protobuf") != NULL;
    req->wants_json = accept != NULL && strstr(accept, "application/json") != NULL;
    conn->exchange = req;
    return req;
}

static void
refuse_request(struct gw_conn *conn, enum gw_code code, const char *fields, const char *text)
{
    if (conn->request.body_len != 0)
        conn->close_after = true;
    gw_answer_problem_with(conn, code, fields, text);
}

/* 0: none, or no number of a version. */
static uint32_t
version_of(const struct gw_route_parts *parts)
{
    uint64_t number = 0;

    if (parts->version_len > 0 && parts->version[0] == '0')
        return 0;
    for (size_t i = 0; i < parts->version_len && number <= UINT32_MAX; i++) {
        if (parts->version[i] < '0' || parts->version[i] > '9')
            return 0;
        number = 10 * number + (uint64_t)(parts->version[i] - '0');
    }
    return number < UINT32_MAX - 1 ? (uint32_t)number : 0; /* another one must be able to follow */
}

static void
on_begin(struct gw_conn *conn)
{
    const char *path = (const char *)conn->head->bytes + conn->name_at;
    const struct gw_route *route;
    struct gw_route_parts parts;
    const char *refusal;
    struct gw_request *req;
    char allow[96];
    bool known;

    if (strcmp(path, "*") == 0 && strcmp(conn->method, "OPTIONS") == 0)
        path = "/"; /* it concerns the whole server (RFC 9110, 9.3.7) */
    route = gw_route_find(path, conn->method, &known, &parts);
    if (!known || (!conn->serves_admin && strncmp(path, "/v1", 3) == 0)) {
        refuse_request(conn, GW_NOT_FOUND, NULL, "functions are called at /function/NAME");
        return;
    }
    if (route == NULL) {
        gw_route_allow(path, allow, sizeof allow);
        refuse_request(conn, GW_METHOD_NOT_ALLOWED, allow,
                       "this path does not support this method");
        return;
    }
    refusal = route->access != GW_OPEN ? gw_site_refusal(conn) : NULL;
    if (refusal != NULL) {
        refuse_request(conn, GW_FORBIDDEN, NULL, refusal);
        return;
    }
    req = request_new(conn, route);
    if (req == NULL) {
        refuse_request(conn, GW_INTERNAL, NULL, "no memory for the request");
        return;
    }
    if (!authorized(conn, route)) {
        req->most = 0;
        req->answered = true;
        conn->close_after = conn->close_after || conn->request.body_len != 0;
        gw_timer_set(conn->loop, &req->timer, REFUSAL_DELAY_MS, on_refusal_due);
        return;
    }
    if (parts.name != NULL && !name_function_ok(parts.name, parts.name_len)) {
        gw_request_problem(
            req, GW_BAD_NAME, NULL,
            "a name has 1 to 63 characters of a-z, 0-9 and '-'; no '-' at its begin or end");
        return;
    }
    if (parts.name != NULL)
        memcpy(req->name, parts.name, parts.name_len);
    req->version = version_of(&parts);
}

static void
on_body(void *exchange, const unsigned char *bytes, size_t n)
{
    struct gw_request *req = exchange;
    char *wider;

    if (req->answered)
        return;
    if (req->len + n > req->most) {
        gw_request_problem(req, GW_BODY_TOO_LARGE,
                           json_pack("{s:I}", "limit", (json_int_t)req->most),
                           "the body of this request may have at most %zu bytes", req->most);
        return;
    }
    if (req->len + n + 1 > req->room) {
        size_t room = 2 * req->room + n + 1;

        wider = realloc(req->body, room);
        if (wider == NULL) {
            gw_request_problem(req, GW_INTERNAL, NULL, "no memory for the body");
            return;
        }
        req->body = wider;
        req->room = room;
    }
    memcpy(req->body + req->len, bytes, n);
    req->len += n;
    req->body[req->len] = '\0';
}

static void
deliver_request(struct gw_loop *loop, struct gw_mail *mail)
{
    (void)loop;
    struct gw_request *req = container_of(mail, struct gw_request, mail);
    gw_locked struct gw *held = gw_lock(req->gw);

    if (req->gw->draining && strcmp(req->route->method, "GET") != 0)
        gw_request_problem(req, GW_DRAINING, NULL, "the daemon is shutting down");
    else
        req->route->handle(req);
}

static void
on_body_end(void *exchange)
{
    struct gw_request *req = exchange;

    if (req->answered)
        return;
    req->answered = true; /* the handler answers, now or later */
    req->away = req->loop->lane != 0;
    if (req->away)
        gw_post(gw_main_loop(req->gw), &req->mail, deliver_request);
    else
        deliver_request(req->loop, &req->mail);
}

static bool
takes_body(const void *exchange)
{
    return !((const struct gw_request *)exchange)->answered;
}

static bool
refuse(void *exchange, enum gw_code code, const char *why)
{
    (void)exchange;
    (void)code;
    (void)why;
    return false;
}

const struct gw_handler gw_admin_handler = {
    .begin = on_begin,
    .body = on_body,
    .body_end = on_body_end,
    .takes_body = takes_body,
    .refuse = refuse,
    .gone = on_gone,
    .paced = true,
};

/* ---- probes ---- */

void
gw_show_root(struct gw_request *req)
{
    static const char text[] = "Hearth: functions are called at /function/NAME\n";

    if (req->on_admin)
        gw_dashboard_page(req);
    else
        gw_request_text(req, 200, "text/plain; charset=utf-8", strdup(text), sizeof text - 1);
}

void
gw_show_options(struct gw_request *req)
{
    gw_route_allow("/", req->answer.fields, sizeof req->answer.fields);
    gw_request_text(req, 204, "", strdup(""), 0);
}

void
gw_probe_health(struct gw_request *req)
{
    gw_request_text(req, 200, "text/plain; charset=utf-8", strdup("ok\n"), 3);
}

void
gw_probe_ready(struct gw_request *req)
{
    const char *missing = req->gw->admin->insecure;
    char *text = NULL;

    if (req->gw->admin->ready && !req->gw->draining) {
        if (asprintf(&text, missing[0] != '\0' ? "ready, INSECURE, without: %s\n" : "ready\n",
                     missing) < 0)
            text = NULL;
        gw_request_text(req, 200, "text/plain; charset=utf-8", text,
                        text != NULL ? strlen(text) : 0);
    } else
        gw_request_text(req, 503, "text/plain; charset=utf-8", strdup("not ready\n"), 10);
}

void
gw_show_metrics(struct gw_request *req)
{
    size_t len = 0;
    char *text = gw_metrics_text(req->gw, &len);

    gw_request_text(req, 200, "text/plain; version=0.0.4; charset=utf-8", text, len);
}
