/* template.c: the template of a function: an instance that has run init, serves nothing, and is
 * forked by the launcher for each further instance (worker/template.c). The forks share what init
 * built until they change it.
 *
 * It is made where init is costly, of the version and settings that are live. It lives on what the
 * instances leave of the memory budget: none is ended for it, and when they need its memory, it
 * ends. One that fails is not made again for the same version and settings.
 */
#include "event_log.h"
#include "function.h"
#include "instance.h"
#include "journal.h"
#include "scheduler.h"

#define INIT_NS     INT64_C(5000000) /* from which "auto" makes one */
#define INIT_BYTES  (INT64_C(1) << 20)
#define KEEP_MS     INT64_C(600000) /* without a fork and without an instance */
#define ROOM        (INT64_C(8) << 20)
#define FORK        (INT64_C(128) << 10)
#define CPU_US      200000 /* in a second without a fork, from then on: */
#define GRACE_MS    10000
#define GRACE_BYTES (INT64_C(32) << 10) /* in a millisecond */

static bool
is_worth_it(const struct gw_function *f)
{
    switch (f->settings.numbers.template) {
    case SCH_CHOICE_ON:
        return true;
    case SCH_CHOICE_AUTO:
        return (int64_t)f->init_ns >= INIT_NS || (int64_t)f->init_bytes >= INIT_BYTES;
    default:
        return false;
    }
}

/* What forks would share, and must not: other threads do not exist in a fork, and a /tmp would be
 * one for all. A template of a function with destinations cannot reach them: its forks can. */
static bool
is_possible(const struct gw_function *f)
{
    const struct sch_settings *n = &f->settings.numbers;

    return n->threads == 1 && n->tmp == 0 && n->max > 1;
}

static bool
is_wanted(const struct gw_function *f)
{
    return !f->removed && !f->deleting && f->live > 0 && is_worth_it(f) && is_possible(f);
}

struct gw_instance *
gw_template_ready(const struct gw_function *f)
{
    struct gw_instance *t = f->template;

    return t != NULL && t->phase == GW_INSTANCE_READY && t->version == f->live &&
                   f->template_generation == f->sch.generation
               ? t
               : NULL;
}

static void
count_bytes(struct gw_instance *t, int64_t bytes)
{
    t->gw->instances->template_bytes += bytes - t->shared_bytes;
    t->shared_bytes = bytes;
}

static void
end(struct gw_instance *t)
{
    count_bytes(t, 0);
    gw_instance_kill(t, SCH_END_SURPLUS);
}

/* Whether the budget has no room for so much more. */
static bool
is_short(const struct gw *gw, int64_t bytes)
{
    return gw->functions->memory_budget > 0 &&
           sch_used_bytes(gw->functions->sch) + gw->instances->template_bytes + bytes >
               gw->functions->memory_budget;
}

void
gw_template_consider(struct gw *gw, struct gw_function *f)
{
    int64_t bytes = f->settings.numbers.memory;

    if (f->template != NULL || !is_wanted(f) || f->template_generation == f->sch.generation)
        return;
    if (is_short(gw, bytes))
        return;
    f->template_generation = f->sch.generation;
    f->template_used_ms = gw_now_ms();
    f->template = gw_instance_launch_template(gw, f);
    if (f->template != NULL)
        count_bytes(f->template, bytes);
}

void
gw_templates_make_room(struct gw *gw, int64_t bytes)
{
    while (gw->instances->template_bytes > 0 && is_short(gw, bytes)) {
        struct gw_instance *inst, *next, *oldest = NULL;

        HASH_ITER (hh, gw->instances->table, inst, next)
            if (inst->is_template && inst->phase < GW_INSTANCE_KILLED &&
                (oldest == NULL ||
                 inst->function->template_used_ms < oldest->function->template_used_ms))
                oldest = inst;
        if (oldest == NULL)
            return;
        oldest->function->template_generation = 0; /* made again once there is room */
        end(oldest);
    }
}

/* From here on it only forks: code of its init that stays behind, in a timer, gets no more than
 * that. */
static void
bound(struct gw_instance *t, int64_t used)
{
    struct launch_message msg = {.type = LAUNCH_LIMIT, .id = t->id};

    /* each fork costs it what the kernel keeps of a process, and tables of pages */
    msg.u.limit.memory_limit =
        (uint64_t)(used + ROOM + t->function->settings.numbers.max * (FORK + used / 512));
    msg.u.limit.cpu = (uint32_t)t->cpu;
    (void)launch_client_send(&t->gw->instances->launcher, &msg);
}

static bool
uses_cpu(struct gw_instance *t)
{
    int64_t cpu_us = gw_instance_cpu_us(t), before = t->idle_cpu_us;
    uint64_t forks = t->idle_calls;

    t->idle_cpu_us = cpu_us;
    t->idle_calls = t->function->forks;
    /* at first it puts its memory into huge pages, at 290 MiB/s on a quiet machine */
    if (gw_now_ms() - t->born_ms < GRACE_MS + t->shared_bytes / GRACE_BYTES)
        return false;
    return before > 0 && forks == t->function->forks && cpu_us - before > CPU_US;
}

void
gw_template_tick(struct gw_instance *t)
{
    if (t->phase == GW_INSTANCE_READY && uses_cpu(t)) {
        gw_function_warn(t->gw, t->function,
                         "the template uses CPU time without a fork: ending it");
        end(t);
    }
    gw_template_follow(t->function);
}

/* An instance of before has a copy of its own of what init built: it ends once it is idle, and the
 * next one is a fork. */
static void
replace_copies(const struct gw_function *f)
{
    for (struct gw_instance *inst = f->instances; inst != NULL; inst = inst->next)
        if (inst->slot != NULL && inst->shared_bytes == 0 && inst->version == f->live)
            sch_slot_doom(inst->gw->functions->sch, inst->slot, SCH_END_SURPLUS, gw_now_ns());
}

void
gw_template_is_ready(struct gw_instance *inst)
{
    struct gw_function *f = inst->function;
    int64_t used = gw_instance_read(inst->memory_fd);

    count_bytes(inst, used);
    bound(inst, used);
    f->template_used_ms = gw_now_ms();
    gw_event(f->name, "template", ",\"instance\":%llu,\"version\":%u,\"memory\":%lld",
             (unsigned long long)inst->id, inst->version, (long long)used);
    gw_template_follow(f);
    if (gw_template_ready(f) == inst && (int64_t)f->init_bytes >= INIT_BYTES)
        replace_copies(f);
}

void
gw_template_ended(struct gw_instance *inst)
{
    struct gw_function *f = inst->function;

    if (f->template != inst)
        return;
    f->template = NULL;
    count_bytes(inst, 0);
    if (inst->killed && sch_function_live(&f->sch) > 0)
        gw_template_consider(inst->gw, f);
    if (!inst->killed)
        gw_journal_say(
            f, inst->id, 2, "", "the template ended (%s %d): instances are made without one",
            inst->death.cause == LAUNCH_CAUSE_SIGNAL ? "signal" : "status", inst->death.value);
}

void
gw_template_follow(struct gw_function *f)
{
    struct gw_instance *t = f->template;
    bool idle =
        t != NULL && sch_function_live(&f->sch) == 0 && gw_now_ms() - f->template_used_ms > KEEP_MS;

    if (t == NULL || t->phase >= GW_INSTANCE_KILLED)
        return;
    if (idle)
        f->template_generation = 0; /* the next instance makes one again */
    if (idle || !is_wanted(f) || f->template_generation != f->sch.generation ||
        t->version != f->live) {
        end(t); /* then, or later, another one is made */
    }
}
