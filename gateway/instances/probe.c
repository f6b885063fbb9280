/* probe.c: see probe.h. */
#include "probe.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "container.h"
#include "events.h"
#include "function.h"
#include "instance.h"

/* ---- the request ---- */

/* What is written of it so far; a request that is too long only counts. */
struct text {
    unsigned char *bytes;
    size_t len, room;
};

static void
put(struct text *text, const void *bytes, size_t n)
{
    if (text->len + n <= text->room)
        memcpy(text->bytes + text->len, bytes, n);
    text->len += n;
}

static void
put_string(struct text *text, const char *string)
{
    put(text, string, strlen(string) + 1);
}

static void
put_field(struct text *text, const char *name, const char *value)
{
    uint16_t lens[2] = {(uint16_t)strlen(name), (uint16_t)strlen(value)};

    put(text, lens, sizeof lens);
    put_string(text, name);
    put_string(text, value);
}

/* As struct frame_request says. */
static void
put_request(struct text *text, const struct gw_instance *inst, const struct gw_probe_call *call,
            int64_t deadline_ns)
{
    struct frame_request request = {.deadline_ns = (uint64_t)deadline_ns,
                                    .method_len = (uint16_t)strlen(call->method),
                                    .body_len = (int64_t)call->len};
    char length[24];
    size_t base = sizeof request;

    put(text, &request, sizeof request);
    put_string(text, call->method);
    put(text, "/function/", 10);
    put(text, inst->function->name, strlen(inst->function->name));
    request.path_at = (uint32_t)(text->len - base);
    request.path_len = (uint32_t)strlen(call->path);
    put_string(text, call->path);
    if (call->query != NULL) {
        request.query_at = (uint32_t)(text->len - base);
        request.query_len = (uint32_t)strlen(call->query);
        put_string(text, call->query);
    }
    request.fields_at = (uint32_t)(text->len - base);
    (void)snprintf(length, sizeof length, "%zu", call->len);
    put_field(text, "Content-Length", length);
    request.fields = 1;
    if (call->type != NULL) {
        put_field(text, "Content-Type", call->type);
        request.fields++;
    }
    request.id_at = (uint32_t)(text->len - base);
    put_string(text, "tune");
    while (text->len % 16 != 0)
        put(text, "", 1);
    request.body_at = (uint32_t)text->len;
    put(text, call->body, call->len);
    put(text, "", 1);
    if (text->len <= text->room)
        memcpy(text->bytes, &request, sizeof request);
}

/* ---- one call ---- */

static void
on_too_slow(struct gw_timer *timer)
{
    struct gw_instance *inst = container_of(timer, struct gw_instance, timer);
    gw_locked struct gw *held = gw_lock(inst->gw);

    if (inst->probe != NULL)
        inst->probe->timed_out = true;
    gw_instance_kill(inst, SCH_END_TIMEOUT);
}

int
gw_instance_probe(struct gw_instance *inst, struct gw_probe *probe,
                  const struct gw_probe_call *call, int64_t timeout_ms)
{
    int64_t now_ns = gw_now_ns();
    struct text text = {.room = LIMIT_FRAME};

    if (inst->phase != GW_INSTANCE_READY || !inst->open || inst->probe != NULL ||
        call->len > LIMIT_FRAME_BODY)
        return -EINVAL;
    text.bytes = chan_reserve(&inst->chan, LIMIT_FRAME);
    if (text.bytes == NULL)
        return -errno;
    put_request(&text, inst, call, now_ns + timeout_ms * 1000000);
    if (text.len > text.room)
        return -E2BIG;
    (void)gw_instance_take_peak(inst);
    probe->failed = probe->timed_out = probe->begun = false;
    probe->sent_ns = now_ns;
    probe->serial = inst->calls + 1;
    inst->probe = probe;
    chan_commit(&inst->chan, FRAME_REQUEST, FRAME_END, probe->serial, text.len);
    chan_wake_worker(&inst->chan);
    gw_timer_set(gw_main_loop(inst->gw), &inst->timer, timeout_ms, on_too_slow);
    return 0;
}

/* The first frame of the response; false if it breaks the protocol. */
static bool
begin_response(struct gw_probe *probe, const struct frame *frame)
{
    struct frame_response head;

    if (probe->begun || frame->len < sizeof head)
        return false;
    memcpy(&head, frame->payload, sizeof head);
    probe->begun = true;
    probe->failed = head.status >= 500;
    return true;
}

int
gw_instance_probe_frame(struct gw_instance *inst, const struct frame *frame)
{
    struct gw_probe *probe = inst->probe;
    bool end = (frame->header.flags & FRAME_END) != 0;

    if (frame->header.serial != probe->serial)
        return -EPROTO;
    if (probe->timed_out) { /* it is being killed */
        chan_consume(&inst->chan, frame);
        return GW_FRAME_TAKEN;
    }
    if (frame->header.type == FRAME_RESPONSE && !begin_response(probe, frame))
        return -EPROTO;
    if (frame->header.type == FRAME_FAILED)
        probe->failed = true;
    chan_consume(&inst->chan, frame);
    chan_wake_worker_for_room(&inst->chan);
    if (!end)
        return GW_FRAME_TAKEN;
    gw_timer_unset(gw_main_loop(inst->gw), &inst->timer);
    probe->run_ns = gw_now_ns() - probe->sent_ns;
    probe->peak = gw_instance_peak_now(inst);
    inst->calls++;
    inst->probe = NULL;
    probe->done(probe);
    return GW_FRAME_TAKEN;
}
