/* instance.c: the life of one worker, on the main loop: its birth and death as the
 * launcher tells them, its log, its limit, its retirement. All of it with the lock
 * held, but for the log.
 */
#include "calls/instance.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "calls/call.h"
#include "container.h"
#include "filter.h"
#include "functions/function.h"
#include "gateway.h"
#include "http/connection.h"
#include "log.h"
#include "text.h"

#define START_MS  10000 /* to load and initialise */
#define RETIRE_MS 2000  /* for hearth_fini */

#define UNSERVED_MOST 3    /* instances in a row that die before their first call */
#define IDLE_WATCH_MS 1000 /* between two looks at what idle instances compute, */
#define IDLE_PART     5    /* which may be a fifth of that time */

/* what a worker may print before it is not listened to, and for how long */
#define LOG_BYTES_AT_ONCE (128 * 1024)
#define LOG_LINE_COST     64 /* bytes that a line of its own is as dear as */
#define LOG_PAUSE_MS      20

static void on_log(uv_poll_t *poll, int status, int events);
static void watch_idle(struct gw *gw);

/* ---- birth ---- */

static void
on_start_too_slow(struct gw_timer *timer)
{
    struct gw_instance *inst = container_of(timer, struct gw_instance, timer);

    (void)snprintf(inst->unfit, sizeof inst->unfit, "it was not ready within %d s",
                   START_MS / 1000);
    gw_instance_kill(inst);
}

/* A new version is checked under the settings that it will have. */
static const struct gw_settings *
settings_of(const struct gw_instance *inst)
{
    return inst->checker != NULL ? inst->checker->settings : &inst->function->settings;
}

static struct gw_instance *
instance_new(struct gw *gw)
{
    struct gw_instance *inst = calloc(1, sizeof *inst + gw->loops_count * sizeof inst->links[0]);

    if (inst == NULL)
        return NULL;
    inst->gw = gw;
    inst->log_fd = inst->memory_fd = inst->peak_fd = inst->cpu_fd = -1;
    for (uint32_t i = 0; i < gw->loops_count; i++) {
        inst->bell_fds[i] = -1;
        inst->links[i].inst = inst;
        inst->links[i].loop = gw->loops[i];
    }
    gw_instance_hold(inst);
    return inst;
}

struct gw_instance *
gw_instance_launch(struct gw *gw, struct gw_function *f, uint32_t version, bool staged,
                   struct sch_slot *slot, struct gw_checker *checker)
{
    struct launch_message msg = {.type = LAUNCH_START};
    struct gw_instance *inst = instance_new(gw);

    if (inst == NULL)
        return NULL;
    inst->id = msg.id = ++gw->next_instance;
    inst->function = f;
    inst->version = version;
    inst->slot = slot;
    inst->checker = checker;
    inst->limit_bytes = settings_of(inst)->numbers.memory;
    inst->born_ms = gw_now_ms();
    inst->launched_ns = gw_now_ns();
    (void)snprintf(msg.u.start.name, sizeof msg.u.start.name, "%s", f->name);
    msg.u.start.version = version;
    msg.u.start.staged = staged;
    msg.u.start.memory_limit = (uint64_t)inst->limit_bytes;
    msg.u.start.tmp_bytes = (uint64_t)settings_of(inst)->numbers.tmp;
    msg.u.start.calls = settings_of(inst)->syscalls;
    if (launch_client_send(&gw->launcher, &msg) < 0) {
        gw_instance_let_go(inst);
        return NULL;
    }
    HASH_ADD(hh, gw->instances, id, sizeof inst->id, inst);
    inst->next = f->instances;
    if (inst->next != NULL)
        inst->next->prev = inst;
    f->instances = inst;
    f->refs++;
    gw->launches_total++;
    watch_idle(gw);
    gw_timer_set(gw_main_loop(gw), &inst->timer, START_MS, on_start_too_slow);
    return inst;
}

/* ---- its log ---- */

static void
take_line(struct gw_instance *inst, const char *line, size_t n)
{
    gw_journal_add(inst->function, inst->id, line, n);
    inst->log_bytes += LOG_LINE_COST;
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

void
gw_instance_read_log(struct gw_instance *inst)
{
    char bytes[4096];
    ssize_t got;

    for (int i = 0; inst->open && i < 32; i++) {
        if ((got = read(inst->log_fd, bytes, sizeof bytes)) <= 0)
            return;
        take_output(inst, bytes, (size_t)got);
    }
}

static void
on_log_pause_over(struct gw_timer *timer)
{
    struct gw_instance *inst = container_of(timer, struct gw_instance, log_pause);

    inst->log_bytes = 0;
    if (!inst->log_watched) {
        inst->log.data = inst;
        if (uv_poll_init(gw_main_loop(inst->gw)->uv, &inst->log, inst->log_fd) < 0)
            return;             /* what it says is read at its end */
        gw_instance_hold(inst); /* until the handle is closed */
        inst->log_watched = true;
    }
    (void)uv_poll_start(&inst->log, UV_READABLE, on_log);
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
        if (inst->log_bytes > LOG_BYTES_AT_ONCE) {
            (void)uv_poll_stop(poll);
            gw_timer_set(gw_main_loop(inst->gw), &inst->log_pause, LOG_PAUSE_MS, on_log_pause_over);
        }
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR))
        (void)uv_poll_stop(poll);
}

/* ---- birth, continued ---- */

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

/* Writes limit and recycle_memory where the worker reads them. */
static void
publish_limits(struct gw_instance *inst)
{
    int64_t percent = settings_of(inst)->numbers.recycle_memory;

    if (!inst->open)
        return;
    atomic_store(&inst->chan.shared->memory_limit, (uint64_t)inst->limit_bytes);
    atomic_store(&inst->chan.shared->recycle_at,
                 percent < 100 ? (uint64_t)(inst->limit_bytes / 100 * percent) : 0);
}

void
gw_instances_follow_settings(struct gw_function *f)
{
    for (struct gw_instance *inst = f->instances; inst != NULL; inst = inst->next)
        publish_limits(inst);
}

void
gw_instance_follow_limit(struct gw_instance *inst)
{
    if (inst->limit_bytes != settings_of(inst)->numbers.memory &&
        (inst->slot == NULL || !inst->slot->doomed))
        gw_instance_send_limit(inst);
}

static void
started(struct gw_instance *inst, const struct launch_started *msg, const int *fds)
{
    struct hearth_err err = {0};
    int status = chan_open(&inst->chan, CHAN_GATEWAY, fds[LAUNCH_FD_CHANNEL], &err);

    (void)close(fds[LAUNCH_FD_CHANNEL]);
    inst->log_fd = fds[LAUNCH_FD_LOG];
    inst->memory_fd = fds[LAUNCH_FD_MEMORY];
    inst->peak_fd = fds[LAUNCH_FD_PEAK];
    inst->cpu_fd = fds[LAUNCH_FD_CPU];
    memcpy(inst->bell_fds, fds + LAUNCH_FD_BELLS, inst->gw->loops_count * sizeof fds[0]);
    inst->pid = msg->pid;
    inst->cpu_in_usec = msg->cpu_in_usec != 0;
    if (status < 0) {
        gw_function_warn(inst->gw, inst->function, "instance %" PRIu64 ": %s", inst->id, err.text);
        gw_instance_kill(inst);
        return;
    }
    inst->open = true;
    inst->phase = GW_INSTANCE_LOADING;
    publish_limits(inst);
    status = send_setup(inst); /* first: the worker loads while the rest is done here */
    gw_link_watch(&inst->links[0]);
    /* its log can wait until the first call is on its way */
    gw_timer_set(gw_main_loop(inst->gw), &inst->log_pause, LOG_PAUSE_MS, on_log_pause_over);
    gw_instance_follow_limit(inst);
    if (status < 0)
        gw_instance_kill(inst);
}

/* It says so itself, and may be a constructor that never had its filter narrowed: whether
 * its filters are up, the launcher asks the kernel. Until then it serves nobody. */
static void
says_ready(struct gw_instance *inst)
{
    struct launch_message msg = {.type = LAUNCH_CHECK, .id = inst->id};

    inst->phase = GW_INSTANCE_CHECKING;
    if (launch_client_send(&inst->gw->launcher, &msg) < 0)
        gw_instance_kill(inst);
}

/* Its filters are up. */
static void
became_ready(struct gw_instance *inst)
{
    struct gw *gw = inst->gw;

    if (inst->phase != GW_INSTANCE_CHECKING || inst->dying || inst->killed)
        return; /* retired meanwhile, or ended: it never served */
    gw_timer_unset(gw_main_loop(gw), &inst->timer);
    inst->phase = GW_INSTANCE_READY;
    inst->start_ns = gw_now_ns() - inst->launched_ns;
    if (inst->slot != NULL)
        sch_slot_ready(gw->sch, inst->slot, gw_now_ns());
    if (inst->checker != NULL)
        inst->checker->ready(inst->checker, inst);
}

static void
became_unfit(struct gw_instance *inst, const struct frame *frame)
{
    size_t n = frame->len < sizeof inst->unfit - 1 ? frame->len : sizeof inst->unfit - 1;

    memcpy(inst->unfit, frame->payload, n);
    inst->unfit[n] = '\0';
    text_printable(inst->unfit, false);
    gw_instance_kill(inst); /* it ends itself; this bounds how long it takes */
}

int
gw_instance_start_frame(struct gw_instance *inst, const struct frame *frame)
{
    if (inst->phase != GW_INSTANCE_LOADING)
        return -EPROTO;
    if (frame->header.type == FRAME_UNFIT)
        became_unfit(inst, frame);
    else if (!inst->dying)
        says_ready(inst);
    return 1;
}

/* ---- death ---- */

void
gw_instance_hold(struct gw_instance *inst)
{
    atomic_fetch_add(&inst->refs, 1);
}

void
gw_instance_let_go(struct gw_instance *inst)
{
    int fds[] = {inst->log_fd, inst->memory_fd, inst->peak_fd, inst->cpu_fd};

    if (atomic_fetch_sub(&inst->refs, 1) > 1)
        return;
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
        if (fds[i] >= 0)
            (void)close(fds[i]);
    for (uint32_t i = 0; i < inst->gw->loops_count; i++)
        if (inst->bell_fds[i] >= 0)
            (void)close(inst->bell_fds[i]);
    chan_close(&inst->chan);
    free(inst->log_line);
    free(inst);
}

static void
on_log_closed(uv_handle_t *handle)
{
    gw_instance_let_go(handle->data);
}

static void
deliver_unwatch(struct gw_loop *loop, struct gw_mail *mail)
{
    struct gw_link *link = container_of(mail, struct gw_link, unwatch);

    (void)loop;
    gw_link_close(link);
    gw_instance_let_go(link->inst);
}

/* Every loop closes its bell, and the last one frees it. */
static void
release(struct gw_instance *inst)
{
    struct gw *gw = inst->gw;
    struct gw_function *f = inst->function;

    gw_timer_unset(gw_main_loop(gw), &inst->timer);
    gw_timer_unset(gw_main_loop(gw), &inst->log_pause);
    HASH_DEL(gw->instances, inst);
    *(inst->prev != NULL ? &inst->prev->next : &f->instances) = inst->next;
    if (inst->next != NULL)
        inst->next->prev = inst->prev;
    if (inst->open) {
        inst->open = false;
        if (inst->log_watched)
            uv_close((uv_handle_t *)&inst->log, on_log_closed);
        gw_link_close(&inst->links[0]);
    }
    for (uint32_t i = 1; i < gw->loops_count; i++) {
        if (!inst->links[i].watched)
            continue;
        gw_instance_hold(inst);
        gw_post(gw->loops[i], &inst->links[i].unwatch, deliver_unwatch);
    }
    gw_instance_let_go(inst);
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

void
gw_instance_answer_death(struct gw_instance *inst, struct gw_call *call)
{
    gw_locked struct gw *held = gw_lock(inst->gw);
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
    else if (v.code == GW_INIT_FAILED)
        gw_call_problem(call, v.code, NULL, "%s", inst->death.text);
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
    else if (inst->broken)
        (void)snprintf(text, n, "it broke the protocol while it was loaded");
    else if (v.signal[0] != '\0')
        (void)snprintf(text, n, "it died of %s while it was loaded", v.signal);
    else
        (void)snprintf(text, n, "it exited with status %d while it was loaded", v.exit);
}

/* Ready, and dead by itself without one call: once may be chance, and min has another one
 * made. A function whose instances do so again and again cannot be started. */
static bool
dies_unserved(const struct gw_instance *inst)
{
    struct gw_function *f = inst->function;

    if (inst->phase != GW_INSTANCE_READY || (inst->killed && !inst->broken) || inst->calls > 0)
        return false;
    f->unserved_deaths = f->unserved_since == f->calls ? f->unserved_deaths + 1 : 1;
    f->unserved_since = f->calls;
    if (f->unserved_deaths == UNSERVED_MOST)
        log_error("instances of %s die before their first call: no more are made unasked", f->name);
    return f->unserved_deaths >= UNSERVED_MOST;
}

static void
tell_waiter(struct gw_instance *inst, int status)
{
    struct gw_limit_waiter *waiter = inst->waiter;

    inst->waiter = NULL;
    if (waiter != NULL)
        waiter->done(waiter, status);
}

/* What it printed before it died, its last line without a newline too. */
static void
take_last_words(struct gw_instance *inst)
{
    gw_instance_read_log(inst);
    if (inst->log_len > 0)
        take_line(inst, inst->log_line, inst->log_len);
    inst->log_len = 0;
}

/* Nothing runs in it any more, and no loop but this one has its channel. */
static void
bury(struct gw_instance *inst)
{
    struct gw *gw = inst->gw;
    struct gw_function *f = inst->function;
    bool failed_start =
        inst->phase < GW_INSTANCE_READY || inst->checker != NULL || dies_unserved(inst);

    take_last_words(inst);

    if ((uint64_t)inst->death.peak > f->peak_bytes)
        f->peak_bytes = inst->death.peak;
    if (failed_start)
        explain_failed_start(inst, f->last_failure, sizeof f->last_failure);
    else if (inst->slot != NULL && inst->phase == GW_INSTANCE_READY && !inst->killed)
        gw_function_warn(gw, f, "an idle instance died (%s %d)",
                         inst->death.cause == LAUNCH_CAUSE_SIGNAL ? "signal" : "status",
                         inst->death.value);
    if (inst->slot != NULL)
        sch_slot_gone(gw->sch, inst->slot, failed_start, gw_now_ns());
    inst->slot = NULL;
    if (inst->held_bytes > 0)
        sch_release(gw->sch, inst->held_bytes, gw_now_ns());
    tell_waiter(inst, -ESRCH);
    if (inst->checker != NULL)
        inst->checker->failed(inst->checker, inst, f->last_failure);
    release(inst);
    gw_server_check_drained(gw_main_loop(gw));
}

static struct gw_instance *
of_death_mail(struct gw_mail *mail)
{
    return container_of(mail, struct gw_instance, death_mail);
}

static void
deliver_burial(struct gw_loop *loop, struct gw_mail *mail)
{
    struct gw_instance *inst = of_death_mail(mail);
    gw_locked struct gw *held = gw_lock(inst->gw);

    gw_dispatch(loop); /* what was decided about it before */
    bury(inst);
    gw_instance_let_go(inst);
}

void
gw_instance_calls_ended(struct gw_instance *inst)
{
    gw_instance_hold(inst);
    gw_post(gw_main_loop(inst->gw), &inst->death_mail, deliver_burial);
}

/* To the loop that had its channel when it died, and may have it still. */
static void
deliver_death(struct gw_loop *loop, struct gw_mail *mail)
{
    struct gw_instance *inst = of_death_mail(mail);
    struct gw_link *link = &inst->links[loop->lane];

    gw_dispatch(loop); /* calls that were given to it before it was known */
    if (link->mine) {
        inst->dead = true;
        gw_link_poll(link);
    } else {
        gw_instance_calls_ended(inst);
    }
    gw_instance_let_go(inst);
}

/* ---- the end that we want ---- */

static void
deliver_kill(struct gw_loop *loop, struct gw_mail *mail)
{
    struct gw_instance *inst = container_of(mail, struct gw_instance, kill_mail);
    struct launch_message msg = {.type = LAUNCH_KILL, .id = inst->id};

    (void)launch_client_send(&loop->gw->launcher, &msg);
    gw_instance_let_go(inst);
}

void
gw_instance_kill(struct gw_instance *inst)
{
    gw_locked struct gw *held = gw_lock(inst->gw);

    if (inst->killed || inst->dying)
        return;
    inst->killed = true;
    inst->gw->kills_total++;
    if (inst->slot != NULL)
        sch_slot_doom(inst->gw->sch, inst->slot, gw_now_ns());
    gw_instance_hold(inst);
    gw_post(gw_main_loop(inst->gw), &inst->kill_mail, deliver_kill);
}

static void
on_retire_too_slow(struct gw_timer *timer)
{
    gw_instance_kill(container_of(timer, struct gw_instance, timer));
}

void
gw_instance_retire(struct gw_instance *inst)
{
    if (inst->dying || inst->killed)
        return; /* its end is on its way */
    inst->phase = GW_INSTANCE_RETIRING;
    if (!inst->open || inst->broken || chan_reserve(&inst->chan, 0) == NULL) {
        gw_instance_kill(inst);
        return;
    }
    chan_commit(&inst->chan, FRAME_RETIRE, FRAME_END, 0, 0);
    chan_wake_worker(&inst->chan);
    gw_timer_set(gw_main_loop(inst->gw), &inst->timer, RETIRE_MS, on_retire_too_slow);
}

/* ---- idle ones ---- */

/* Who has no call has nothing to do: an instance that answers and then goes on computing
 * is ended, since no timeout of a call ends it. */
static void
look_at_idle(struct gw_instance *inst)
{
    int64_t cpu_us;

    if (inst->slot == NULL || inst->slot->state != SCH_SLOT_IDLE || inst->killed)
        return;
    cpu_us = gw_instance_cpu_us(inst);
    if (inst->idle_cpu_us > 0 && inst->idle_calls == inst->calls &&
        cpu_us - inst->idle_cpu_us > IDLE_WATCH_MS * 1000 / IDLE_PART) {
        gw_function_warn(inst->gw, inst->function,
                         "an instance computes without a call: ending it");
        sch_slot_doom(inst->gw->sch, inst->slot, gw_now_ns());
    }
    inst->idle_calls = inst->calls;
    inst->idle_cpu_us = cpu_us;
}

static void
on_idle_watch(uv_timer_t *timer)
{
    struct gw *gw = timer->data;
    gw_locked struct gw *held = gw_lock(gw);
    struct gw_instance *inst, *next;

    HASH_ITER (hh, gw->instances, inst, next)
        look_at_idle(inst);
    gw_dispatch(gw_main_loop(gw));
    gw_function_say_unsaid(gw);
    if (gw->instances == NULL && gw->noisy == NULL) {
        (void)uv_timer_stop(timer);
        gw->idle_watched = false;
    }
}

static void
watch_idle(struct gw *gw)
{
    if (gw->idle_watched)
        return;
    if (gw->idle_watch.data == NULL) /* once: its handle stays in the loop's list */
        (void)uv_timer_init(gw_main_loop(gw)->uv, &gw->idle_watch);
    gw->idle_watch.data = gw;
    gw->idle_watched =
        uv_timer_start(&gw->idle_watch, on_idle_watch, IDLE_WATCH_MS, IDLE_WATCH_MS) == 0;
}

/* ---- the launcher's messages ---- */

static void
died(struct gw_instance *inst, const struct launch_died *msg)
{
    inst->dying = true;
    inst->death = *msg;
    if (inst->slot != NULL && inst->slot->state == SCH_SLOT_BUSY) {
        sch_slot_doom(inst->gw->sch, inst->slot, gw_now_ns()); /* no more calls for it */
        gw_instance_hold(inst);
        gw_post(inst->gw->loops[inst->slot->lane], &inst->death_mail, deliver_death);
        return;
    }
    inst->dead = true;
    gw_link_poll(&inst->links[0]); /* what it said before it died */
    bury(inst);
}

/* Its descriptors found no room in this process. */
static void
cannot_hold(struct gw_instance *inst)
{
    (void)snprintf(inst->unfit, sizeof inst->unfit,
                   "the gateway has no descriptors left for it (ulimit -n)");
    gw_function_warn(inst->gw, inst->function, "%s", inst->unfit);
    gw_instance_kill(inst);
}

static void
limited(struct gw_instance *inst, int status)
{
    if (status == 0 && inst->open) {
        publish_limits(inst);
        if (inst->slot != NULL)
            sch_slot_shrunk(inst->gw->sch, inst->slot, inst->limit_bytes, gw_now_ns());
    } else if (inst->slot != NULL)
        sch_slot_doom(inst->gw->sch, inst->slot, gw_now_ns()); /* it uses more: replace it */
    tell_waiter(inst, status);
}

void
gw_instance_on_message(struct gw *gw, const struct launch_message *msg, int *fds, unsigned n)
{
    gw_locked struct gw *held = gw_lock(gw);
    struct gw_instance *inst = NULL;

    gw_dispatch(gw_main_loop(gw)); /* what was decided before */
    HASH_FIND(hh, gw->instances, &msg->id, sizeof msg->id, inst);
    if (msg->type == LAUNCH_STARTED && (inst == NULL || n != LAUNCH_FD_BELLS + gw->loops_count)) {
        while (n > 0)
            (void)close(fds[--n]);
        if (inst != NULL)
            cannot_hold(inst);
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
    else if (msg->type == LAUNCH_CHECKED)
        became_ready(inst);
    gw_dispatch(gw_main_loop(gw));
}
