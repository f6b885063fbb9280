/* serve.c: the call loop of one worker: sleep, take a request, run the handler,
 * answer. */
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "worker.h"

#define RING_AFTER_NS 50000

static int64_t
now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Whether this was the last call: the memory of the call goes before that is looked at. */
static bool
is_last(struct hearth_call *call)
{
    if (!wrk_memory_look_is_due(call->chan))
        return false;
    wrk_call_drop_body(call);
    wrk_arena_release(call->arena);
    return wrk_memory_is_full(call->chan);
}

/* False where no further one may be begun. */
static bool
serve_one(struct hearth_call *call, const struct wrk_function *function, const struct frame *frame)
{
    struct chan *chan = call->chan;
    struct wrk_arena *arena = call->arena;
    int returned;
    bool last;

    /* all but the buffer of the response's fields */
    memset(call, 0, offsetof(struct hearth_call, field_bytes));
    call->chan = chan;
    call->arena = arena;
    call->status = 200;
    call->declared = -1;
    wrk_call_begin(call, frame);
    returned = call->strings != NULL ? function->handle(call) : -1;
    if (__fpending(stdout) > 0)
        (void)fflush(stdout);
    last = is_last(call);
    wrk_call_respond(call, returned, last ? FRAME_FULL : 0);
    if (!call->held)
        wrk_ring_bell(chan); /* the gateway still owes the end of the body */
    wrk_call_finish_request(call);
    memset(call->field_bytes, 0, call->fields_bytes);
    wrk_arena_release(arena);
    return !last;
}

/* Answers wait for the bell while more requests are at hand, but not for long: not
 * past RING_AFTER_NS since the first of them, nor through a slow call unless the
 * gateway, which watches the clock, comes by itself. */
static void
ring_for_answers(struct chan *chan, int64_t *first_ns)
{
    if (chan_ready(chan)) { /* a lone call asks for no time */
        int64_t now = now_ns();

        if (*first_ns == 0)
            *first_ns = now;
        if (now - *first_ns < RING_AFTER_NS)
            return;
    }
    *first_ns = 0;
    wrk_ring_bell(chan);
}

static _Noreturn void
retire(const struct wrk_function *function)
{
    if (function->fini != NULL)
        function->fini();
    (void)fflush(stdout);
    _exit(0);
}

void
wrk_serve(struct chan *chan, const struct wrk_function *function)
{
    static struct wrk_arena arena;
    static struct hearth_call call;

    int64_t first_ns = 0; /* when the first answer was sent that the bell waits for */
    bool serving = true;

    call.chan = chan;
    call.arena = &arena;
    for (;;) {
        struct frame frame;

        chan_worker_wait(chan, 0, 0);
        wrk_place_follow(chan);
        if (chan_peek(chan, &frame) != 1)
            continue;
        switch (frame.header.type) {
        case FRAME_REQUEST:
            if (!serving)
                (void)chan_worker_wait_revoked(chan);
            if (chan_claim(chan)) {
                serving = serve_one(&call, function, &frame);
                if (serving)
                    ring_for_answers(chan, &first_ns);
                else
                    wrk_ring_bell(chan);
            } else {
                chan_consume(chan, &frame); /* taken back: another instance runs it */
                if (first_ns != 0 && !chan_ready(chan))
                    ring_for_answers(chan, &first_ns);
            }
            break;
        case FRAME_RETIRE:
            retire(function);
        default: /* the end of a body that nobody waits for any more */
            chan_consume(chan, &frame);
            break;
        }
    }
}
