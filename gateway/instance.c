/* instance.c: the gateway's side of one worker: its birth and death as the
 * launcher tells them, and what it says in its ring. Everything a worker writes
 * is hostile: a worker that breaks the protocol is ended.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin.h"
#include "deploy.h"
#include "filter.h"
#include "gateway.h"
#include "log.h"

#define FRAMES_PER_TURN 64
#define START_MS        10000 /* to load and initialise */
#define RETIRE_MS       2000  /* for hearth_fini */

/* what a worker may say before it is hushed, and for how long it is */
#define RINGS_FOR_NOTHING 16
#define LOG_BYTES_AT_ONCE (128 * 1024)
#define HUSH_MS           20

static void on_bell(uv_poll_t *poll, int status, int events);
static void on_log(uv_poll_t *poll, int status, int events);

/* ---- birth ---- */

static void
on_start_too_slow(struct gw_timer *timer)
{
    struct gw_instance *inst =
        (struct gw_instance *)(void *)((char *)timer - offsetof(struct gw_instance, timer));

    (void)snprintf(inst->unfit, sizeof inst->unfit, "it was not ready within %d s",
                   START_MS / 1000);
    gw_instance_kill(inst);
}

void
gw_instance_busy(struct gw_instance *inst, bool busy)
{
    struct gw *gw = inst->gw;

    if (inst->busy == busy)
        return;
    inst->busy = busy;
    if (busy) {
        inst->busy_prev = NULL;
        inst->busy_next = gw->busy;
        if (gw->busy != NULL)
            gw->busy->busy_prev = inst;
        gw->busy = inst;
        return;
    }
    *(inst->busy_prev != NULL ? &inst->busy_prev->busy_next : &gw->busy) = inst->busy_next;
    if (inst->busy_next != NULL)
        inst->busy_next->busy_prev = inst->busy_prev;
    inst->busy_next = inst->busy_prev = NULL;
    if (!inst->open)
        return;
    /* nobody looks at its ring any more: it has to ring */
    chan_gateway_sleeps(&inst->chan, true);
    gw_instance_wake(inst);
}

void
gw_instance_wake(struct gw_instance *inst)
{
    if (inst->sent && inst->open)
        chan_wake_worker(&inst->chan);
    else if (inst->made_room && inst->open)
        chan_wake_worker_for_room(&inst->chan);
    inst->sent = inst->made_room = false;
}

/* A new version is checked under the settings that it will have. */
static const struct gw_settings *
settings_of(const struct gw_instance *inst)
{
    return inst->deploy != NULL ? &inst->deploy->settings : &inst->function->settings;
}

struct gw_instance *
gw_instance_launch(struct gw *gw, struct gw_function *f, uint32_t version, bool staged,
                   struct sch_slot *slot, struct gw_deploy *deploy)
{
    struct launch_message msg = {.type = LAUNCH_START};
    struct gw_instance *inst = calloc(1, sizeof *inst);

    if (inst == NULL)
        return NULL;
    inst->gw = gw;
    inst->id = msg.id = ++gw->next_instance;
    inst->function = f;
    inst->version = version;
    inst->slot = slot;
    inst->deploy = deploy;
    inst->limit_bytes = settings_of(inst)->numbers.memory;
    inst->born_ms = gw_now_ms();
    inst->launched_ns = gw_now_ns();
    inst->bell_fd = inst->log_fd = inst->memory_fd = inst->peak_fd = inst->cpu_fd = -1;
    (void)snprintf(msg.u.start.name, sizeof msg.u.start.name, "%s", f->name);
    msg.u.start.version = version;
    msg.u.start.staged = staged;
    msg.u.start.memory_limit = (uint64_t)inst->limit_bytes;
    if (launch_client_send(&gw->launcher, &msg) < 0) {
        free(inst);
        return NULL;
    }
    HASH_ADD(hh, gw->instances, id, sizeof inst->id, inst);
    inst->next = f->instances;
    if (inst->next != NULL)
        inst->next->prev = inst;
    f->instances = inst;
    f->refs++;
    gw->launches_total++;
    gw_timer_set(gw, &inst->timer, START_MS, on_start_too_slow);
    return inst;
}

static void
on_hush_over(struct gw_timer *timer)
{
    struct gw_instance *inst =
        (struct gw_instance *)(void *)((char *)timer - offsetof(struct gw_instance, hushed));

    inst->rings = inst->log_bytes = 0;
    (void)uv_poll_start(&inst->bell, UV_READABLE, on_bell);
    (void)uv_poll_start(&inst->log, UV_READABLE, on_log);
    gw_instance_poll(inst);
    gw_dispatch(inst->gw);
}

/* A worker that rings for nothing, or prints without end, is not listened to for a
 * moment: its noise is to cost it, and not the gateway. */
static void
hush(struct gw_instance *inst)
{
    (void)uv_poll_stop(&inst->bell);
    (void)uv_poll_stop(&inst->log);
    gw_timer_set(inst->gw, &inst->hushed, HUSH_MS, on_hush_over);
}

static void
on_bell(uv_poll_t *poll, int status, int events)
{
    struct gw_instance *inst = poll->data;
    uint64_t count;

    (void)status;
    (void)events;
    (void)!read(inst->bell_fd, &count, sizeof count);
    inst->rings =
        inst->open && (chan_ready(&inst->chan) || inst->room_wanted > 0) ? 0 : inst->rings + 1;
    if (inst->rings > RINGS_FOR_NOTHING)
        hush(inst);
    gw_instance_poll(inst);
    gw_dispatch(inst->gw);
}

static void
take_line(struct gw_instance *inst, const char *line, size_t n)
{
    gw_journal_add(inst->function, inst->id, line, n);
}

/* Splits what came at newlines; keeps an unfinished line up to its bound. */
static void
take_output(struct gw_instance *inst, const char *bytes, size_t n)
{
    while (n > 0) {
        const char *end = memchr(bytes, '\n', n);
        size_t part = end != NULL ? (size_t)(end - bytes) : n;

        if (inst->log_len == 0 && end != NULL) {
            take_line(inst, bytes, part);
        } else {
            size_t room = LIMIT_LOG_LINE - inst->log_len, kept = part < room ? part : room;

            if (inst->log_line == NULL && (inst->log_line = malloc(LIMIT_LOG_LINE)) == NULL)
                return;
            memcpy(inst->log_line + inst->log_len, bytes, kept);
            inst->log_len += (uint32_t)kept;
            if (end != NULL || inst->log_len == LIMIT_LOG_LINE) {
                take_line(inst, inst->log_line, inst->log_len);
                inst->log_len = 0;
            }
        }
        part += end != NULL;
        bytes += part;
        n -= part;
    }
}

static void
on_log(uv_poll_t *poll, int status, int events)
{
    struct gw_instance *inst = poll->data;
    char bytes[4096];
    ssize_t got = read(inst->log_fd, bytes, sizeof bytes);

    (void)status;
    (void)events;
    if (got > 0) {
        take_output(inst, bytes, (size_t)got);
        inst->log_bytes += (uint32_t)got;
        if (inst->log_bytes > LOG_BYTES_AT_ONCE)
            hush(inst);
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR))
        (void)uv_poll_stop(poll);
}

static int
send_setup(struct gw_instance *inst)
{
    const struct gw_env *env = &settings_of(inst)->env;
    unsigned char *payload = chan_reserve(&inst->chan, env->len);

    if (payload == NULL)
        return -errno;
    if (env->len > 0)
        memcpy(payload, env->bytes, env->len);
    chan_commit(&inst->chan, FRAME_SETUP, FRAME_END, 0, env->len);
    chan_wake_worker(&inst->chan);
    return 0;
}

void
gw_instance_send_limit(struct gw_instance *inst)
{
    struct launch_message msg = {.type = LAUNCH_LIMIT, .id = inst->id};

    inst->limit_bytes = settings_of(inst)->numbers.memory;
    msg.u.limit.memory_limit = (uint64_t)inst->limit_bytes;
    (void)launch_client_send(&inst->gw->launcher, &msg);
}

static void
started(struct gw_instance *inst, const struct launch_started *msg, const int *fds)
{
    struct hearth_err err = {0};
    int status = chan_open(&inst->chan, CHAN_GATEWAY, fds[LAUNCH_FD_CHANNEL], &err);

    (void)close(fds[LAUNCH_FD_CHANNEL]);
    inst->bell_fd = fds[LAUNCH_FD_BELL];
    inst->log_fd = fds[LAUNCH_FD_LOG];
    inst->memory_fd = fds[LAUNCH_FD_MEMORY];
    inst->peak_fd = fds[LAUNCH_FD_PEAK];
    inst->cpu_fd = fds[LAUNCH_FD_CPU];
    inst->pid = msg->pid;
    inst->cpu_in_usec = msg->cpu_in_usec != 0;
    if (status < 0) {
        log_error("instance %" PRIu64 ": %s", inst->id, err.text);
        gw_instance_kill(inst);
        return;
    }
    inst->open = true;
    inst->phase = GW_INSTANCE_LOADING;
    atomic_store(&inst->chan.shared->memory_limit, (uint64_t)inst->limit_bytes);
    inst->bell.data = inst->log.data = inst;
    (void)uv_poll_init(inst->gw->loop, &inst->bell, inst->bell_fd);
    (void)uv_poll_init(inst->gw->loop, &inst->log, inst->log_fd);
    (void)uv_poll_start(&inst->bell, UV_READABLE, on_bell);
    (void)uv_poll_start(&inst->log, UV_READABLE, on_log);
    if (inst->limit_bytes != settings_of(inst)->numbers.memory)
        gw_instance_send_limit(inst);
    if (send_setup(inst) < 0)
        gw_instance_kill(inst);
}

/* ---- its frames ---- */

static void
break_off(struct gw_instance *inst, const char *why)
{
    log_warning("instance %" PRIu64 " of %s broke the channel's protocol (%s): ending it", inst->id,
                inst->function->name, why);
    inst->broken = true;
    gw_instance_kill(inst);
}

static void
became_ready(struct gw_instance *inst)
{
    struct gw *gw = inst->gw;

    gw_timer_unset(gw, &inst->timer);
    inst->phase = GW_INSTANCE_READY;
    inst->start_ns = gw_now_ns() - inst->launched_ns;
    if (inst->deploy != NULL)
        gw_deploy_instance_ready(inst->deploy, inst);
    else if (inst->slot != NULL)
        sch_slot_ready(gw->sch, inst->slot, gw_now_ns());
}

static void
became_unfit(struct gw_instance *inst, const struct frame *frame)
{
    size_t n = frame->len < sizeof inst->unfit - 1 ? frame->len : sizeof inst->unfit - 1;

    memcpy(inst->unfit, frame->payload, n);
    inst->unfit[n] = '\0';
    for (char *p = inst->unfit; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || (unsigned char)*p > 0x7e)
            *p = '?';
    gw_instance_kill(inst); /* it ends itself; this bounds how long it takes */
}

/* The share of the limit in use after a call, where the function minds: looked at
 * now and then, since it costs a system call. */
static bool
uses_too_much(struct gw_instance *inst)
{
    int64_t percent = inst->function->sch.settings.recycle_memory;

    if (inst->calls % 256 != 0)
        return false;
    return gw_instance_read(inst->memory_fd) > inst->limit_bytes / 100 * percent;
}

/* Both sides are done with the call: the slot is free for the next. */
static void
complete_call(struct gw_instance *inst, struct gw_call *call)
{
    struct gw_function *f = inst->function;
    int64_t now = gw_now_ns();

    inst->calls++;
    f->run_ns_total += (uint64_t)(now - call->sch.started_ns);
    f->queue_ns_total += (uint64_t)(call->sch.started_ns - call->sch.arrived_ns);
    if (uses_too_much(inst))
        inst->slot->doomed = true;
    sch_call_done(inst->gw->sch, &call->sch, now);
    gw_call_free(call);
}

/* The response is whole. Where the function did not read all of the body, the
 * worker still waits for its end, and the call is complete once it was sent. */
static void
finish_call(struct gw_instance *inst, struct gw_call *call, const struct frame *frame)
{
    struct gw_conn *conn = call->conn;
    bool cut = (frame->header.flags & FRAME_CUT) != 0 || call->declared_left > 0;

    call->conn = NULL;
    if (conn != NULL)
        conn->call = NULL;
    if (cut && conn != NULL)
        inst->function->errors[GW_FUNCTION_FAILED]++;
    if (!call->end_sent)
        gw_call_detach(call, EPIPE);
    call->finished = true;
    if (call->end_sent)
        complete_call(inst, call);
    if (conn == NULL)
        return;
    if (cut)
        gw_conn_cut(conn);
    else
        gw_conn_responded(conn);
}

static int
call_failed(struct gw_instance *inst, struct gw_call *call, const struct frame *frame)
{
    int32_t returned;

    if (frame->len != sizeof returned || (frame->header.flags & FRAME_END) == 0 ||
        call->response_begun)
        return -EPROTO;
    memcpy(&returned, frame->payload, sizeof returned);
    gw_call_problem(call, GW_FUNCTION_FAILED, json_pack("{s:i}", "returned", returned),
                    "hearth_handle returned %d before it sent a response", returned);
    finish_call(inst, call, frame);
    return 1;
}

static int
call_frame(struct gw_instance *inst, const struct frame *frame)
{
    struct sch_call *head = inst->slot != NULL ? inst->slot->runs.head : NULL;
    struct gw_call *call = (struct gw_call *)(void *)head;
    struct gw_conn *conn;
    int status;

    if (call == NULL || call->serial != frame->header.serial || !call->head_sent || call->finished)
        return -EPROTO;
    if (frame->header.type == FRAME_FAILED)
        return call_failed(inst, call, frame);
    conn = call->conn;
    status = gw_response_frame(call, frame);
    if (status < 0)
        return status;
    if ((frame->header.flags & FRAME_END) != 0) {
        finish_call(inst, call, frame);
        return 1;
    }
    if (status == 0 && conn != NULL && !conn->closing && conn->writes > 0) {
        conn->blocks = inst;
        inst->blocked = true;
    }
    return 1;
}

/* Carries one frame out; it is consumed by the caller. */
static int
take_frame(struct gw_instance *inst, const struct frame *frame)
{
    switch (frame->header.type) {
    case FRAME_READY:
        if (inst->phase != GW_INSTANCE_LOADING)
            return -EPROTO;
        became_ready(inst);
        return 1;
    case FRAME_UNFIT:
        if (inst->phase != GW_INSTANCE_LOADING)
            return -EPROTO;
        became_unfit(inst, frame);
        return 1;
    case FRAME_RESPONSE:
    case FRAME_BODY:
    case FRAME_FAILED:
        return call_frame(inst, frame);
    default:
        return -EPROTO;
    }
}

static void bury(struct gw_instance *inst);

/* Sends the calls that found no room, in their order. */
static void
send_unsent(struct gw_instance *inst)
{
    struct sch_call *c = inst->slot != NULL ? inst->slot->runs.head : NULL;

    inst->unsent = false;
    for (; c != NULL && !inst->unsent; c = c->next) {
        struct gw_call *call = (struct gw_call *)(void *)c;

        if (c->prev != NULL && !call->head_sent && !gw_call_keep_whole(call))
            inst->unsent = true;
        else if (!call->end_sent)
            gw_call_pump(call);
        inst->unsent = inst->unsent || !call->end_sent;
    }
}

void
gw_instance_poll(struct gw_instance *inst)
{
    struct gw_call *call;
    bool consumed = false;
    int status = 0;

    if (!inst->open || inst->broken)
        return;
    for (int i = 0; !inst->blocked && (i < FRAMES_PER_TURN || inst->dead); i++) {
        struct frame frame;

        status = chan_peek(&inst->chan, &frame);
        if (status == 1)
            status = take_frame(inst, &frame);
        if (status <= 0)
            break;
        chan_consume(&inst->chan, &frame);
        consumed = true;
    }
    if (status < 0)
        break_off(inst, "a frame that cannot be");
    if (inst->dead) {
        if (!inst->blocked)
            bury(inst);
        return;
    }
    call = inst->slot != NULL ? (struct gw_call *)(void *)inst->slot->runs.head : NULL;
    inst->room_wanted = 0;
    if (call != NULL && !call->end_sent)
        gw_call_pump(call);
    inst->made_room = inst->made_room || consumed;
    if (call != NULL && call->finished && call->end_sent)
        complete_call(inst, call);
    if (inst->unsent)
        send_unsent(inst);
    gw_instance_busy(inst, inst->slot != NULL && inst->slot->runs.head != NULL);
}

/* ---- death ---- */

static void
free_instance(struct gw_instance *inst)
{
    int fds[] = {inst->bell_fd, inst->log_fd, inst->memory_fd, inst->peak_fd, inst->cpu_fd};

    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
        if (fds[i] >= 0)
            (void)close(fds[i]);
    chan_close(&inst->chan);
    free(inst->log_line);
    free(inst);
}

static void
on_handle_closed(uv_handle_t *handle)
{
    struct gw_instance *inst = handle->data;

    if (--inst->closing == 0)
        free_instance(inst);
}

static void
release(struct gw_instance *inst)
{
    struct gw *gw = inst->gw;
    struct gw_function *f = inst->function;
    char bytes[4096];
    ssize_t got;

    gw_instance_busy(inst, false);
    gw_timer_unset(gw, &inst->timer);
    gw_timer_unset(gw, &inst->hushed);
    HASH_DEL(gw->instances, inst);
    *(inst->prev != NULL ? &inst->prev->next : &f->instances) = inst->next;
    if (inst->next != NULL)
        inst->next->prev = inst->prev;
    if (inst->open) {
        while ((got = read(inst->log_fd, bytes, sizeof bytes)) > 0)
            take_output(inst, bytes, (size_t)got);
        if (inst->log_len > 0)
            take_line(inst, inst->log_line, inst->log_len);
        inst->open = false;
        inst->closing = 2;
        uv_close((uv_handle_t *)&inst->bell, on_handle_closed);
        uv_close((uv_handle_t *)&inst->log, on_handle_closed);
    } else {
        free_instance(inst);
    }
    gw_function_release(gw, f);
}

static void
signal_name(int number, char *buf, size_t n)
{
    const char *name = sigabbrev_np(number);

    (void)snprintf(buf, n, "SIG%s", name != NULL ? name : "?");
}

/* What the launcher saw, explained by what the worker noted before. */
struct verdict {
    enum gw_code code;
    char syscall[32], signal[24];
    int exit;
};

static struct verdict
judge(const struct gw_instance *inst)
{
    const struct launch_died *died = &inst->death;
    uint32_t note = inst->open ? atomic_load(&inst->chan.shared->trapped) : 0;
    struct verdict v = {.code = GW_FUNCTION_CRASHED};

    if (died->cause == LAUNCH_CAUSE_NO_WALL) {
        v.code = GW_INIT_FAILED;
    } else if (died->oom_kills > 0) {
        v.code = GW_MEMORY_EXCEEDED;
    } else if (died->cause == LAUNCH_CAUSE_SIGNAL && died->value == SIGSYS) {
        v.code = GW_FORBIDDEN_SYSCALL;
        (void)snprintf(v.syscall, sizeof v.syscall, "unknown");
        if (note > 0 && note < CHAN_NOTED_SIGNAL)
            (void)sbx_filter_syscall_name((int)note - 1, v.syscall, sizeof v.syscall);
    } else if (died->cause == LAUNCH_CAUSE_SIGNAL) {
        signal_name(died->value, v.signal, sizeof v.signal);
    } else if (note > CHAN_NOTED_SIGNAL && (int)(note - CHAN_NOTED_SIGNAL) + 128 == died->value) {
        signal_name((int)(note - CHAN_NOTED_SIGNAL), v.signal, sizeof v.signal);
    } else {
        v.exit = died->value;
    }
    return v;
}

static void
answer_death(struct gw_instance *inst, struct gw_call *call)
{
    struct verdict v = judge(inst);
    int64_t limit = inst->limit_bytes;

    if (inst->broken)
        gw_call_problem(call, GW_FUNCTION_CRASHED, NULL,
                        "the instance broke the protocol of its channel and was ended");
    else if (v.code == GW_MEMORY_EXCEEDED)
        gw_call_problem(call, v.code,
                        json_pack("{s:I,s:I,s:I}", "limit", (json_int_t)limit, "peak",
                                  (json_int_t)inst->death.peak, "advice", (json_int_t)(2 * limit)),
                        "the kernel ended the instance: it needed more than its limit of %lld "
                        "bytes",
                        (long long)limit);
    else if (v.code == GW_FORBIDDEN_SYSCALL)
        gw_call_problem(call, v.code, json_pack("{s:s}", "syscall", v.syscall),
                        "the function called %s, which is not allowed", v.syscall);
    else if (v.signal[0] != '\0')
        gw_call_problem(call, v.code, json_pack("{s:s}", "signal", v.signal),
                        "the instance died of %s in this call", v.signal);
    else
        gw_call_problem(call, v.code, json_pack("{s:i}", "exit", v.exit),
                        "the instance exited with status %d in this call", v.exit);
}

/* Why an instance never became ready, as a sentence. */
static void
explain_failed_start(struct gw_instance *inst, char *text, size_t n)
{
    struct verdict v = judge(inst);

    if (inst->unfit[0] != '\0')
        (void)snprintf(text, n, "%s", inst->unfit);
    else if (v.code == GW_INIT_FAILED)
        (void)snprintf(text, n, "%s", inst->death.text);
    else if (v.code == GW_MEMORY_EXCEEDED)
        (void)snprintf(text, n, "it needed more than its memory limit of %lld bytes to start",
                       (long long)inst->limit_bytes);
    else if (v.code == GW_FORBIDDEN_SYSCALL)
        (void)snprintf(text, n, "it called %s, which is not allowed, while it was loaded",
                       v.syscall);
    else if (v.signal[0] != '\0')
        (void)snprintf(text, n, "it died of %s while it was loaded", v.signal);
    else
        (void)snprintf(text, n, "it exited with status %d while it was loaded", v.exit);
}

/* Whether the first call was sent, but the instance died without having begun it:
 * then another one runs it, and its client hears of nothing. */
static bool
never_begun(struct gw_instance *inst, struct gw_call *call)
{
    if (call->conn == NULL || call->response_begun || !call->resendable || !inst->open ||
        inst->broken || inst->killed)
        return false;
    return !call->head_sent || chan_revoke(&inst->chan, call->position);
}

static void
bury(struct gw_instance *inst)
{
    struct gw *gw = inst->gw;
    struct gw_function *f = inst->function;
    struct sch_slot *slot = inst->slot;
    bool failed_start = inst->phase < GW_INSTANCE_READY;
    struct gw_call *call = slot != NULL ? (struct gw_call *)(void *)slot->runs.head : NULL;

    if ((uint64_t)inst->death.peak > f->peak_bytes)
        f->peak_bytes = inst->death.peak;
    if (failed_start)
        explain_failed_start(inst, f->last_failure, sizeof f->last_failure);
    if (call != NULL && !never_begun(inst, call)) {
        if (call->conn != NULL)
            answer_death(inst, call);
        sch_call_lost(gw->sch, &call->sch);
        call->instance = NULL;
        gw_call_free(call);
    } else if (inst->phase == GW_INSTANCE_READY && !inst->killed) {
        log_warning("an idle instance of %s died (%s %d)", f->name,
                    inst->death.cause == LAUNCH_CAUSE_SIGNAL ? "signal" : "status",
                    inst->death.value);
    }
    if (slot != NULL) {
        for (struct sch_call *c = slot->runs.head; c != NULL; c = c->next)
            gw_call_unsend((struct gw_call *)(void *)c);
        sch_slot_gone(gw->sch, slot, failed_start, gw_now_ns());
    }
    if (inst->patch != NULL)
        gw_patch_instance_done(inst, -ESRCH);
    if (inst->deploy != NULL)
        gw_deploy_instance_failed(inst->deploy, f->last_failure);
    release(inst);
    gw_server_check_drained(gw);
}

void
gw_instance_kill(struct gw_instance *inst)
{
    struct launch_message msg = {.type = LAUNCH_KILL, .id = inst->id};

    if (inst->killed || inst->dead)
        return;
    inst->killed = true;
    inst->gw->kills_total++;
    if (inst->slot != NULL)
        inst->slot->doomed = true;
    (void)launch_client_send(&inst->gw->launcher, &msg);
}

static void
on_retire_too_slow(struct gw_timer *timer)
{
    gw_instance_kill(
        (struct gw_instance *)(void *)((char *)timer - offsetof(struct gw_instance, timer)));
}

void
gw_instance_retire(struct gw_instance *inst)
{
    inst->phase = GW_INSTANCE_RETIRING;
    if (!inst->open || inst->broken || chan_reserve(&inst->chan, 0) == NULL) {
        gw_instance_kill(inst);
        return;
    }
    chan_commit(&inst->chan, FRAME_RETIRE, FRAME_END, 0, 0);
    chan_wake_worker(&inst->chan);
    gw_timer_set(inst->gw, &inst->timer, RETIRE_MS, on_retire_too_slow);
}

/* ---- the launcher's messages ---- */

static void
died(struct gw_instance *inst, const struct launch_died *msg)
{
    inst->dead = true;
    inst->death = *msg;
    if (inst->open && !inst->broken)
        gw_instance_poll(inst); /* what it said before it died; then buries */
    else
        bury(inst);
}

static void
limited(struct gw_instance *inst, int status)
{
    if (status == 0 && inst->open)
        atomic_store(&inst->chan.shared->memory_limit, (uint64_t)inst->limit_bytes);
    else if (inst->slot != NULL)
        sch_slot_doom(inst->gw->sch, inst->slot, gw_now_ns()); /* it uses more: replace it */
    if (inst->patch != NULL)
        gw_patch_instance_done(inst, status);
}

void
gw_instance_on_message(struct gw *gw, const struct launch_message *msg, int *fds, unsigned n)
{
    struct gw_instance *inst = NULL;

    HASH_FIND(hh, gw->instances, &msg->id, sizeof msg->id, inst);
    if (msg->type == LAUNCH_STARTED && (inst == NULL || n != LAUNCH_STARTED_FDS)) {
        while (n > 0)
            (void)close(fds[--n]);
        return;
    }
    if (inst == NULL)
        return;
    if (msg->type == LAUNCH_STARTED)
        started(inst, &msg->u.started, fds);
    else if (msg->type == LAUNCH_DIED)
        died(inst, &msg->u.died);
    else if (msg->type == LAUNCH_LIMITED)
        limited(inst, msg->u.limited.status);
    gw_dispatch(gw);
}

/* ---- meters ---- */

int64_t
gw_instance_read(int fd)
{
    char text[64];
    ssize_t got = fd >= 0 ? pread(fd, text, sizeof text - 1, 0) : -1;

    if (got <= 0)
        return 0;
    text[got] = '\0';
    return strtoll(text, NULL, 10);
}

int64_t
gw_instance_cpu_us(const struct gw_instance *inst)
{
    char text[512];
    ssize_t got = inst->cpu_fd >= 0 ? pread(inst->cpu_fd, text, sizeof text - 1, 0) : -1;
    const char *at;

    if (got <= 0)
        return 0;
    text[got] = '\0';
    if (!inst->cpu_in_usec)
        return strtoll(text, NULL, 10) / 1000;
    at = strstr(text, "usage_usec ");
    return at != NULL ? strtoll(at + 11, NULL, 10) : 0;
}
