/* tune.c: POST …/tune: replays payloads over a ladder of memory limits, on instances of its own:
 * they count in the memory budget, and serve nobody. From the largest limit down, until one is too
 * small, or the calls or the time are used up. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin.h"
#include "container.h"
#include "instance.h"
#include "probe.h"
#include "scheduler.h"
#include "settings_json.h"
#include "show.h"
#include "tuning.h"
#include "units.h"

#define CALLS_DEFAULT 40
#define CALLS_MOST    1000
#define TIME_MS       60000 /* for all of it */
#define ROOM_MS       20    /* between two looks for room in the budget, */
#define ROOM_BY_MS    5000  /* for at most so long */

struct payload {
    const char *method, *path, *query, *type;
    char *body; /* owned */
    size_t len;
    double weight, credit;
};

struct gw_tune {
    struct gw_checker checker;
    struct gw_probe probe;
    struct gw *gw;
    struct gw_request *req;
    struct gw_function *function; /* referenced */
    struct gw_settings settings;  /* of the instance of this step */
    struct gw_instance *instance; /* NULL: none now */
    struct gw_timer timer;
    uint32_t version;
    json_t *body; /* the texts of the payloads are in it */
    struct payload payloads[TUNING_PAYLOADS];
    size_t payloads_count;
    struct tuning_step steps[TUNING_STEPS];
    size_t steps_count, at;
    int64_t calls, calls_made, begun_ms, room_by_ms;
    double weight; /* of the cost, in "balanced" */
    const char *ended;
};

static void begin_step(struct gw_tune *t);

static void
tune_free(struct gw_tune *t)
{
    gw_timer_unset(gw_main_loop(t->gw), &t->timer);
    for (size_t i = 0; i < t->payloads_count; i++)
        free(t->payloads[i].body);
    gw_settings_clear(&t->settings);
    json_decref(t->body);
    if (t->function != NULL)
        gw_function_release(t->gw, t->function);
    free(t);
}

static void
fail(struct gw_tune *t, enum gw_code code, const char *why)
{
    struct gw_request *req = t->req;

    tune_free(t);
    gw_request_problem(req, code, NULL, "%s", why);
}

/* ---- the answer ---- */

static json_t *
ms_json(double ms)
{
    return ms > 0 ? json_real(round(ms * 1000) / 1000) : json_null();
}

static json_t *
step_json(const struct tuning_step *step)
{
    double p50 = tuning_quantile(step, 0.5);

    return json_pack("{s:I,s:b,s:s?,s:i,s:o,s:o,s:o,s:o}", "memory", (json_int_t)step->memory,
                     "success", step->success, "reason", step->why, "calls", (int)step->calls,
                     "p50", ms_json(p50), "p99", ms_json(tuning_quantile(step, 0.99)), "peak",
                     gw_show_bytes(step->peak), "memory_time",
                     gw_show_bytes(llround((double)step->memory * p50)));
}

static json_t *
picks_json(const struct tuning_picks *picks, double weight)
{
    return json_pack("{s:o,s:o,s:{s:o,s:f}}", "cost", gw_show_bytes(picks->cost), "speed",
                     gw_show_bytes(picks->speed), "balanced", "memory",
                     gw_show_bytes(picks->balanced), "weight", weight);
}

static void
answer(struct gw_tune *t)
{
    struct gw_request *req = t->req;
    struct tuning_picks picks;
    json_t *steps = json_array(), *json;

    (void)tuning_pick(t->steps, t->at, t->weight, &picks);
    for (size_t i = 0; i < t->at; i++)
        (void)json_array_append_new(steps, step_json(&t->steps[i]));
    json = json_pack("{s:I,s:o,s:o,s:{s:o,s:o},s:o,s:o,s:I,s:I,s:s}", "version",
                     (json_int_t)t->version, "steps", steps, "need", gw_show_bytes(picks.need),
                     "bracket", "fails", gw_show_bytes(picks.fails), "works",
                     gw_show_bytes(picks.works), "knee", gw_show_bytes(picks.knee), "picks",
                     picks_json(&picks, t->weight), "calls", (json_int_t)t->calls_made, "took",
                     (json_int_t)(gw_now_ms() - t->begun_ms), "ended", t->ended);
    tune_free(t);
    gw_request_json(req, 200, json);
}

/* ---- a step ---- */

static bool
is_late(const struct gw_tune *t)
{
    return gw_now_ms() - t->begun_ms >= TIME_MS;
}

/* The instance goes; its memory is free once it has ended. */
static void
let_go_instance(struct gw_tune *t)
{
    struct gw_instance *inst = t->instance;

    t->instance = NULL;
    if (inst == NULL)
        return;
    inst->checker = NULL;
    gw_instance_retire(inst, SCH_END_SURPLUS);
}

static void
end_step(struct gw_tune *t, const char *why)
{
    struct tuning_step *step = &t->steps[t->at++];

    step->why = why;
    step->success = why == NULL;
    let_go_instance(t);
    if (why != NULL)
        t->ended = why; /* a smaller limit would not do better */
    else if (t->at == t->steps_count)
        t->ended = "complete";
    else if (t->calls_made >= t->calls)
        t->ended = "calls";
    else if (is_late(t))
        t->ended = "time";
    if (t->ended != NULL)
        answer(t);
    else
        begin_step(t);
}

/* Each once; then smooth weighted round robin: each in its turn, as often as its weight says. */
static struct payload *
next_payload(struct gw_tune *t)
{
    struct payload *next = &t->payloads[0];
    unsigned calls = t->steps[t->at].calls;
    double sum = 0;

    if (calls < t->payloads_count) {
        t->payloads[calls].credit = 0;
        return &t->payloads[calls];
    }
    for (size_t i = 0; i < t->payloads_count; i++) {
        struct payload *p = &t->payloads[i];

        p->credit += p->weight;
        sum += p->weight;
        if (p->credit > next->credit)
            next = p;
    }
    next->credit -= sum;
    return next;
}

static void
next_call(struct gw_tune *t)
{
    const struct payload *p = next_payload(t);
    int64_t left_ms = t->begun_ms + TIME_MS - gw_now_ms();
    int64_t timeout_ms =
        t->settings.numbers.timeout_ms < left_ms ? t->settings.numbers.timeout_ms : left_ms;
    struct gw_probe_call call = {.method = p->method,
                                 .path = p->path,
                                 .query = p->query,
                                 .type = p->type,
                                 .body = p->body,
                                 .len = p->len};

    if (gw_instance_probe(t->instance, &t->probe, &call, timeout_ms) < 0)
        end_step(t, "internal");
}

static void
on_call_done(struct gw_probe *probe)
{
    struct gw_tune *t = container_of(probe, struct gw_tune, probe);
    struct tuning_step *step = &t->steps[t->at];

    t->calls_made++;
    step->run_ms[step->calls++] = (double)probe->run_ns / 1e6;
    if (probe->peak > step->peak)
        step->peak = probe->peak;
    if (probe->failed)
        end_step(t, "function_failed");
    else if (tuning_is_settled(step, t->payloads_count) || t->calls_made >= t->calls ||
             is_late(t) || t->gw->draining)
        end_step(t, NULL);
    else
        next_call(t);
}

static void
on_ready(struct gw_checker *checker, struct gw_instance *inst)
{
    (void)inst;
    next_call(container_of(checker, struct gw_tune, checker));
}

static void
on_failed(struct gw_checker *checker, struct gw_instance *inst, const char *why)
{
    struct gw_tune *t = container_of(checker, struct gw_tune, checker);
    struct gw_outcome out = gw_instance_outcome(inst);

    (void)why;
    t->instance = NULL;
    t->calls_made += inst->lived == GW_INSTANCE_READY;
    if (inst->lived != GW_INSTANCE_READY && out.code != GW_MEMORY_EXCEEDED)
        end_step(t, "init_failed");
    else
        end_step(t, t->probe.timed_out ? "timeout" : gw_code_name(out.code));
}

static void
on_look_for_room(struct gw_timer *timer)
{
    struct gw_tune *t = container_of(timer, struct gw_tune, timer);
    gw_locked struct gw *held = gw_lock(t->gw);

    begin_step(t);
}

static void
begin_step(struct gw_tune *t)
{
    struct sch *sch = t->gw->functions->sch;
    int64_t memory = t->steps[t->at].memory, now_ms = gw_now_ms();

    if (t->gw->draining) {
        fail(t, GW_DRAINING, "the daemon is shutting down");
        return;
    }
    if (t->function->removed || t->function->live != t->version) {
        fail(t, GW_TUNE_FAILED, "the function was changed meanwhile");
        return;
    }
    if (t->room_by_ms == 0)
        t->room_by_ms = now_ms + ROOM_BY_MS;
    if (!sch_hold(sch, memory, gw_now_ns())) {
        if (now_ms < t->room_by_ms)
            gw_timer_set(gw_main_loop(t->gw), &t->timer, ROOM_MS, on_look_for_room);
        else
            fail(t, GW_OVERLOADED, "there is no room for an instance in the memory budget");
        return;
    }
    t->room_by_ms = 0;
    t->settings.numbers.memory = memory;
    t->checker =
        (struct gw_checker){.settings = &t->settings, .ready = on_ready, .failed = on_failed};
    t->instance = gw_instance_launch(t->gw, t->function, t->version, false, NULL, &t->checker);
    if (t->instance == NULL) {
        sch_release(sch, memory, gw_now_ns());
        fail(t, GW_INTERNAL, "the launcher cannot be reached");
        return;
    }
    t->instance->held_bytes = memory;
}

/* ---- the request ---- */

static int
take_payload(struct gw_tune *t, json_t *json, struct gw_bad_setting *bad)
{
    struct payload *p = &t->payloads[t->payloads_count];
    json_t *body = json_object_get(json, "body"), *weight = json_object_get(json, "weight");
    const char *query = NULL;

    *p = (struct payload){.path = "", .weight = 1};
    if (json_unpack(json, "{s?s,s?s,s?s,s?s}", "method", &p->method, "path", &p->path, "query",
                    &query, "type", &p->type) != 0 ||
        (weight != NULL && !(json_number_value(weight) > 0)) ||
        (p->method != NULL && (p->method[0] == '\0' || strlen(p->method) > LIMIT_METHOD)) ||
        (p->type != NULL && strlen(p->type) > LIMIT_HEAD) ||
        (p->path[0] != '\0' && p->path[0] != '/'))
        return gw_settings_blame(bad, "payloads",
                                 "objects with body (text or JSON), and, as wanted, weight (above "
                                 "0), method, path (from /), query, type");
    p->query = query;
    if (weight != NULL)
        p->weight = json_number_value(weight);
    if (json_is_string(body)) {
        p->len = json_string_length(body);
        p->body = malloc(p->len + 1);
        if (p->body != NULL)
            memcpy(p->body, json_string_value(body), p->len + 1);
    } else if (body != NULL) {
        p->body = json_dumps(body, JSON_COMPACT | JSON_ENCODE_ANY);
        p->len = p->body != NULL ? strlen(p->body) : 0;
        p->type = p->type != NULL ? p->type : "application/json";
    }
    t->payloads_count++;
    if (p->method == NULL)
        p->method = body != NULL ? "POST" : "GET";
    if (p->len > LIMIT_FRAME_BODY)
        return gw_settings_blame(bad, "payloads", "bodies of at most 64 KiB");
    return body != NULL && p->body == NULL ? -ENOMEM : 0;
}

static int
take_payloads(struct gw_tune *t, json_t *list, struct gw_bad_setting *bad)
{
    static const char *const allowed = "a list of 1 to 16 objects";
    json_t *item;
    size_t i;
    int status = 0;

    if (!json_is_array(list) || json_array_size(list) < 1 ||
        json_array_size(list) > TUNING_PAYLOADS)
        return gw_settings_blame(bad, "payloads", allowed);
    json_array_foreach (list, i, item)
        if (status == 0)
            status = json_is_object(item) ? take_payload(t, item, bad)
                                          : gw_settings_blame(bad, "payloads", allowed);
    return status;
}

/* Each once, the largest first. */
static void
add_step(struct gw_tune *t, int64_t memory)
{
    size_t at = 0;

    while (at < t->steps_count && t->steps[at].memory > memory)
        at++;
    if ((at < t->steps_count && t->steps[at].memory == memory) || t->steps_count == TUNING_STEPS)
        return;
    memmove(&t->steps[at + 1], &t->steps[at], (t->steps_count - at) * sizeof t->steps[0]);
    t->steps[at] = (struct tuning_step){.memory = memory};
    t->steps_count++;
}

static int
take_ladder(struct gw_tune *t, json_t *list, struct gw_bad_setting *bad)
{
    struct gw_settings one = {.numbers = t->settings.numbers};
    json_t *item;
    size_t i;

    if (!json_is_array(list) || json_array_size(list) < 1 || json_array_size(list) > TUNING_STEPS)
        return gw_settings_blame(bad, "memory", "a list of 1 to 16 sizes");
    json_array_foreach (list, i, item) {
        json_t *patch = json_pack("{s:O}", "memory", item);
        int status = gw_settings_from_json(&one, patch, bad);

        json_decref(patch);
        if (status < 0)
            return status;
        if (one.numbers.memory_auto != 0)
            return gw_settings_blame(bad, "memory", "sizes");
        add_step(t, one.numbers.memory);
    }
    return 0;
}

/* Twice the present limit, and down by halves to the least there is. */
static void
default_ladder(struct gw_tune *t, int64_t memory)
{
    struct sch_settings numbers = t->settings.numbers;

    numbers.memory_auto = 1;
    numbers.memory_min = sch_setting_find("memory")->least;
    numbers.memory_max = numbers.memory = 2 * memory;
    gw_settings_bound(&numbers);
    for (int64_t m = numbers.memory; m >= numbers.memory_min; m /= 2)
        add_step(t, m);
}

static int
take_members(struct gw_tune *t, struct gw_bad_setting *bad)
{
    const char *name;
    json_t *value;
    int status = 0;

    json_object_foreach (t->body, name, value) {
        if (status < 0)
            break;
        if (strcmp(name, "payloads") == 0)
            status = take_payloads(t, value, bad);
        else if (strcmp(name, "memory") == 0)
            status = take_ladder(t, value, bad);
        else if (strcmp(name, "calls") == 0)
            status = gw_json_whole(value, &t->calls) && t->calls >= 1 && t->calls <= CALLS_MOST
                         ? 0
                         : gw_settings_blame(bad, name, "1 to 1000");
        else if (strcmp(name, "weight") == 0)
            status = json_is_number(value) && (t->weight = json_number_value(value)) >= 0 &&
                             t->weight <= 1
                         ? 0
                         : gw_settings_blame(bad, name, "0 (only time counts) to 1 (only cost)");
        else
            status = gw_settings_blame(bad, name, "payloads, memory, calls, weight");
    }
    return status;
}

/* False: the request is answered, and the record freed. */
static bool
take_body(struct gw_tune *t)
{
    struct gw_bad_setting bad;
    struct gw_request *req = t->req;
    int status;

    t->body = req->len > 0 ? json_loadb(req->body, req->len, JSON_REJECT_DUPLICATES, NULL)
                           : json_object();
    if (!json_is_object(t->body)) {
        fail(t, GW_BAD_JSON,
             "expected a JSON object such as {\"payloads\": [{\"body\": \"text\", \"weight\": "
             "1}], \"memory\": [\"16M\", \"32M\"], \"calls\": 40}");
        return false;
    }
    status = take_members(t, &bad);
    if (status == -EINVAL) {
        tune_free(t);
        gw_request_bad_setting(req, &bad);
    } else if (status < 0) {
        fail(t, GW_INTERNAL, "no memory");
    }
    return status == 0;
}

void
gw_tune_post(struct gw_request *req)
{
    struct gw_function *f = gw_request_function(req);
    struct gw_tune *t;

    if (f == NULL)
        return;
    t = calloc(1, sizeof *t);
    if (t == NULL) {
        gw_request_problem(req, GW_INTERNAL, NULL, "no memory");
        return;
    }
    t->gw = req->gw;
    t->req = req;
    t->calls = CALLS_DEFAULT;
    t->weight = 0.5;
    t->probe.done = on_call_done;
    t->begun_ms = gw_now_ms();
    t->version = f->live;
    if (gw_settings_copy(&t->settings, &f->settings) < 0) {
        fail(t, GW_INTERNAL, "no memory");
        return;
    }
    t->settings.numbers.memory_auto = 0;
    t->settings.numbers.recycle_memory = 100; /* a call may keep what it likes: it is measured */
    if (!take_body(t))
        return;
    if (t->payloads_count == 0)
        t->payloads[t->payloads_count++] =
            (struct payload){.method = "GET", .path = "", .weight = 1};
    if (t->steps_count == 0)
        default_ladder(t, f->settings.numbers.memory);
    t->function = f;
    f->refs++;
    begin_step(t);
}
