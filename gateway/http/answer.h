/* answer.h: responses that the platform itself generates. */
#ifndef GATEWAY_ANSWER_H
#define GATEWAY_ANSWER_H

#include <jansson.h>
#include <stddef.h>

#include "codes.h"

struct gw_conn;
struct gw_loop;

struct gw_answer {
    int status;
    const char *type; /* a constant */
    char fields[448]; /* header fields, each ended by CRLF */
    char *body;       /* from malloc; NULL for none */
    size_t len;
};
void gw_answer(struct gw_conn *conn, int status, const char *type, const char *fields,
               const void *body, size_t len);
/* Answers with a problem. facts: an object whose members are added to the problem, or NULL; takes
 * the reference. */
void gw_answer_problem(struct gw_conn *conn, enum gw_code code, const char *call_id, json_t *facts,
                       const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* Answers with a problem of a constant text. fields: header fields, each ended by CRLF, or NULL. */
void gw_answer_problem_with(struct gw_conn *conn, enum gw_code code, const char *fields,
                            const char *text);
/* Makes a problem to be sent later. Takes the reference to facts. */
void gw_problem_make(struct gw_answer *answer, enum gw_code code, const char *call_id,
                     int retry_after_s, json_t *facts, const char *detail);
const char *gw_date(struct gw_loop *loop);
/* What a response says of its connection, whose end it decides (gw_conn_closes_after): the fields
 * are the returned text and *more, each ended by CRLF or "". */
const char *gw_connection_fields(struct gw_conn *conn, const char **more);
const char *gw_status_text(int status);

#endif
