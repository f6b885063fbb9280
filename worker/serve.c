/* serve.c: the call loop of one worker: sleep, take a request, run the handler,
 * answer. */
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "worker.h"

static void
serve_one(struct hearth_call *call, const struct wrk_function *function, const struct frame *frame)
{
    struct chan *chan = call->chan;
    struct wrk_arena *arena = call->arena;
    int returned;

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
    wrk_call_respond(call, returned);
    wrk_call_finish_request(call);
    wrk_arena_release(arena);
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

    call.chan = chan;
    call.arena = &arena;
    for (;;) {
        struct frame frame;

        chan_worker_wait(chan, 0, 0);
        if (chan_peek(chan, &frame) != 1)
            continue;
        switch (frame.header.type) {
        case FRAME_REQUEST:
            serve_one(&call, function, &frame);
            break;
        case FRAME_RETIRE:
            retire(function);
        default: /* the end of a body that nobody waits for any more */
            chan_consume(chan, &frame);
            break;
        }
    }
}
