/* private.h: the records of the broker, and what its files do for each other. One loop, one thread.
 * Calls go one way: main | links | connect | names, rules, table | diag, report.
 */
#ifndef SANDBOX_BROKER_PRIVATE_H
#define SANDBOX_BROKER_PRIVATE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>
#include <uv.h>

#include "broker/diag.h"
#include "broker_protocol.h"
#include "destination.h"
#include "err.h"

#define QUESTIONS_MOST 16 /* of one instance that wait for names */

struct broker;
struct names;

/* A connection of an instance. The socket is the instance's: the broker has a copy of its
 * descriptor only until it is connected. */
struct connection {
    struct connection *next, *prev;
    struct instance *instance;
    uint64_t number;
    struct diag_socket socket;
    char text[DESTINATION_TEXT];
    bool opened; /* it is connected, or was */
    int fd;      /* while it is being connected; -1: not */
    uv_poll_t poll;
    uv_timer_t timer;
    unsigned handles; /* of the two above that are not closed */
    bool gone;
};

/* What was refused, until it is reported: see report.c. */
struct refusals {
    char text[DESTINATION_TEXT];
    uint16_t type;
    int32_t status;
    uint32_t count;
    uint32_t tokens; /* that may be reported at once */
    uint64_t reported_ms;
};

/* What waits for names: until all of them are answered, even where its instance has ended. */
struct question {
    struct question *next, *prev;       /* utlist.h, DL */
    struct instance *instance;          /* NULL: it has ended */
    void (*cancel)(struct question *q); /* it is about to end */
};

struct instance {
    UT_hash_handle hh;
    uint64_t id;
    int fd; /* to the worker; -1: the launcher has not sent it yet */
    uv_poll_t poll;
    bool polled, known; /* known: its policy is here */
    bool deaf; /* its worker has shut the socket down; it may live on, with its connections */
    struct broker_policy policy;
    struct connection *connections;
    uint32_t count; /* of them */
    struct question *questions;
    uint32_t asked; /* of them */
    struct refusals refused;
    unsigned refs; /* handles; the last one frees it */
    bool ended;
};

/* A bounded queue of messages to the gateway. */
struct report;

struct broker {
    uv_loop_t loop;
    uv_poll_t launcher;
    struct instance *instances;
    struct names *names;
    struct report *report;
    uint64_t next_number;
    uint32_t connections, connections_most;
    uint64_t pruned_ms; /* when all instances were pruned for the bound */
    int diag;           /* netlink socket */
    uv_timer_t prune;
    struct own_listener {
        struct in6_addr address; /* as in destination.h; all zero: any */
        uint16_t port;
        char path[DESTINATION_PATH]; /* "": not a unix socket */
    } own[8];
    unsigned own_count;
    bool allow_metadata, allow_own;
};

/* ---- rules.c: pure ---- */

/* In the form of destination.h. False for another family, or too short. An address that means
 * "this host" is the loopback one. */
bool rules_address(const struct sockaddr *sa, size_t n, struct in6_addr *address, uint16_t *port);
/* Whether no list may name it. */
bool rules_is_metadata(const struct in6_addr *address);
/* Whether one of the daemon's listeners is at this port, and at this address or at any. */
enum rules_own { RULES_NOT_OWN, RULES_OWN, RULES_OWN_IF_LOCAL };
enum rules_own rules_own(const struct broker *b, const struct in6_addr *address, uint16_t port);
bool rules_list_has_address(const char *list, const struct in6_addr *address, uint16_t port);
bool rules_list_has_name(const char *list, const char *host);
bool rules_list_has_path(const char *list, const char *path);

/* ---- report.c: messages to the gateway ---- */

int report_open(struct broker *b);
/* Takes over the socket. The gateway's messages are given to on_message. */
int report_set(struct broker *b, int fd,
               void (*on_message)(struct broker *b, const union broker_message *msg));
void report_event(struct broker *b, const struct broker_event *event);
void report_head(struct broker *b, unsigned type, uint64_t id);
void report_connection(struct broker *b, const struct connection *c, unsigned type, int status,
                       uint64_t sent, uint64_t received);
void report_refusal(struct broker *b, struct instance *inst, unsigned type, int status,
                    const char *text);
/* Whether messages were lost; forgotten by the question. */
bool report_has_lost(struct broker *b);
void report_refusals_left(struct broker *b, struct instance *inst);

/* ---- names.c: names to addresses, by c-ares, kept for their time to live ---- */

struct names_answer {
    int status; /* 0, or EAI_… */
    unsigned count;
    struct in6_addr list[BROKER_ADDRESSES];
};

/* Must not ask for names. */
typedef void names_fn(void *user, const struct names_answer *answer);

/* server: "ADDRESS[:PORT]", or NULL: those of the host. */
int names_open(struct broker *b, const char *server, struct hearth_err *err);
/* What is known of it now; NULL: it has to be asked for. Valid until the next call. */
const struct names_answer *names_known(struct broker *b, const char *host);
/* Calls done once, perhaps before it returns. */
void names_find(struct broker *b, const char *host, names_fn *done, void *user);

/* ---- table.c: the connections ---- */

/* A new record; NULL where there is no memory. The fd stays the caller's. */
struct connection *table_add(struct broker *b, struct instance *inst, int fd, const char *text);
struct connection *table_find(struct instance *inst, uint64_t inode);
/* The kernel is asked which are still open: the others are reported and removed. */
void table_prune(struct broker *b, struct instance *inst);
/* The same, and the bytes of each are reported. */
void table_look(struct broker *b, struct instance *inst);
/* Waits until a new one is connected, at most left_ms; takes over fd. */
void table_await(struct broker *b, struct connection *c, int fd, uint32_t left_ms);
/* fd: its socket, which is connected now. */
void table_settled(struct broker *b, struct connection *c, int fd);
void table_failed(struct broker *b, struct connection *c, int status);
void table_remove(struct broker *b, struct connection *c);

/* ---- connect.c ---- */

/* Takes over fd; answers inst's worker. */
void connect_ask(struct broker *b, struct instance *inst, int fd,
                 const struct broker_connect *question);
void connect_socket(struct broker *b, struct instance *inst, const struct broker_socket *question);

/* ---- links.c ---- */

struct instance *links_instance(struct broker *b, uint64_t id); /* made if there is none; or NULL */
/* Counts a question that waits for names. False: there are too many. */
bool links_wait(struct instance *inst, struct question *q);
void links_answered(struct question *q);
/* The launcher's, with the socket of the worker, which is taken over. */
void links_attach(struct broker *b, uint64_t id, int fd);
/* Ends those whose worker has shut its socket down, and that have no connection any more. */
void links_end_deaf(struct broker *b);
/* Another gateway: the instances of the one before it have ended, and it gives their numbers
 * again. */
void links_end_all(struct broker *b);
void links_on_gateway(struct broker *b, const union broker_message *msg);
void links_answer(struct instance *inst, int status, int fd);

#endif
