/* show.c: functions, instances and versions as JSON. Call with the lock held. */
#include "show.h"

#include "filter.h"
#include "instance.h"
#include "loop.h"
#include "network.h"
#include "settings_json.h"

static json_t *
states_json(const struct gw_function *f)
{
    json_t *states = json_object();
    json_int_t total = 0;

    for (int s = 0; s < SCH_SLOT_STATE_COUNT; s++) {
        (void)json_object_set_new(states, sch_slot_state_name(s),
                                  json_integer(f->sch.slots[s].count));
        total += f->sch.slots[s].count;
    }
    (void)json_object_set_new(states, "total", json_integer(total));
    return states;
}

static json_t *
errors_json(const struct gw_function *f)
{
    json_t *errors = json_object();

    for (int c = 0; c < GW_CODE_COUNT; c++)
        if (f->errors[c] > 0)
            (void)json_object_set_new(errors, gw_code_name(c),
                                      json_integer((json_int_t)f->errors[c]));
    return errors;
}

/* The number of refusals of each system call. */
static json_t *
refused_json(const struct gw_function *f)
{
    json_t *refused = json_object();
    char name[32];

    for (int i = 0; f->refused != NULL && i < SBX_SYSCALLS; i++)
        if (f->refused[i] > 0)
            (void)json_object_set_new(refused, sbx_filter_syscall_name(i, name, sizeof name),
                                      json_integer((json_int_t)f->refused[i]));
    return refused;
}

json_t *
gw_show_memory_now(const struct gw_function *f)
{
    int64_t now = 0, peak = (int64_t)f->peak_bytes;

    for (struct gw_instance *i = f->instances; i != NULL; i = i->next) {
        int64_t mine = gw_instance_peak(i);

        now += gw_instance_read(i->memory_fd);
        if (mine > peak)
            peak = mine;
    }
    return json_pack("{s:I,s:I,s:I}", "limit", (json_int_t)f->settings.numbers.memory, "now",
                     (json_int_t)now, "peak", (json_int_t)peak);
}

/* Of the last 10 to 20 s, from a call's arrival to its completion; null where there was none. */
static json_t *
latency_json(const struct gw_function *f)
{
    int64_t now = gw_now_ns();
    double p50 = recent_times_quantile(&f->recent, 0.5, now) / 1e6;
    double p99 = recent_times_quantile(&f->recent, 0.99, now) / 1e6;

    if (p50 < 0)
        return json_null();
    return json_pack("{s:f,s:f}", "p50", p50, "p99", p99);
}

/* per_call: of the last hundred calls or more; null where there were fewer. */
static json_t *
network_json(const struct gw_function *f)
{
    const struct gw_network_counts *n = &f->network;

    return json_pack("{s:I,s:I,s:I,s:I,s:I,s:o}", "open", (json_int_t)gw_network_count(f), "opened",
                     (json_int_t)n->opened, "failed", (json_int_t)n->failed, "refused",
                     (json_int_t)n->refused, "limited", (json_int_t)n->limited, "per_call",
                     n->window_calls > 0 ? json_real(n->per_call) : json_null());
}

json_t *
gw_show_function(const struct gw_function *f)
{
    const struct sch_settings *n = &f->settings.numbers;
    json_t *limits =
        json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "memory", (json_int_t)n->memory, "timeout",
                  (json_int_t)n->timeout_ms, "min", (json_int_t)n->min, "max", (json_int_t)n->max,
                  "queue", (json_int_t)n->queue, "queue_timeout", (json_int_t)n->queue_timeout_ms,
                  "max_body", (json_int_t)n->max_body);

    return json_pack("{s:s,s:I,s:o,s:o,s:o,s:I,s:I,s:o,s:o,s:o,s:o,s:o}", "name", f->name,
                     "version", (json_int_t)f->live, "limits", limits, "settings",
                     gw_settings_json(&f->settings), "instances", states_json(f), "waiting",
                     (json_int_t)f->sch.waiting.count, "calls", (json_int_t)f->calls, "errors",
                     errors_json(f), "refused", refused_json(f), "memory", gw_show_memory_now(f),
                     "latency", latency_json(f), "connections", network_json(f));
}

static const char *
state_of(const struct gw_instance *inst)
{
    if (inst->is_template && inst->phase <= GW_INSTANCE_READY)
        return inst->phase == GW_INSTANCE_READY ? "template" : "starting";
    if (inst->slot != NULL)
        return sch_slot_state_name(inst->slot->state);
    return sch_slot_state_name(inst->phase >= GW_INSTANCE_RETIRING ? SCH_SLOT_RETIRING
                                                                   : SCH_SLOT_STARTING);
}

/* bytes is null where the kernel does not count them (unix sockets). */
static json_t *
connections_json(const struct gw_instance *inst)
{
    json_t *list = json_array();

    for (const struct gw_connection *c = inst->connections; c != NULL; c = c->next) {
        bool counted = c->sent != UINT64_MAX;

        if (c->stale)
            continue;
        (void)json_array_append_new(
            list, json_pack("{s:s,s:I,s:I,s:o,s:o}", "destination", c->text, "age",
                            (json_int_t)(gw_now_ms() - c->opened_ms), "calls",
                            (json_int_t)(inst->calls - c->calls), "sent",
                            counted ? json_integer((json_int_t)c->sent) : json_null(), "received",
                            counted ? json_integer((json_int_t)c->received) : json_null()));
    }
    return list;
}

json_t *
gw_show_instances(const struct gw_function *f)
{
    json_t *list = json_array();

    for (const struct gw_instance *i = f->instances; i != NULL; i = i->next)
        (void)json_array_append_new(
            list,
            json_pack("{s:I,s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:f,s:o}", "id", (json_int_t)i->id,
                      "state", state_of(i), "version", (json_int_t)i->version, "pid",
                      (json_int_t)i->pid, "age", (json_int_t)(gw_now_ms() - i->born_ms), "calls",
                      (json_int_t)i->calls, "memory", (json_int_t)gw_instance_read(i->memory_fd),
                      "memory_peak", (json_int_t)gw_instance_peak(i), "memory_limit",
                      (json_int_t)i->limit_bytes, "cpu", (double)gw_instance_cpu_us(i) / 1000.0,
                      "connections", connections_json(i)));
    return json_pack("{s:o}", "instances", list);
}

json_t *
gw_show_versions(const struct gw_function *f)
{
    json_t *list = json_array();

    for (const struct gw_version *v = f->versions; v != NULL; v = v->next)
        (void)json_array_append_new(
            list, json_pack("{s:I,s:I,s:I,s:b}", "version", (json_int_t)v->number, "created",
                            (json_int_t)v->created_ms, "bytes", (json_int_t)v->object_bytes, "live",
                            v->number == f->live));
    return json_pack("{s:I,s:o}", "live", (json_int_t)f->live, "versions", list);
}
