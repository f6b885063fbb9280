/* response.h: the response of a call. */
#ifndef WORKER_RESPONSE_H
#define WORKER_RESPONSE_H

#include "call.h"

/* Ends the response; returned: what the handler returned. */
void wrk_call_respond(struct hearth_call *call, int returned, unsigned flags);

/* What to say of a handler that is about to fail: see language.h. */
void wrk_call_fail(struct hearth_call *call, const char *exception, bool no_memory);

/* The call is about to wait for its client: what was written leaves. */
void wrk_call_flush_before_wait(struct hearth_call *call);

#endif
