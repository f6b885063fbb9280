/* simulate.c: the very scheduler of the gateway under a virtual clock: a day of calls to
 * thousands of functions in seconds. Called by bench/simulate, which builds it.
 *
 *   simulate synthetic FUNCTIONS SEED BUDGET_MB
 *   simulate trace INVOCATIONS.csv DURATIONS.csv MEMORY.csv BUDGET_MB
 *
 * The trace is in the format of the Azure Functions data set of 2019 (Shahrad et al., USENIX
 * ATC 2020). The synthetic one is drawn from the distributions that were published with it:
 * run times log-normal (mu -0.38, sigma 2.36, in seconds), memory by a Burr distribution
 * (c 11.652, k 0.221, lambda 107.083, in MB), 45 % of functions called at most once an hour
 * and 81 % at most once a minute, one in six by a timer.
 *
 * Output: a line of JSON per policy.
 */
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "scheduler.h"

#define MINUTES 1440
#define NS      INT64_C(1000000000)
#define MB      INT64_C(1048576)
#define DAY_NS  (MINUTES * 60 * NS)

struct function {
    struct sch_function sch;
    char key[200]; /* owner, app and function of a trace */
    uint32_t counts[MINUTES];
    double average_s;
    int64_t start_ns, memory;
    uint32_t minute, in_minute; /* of the next arrival */
    uint64_t calls, cold;
};

struct call {
    struct sch_call sch;
    struct call *next_free;
};

enum kind { ARRIVAL, READY, DONE, GONE };

struct event {
    int64_t at_ns;
    enum kind kind;
    void *what;
};

/* Run times of one function vary about its average: log-normal, sigma 0.5. */
#define VARIATIONS 4096
static double variations[VARIATIONS];

static struct function *functions;
static size_t functions_count;
static uint64_t random_state;

/* ---- chance ---- */

static uint64_t
next_random(void)
{
    uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static double
uniform(void)
{
    return ((double)(next_random() >> 11) + 0.5) * 0x1p-53;
}

static double
normal(void)
{
    return sqrt(-2 * log(uniform())) * cos(2 * M_PI * uniform());
}

static uint32_t
poisson(double mean)
{
    double product = uniform(), limit = exp(-mean);
    uint32_t n = 0;

    if (mean > 30) {
        double about = mean + sqrt(mean) * normal();

        return about > 0 ? (uint32_t)about : 0;
    }
    for (; product > limit; n++)
        product *= uniform();
    return n;
}

/* ---- a day, drawn ---- */

/* Calls a day, by the published distribution: straight lines between its points. */
static double
daily_calls(double quantile)
{
    static const double at[][2] = {{0, 1}, {0.45, 24}, {0.81, 1440}, {0.99, 20000}, {1, 200000}};
    int i = 1;

    while (quantile > at[i][0])
        i++;
    return exp(log(at[i - 1][1]) + (log(at[i][1]) - log(at[i - 1][1])) * (quantile - at[i - 1][0]) /
                                       (at[i][0] - at[i - 1][0]));
}

static void
draw_counts(struct function *f)
{
    static const uint32_t periods[] = {1, 5, 10, 15, 30, 60, 120, 360};
    double per_minute = daily_calls(uniform()) / MINUTES, phase = 2 * M_PI * uniform();

    if (uniform() < 1.0 / 6) {
        uint32_t period = periods[next_random() % (sizeof periods / sizeof periods[0])];

        for (uint32_t m = (uint32_t)(next_random() % period); m < MINUTES; m += period)
            f->counts[m] = 1;
        return;
    }
    for (uint32_t m = 0; m < MINUTES; m++)
        f->counts[m] = poisson(per_minute * (1 + 0.5 * sin(phase + 2 * M_PI * m / MINUTES)));
}

static void
draw(size_t count)
{
    functions = calloc(count, sizeof *functions);
    for (functions_count = 0; functions_count < count; functions_count++) {
        struct function *f = &functions[functions_count];
        double burr = 107.083 * pow(pow(1 - uniform(), -1 / 0.221) - 1, 1 / 11.652);

        draw_counts(f);
        f->average_s = exp(-0.38 + 2.36 * normal());
        f->memory = (int64_t)(burr < 1024 ? burr : 1024) * MB;
    }
}

/* ---- a day, as it was ---- */

static int
by_key(const void *a, const void *b)
{
    return strcmp(((const struct function *)a)->key, ((const struct function *)b)->key);
}

/* The first `fields` fields of a line, as its key; what follows them, or NULL. */
static char *
split_key(char *line, int fields, char *key, size_t n)
{
    char *at = line;

    for (int i = 0; i < fields; i++) {
        at = strchr(at, ',');
        if (at == NULL)
            return NULL;
        at++;
    }
    (void)snprintf(key, n, "%.*s", (int)(at - line), line);
    return at;
}

static void
give_up(const char *path, const char *why)
{
    (void)fprintf(stderr, "simulate: %s: %s\n", path, why);
    exit(1);
}

static FILE *
open_trace(const char *path, char **line, size_t *room)
{
    FILE *file = fopen(path, "re");

    if (file == NULL || getline(line, room, file) < 0)
        give_up(path, "cannot be read, or is empty");
    return file;
}

static void
read_invocations(const char *path)
{
    char *line = NULL, *at;
    size_t room = 0, wanted = 0;
    FILE *file = open_trace(path, &line, &room);

    while (getline(&line, &room, file) > 0) {
        struct function *f;

        if (functions_count == wanted) {
            wanted = 2 * wanted + 1024;
            functions = realloc(functions, wanted * sizeof *functions);
            if (functions == NULL)
                give_up(path, "too large for the memory of this machine");
        }
        f = &functions[functions_count];
        memset(f, 0, sizeof *f);
        at = split_key(line, 3, f->key, sizeof f->key);
        if (at == NULL || (at = strchr(at, ',')) == NULL)
            give_up(path, "wants HashOwner,HashApp,HashFunction,Trigger,1,2,…,1440");
        for (uint32_t m = 0; m < MINUTES && *at == ','; m++)
            f->counts[m] = (uint32_t)strtoul(at + 1, &at, 10);
        f->average_s = 1;
        f->memory = 170 * MB;
        functions_count++;
    }
    (void)fclose(file);
    free(line);
    qsort(functions, functions_count, sizeof *functions, by_key);
}

static void
read_durations(const char *path)
{
    char *line = NULL, *at;
    size_t room = 0;
    FILE *file = open_trace(path, &line, &room);

    while (getline(&line, &room, file) > 0) {
        struct function wanted, *f;

        at = split_key(line, 3, wanted.key, sizeof wanted.key);
        if (at == NULL)
            give_up(path, "wants HashOwner,HashApp,HashFunction,Average,…");
        f = bsearch(&wanted, functions, functions_count, sizeof *functions, by_key);
        if (f != NULL)
            f->average_s = strtod(at, NULL) / 1000;
    }
    (void)fclose(file);
    free(line);
}

/* Memory is told per app: every function of it gets that. */
static void
read_memory(const char *path)
{
    char *line = NULL, *at, key[200];
    size_t room = 0;
    FILE *file = open_trace(path, &line, &room);

    while (getline(&line, &room, file) > 0) {
        size_t low = 0, high = functions_count;

        at = split_key(line, 2, key, sizeof key);
        if (at == NULL || (at = strchr(at, ',')) == NULL)
            give_up(path, "wants HashOwner,HashApp,SampleCount,AverageAllocatedMb,…");
        while (low < high) {
            size_t middle = (low + high) / 2;

            if (strcmp(functions[middle].key, key) < 0)
                low = middle + 1;
            else
                high = middle;
        }
        for (; low < functions_count && strncmp(functions[low].key, key, strlen(key)) == 0; low++)
            functions[low].memory = (int64_t)strtod(at + 1, NULL) * MB;
    }
    (void)fclose(file);
    free(line);
}

static void
settle_functions(void)
{
    for (int i = 0; i < VARIATIONS; i++)
        variations[i] = exp(0.5 * normal() - 0.125);
    for (size_t i = 0; i < functions_count; i++) {
        struct function *f = &functions[i];

        f->memory = f->memory < 4 * MB ? 4 * MB : f->memory;
        f->average_s = f->average_s < 0.001 ? 0.001 : (f->average_s > 300 ? 300 : f->average_s);
        /* the sandbox, and what the function does before its first call */
        f->start_ns = 3000000 + (int64_t)(-log(uniform()) * 50000000);
    }
}

/* ---- events, the soonest first ---- */

static struct event *heap;
static size_t heap_count, heap_room;

static void
push(int64_t at_ns, enum kind kind, void *what)
{
    size_t at = heap_count++;

    if (heap_count > heap_room) {
        heap_room = 2 * heap_room + 1024;
        heap = realloc(heap, heap_room * sizeof *heap);
        if (heap == NULL)
            give_up("events", "no memory");
    }
    for (; at > 0 && heap[(at - 1) / 2].at_ns > at_ns; at = (at - 1) / 2)
        heap[at] = heap[(at - 1) / 2];
    heap[at] = (struct event){at_ns, kind, what};
}

static struct event
pop(void)
{
    struct event first = heap[0], last = heap[--heap_count];
    size_t at = 0;

    for (size_t child; (child = 2 * at + 1) < heap_count; at = child) {
        child += child + 1 < heap_count && heap[child + 1].at_ns < heap[child].at_ns;
        if (heap[child].at_ns >= last.at_ns)
            break;
        heap[at] = heap[child];
    }
    heap[at] = last;
    return first;
}

/* ---- one policy ---- */

struct policy {
    const char *name;
    int64_t idle_timeout_ms, budget;
};

#define WAITS 64 /* half octaves from 1 µs */

struct results {
    uint64_t calls, cold, refused, launches;
    uint64_t waits[WAITS];
    double idle_mb_s, used_mb_s; /* memory-time of idle instances, of all */
    int64_t most_used;
};

static struct sch *sch;
static struct results results;
static struct call *free_calls;
static int64_t idle_bytes, accounted_ns;

static void
account(int64_t now)
{
    double seconds = (double)(now - accounted_ns) / NS;

    results.idle_mb_s += (double)idle_bytes / MB * seconds;
    results.used_mb_s += (double)sch_used_bytes(sch) / MB * seconds;
    accounted_ns = now;
}

static void
next_arrival(struct function *f)
{
    while (f->minute < MINUTES && f->in_minute >= f->counts[f->minute]) {
        f->minute++;
        f->in_minute = 0;
    }
    if (f->minute == MINUTES)
        return;
    /* evenly over its minute */
    push((int64_t)f->minute * 60 * NS +
             (int64_t)((f->in_minute + 0.5) * 60.0 / f->counts[f->minute] * NS),
         ARRIVAL, f);
    f->in_minute++;
}

static void
count_wait(int64_t wait_ns)
{
    double micros = (double)wait_ns / 1000;
    int bucket = micros < 1 ? 0 : (int)(2 * log2(micros)) + 1;

    results.waits[bucket < WAITS ? bucket : WAITS - 1]++;
}

static void
dispatched(struct call *call, int64_t now)
{
    struct function *f = (struct function *)(void *)call->sch.function;
    double run_s = f->average_s * variations[next_random() % VARIATIONS];

    results.calls++;
    f->calls++;
    if (call->sch.cold) {
        results.cold++;
        f->cold++;
    }
    count_wait(now - call->sch.arrived_ns);
    if (call->sch.slot->runs.head == &call->sch)
        push(now + (int64_t)(run_s * NS), DONE, call);
}

static void
carry_out(int64_t now)
{
    struct sch_action a;

    while (sch_next_action(sch, 0, &a)) {
        struct function *f = (struct function *)(void *)(a.slot != NULL ? a.slot->function : NULL);

        switch (a.type) {
        case SCH_DISPATCH:
            dispatched((struct call *)(void *)a.call, now);
            break;
        case SCH_LAUNCH:
            results.launches++;
            push(now + f->start_ns, READY, a.slot);
            break;
        case SCH_RETIRE:
            push(now + 1000000, GONE, a.slot);
            break;
        case SCH_REFUSE:
            results.refused++;
            ((struct call *)(void *)a.call)->next_free = free_calls;
            free_calls = (struct call *)(void *)a.call;
            break;
        case SCH_RECALL:
        case SCH_PAUSED: /* it pauses none */
            break;
        }
    }
    if (sch_used_bytes(sch) > results.most_used)
        results.most_used = sch_used_bytes(sch);
}

static void
arrival(struct function *f, int64_t now)
{
    struct call *call = free_calls;

    if (call != NULL)
        free_calls = call->next_free;
    else if ((call = malloc(sizeof *call)) == NULL)
        give_up("calls", "no memory");
    memset(call, 0, sizeof *call);
    sch_call_arrived(sch, &f->sch, &call->sch, now);
    next_arrival(f);
}

static int64_t
idle_memory_of(const struct sch_function *f)
{
    return f->slots[SCH_SLOT_IDLE].count * f->settings.memory;
}

static void
one_event(const struct event *e)
{
    struct sch_function *f = NULL;
    int64_t before;

    account(e->at_ns);
    if (e->kind == ARRIVAL)
        f = &((struct function *)e->what)->sch;
    else
        f = e->kind == DONE ? ((struct call *)e->what)->sch.function
                            : ((struct sch_slot *)e->what)->function;
    before = idle_memory_of(f);
    if (e->kind == ARRIVAL) {
        arrival(e->what, e->at_ns);
    } else if (e->kind == READY) {
        sch_slot_ready(sch, e->what, e->at_ns);
    } else if (e->kind == GONE) {
        sch_slot_gone(sch, e->what, false, e->at_ns);
    } else {
        sch_call_done(sch, e->what, e->at_ns);
        ((struct call *)e->what)->next_free = free_calls;
        free_calls = e->what;
    }
    idle_bytes += idle_memory_of(f) - before;
    carry_out(e->at_ns);
}

/* Idle memory is kept up to date by the function that an event was about; what a tick or an
 * eviction changed elsewhere is found by looking at all, every ten virtual seconds. */
static void
recount_idle(void)
{
    idle_bytes = 0;
    for (size_t i = 0; i < functions_count; i++)
        idle_bytes += idle_memory_of(&functions[i].sch);
}

static void
begin(const struct policy *policy)
{
    struct sch_settings settings;

    memset(&results, 0, sizeof results);
    idle_bytes = accounted_ns = 0;
    heap_count = 0;
    sch = sch_new(&(struct sch_config){.cores = 64, .lanes = 1, .memory_budget = policy->budget});
    sch_settings_default(&settings);
    settings.idle_timeout_ms = policy->idle_timeout_ms;
    settings.max = LIMIT_INSTANCES;
    settings.queue = 65536;
    settings.queue_timeout_ms = 600000;
    for (size_t i = 0; i < functions_count; i++) {
        struct function *f = &functions[i];

        settings.memory = f->memory;
        f->calls = f->cold = 0;
        f->minute = f->in_minute = 0;
        sch_function_init(&f->sch, &settings);
        next_arrival(f);
    }
}

static double
wait_percentile(double share)
{
    uint64_t total = 0, seen = 0;

    for (int i = 0; i < WAITS; i++)
        total += results.waits[i];
    for (int i = 0; i < WAITS; i++) {
        seen += results.waits[i];
        if ((double)seen >= share * (double)total)
            return i == 0 ? 0 : pow(2, i / 2.0) / 1000; /* its upper end, in ms */
    }
    return 0;
}

static int
by_number(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

/* The share of cold calls of the function that three quarters of all do better than. */
static double
cold_of_upper_quartile(void)
{
    double *shares = calloc(functions_count, sizeof *shares), at;
    size_t n = 0;

    for (size_t i = 0; shares != NULL && i < functions_count; i++)
        if (functions[i].calls > 0)
            shares[n++] = (double)functions[i].cold / (double)functions[i].calls;
    if (n == 0)
        return 0;
    qsort(shares, n, sizeof *shares, by_number);
    at = shares[n * 3 / 4];
    free(shares);
    return at;
}

static void
tell(const struct policy *policy, double seconds)
{
    (void)printf("{\"policy\": \"%s\", \"functions\": %zu, \"budget_mb\": %" PRId64
                 ", \"calls\": %" PRIu64 ", \"cold\": %.6f, \"cold_upper_quartile\": %.6f, "
                 "\"refused\": %" PRIu64 ", \"launches\": %" PRIu64 ", \"evictions\": %" PRIu64
                 ", \"idle_gb_h\": %.1f, \"used_gb_mean\": %.2f, \"used_gb_most\": %.2f, "
                 "\"wait_p50_ms\": %.3f, \"wait_p99_ms\": %.3f, \"seconds\": %.2f}\n",
                 policy->name, functions_count, policy->budget / MB, results.calls,
                 (double)results.cold / (double)results.calls, cold_of_upper_quartile(),
                 results.refused, results.launches, sch_evictions(sch),
                 results.idle_mb_s / 1024 / 3600, results.used_mb_s / 1024 / 86400,
                 (double)results.most_used / MB / 1024, wait_percentile(0.5), wait_percentile(0.99),
                 seconds);
    (void)fflush(stdout);
}

static double
cpu_seconds(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void
run(const struct policy *policy)
{
    double begun = cpu_seconds();
    int64_t recounted = 0;

    random_state = 1;
    begin(policy);
    while (heap_count > 0 && heap[0].at_ns < DAY_NS) {
        int64_t wake = sch_wake_at(sch);

        if (wake <= heap[0].at_ns) {
            account(wake > accounted_ns ? wake : accounted_ns);
            sch_tick(sch, accounted_ns);
            carry_out(accounted_ns);
        } else {
            struct event e = pop();

            one_event(&e);
        }
        if (accounted_ns - recounted >= 10 * NS) {
            recounted = accounted_ns;
            recount_idle();
        }
    }
    account(DAY_NS);
    tell(policy, cpu_seconds() - begun);
}

int
main(int argc, char **argv)
{
    int64_t budget;

    random_state = 42;
    if (argc == 5 && strcmp(argv[1], "synthetic") == 0) {
        random_state = strtoull(argv[3], NULL, 10);
        draw(strtoul(argv[2], NULL, 10));
        budget = strtoll(argv[4], NULL, 10) * MB;
    } else if (argc == 6 && strcmp(argv[1], "trace") == 0) {
        read_invocations(argv[2]);
        read_durations(argv[3]);
        read_memory(argv[4]);
        budget = strtoll(argv[5], NULL, 10) * MB;
    } else {
        (void)fprintf(stderr, "simulate is called by bench/simulate\n");
        return 2;
    }
    settle_functions();
    run(&(struct policy){"fixed 10 min", 600000, 0});
    run(&(struct policy){"fixed 60 s", 60000, 0});
    if (budget == 0) /* as much as that needed at its worst: what follows has no more */
        budget = results.most_used;
    run(&(struct policy){"adaptive", SCH_AUTO, 0});
    run(&(struct policy){"greedy-dual", 24 * 3600 * INT64_C(1000), budget});
    run(&(struct policy){"adaptive + greedy-dual", SCH_AUTO, budget});
    return 0;
}
