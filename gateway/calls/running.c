/* running.c: the calls of an instance, on the loop that owns its channel: handles the frames of the
 * calls, and what happens to the calls when the instance dies. Nothing that a worker writes is
 * trusted.
 */
#include "running.h"

#include <errno.h>
#include <string.h>

#include "call.h"
#include "connection.h"
#include "container.h"
#include "dispatch.h"
#include "function.h"
#include "instance.h"
#include "scheduler.h"
#include "text.h"

#define UNBEGUN_MOST 3

void
gw_running_add(struct gw_link *link, struct gw_call *call)
{
    call->instance = link->inst;
    call->next = NULL;
    *(link->last != NULL ? &link->last->next : &link->first) = call;
    link->last = call;
    link->count++;
    link->service_ns = call->sch.expected_ns;
    gw_link_take(link);
}

void
gw_running_remove(struct gw_link *link, struct gw_call *call)
{
    struct gw_call *before = NULL;

    for (struct gw_call *c = link->first; c != call; c = c->next)
        before = c;
    *(before != NULL ? &before->next : &link->first) = call->next;
    if (link->last == call)
        link->last = before;
    call->next = NULL;
    link->count--;
}

static void
count_times(struct gw_function *f, const struct gw_call *call, int64_t now)
{
    times_add(&f->run, now - call->sch.started_ns);
    times_add(&f->queue, call->sch.started_ns - call->sch.arrived_ns - call->cold_ns);
    if (call->sch.cold)
        times_add(&f->cold, call->cold_ns);
    recent_times_add(&f->recent, now - call->sch.arrived_ns, now);
}

/* Ends a call that both sides have finished; the slot can take the next one. Returns false if the
 * channel was released. */
static bool
complete_call(struct gw_link *link, struct gw_call *call)
{
    struct gw_instance *inst = link->inst;
    struct gw_function *f = inst->function;
    struct gw *gw = inst->gw;
    bool mine;

    {
        gw_locked struct gw *held = gw_lock(gw);
        int64_t now = gw_now_ns();

        inst->calls++;
        inst->unmeasured++;
        count_times(f, call, now);
        if (inst->full) /* the calls sent ahead are taken back: it begins none of them */
            sch_slot_doom(gw->functions->sch, inst->slot, SCH_END_RECYCLED_MEMORY, now);
        gw_running_remove(link, call);
        gw_instance_measure(call->loop, inst, call->body_seen, now);
        sch_call_done(gw->functions->sch, &call->sch, now);
        mine = gw_link_settle(link);
        gw_call_free(call);
    }
    return mine;
}

/* The response is complete. If the function did not read the whole body, the worker still waits for
 * its end; the call is complete once that has been sent. */
static int
finish_call(struct gw_link *link, struct gw_call *call, bool cut)
{
    struct gw_conn *conn = call->conn;
    bool mine = true;

    call->conn = NULL;
    if (conn != NULL)
        conn->exchange = NULL;
    if (cut && conn != NULL)
        gw_function_count_error(link->inst->gw, call->function, GW_FUNCTION_FAILED);
    if (!call->end_sent)
        gw_call_detach(call, EPIPE);
    call->finished = true;
    if (call->end_sent)
        mine = complete_call(link, call);
    if (conn != NULL && cut)
        gw_conn_cut(conn);
    else if (conn != NULL)
        gw_conn_responded(conn);
    return mine ? GW_FRAME_TAKEN : GW_LINK_GONE;
}

/* What is said of a call that needed more memory than its instance may have. */
static json_t *
memory_facts(const struct gw_instance *inst, int64_t limit, int64_t peak, const char *killer)
{
    return json_pack("{s:I,s:I,s:I,s:s}", "limit", (json_int_t)limit, "peak", (json_int_t)peak,
                     "advice", (json_int_t)gw_instance_advice(inst), "killer", killer);
}

/* The language noticed before the kernel that there was no more memory. */
static void
memory_was_refused(struct gw_call *call, struct gw_instance *inst, const char *exception)
{
    gw_locked struct gw *held = gw_lock(inst->gw);
    int64_t limit = inst->limit_bytes, peak = gw_instance_peak_now(inst);
    json_t *facts;

    gw_instance_note_refused_memory(call->loop, inst); /* with auto, the limit changes */
    facts = memory_facts(inst, limit, peak, "limit");
    (void)json_object_set_new(facts, "raised", json_true());
    (void)json_object_set_new(facts, "exception", json_string(exception));
    gw_call_problem(call, GW_MEMORY_EXCEEDED, facts,
                    "the function needed more memory than its limit (%lld bytes): %s was raised",
                    (long long)limit, exception);
}

static int
call_failed(struct gw_call *call, struct gw_instance *inst, const struct frame *frame)
{
    struct frame_failed failed;

    if (frame->len != sizeof failed || (frame->header.flags & FRAME_END) == 0 ||
        call->response_begun)
        return -EPROTO;
    memcpy(&failed, frame->payload, sizeof failed);
    failed.exception[sizeof failed.exception - 1] = '\0';
    text_printable(failed.exception, false);
    if (failed.no_memory != 0 && failed.exception[0] != '\0')
        memory_was_refused(call, inst, failed.exception);
    else if (failed.exception[0] != '\0')
        gw_call_problem(call, GW_FUNCTION_FAILED, json_pack("{s:s}", "exception", failed.exception),
                        "the handler raised %s before it sent a response", failed.exception);
    else
        gw_call_problem(call, GW_FUNCTION_FAILED, json_pack("{s:i}", "returned", failed.returned),
                        "hearth_handle returned %d before it sent a response", failed.returned);
    return 1;
}

/* The slow client has read the pending data, or it is gone. */
static void
on_taken(struct gw_write_waiter *waiter)
{
    struct gw_link *link = container_of(waiter, struct gw_link, taken);

    link->blocked = false;
    gw_link_poll(link);
}

/* Takes the output of this call, and reports refused system calls. */
static void
take_output_and_refusals(struct gw_instance *inst, const struct gw_call *call)
{
    bool refused = gw_instance_has_refusals(inst);

    if (!refused && !output_pending(&inst->chan.output))
        return;
    gw_locked struct gw *held = gw_lock(inst->gw);

    gw_instance_take_output(inst);
    if (refused)
        gw_instance_report_refusals(inst, call->id);
}

static int
on_frame(struct gw_link *link, const struct frame *frame)
{
    struct gw_call *call = link->first;
    struct gw_conn *conn;
    int status;

    if (call == NULL || call->serial != frame->header.serial || !call->head_sent || call->finished)
        return -EPROTO;
    conn = call->conn;
    if ((frame->header.flags & FRAME_END) != 0)
        take_output_and_refusals(link->inst, call); /* before the client gets the response */
    status = frame->header.type == FRAME_FAILED ? call_failed(call, link->inst, frame)
                                                : gw_response_frame(call, frame);
    if (status < 0)
        return status;
    chan_consume(&link->inst->chan, frame);
    link->made_room = true;
    if ((frame->header.flags & FRAME_FULL) != 0)
        link->inst->full = true;
    if ((frame->header.flags & FRAME_END) != 0)
        return finish_call(link, call,
                           (frame->header.flags & FRAME_CUT) != 0 || call->declared_left > 0);
    if (conn != NULL && conn->life != GW_CONN_CLOSING && gw_conn_is_full(conn)) {
        link->taken.done = on_taken;
        conn->write_waiter = &link->taken;
        link->blocked = true;
    }
    return GW_FRAME_TAKEN;
}

/* Answers the client of the call that the dead instance had begun. */
static void
answer_death(struct gw_call *call, const struct gw_instance *inst)
{
    struct gw_outcome out = gw_instance_outcome(inst);
    int64_t limit = inst->limit_bytes;

    if (inst->broken)
        gw_call_problem(call, GW_FUNCTION_CRASHED, NULL,
                        "the instance broke the protocol of its channel and was killed");
    else if (out.code == GW_MEMORY_EXCEEDED)
        gw_call_problem(call, out.code,
                        memory_facts(inst, limit, (int64_t)inst->death.peak,
                                     gw_instance_killer_name(inst->death.killer)),
                        "the instance was killed for memory: %s (%lld bytes)",
                        gw_instance_killer_text(inst->death.killer), (long long)limit);
    else if (out.code == GW_FORBIDDEN_SYSCALL)
        gw_call_problem(call, out.code, json_pack("{s:s}", "syscall", out.syscall),
                        "the function made the forbidden system call %s", out.syscall);
    else if (out.code == GW_INIT_FAILED)
        gw_call_problem(call, out.code, NULL, "%s", inst->death.text);
    else if (out.stack_overflow)
        gw_call_problem(
            call, out.code,
            json_pack("{s:s,s:s}", "signal", out.signal, "reason", "stack_overflow"),
            "the function's stack overflowed (setting stack): the instance was killed by "
            "%s in this call",
            out.signal);
    else if (out.signal[0] != '\0')
        gw_call_problem(call, out.code, json_pack("{s:s}", "signal", out.signal),
                        "the instance was killed by %s in this call", out.signal);
    else
        gw_call_problem(call, out.code, json_pack("{s:i}", "exit", out.exit),
                        "the instance exited with status %d in this call", out.exit);
}

/* Whether the first call can be given to another instance, because the dead one had not begun it.
 * The client does not notice. A compromised worker can revoke its claim and die repeatedly, so this
 * is allowed only UNBEGUN_MOST times per call. */
static bool
never_begun(struct gw_instance *inst, struct gw_call *call)
{
    if (call->conn == NULL || call->response_begun || inst->broken ||
        call->unbegun == UNBEGUN_MOST || !gw_call_recover(call))
        return false;
    if (call->head_sent && !chan_revoke(&inst->chan, call->position))
        return false;
    call->unbegun++;
    return true;
}

/* Whether a call behind the first can be given to another instance. */
static bool
can_go_on(struct gw_instance *inst, struct gw_call *call)
{
    return call->conn != NULL && gw_call_recover(call) &&
           (!call->head_sent || chan_revoke(&inst->chan, call->position));
}

/* Answers a call that ends with its instance. */
static void
lose_call(struct gw_link *link, struct gw_call *call)
{
    struct gw_instance *inst = link->inst;

    if (call->conn != NULL) {
        gw_instance_take_last_output(inst);
        if (gw_instance_has_refusals(inst))
            gw_instance_report_refusals(inst, call->id);
        answer_death(call, inst);
    }
    gw_running_remove(link, call);
    sch_call_lost(inst->gw->functions->sch, &call->sch);
    call->instance = NULL;
    gw_call_free(call);
}

/* Answers the first call, and those after it that cannot be given to another instance; puts the
 * others back into the queue. The main loop does the rest. */
static void
on_dead(struct gw_link *link)
{
    struct gw_instance *inst = link->inst;
    struct gw *gw = inst->gw;
    gw_locked struct gw *held = gw_lock(gw);

    if (link->first != NULL && !never_begun(inst, link->first))
        lose_call(link, link->first);
    else if (link->first != NULL)
        link->first->recovered = true;
    while (link->first != NULL && !link->first->recovered && !can_go_on(inst, link->first))
        lose_call(link, link->first);
    for (struct gw_call *call = link->first != NULL ? link->first->next : NULL; call != NULL;
         call = call->next)
        if (!can_go_on(inst, call)) { /* a worker that lies about what it has begun */
            gw_call_problem(call, GW_FUNCTION_CRASHED, NULL,
                            "the instance died, and the call's body was lost with it");
            call->aborted = EPIPE; /* it runs as one whose client has gone */
        }
    while (link->first != NULL) {
        struct gw_call *call = link->first;

        gw_running_remove(link, call);
        gw_call_unsend(call);
    }
    sch_slot_gone(gw->functions->sch, inst->slot, false, gw_now_ns());
    inst->slot = NULL;
    gw_link_give_up(link);
    gw_instance_calls_ended(inst);
}

/* Sends, in order, the calls for which there was no space. */
static void
send_unsent(struct gw_link *link)
{
    link->unsent = false;
    for (struct gw_call *c = link->first; c != NULL && !link->unsent; c = c->next) {
        if (!c->end_sent)
            gw_call_pump(c);
        link->unsent = link->unsent || !c->end_sent;
    }
}

/* Sends what fits now, of the first call and of those behind it. */
static void
on_room(struct gw_link *link)
{
    struct gw_call *call = link->first;

    link->room_wanted = 0;
    if (call != NULL && !call->end_sent)
        gw_call_pump(call);
    if (call != NULL && call->finished && call->end_sent && !complete_call(link, call))
        return;
    if (link->unsent)
        send_unsent(link);
}

const struct gw_instance_events gw_call_events = {
    .frame = on_frame,
    .room = on_room,
    .dead = on_dead,
    .decided = gw_dispatch,
};
