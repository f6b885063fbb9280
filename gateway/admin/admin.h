/* admin.h: /v1 and the probes: one request of an operator. It is read by the loop
 * that has the client, handled by the main loop with the lock held, and answered by
 * the first again: it travels, and belongs to the loop where it is. */
#ifndef GATEWAY_ADMIN_H
#define GATEWAY_ADMIN_H

#include "functions/function.h"
#include "gateway.h"
#include "http/answer.h"
#include "http/handler.h"

struct gw_admin_route;

struct gw_request {
    struct gw *gw;
    struct gw_loop *loop; /* its client's */
    struct gw_conn *conn; /* that loop's: NULL once the client has gone */
    struct gw_mail mail;
    bool away;        /* the main loop, which is not its client's, has it */
    atomic_bool gone; /* its client: for the main loop, which may not look at conn */
    const struct gw_admin_route *route;
    char name[LIMIT_NAME + 1]; /* the function's, from the path; may be "" */
    char *query;               /* owned; NULL for none */
    char type[64];             /* of the body, without parameters */
    char *body;                /* owned; ended by a NUL that is not counted */
    size_t len, room, most;
    bool answered;
    struct gw_answer answer;
    struct gw_timer timer;
};

extern const struct gw_handler gw_admin_handler;

/* site.c: why a request must not be served, by where it came from; NULL: it may be. */
const char *gw_site_refusal(const struct gw_conn *conn);

/* Each answers and frees the request; both do without a client. */
void gw_request_problem(struct gw_request *req, enum gw_code code, json_t *facts, const char *fmt,
                        ...) __attribute__((format(printf, 4, 5)));
/* 400 bad_setting, with what is allowed. */
void gw_request_bad_setting(struct gw_request *req, const struct gw_bad_setting *bad);
void gw_request_json(struct gw_request *req, int status, json_t *body);
/* text: from malloc, and the callee's; NULL says that there was no memory. */
void gw_request_text(struct gw_request *req, int status, const char *type, char *text, size_t len);

/* manage.c: what the routes do, besides deploying */
void gw_manage_list(struct gw_request *req);
void gw_manage_get(struct gw_request *req);
void gw_manage_patch(struct gw_request *req);
void gw_manage_delete(struct gw_request *req);
void gw_manage_versions(struct gw_request *req);
void gw_manage_rollback(struct gw_request *req);
void gw_manage_instances(struct gw_request *req);
void gw_manage_memory(struct gw_request *req);
void gw_manage_logs(struct gw_request *req);

/* The text of VERSION/function.json. The caller frees it. */
char *gw_manage_version_text(uint32_t version, int64_t created_ms,
                             const struct gw_settings *settings);

/* metrics.c */
char *gw_metrics_text(struct gw *gw, size_t *len);

#endif
