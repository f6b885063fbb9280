/* request.h: the request of a call. */
#ifndef WORKER_REQUEST_H
#define WORKER_REQUEST_H

#include "call.h"

void wrk_call_begin(struct hearth_call *call, const struct frame *frame);
/* Discards what is left of the request, so that the next one is at hand. */
void wrk_call_finish_request(struct hearth_call *call);
/* Releases a body that was gathered: what is sent afterwards does not need it. */
void wrk_call_drop_body(struct hearth_call *call);
/* The whole body for a loader: see language.h. */
void *wrk_call_take_body(struct hearth_call *call, size_t *len, size_t *room);
/* The nth field of the head, likewise. */
bool wrk_call_field(struct hearth_call *call, unsigned n, const char **name, const char **value);

#endif
