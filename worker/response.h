/* response.h: the response of a call. */
#ifndef WORKER_RESPONSE_H
#define WORKER_RESPONSE_H

#include "call.h"

/* Ends the response; returned: what the handler returned. */
void wrk_call_respond(struct hearth_call *call, int returned, unsigned flags);

/* The call is about to wait for its client: what was written leaves. */
void wrk_call_flush_before_wait(struct hearth_call *call);

#endif
