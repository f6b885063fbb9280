/* entry.c: the handler of /function/NAME: makes a call of a request, and passes the events of its
 * connection to the call. */
#include "entry.h"

#include <errno.h>
#include <string.h>

#include "answer.h"
#include "call.h"
#include "connection.h"
#include "cors.h"
#include "function.h"
#include "loop.h"

/* Makes the call and sets it as the connection's exchange. If that fails, returns the code of the
 * problem. *limit: the function's max_body. *preflight: the platform answers it. */
static enum gw_code
make_call(struct gw_conn *conn, int64_t *limit, bool *preflight)
{
    const char *name = gw_conn_function_name(conn);
    struct gw *gw = conn->loop->gw;
    gw_locked struct gw *held = gw_lock(gw);
    struct gw_function *f = gw_function_find(gw, name, conn->function_len);

    if (gw->draining)
        return GW_DRAINING;
    if (f == NULL || f->live == 0 || f->deleting)
        return GW_FUNCTION_NOT_FOUND;
    *limit = f->sch.settings.max_body;
    if (conn->request.body_len > *limit && !(f->sch.settings.stream != 0 && *limit == 0)) {
        gw_function_count_error(gw, f, GW_BODY_TOO_LARGE);
        return GW_BODY_TOO_LARGE;
    }
    switch (gw_cors_check(conn, f->settings.cors)) {
    case GW_CORS_PREFLIGHT:
        *preflight = true;
        return GW_FORBIDDEN;
    case GW_CORS_REFUSED:
        gw_function_count_error(gw, f, GW_FORBIDDEN);
        return GW_FORBIDDEN;
    default:
        break;
    }
    conn->exchange = gw_call_new(conn, f);
    return GW_INTERNAL; /* returned also on success; used only if gw_call_new failed */
}

static void
on_begin(struct gw_conn *conn)
{
    int64_t limit = 0;
    bool preflight = false;
    enum gw_code code = make_call(conn, &limit, &preflight);

    if (conn->exchange != NULL)
        return;
    if (preflight)
        gw_answer(conn, 204, NULL, NULL, NULL, 0);
    else if (code == GW_FORBIDDEN)
        gw_answer_problem(conn, code, conn->call_id, NULL,
                          "pages of this origin may not call the function: see its setting cors");
    else if (code == GW_DRAINING)
        gw_answer_problem(conn, code, conn->call_id, NULL,
                          "the daemon is shutting down: try again later");
    else if (code == GW_FUNCTION_NOT_FOUND)
        gw_answer_problem(conn, code, conn->call_id, NULL,
                          "no function with this name is deployed");
    else if (code == GW_BODY_TOO_LARGE)
        gw_answer_problem(conn, code, conn->call_id, json_pack("{s:I}", "limit", (json_int_t)limit),
                          "the body has %lld bytes; the function's max_body is %lld",
                          (long long)conn->request.body_len, (long long)limit);
    else
        gw_answer_problem(conn, code, conn->call_id, NULL, "no memory for the call");
}

static void
on_body(void *exchange, const unsigned char *bytes, size_t n)
{
    gw_call_body(exchange, bytes, n);
}

static void
on_body_end(void *exchange)
{
    gw_call_body_end(exchange);
}

static void
on_body_grows(void *exchange, uint64_t bytes)
{
    gw_call_body_grows(exchange, bytes);
}

static void
on_read_done(void *exchange)
{
    gw_call_read_done(exchange);
}

static bool
takes_body(const void *exchange)
{
    (void)exchange;
    return true;
}

static bool
on_refuse(void *exchange, enum gw_code code, const char *why)
{
    gw_call_problem(exchange, code, NULL, "%s", why);
    return true;
}

static void
on_gone(void *exchange)
{
    gw_call_detach(exchange, EPIPE);
}

const struct gw_handler gw_call_handler = {
    .begin = on_begin,
    .body = on_body,
    .body_end = on_body_end,
    .body_grows = on_body_grows,
    .read_done = on_read_done,
    .takes_body = takes_body,
    .refuse = on_refuse,
    .gone = on_gone,
};
