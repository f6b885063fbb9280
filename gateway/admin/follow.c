/* follow.c: answers that go on until their client leaves (follow=1): a function's log, and events.
 * The main loop looks for new lines ten times a second, as long as somebody follows; the client's
 * loop writes them. A client that does not read misses lines rather than memory being taken for it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "admin.h"
#include "connection.h"
#include "container.h"
#include "event_log.h"
#include "instance.h"
#include "journal.h"
#include "loop.h"

#define LOOK_MS        100
#define FOLLOWERS_MOST 64u
#define OUT_MOST       (4 * 1024 * 1024) /* bytes that wait for one client */

struct gw_follower {
    struct gw_follower *prev, *next;
    struct gw_request *req;
    bool events;               /* see struct gw_following */
    char name[LIMIT_NAME + 1]; /* the function's; "": of all */
    uint64_t from;
    struct log_filter filter;
};

/* Lines on their way to the client's loop, in order. */
struct lines {
    struct gw_mail mail;
    struct gw_request *req;
    char *text; /* owned; may be NULL */
    size_t len;
    bool first, last;
};

/* ---- on the client's loop ---- */

static void
write_head(struct gw_conn *conn)
{
    const char *connection, *more;
    char head[512];
    uv_buf_t piece;
    int n;

    gw_conn_bound(conn, OUT_MOST);
    conn->status = 200;
    conn->chunked = !conn->http10;
    if (conn->http10)
        conn->close_after = true;
    connection = gw_connection_fields(conn, &more);
    n = snprintf(head, sizeof head,
                 "HTTP/1.1 200 OK\r\n%sContent-Type: application/x-ndjson\r\n"
                 "Cache-Control: no-store\r\n%s%s%s\r\n",
                 gw_date(conn->loop), conn->chunked ? "Transfer-Encoding: chunked\r\n" : "",
                 connection, more);
    piece = uv_buf_init(head, (unsigned)n);
    gw_conn_write(conn, &piece, 1);
}

static void
write_lines(struct gw_conn *conn, char *text, size_t n)
{
    char size[24];
    uv_buf_t pieces[3];

    if (n == 0 || conn->head_only || gw_conn_is_full(conn))
        return;
    conn->body_sent += (int64_t)n;
    pieces[0] = uv_buf_init(size, (unsigned)snprintf(size, sizeof size, "%zx\r\n", n));
    pieces[1] = uv_buf_init(text, (unsigned)n);
    pieces[2] = uv_buf_init((char *)(uintptr_t) "\r\n", 2);
    gw_conn_write(conn, conn->chunked ? pieces : &pieces[1], conn->chunked ? 3 : 1);
}

static void
finish(struct gw_conn *conn)
{
    uv_buf_t end = uv_buf_init((char *)(uintptr_t) "0\r\n\r\n", 5);

    if (conn->chunked && !conn->head_only)
        gw_conn_write(conn, &end, 1);
    conn->exchange = NULL;
    gw_conn_responded(conn);
}

static void
deliver_lines(struct gw_loop *loop, struct gw_mail *mail)
{
    struct lines *lines = container_of(mail, struct lines, mail);
    struct gw_request *req = lines->req;

    (void)loop;
    if (req->conn != NULL && lines->first)
        write_head(req->conn);
    if (req->conn != NULL)
        write_lines(req->conn, lines->text, lines->len);
    if (req->conn != NULL && lines->last)
        finish(req->conn);
    if (lines->last)
        gw_request_free(req);
    free(lines->text);
    free(lines);
}

/* ---- on the main loop, with the lock held ---- */

/* Takes the text. Returns false if there is no memory: then nothing is sent. */
static bool
post_lines(struct gw_request *req, char *text, size_t len, bool first, bool last)
{
    struct lines *lines = calloc(1, sizeof *lines);

    if (lines == NULL) {
        free(text);
        return false;
    }
    lines->req = req;
    lines->text = text;
    lines->len = text != NULL ? len : 0;
    lines->first = first;
    lines->last = last;
    gw_post(req->loop, &lines->mail, deliver_lines);
    return true;
}

/* Returns false if the answer is to end. */
static bool
look(struct gw *gw, struct gw_follower *follower)
{
    struct gw_function *f = gw_function_find(gw, follower->name, strlen(follower->name));
    size_t len = 0;
    char *text;

    if (follower->req->gone || gw->draining)
        return false;
    if (follower->events) {
        if (follower->from == gw_events_next())
            return true;
        text = gw_events_text(&follower->from, follower->name, 0, &len);
    } else {
        if (f == NULL)
            return false;
        gw_function_take_output(f);
        if (follower->from == gw_journal_next())
            return true;
        text = gw_journal_text(f, &follower->filter, follower->from, &len);
        follower->from = gw_journal_next();
    }
    if (text != NULL && len > 0)
        (void)post_lines(follower->req, text, len, false, false);
    else
        free(text);
    return true;
}

static void on_look(struct gw_timer *timer);

static void
look_later(struct gw *gw)
{
    if (gw->admin->followers != NULL)
        gw_timer_set(gw_main_loop(gw), &gw->admin->follow_timer, LOOK_MS, on_look);
}

static void
on_look(struct gw_timer *timer)
{
    struct gw_admin *admin = container_of(timer, struct gw_admin, follow_timer);
    struct gw *gw = admin->followers->req->gw;
    gw_locked struct gw *held = gw_lock(gw);

    for (struct gw_follower *follower = admin->followers, *next; follower != NULL;
         follower = next) {
        next = follower->next;
        if (look(gw, follower) || !post_lines(follower->req, NULL, 0, false, true))
            continue;
        DL_DELETE(admin->followers, follower);
        admin->followers_count--;
        free(follower);
    }
    look_later(gw);
}

void
gw_follow(struct gw_request *req, const struct gw_following *following, char *text, size_t len)
{
    struct gw_admin *admin = req->gw->admin;
    struct gw_follower *follower = calloc(1, sizeof *follower);

    if (admin->followers_count == FOLLOWERS_MOST) {
        gw_request_problem(req, GW_OVERLOADED, NULL, "%u clients follow logs and events already",
                           FOLLOWERS_MOST);
        free(text);
        free(follower);
        return;
    }
    if (follower == NULL) {
        free(text);
        text = NULL;
    }
    if (text == NULL || !post_lines(req, text, len, true, false)) {
        free(follower);
        gw_request_problem(req, GW_INTERNAL, NULL, "no memory for the answer");
        return;
    }
    admin->followers_count++;
    follower->req = req;
    follower->events = following->events;
    follower->from = following->from;
    follower->filter = following->filter;
    (void)snprintf(follower->name, sizeof follower->name, "%s",
                   following->events ? following->function : req->name);
    DL_APPEND(admin->followers, follower);
    look_later(req->gw);
}
