/* instance.c: the life of a worker, on the main loop and with the lock held: its start, its
 * retirement, and its death as the launcher reports it. */
#include "instance.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "container.h"
#include "event_log.h"
#include "events.h"
#include "function.h"
#include "http.h"
#include "log.h"
#include "network.h"
#include "text.h"

#define START_MS  10000 /* to load the object and run hearth_init */
#define RETIRE_MS 2000  /* to run hearth_fini */

#define TEMPLATE_ROOM (8 << 20) /* bytes */

#define UNSERVED_MOST 3 /* consecutive instances that die before their first call */

int
gw_instances_attach(struct gw_loop *loop)
{
    loop->instances = calloc(1, sizeof *loop->instances);
    return loop->instances != NULL ? 0 : -ENOMEM;
}

static void
enter_phase(struct gw_instance *inst, enum gw_instance_phase phase)
{
    if (phase >= GW_INSTANCE_KILLED && inst->phase < GW_INSTANCE_KILLED)
        inst->lived = inst->phase;
    inst->killed = inst->killed || phase == GW_INSTANCE_KILLED;
    inst->phase = phase;
}

/* The phase that the instance had reached when it was killed or died. */
static enum gw_instance_phase
lived(const struct gw_instance *inst)
{
    return inst->phase < GW_INSTANCE_KILLED ? inst->phase : inst->lived;
}

static void
note_why(struct gw_instance *inst, enum sch_end why)
{
    if (inst->why == SCH_END_NONE)
        inst->why = why;
}

static void
carry_out(struct gw *gw)
{
    gw->instances->events->decided(gw_main_loop(gw));
}

/* ---- start ---- */

/* An instance that checks a new version runs under the settings of that version. */
const struct gw_settings *
gw_instance_settings(const struct gw_instance *inst)
{
    return inst->checker != NULL ? inst->checker->settings : &inst->function->settings;
}

static void
on_start_too_slow(struct gw_timer *timer)
{
    struct gw_instance *inst = container_of(timer, struct gw_instance, timer);

    (void)snprintf(inst->unfit, sizeof inst->unfit, "it was not ready within %d s",
                   START_MS / 1000);
    gw_instance_kill(inst, SCH_END_TIMEOUT);
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

static void
fill_start(struct launch_start *start, const struct gw_settings *settings)
{
    start->cpu = (uint32_t)settings->numbers.cpu;
    start->tmp_bytes = (uint64_t)settings->numbers.tmp;
    start->calls = settings->syscalls;
    start->threads = (uint32_t)settings->numbers.threads;
    start->stack_bytes = (uint64_t)settings->numbers.stack;
    start->strict = settings->numbers.strict != 0;
    start->network = settings->network[0] != '\0';
}

/* What it is to be: for a version, with the settings of inst. */
static struct gw_instance *
launch(struct gw *gw, struct gw_instance *inst, struct gw_function *f, uint32_t version,
       bool staged)
{
    struct launch_message msg = {.type = LAUNCH_START};
    struct gw_instance *from = NULL;

    if (!inst->is_template)
        gw_templates_make_room(gw, 0); /* its limit is counted already */
    if (inst->slot != NULL)
        from = gw_template_ready(f);
    inst->id = msg.id = ++gw->instances->next_instance;
    inst->function = f;
    inst->version = version;
    inst->pooled = inst->slot != NULL;
    inst->limit_bytes = gw_instance_settings(inst)->numbers.memory;
    inst->cpu = gw_instance_settings(inst)->numbers.cpu;
    inst->born_ms = gw_now_ms();
    inst->launched_ns = gw_now_ns();
    (void)snprintf(msg.u.start.name, sizeof msg.u.start.name, "%s", f->name);
    msg.u.start.version = version;
    msg.u.start.staged = staged;
    msg.u.start.memory_limit = (uint64_t)inst->limit_bytes;
    fill_start(&msg.u.start, gw_instance_settings(inst));
    msg.u.start.template = inst->is_template;
    if (inst->is_template) /* its forks' tables of pages are counted to it */
        msg.u.start.memory_limit += msg.u.start.memory_limit / 8 + TEMPLATE_ROOM;
    if (from != NULL) {
        msg.u.start.from = from->id;
        inst->shared_bytes = from->shared_bytes;
        f->template_used_ms = gw_now_ms();
    }
    inst->has_network = msg.u.start.network != 0;
    if (inst->has_network)
        gw_network_publish(inst); /* first: its worker may ask at once */
    if (launch_client_send(&gw->instances->launcher, &msg) < 0) {
        gw_network_forget(inst);
        gw_instance_let_go(inst);
        return NULL;
    }
    HASH_ADD(hh, gw->instances->table, id, sizeof inst->id, inst);
    inst->next = f->instances;
    if (inst->next != NULL)
        inst->next->prev = inst;
    f->instances = inst;
    f->refs++;
    gw->instances->launches_total++;
    gw_instances_watch_idle(gw);
    gw_timer_set(gw_main_loop(gw), &inst->timer, START_MS, on_start_too_slow);
    return inst;
}

struct gw_instance *
gw_instance_launch(struct gw *gw, struct gw_function *f, uint32_t version, bool staged,
                   struct sch_slot *slot, struct gw_checker *checker)
{
    struct gw_instance *inst = instance_new(gw);

    if (inst == NULL)
        return NULL;
    inst->slot = slot;
    inst->checker = checker;
    return launch(gw, inst, f, version, staged);
}

struct gw_instance *
gw_instance_launch_template(struct gw *gw, struct gw_function *f)
{
    struct gw_instance *inst = instance_new(gw);

    if (inst == NULL)
        return NULL;
    inst->is_template = true;
    return launch(gw, inst, f, f->live, false);
}

static int
send_setup(struct gw_instance *inst)
{
    const struct gw_env *env = &gw_instance_settings(inst)->env;
    char who[LIMIT_NAME + 16];
    int named = snprintf(who, sizeof who, "%s%c%u", inst->function->name, 0, inst->version) + 1;
    unsigned char *payload = chan_reserve(&inst->chan, (size_t)named + env->len);

    if (payload == NULL)
        return -errno;
    memcpy(payload, who, (size_t)named);
    if (env->len > 0)
        memcpy(payload + named, env->bytes, env->len);
    chan_commit(&inst->chan, FRAME_SETUP, FRAME_END, 0, (size_t)named + env->len);
    chan_wake_worker(&inst->chan);
    return 0;
}

static void
on_started(struct gw_instance *inst, const struct launch_started *msg, const int *fds)
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
    if (msg->forked != 0)
        inst->function->forks++;
    else if (!inst->is_template)
        inst->shared_bytes = 0; /* it was made anew */
    if (status < 0) {
        gw_function_warn(inst->gw, inst->function, "instance %" PRIu64 ": %s", inst->id, err.text);
        gw_instance_kill(inst, SCH_END_BROKE_PROTOCOL);
        return;
    }
    inst->open = true;
    enter_phase(inst, GW_INSTANCE_LOADING);
    gw_instance_publish_limits(inst);
    status = send_setup(inst); /* before the rest, so that the worker loads meanwhile */
    gw_link_watch(&inst->links[0]);
    /* the log is read later: the first call should not wait for it */
    gw_instance_read_log_later(inst);
    gw_instance_follow_limit(inst);
    if (status < 0)
        gw_instance_kill(inst, SCH_END_CRASHED);
}

/* It serves nothing, so it has only the filter for loading. */
static void
template_is_ready(struct gw_instance *inst)
{
    gw_timer_unset(gw_main_loop(inst->gw), &inst->timer);
    enter_phase(inst, GW_INSTANCE_READY);
    gw_instance_take_output(inst);
    gw_template_is_ready(inst);
}

/* What it says of its own init: only for the choice of a template. */
static void
note_init(struct gw_instance *inst, const struct frame *frame)
{
    struct frame_ready ready;

    if (frame->len < sizeof ready || inst->shared_bytes > 0)
        return;
    memcpy(&ready, frame->payload, sizeof ready);
    inst->function->init_ns = ready.init_ns;
    inst->function->init_bytes = ready.init_bytes;
    if (inst->checker != NULL && inst->checker->costs != NULL)
        inst->checker->costs(inst->checker, (const char *)frame->payload + sizeof ready,
                             frame->len - sizeof ready);
}

/* FRAME_READY is the worker's claim. A constructor could send it before the final filter is
 * installed, so the launcher checks the kernel's filter count. Until then the instance gets no
 * calls. */
static void
verify_ready(struct gw_instance *inst)
{
    struct launch_message msg = {.type = LAUNCH_CHECK, .id = inst->id};

    enter_phase(inst, GW_INSTANCE_CHECKING);
    if (launch_client_send(&inst->gw->instances->launcher, &msg) < 0)
        gw_instance_kill(inst, SCH_END_CRASHED);
}

/* The launcher has confirmed the filters. */
static void
on_verified(struct gw_instance *inst)
{
    struct gw *gw = inst->gw;

    if (inst->phase != GW_INSTANCE_CHECKING)
        return; /* it was retired or killed meanwhile and never served */
    gw_timer_unset(gw_main_loop(gw), &inst->timer);
    enter_phase(inst, GW_INSTANCE_READY);
    gw_instance_take_output(inst);
    if (gw_instance_has_refusals(inst))
        gw_instance_report_refusals(inst, "");
    gw_instance_measure_fresh(inst);
    inst->start_ns = gw_now_ns() - inst->launched_ns;
    if (inst->slot != NULL) {
        gw_event(inst->function->name, "started",
                 ",\"instance\":%llu,\"version\":%u,\"took_ms\":%.3f", (unsigned long long)inst->id,
                 inst->version, (double)inst->start_ns / 1e6);
        sch_slot_ready(gw->functions->sch, inst->slot, gw_now_ns());
        gw_template_consider(gw, inst->function);
    }
    if (inst->checker != NULL)
        inst->checker->ready(inst->checker, inst);
}

static void
on_unfit(struct gw_instance *inst, const struct frame *frame)
{
    size_t n = frame->len < sizeof inst->unfit - 1 ? frame->len : sizeof inst->unfit - 1;

    memcpy(inst->unfit, frame->payload, n);
    inst->unfit[n] = '\0';
    text_printable(inst->unfit, false);
    /* the worker exits itself; the kill bounds how long that takes */
    gw_instance_kill(inst, SCH_END_CRASHED);
}

int
gw_instance_start_frame(struct gw_instance *inst, const struct frame *frame)
{
    if (lived(inst) != GW_INSTANCE_LOADING)
        return -EPROTO;
    if (frame->header.type == FRAME_UNFIT)
        on_unfit(inst, frame);
    else if (inst->phase == GW_INSTANCE_LOADING) {
        note_init(inst, frame);
        verify_ready(inst);
        if (inst->is_template && inst->phase == GW_INSTANCE_CHECKING)
            template_is_ready(inst);
    }
    return GW_FRAME_TAKEN;
}

/* ---- references and death ---- */

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
    free(inst->leak);
    free(inst->refused);
    free(inst);
}

static void
deliver_unwatch(struct gw_loop *loop, struct gw_mail *mail)
{
    struct gw_link *link = container_of(mail, struct gw_link, unwatch);

    (void)loop;
    gw_link_close(link);
    gw_instance_let_go(link->inst);
}

/* Frees the disk of removed versions that have no instance any more, which would hold their files
 * open. */
static void
release_versions(struct gw *gw, struct gw_function *f)
{
    for (struct gw_version **at = &f->gone; *at != NULL;) {
        struct gw_version *version = *at;
        const struct gw_instance *inst = f->instances;

        while (inst != NULL && inst->version != version->number)
            inst = inst->next;
        if (inst != NULL) {
            at = &version->next;
            continue;
        }
        *at = version->next;
        gw_disk_give(gw, version->disk_bytes);
        free(version);
    }
}

/* Closes the eventfd of every loop. The last reference frees the instance. */
static void
reap(struct gw_instance *inst)
{
    struct gw *gw = inst->gw;
    struct gw_function *f = inst->function;

    gw_timer_unset(gw_main_loop(gw), &inst->timer);
    gw_network_forget(inst);
    gw_instance_stop_log(inst);
    HASH_DEL(gw->instances->table, inst);
    *(inst->prev != NULL ? &inst->prev->next : &f->instances) = inst->next;
    if (inst->next != NULL)
        inst->next->prev = inst->prev;
    release_versions(gw, f);
    if (inst->open) {
        inst->open = false;
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

/* Whether the instance became ready and died without serving a call. A single death may be chance,
 * and min starts a replacement. A function whose instances repeatedly die like this cannot be
 * started. */
static bool
died_before_first_call(const struct gw_instance *inst)
{
    struct gw_function *f = inst->function;

    if (inst->lived != GW_INSTANCE_READY || (inst->killed && !inst->broken) || inst->calls > 0)
        return false;
    f->unserved_deaths = f->unserved_since == f->calls ? f->unserved_deaths + 1 : 1;
    f->unserved_since = f->calls;
    if (f->unserved_deaths == UNSERVED_MOST)
        log_error(
            "instances of %s die before their first call: new ones are started only for calls",
            f->name);
    return f->unserved_deaths >= UNSERVED_MOST;
}

/* Cleans up after the last call has ended. The channel belongs to the main loop again. */
static void
finish_death(struct gw_instance *inst)
{
    struct gw *gw = inst->gw;
    struct gw_function *f = inst->function;
    bool failed_start =
        inst->lived < GW_INSTANCE_READY || inst->checker != NULL || died_before_first_call(inst);

    gw_instance_read_last_log(inst);

    if (inst->peak_bytes > inst->death.peak) /* the mark was reset since */
        inst->death.peak = inst->peak_bytes;
    if (inst->pooled && inst->death.peak > f->peak_bytes)
        f->peak_bytes = inst->death.peak;
    if (failed_start)
        gw_instance_explain_failed_start(inst, f->last_failure, sizeof f->last_failure);
    else if (inst->slot != NULL && inst->lived == GW_INSTANCE_READY && !inst->killed)
        gw_function_warn(gw, f, "an idle instance died (%s %d)",
                         inst->death.cause == LAUNCH_CAUSE_SIGNAL ? "signal" : "status",
                         inst->death.value);
    gw_instance_end_leak(inst);
    gw_instance_profile_gone(inst);
    if (inst->pooled)
        gw_instance_count_end(inst);
    if (inst->slot != NULL)
        sch_slot_gone(gw->functions->sch, inst->slot, failed_start, gw_now_ns());
    inst->slot = NULL;
    if (inst->held_bytes > 0)
        sch_release(gw->functions->sch, inst->held_bytes, gw_now_ns());
    gw_instance_notify_waiter(inst, -ESRCH);
    if (inst->checker != NULL)
        inst->checker->failed(inst->checker, inst, f->last_failure);
    if (inst->is_template)
        gw_template_ended(inst);
    reap(inst);
    gw_server_check_drained(gw_main_loop(gw));
}

static struct gw_instance *
of_death_mail(struct gw_mail *mail)
{
    return container_of(mail, struct gw_instance, death_mail);
}

static void
deliver_end(struct gw_loop *loop, struct gw_mail *mail)
{
    struct gw_instance *inst = of_death_mail(mail);
    gw_locked struct gw *held = gw_lock(inst->gw);

    carry_out(loop->gw); /* earlier decisions about it */
    finish_death(inst);
    gw_instance_let_go(inst);
}

void
gw_instance_calls_ended(struct gw_instance *inst)
{
    gw_instance_hold(inst);
    gw_post(gw_main_loop(inst->gw), &inst->death_mail, deliver_end);
}

/* Runs on the loop that owned the channel when the instance died, and may still own it. */
static void
deliver_death(struct gw_loop *loop, struct gw_mail *mail)
{
    struct gw_instance *inst = of_death_mail(mail);
    struct gw_link *link = &inst->links[loop->lane];

    loop->gw->instances->events->decided(loop); /* including calls dispatched earlier */
    if (link->mine) {
        inst->drained = true;
        gw_link_poll(link);
    } else {
        gw_instance_calls_ended(inst);
    }
    gw_instance_let_go(inst);
}

/* ---- killing and retiring ---- */

static void
deliver_kill(struct gw_loop *loop, struct gw_mail *mail)
{
    struct gw_instance *inst = container_of(mail, struct gw_instance, kill_mail);
    struct launch_message msg = {.type = LAUNCH_KILL, .id = inst->id};

    (void)launch_client_send(&loop->gw->instances->launcher, &msg);
    gw_instance_let_go(inst);
}

void
gw_instance_kill(struct gw_instance *inst, enum sch_end why)
{
    gw_locked struct gw *held = gw_lock(inst->gw);

    if (inst->phase >= GW_INSTANCE_KILLED)
        return;
    enter_phase(inst, GW_INSTANCE_KILLED);
    note_why(inst, why);
    inst->gw->instances->kills_total++;
    if (inst->slot != NULL)
        sch_slot_doom(inst->gw->functions->sch, inst->slot, why, gw_now_ns());
    gw_instance_hold(inst);
    gw_post(gw_main_loop(inst->gw), &inst->kill_mail, deliver_kill);
}

static void
on_retire_too_slow(struct gw_timer *timer)
{
    struct gw_instance *inst = container_of(timer, struct gw_instance, timer);

    gw_instance_kill(inst, inst->why);
}

void
gw_instance_retire(struct gw_instance *inst, enum sch_end why)
{
    if (inst->phase >= GW_INSTANCE_KILLED)
        return; /* it is already being killed */
    enter_phase(inst, GW_INSTANCE_RETIRING);
    note_why(inst, why);
    if (!inst->open || inst->broken || chan_reserve(&inst->chan, 0) == NULL) {
        gw_instance_kill(inst, why);
        return;
    }
    chan_commit(&inst->chan, FRAME_RETIRE, FRAME_END, 0, 0);
    chan_wake_worker(&inst->chan);
    gw_timer_set(gw_main_loop(inst->gw), &inst->timer, RETIRE_MS, on_retire_too_slow);
}

/* ---- the launcher's messages ---- */

static void
on_died(struct gw_instance *inst, const struct launch_died *msg)
{
    enter_phase(inst, GW_INSTANCE_DEAD);
    inst->death = *msg;
    gw_instance_measure_death(inst);
    if (inst->slot != NULL && inst->slot->state == SCH_SLOT_BUSY) {
        /* no more calls */
        sch_slot_doom(inst->gw->functions->sch, inst->slot, SCH_END_CRASHED, gw_now_ns());
        gw_instance_hold(inst);
        gw_post(inst->gw->loops[inst->slot->lane], &inst->death_mail, deliver_death);
        return;
    }
    inst->drained = true;
    gw_link_poll(&inst->links[0]); /* takes the frames that it sent before it died */
    finish_death(inst);
}

/* The gateway could not receive the instance's descriptors. */
static void
fail_without_descriptors(struct gw_instance *inst)
{
    (void)snprintf(inst->unfit, sizeof inst->unfit,
                   "the gateway has run out of descriptors (ulimit -n)");
    gw_function_warn(inst->gw, inst->function, "%s", inst->unfit);
    gw_instance_kill(inst, SCH_END_CRASHED);
}

void
gw_instance_on_message(struct gw *gw, const struct launch_message *msg, int *fds, unsigned n)
{
    gw_locked struct gw *held = gw_lock(gw);
    struct gw_instance *inst = NULL;

    carry_out(gw); /* earlier decisions */
    HASH_FIND(hh, gw->instances->table, &msg->id, sizeof msg->id, inst);
    if (msg->type == LAUNCH_STARTED && (inst == NULL || n != LAUNCH_FD_BELLS + gw->loops_count)) {
        while (n > 0)
            (void)close(fds[--n]);
        if (inst != NULL)
            fail_without_descriptors(inst);
        return;
    }
    if (inst == NULL)
        return;
    if (msg->type == LAUNCH_STARTED)
        on_started(inst, &msg->u.started, fds);
    else if (msg->type == LAUNCH_DIED)
        on_died(inst, &msg->u.died);
    else if (msg->type == LAUNCH_LIMITED)
        gw_instance_limited(inst, msg->u.limited.status);
    else if (msg->type == LAUNCH_CHECKED)
        on_verified(inst);
    carry_out(gw);
}
