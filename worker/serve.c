/* serve.c: the call loop of a worker: sleep, take a request, run the handler, answer. */
#include "serve.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "affinity.h"
#include "bell.h"
#include "clock.h"
#include "heap.h"
#include "network.h"
#include "print.h"
#include "profile.h"
#include "recycle.h"
#include "request.h"
#include "response.h"

#define RING_AFTER_NS 50000
#define IDLE_MS       100 /* without a call: a language's time to tidy up */

/* Whether this was the last call. The memory of the call is freed before the use is read. */
static bool
is_last(struct hearth_call *call, const struct wrk_function *function)
{
    if (!call->failed.no_memory && !wrk_memory_look_is_due(call->chan))
        return false;
    wrk_call_drop_body(call);
    wrk_arena_release(call->arena);
    return wrk_memory_is_full(call->chan, function->memory_low);
}

/* False if this instance must not begin another call. */
static bool
serve_one(struct hearth_call *call, const struct wrk_function *function, const struct frame *frame)
{
    struct chan *chan = call->chan;
    struct wrk_arena *arena = call->arena;
    int returned;
    bool last;

    /* all except the buffer of the response fields */
    memset(call, 0, offsetof(struct hearth_call, field_bytes));
    call->chan = chan;
    call->arena = arena;
    call->status = 200;
    call->declared = -1;
    wrk_call_begin(call, frame);
    wrk_output_begin_call(call->strings != NULL ? call->strings + call->request.id_at : "");
    returned = call->strings != NULL ? function->handle(call) : -1;
    wrk_output_end_call();
    last = is_last(call, function);
    wrk_call_respond(call, returned, last ? FRAME_FULL : 0);
    if (!call->held)
        wrk_ring_bell(chan); /* the gateway has to send the rest of the body */
    wrk_call_finish_request(call);
    memset(call->field_bytes, 0, call->fields_bytes);
    wrk_arena_release(arena);
    wrk_heap_note(chan, function);
    return !last;
}

/* While more requests are in the ring, the bell for the answers waits, but only until RING_AFTER_NS
 * after the first of them. During a slow call the gateway, which has a timer for that, looks
 * without a bell. */
static void
ring_for_answers(struct chan *chan, int64_t *first_ns)
{
    if (chan_ready(chan)) { /* a single call does not read the clock */
        int64_t now = clock_ns();

        if (*first_ns == 0)
            *first_ns = now;
        if (now - *first_ns < RING_AFTER_NS)
            return;
    }
    *first_ns = 0;
    wrk_ring_bell(chan);
}

static void
trim(struct chan *chan)
{
    (void)malloc_trim(0);
    if (chan_reserve(chan, 0) == NULL)
        return; /* the gateway does not wait for it for long */
    chan_commit(chan, FRAME_TRIMMED, FRAME_END, 0, 0);
    wrk_ring_bell(chan);
}

static void
profile(struct chan *chan, const struct wrk_function *function, const struct frame *frame)
{
    bool start = frame->len > 0 && frame->payload[0] == 1, own = function->profile_begin != NULL;

    chan_consume(chan, frame);
    if (own && start)
        function->profile_begin();
    else if (own)
        wrk_profile_send(chan, function->profile_end());
    else if (start)
        wrk_profile_start();
    else
        wrk_profile_stop(chan);
}

static _Noreturn void
retire(const struct wrk_function *function)
{
    if (function->fini != NULL)
        function->fini();
    wrk_output_end_call();
    exit(0); /* runs what the function gave to atexit, and its destructors */
}

/* Waits for a frame. A language uses what time there is between two calls. */
static void
wait_for_frame(struct chan *chan, const struct wrk_function *function, bool *is_tidy)
{
    if (!*is_tidy && function->after != NULL && !chan_ready(chan))
        function->after();
    if (!*is_tidy && function->idle != NULL && !chan_worker_wait_frame(chan, IDLE_MS)) {
        if (chan_ready(chan))
            return;
        function->idle();
        *is_tidy = true;
    }
    chan_worker_wait(chan, 0, 0);
}

void
wrk_serve(struct chan *chan, const struct wrk_function *function)
{
    static struct wrk_arena arena;
    static struct hearth_call call;

    int64_t first_ns = 0; /* when the first answer without a bell was sent; 0: none */
    bool serving = true, is_tidy = true;

    call.chan = chan;
    call.arena = &arena;
    wrk_network_watch(&call);
    for (;;) {
        struct frame frame;

        wait_for_frame(chan, function, &is_tidy);
        wrk_affinity_follow(chan);
        if (chan_peek(chan, &frame) != 1)
            continue;
        switch (frame.header.type) {
        case FRAME_REQUEST:
            if (!serving)
                (void)chan_worker_wait_revoked(chan);
            if (chan_claim(chan)) {
                serving = serve_one(&call, function, &frame);
                is_tidy = false;
                if (serving)
                    ring_for_answers(chan, &first_ns);
                else
                    wrk_ring_bell(chan);
            } else {
                chan_consume(chan, &frame); /* recalled: another instance runs it */
                if (first_ns != 0 && !chan_ready(chan))
                    ring_for_answers(chan, &first_ns);
            }
            break;
        case FRAME_TRIM:
            chan_consume(chan, &frame);
            trim(chan);
            break;
        case FRAME_PROFILE:
            profile(chan, function, &frame);
            break;
        case FRAME_RETIRE:
            retire(function);
        default: /* the rest of a body that is no longer read */
            chan_consume(chan, &frame);
            break;
        }
    }
}
