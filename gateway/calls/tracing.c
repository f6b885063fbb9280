/* tracing.c: see tracing.h. */
#include "tracing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "call.h"
#include "clock.h"
#include "container.h"
#include "dispatch.h"
#include "function.h"
#include "http.h"
#include "loop.h"
#include "trace.h"

#define FLUSH_MS 500

/* Of one loop. */
struct gw_tracing {
    struct gw_loop *loop;
    struct gw_timer timer;
    unsigned count;
    struct trace_record records[TRACE_RECORDS];
};

static void
flush(struct gw_tracing *tracing)
{
    struct gw_http *http = tracing->loop->gw->http;
    size_t n = tracing->count * sizeof tracing->records[0];

    if (n > 0 && write(http->trace_fd, tracing->records, n) != (ssize_t)n)
        http->traces_dropped += tracing->count;
    tracing->count = 0;
}

static void
on_flush(struct gw_timer *timer)
{
    flush(container_of(timer, struct gw_tracing, timer));
}

void
gw_tracing_last(struct gw_loop *loop)
{
    if (loop->calls->tracing != NULL)
        flush(loop->calls->tracing);
}

static struct gw_tracing *
tracing_of(struct gw_loop *loop)
{
    struct gw_tracing *tracing = loop->calls->tracing;

    if (tracing == NULL)
        tracing = loop->calls->tracing = calloc(1, sizeof *tracing);
    if (tracing != NULL)
        tracing->loop = loop;
    return tracing;
}

void
gw_tracing_add(struct gw_call *call)
{
    struct gw_tracing *tracing = tracing_of(call->loop);
    struct trace_record *r;
    int64_t now = gw_now_ns(), began = call->sch.started_ns, arrived = call->sch.arrived_ns;

    if (tracing == NULL) {
        call->loop->gw->http->traces_dropped++;
        return;
    }
    if (arrived == 0) /* it was refused before it waited */
        arrived = now;
    r = &tracing->records[tracing->count++];
    *r = (struct trace_record){
        .arrived_ns = (uint64_t)(clock_wall_ns() - (now - arrived)),
        .wait_ns = (uint64_t)((began != 0 ? began : now) - arrived),
        .cold_ns = (uint64_t)call->cold_ns,
        .run_ns = (uint64_t)(began != 0 ? now - began : 0),
        .total_ns = (uint64_t)(now - arrived),
        .status = (uint16_t)call->status,
    };
    memcpy(r->trace_id, call->trace.trace_id, sizeof r->trace_id);
    memcpy(r->parent, call->trace.parent, sizeof r->parent);
    memcpy(r->call, call->trace.call, sizeof r->call);
    memcpy(r->run, call->trace.run, sizeof r->run);
    (void)snprintf(r->method, sizeof r->method, "%s",
                   (const char *)call->head->bytes + sizeof(struct frame_request));
    (void)snprintf(r->function, sizeof r->function, "%s", call->function->name);
    (void)snprintf(r->call_id, sizeof r->call_id, "%s", call->id);
    if (call->code != NULL)
        (void)snprintf(r->code, sizeof r->code, "%s", call->code);
    if (tracing->count == TRACE_RECORDS)
        flush(tracing);
    else if (tracing->count == 1)
        gw_timer_set(call->loop, &tracing->timer, FLUSH_MS, on_flush);
}
