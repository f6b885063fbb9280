/* admin.h: /v1 and the probes: one request of an operator. The loop of its client reads it, the
 * main loop handles it with the lock held, and the client's loop sends the answer. The request
 * belongs to the loop that it is on.
 */
#ifndef GATEWAY_ADMIN_H
#define GATEWAY_ADMIN_H

#include "answer.h"
#include "config.h"
#include "function.h"
#include "handler.h"
#include "log_line.h"
#include "loop.h"

struct gw_route;

struct gw_admin {
    struct gw_config config;
    bool is_local;       /* its listener is a loopback or unix one */
    atomic_bool no_auth; /* an option that a reload changes */
    char token[65];
    char host_name[65];
    int pressure_fd;            /* /proc/pressure/memory; -1: this kernel has none */
    char cgroup[8], walls[128]; /* the launcher's word: "v2"; isolation layers, "a,b" */
    char insecure[128];         /* layers that are missing, as --insecure allowed */
    int64_t started_ms;
    bool ready;
    struct gw_follower *followers; /* follow.c */
    unsigned followers_count;
    struct gw_timer follow_timer;
    struct gw_deploy *deploys; /* waiting and running */
    unsigned deploys_running;
    uint64_t next_build;
};

struct gw_request {
    struct gw *gw;
    struct gw_loop *loop; /* of its client */
    struct gw_conn *conn; /* touched only on the client's loop; NULL: the client is gone */
    struct gw_mail mail;
    bool away;        /* it is on the main loop, and its client is on another one */
    atomic_bool gone; /* the client is gone; for the main loop, which must not read conn */
    const struct gw_route *route;
    char name[LIMIT_NAME + 1];       /* the function's name from the path; may be "" */
    uint32_t version;                /* from the path; 0: none, or none that can be */
    char *query;                     /* owned; NULL: none */
    char type[64];                   /* media type of the body, without parameters */
    bool wants_protobuf, wants_json; /* by its field Accept */
    bool on_admin, calls_here;       /* its listener serves /v1; serves functions */
    char *body;                      /* owned; followed by a NUL that `len` does not count */
    size_t len, room, most;
    bool answered;
    struct gw_answer answer;
    struct gw_timer timer;
};

extern const struct gw_handler gw_admin_handler;

/* site.c: why a request is refused because of its Host or origin. NULL: it is accepted. */
const char *gw_site_refusal(const struct gw_conn *conn);

/* Each of these answers and frees the request. The client may be gone. */
void gw_request_problem(struct gw_request *req, enum gw_code code, json_t *facts, const char *fmt,
                        ...) __attribute__((format(printf, 4, 5)));
/* Answers 400 bad_setting with the allowed values. */
void gw_request_bad_setting(struct gw_request *req, const struct gw_bad_setting *bad);
void gw_request_json(struct gw_request *req, int status, json_t *body);
/* text: from malloc; takes ownership. NULL: there was no memory. */
void gw_request_text(struct gw_request *req, int status, const char *type, char *text, size_t len);

/* manage.c */
/* The function that the path names. If it is not deployed, answers and returns NULL. */
struct gw_function *gw_request_function(struct gw_request *req);

/* manage.c: the handlers of all routes except deploying */
void gw_manage_list(struct gw_request *req);
void gw_manage_get(struct gw_request *req);
void gw_manage_patch(struct gw_request *req);
void gw_manage_delete(struct gw_request *req);
void gw_manage_versions(struct gw_request *req);
void gw_manage_rollback(struct gw_request *req);
void gw_manage_instances(struct gw_request *req);
void gw_manage_memory(struct gw_request *req);

/* admin.c: small answers */
void gw_show_root(struct gw_request *req);
void gw_show_options(struct gw_request *req);
void gw_probe_health(struct gw_request *req);
void gw_probe_ready(struct gw_request *req);
void gw_show_metrics(struct gw_request *req);

/* openapi.c */
void gw_openapi_get(struct gw_request *req);

/* dashboard.c */
void gw_dashboard_page(struct gw_request *req);
void gw_dashboard_style(struct gw_request *req);
void gw_dashboard_script(struct gw_request *req);

/* saved.c: a version as one file */
void gw_saved_get(struct gw_request *req);

/* tune.c */
void gw_tune_post(struct gw_request *req);

/* profile.c */
void gw_profile_post(struct gw_request *req);

/* The text of VERSION/function.json, from malloc. */
char *gw_manage_version_text(const struct gw_version *version, const struct gw_settings *settings);
/* The code of a failed change of the state folder. status: a negative errno. */
enum gw_code gw_storage_code(int status);

/* admin.c */
/* On the client's loop, after the answer. */
void gw_request_free(struct gw_request *req);

/* listen.c */
/* The parameters of a request for logs or events: name, allowed values; NULL behind the last one.
 */
const char *gw_listen_parameter(bool events, unsigned i, const char **allowed);
void gw_logs_get(struct gw_request *req);
void gw_events_get(struct gw_request *req);

/* follow.c */
struct gw_following {
    bool events;          /* else the log of the function of the path */
    const char *function; /* of the events; "": all */
    uint64_t from;        /* number of the next event, or of the next chunk of the log */
    struct log_filter filter;
};
/* Begins an answer that goes on: text (from malloc; taken) now, and later what follows. */
void gw_follow(struct gw_request *req, const struct gw_following *following, char *text,
               size_t len);

/* host.c */
void gw_host_get(struct gw_request *req);

#endif
