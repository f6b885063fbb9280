/* metrics.c: GET /metrics in Prometheus' text format 0.0.4. One table names all metrics; the
 * documents are made from it. A function has about 150 series; no label is of a caller's choice.
 */
#include "metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "admin.h"
#include "filter.h"
#include "function.h"
#include "http.h"
#include "instance.h"
#include "loop.h"
#include "memory_use.h"
#include "network.h"

#define NS_PER_S 1e9

/* ---- of a function ---- */

/* name{function="…"} value */
static void
print_value(FILE *out, const char *name, const struct gw_function *f, double value)
{
    (void)fprintf(out, "%s{function=\"%s\"} %.15g\n", name, f->name, value);
}

/* name{function="…",label="…"} value */
static void
print_labelled(FILE *out, const char *name, const struct gw_function *f, const char *label,
               const char *of, double value)
{
    (void)fprintf(out, "%s{function=\"%s\",%s=\"%s\"} %.15g\n", name, f->name, label, of, value);
}

/* The last lines of a histogram. */
static void
print_sum(FILE *out, const char *name, const struct gw_function *f, uint64_t count, double sum)
{
    (void)fprintf(out,
                  "%s_bucket{function=\"%s\",le=\"+Inf\"} %llu\n"
                  "%s_sum{function=\"%s\"} %.15g\n%s_count{function=\"%s\"} %llu\n",
                  name, f->name, (unsigned long long)count, name, f->name, sum, name, f->name,
                  (unsigned long long)count);
}

/* Buckets of 1, 2.5 and 5 times a power of ten. */
static void
print_times(FILE *out, const char *name, const struct gw_function *f, const struct times *t)
{
    uint64_t count = 0;

    if (t->count == 0)
        return; /* with a thousand functions of which few are called, most of the text */
    for (unsigned b = 0; b + 1 < TIMES_BUCKETS; b++) {
        count += t->counts[b];
        if (b % 10 == 0 || b % 10 == 4 || b % 10 == 7)
            (void)fprintf(out, "%s_bucket{function=\"%s\",le=\"%g\"} %llu\n", name, f->name,
                          (double)times_bound(b) / NS_PER_S, (unsigned long long)count);
    }
    print_sum(out, name, f, t->count, (double)t->sum_ns / NS_PER_S);
}

static void
print_calls(FILE *out, const char *name, struct gw_function *f)
{
    print_value(out, name, f, (double)f->calls);
}

static void
print_errors(FILE *out, const char *name, struct gw_function *f)
{
    for (int c = 0; c < GW_CODE_COUNT; c++)
        if (f->errors[c] > 0)
            print_labelled(out, name, f, "code", gw_code_name(c), (double)f->errors[c]);
}

static void
print_run(FILE *out, const char *name, struct gw_function *f)
{
    print_times(out, name, f, &f->run);
}

static void
print_queue(FILE *out, const char *name, struct gw_function *f)
{
    print_times(out, name, f, &f->queue);
}

static void
print_cold(FILE *out, const char *name, struct gw_function *f)
{
    print_times(out, name, f, &f->cold);
}

static void
print_waiting(FILE *out, const char *name, struct gw_function *f)
{
    print_value(out, name, f, f->sch.waiting.count);
}

static void
print_instances(FILE *out, const char *name, struct gw_function *f)
{
    for (int s = 0; s < SCH_SLOT_STATE_COUNT; s++)
        print_labelled(out, name, f, "state", sch_slot_state_name(s), f->sch.slots[s].count);
}

static void
print_ends(FILE *out, const char *name, struct gw_function *f)
{
    for (int e = 0; e < SCH_END_COUNT; e++)
        if (f->ends[e] > 0)
            print_labelled(out, name, f, "reason", sch_end_name(e), (double)f->ends[e]);
}

static void
print_refused(FILE *out, const char *name, struct gw_function *f)
{
    uint64_t sum = 0;

    for (int i = 0; f->refused != NULL && i < SBX_SYSCALLS; i++)
        sum += f->refused[i];
    print_value(out, name, f, (double)sum);
}

/* ---- connections ---- */

static void
print_open_connections(FILE *out, const char *name, struct gw_function *f)
{
    print_value(out, name, f, gw_network_count(f));
}

static void
print_connects(FILE *out, const char *name, struct gw_function *f)
{
    const struct gw_network_counts *n = &f->network;

    print_labelled(out, name, f, "result", "opened", (double)n->opened);
    print_labelled(out, name, f, "result", "failed", (double)n->failed);
    print_labelled(out, name, f, "result", "refused", (double)n->refused);
    print_labelled(out, name, f, "result", "limited", (double)n->limited);
}

/* ---- memory ---- */

static void
print_limit(FILE *out, const char *name, struct gw_function *f)
{
    print_value(out, name, f, (double)f->settings.numbers.memory);
}

static void
print_memory(FILE *out, const char *name, struct gw_function *f)
{
    int64_t sum = 0;

    for (struct gw_instance *i = f->instances; i != NULL; i = i->next)
        sum += gw_instance_read(i->memory_fd);
    print_value(out, name, f, (double)sum);
}

static void
print_advice(FILE *out, const char *name, struct gw_function *f)
{
    struct memory_advice advice = {0};

    if (f->memory != NULL)
        memory_advise(f->memory, (uint64_t)f->settings.numbers.memory, &advice);
    if (advice.memory > 0)
        print_value(out, name, f, (double)advice.memory);
}

static void
print_peaks(FILE *out, const char *name, struct gw_function *f)
{
    uint64_t count = 0;

    if (f->peaks.count == 0)
        return;
    for (unsigned b = 0; b + 1 < GW_PEAKS; b++) {
        count += f->peaks.counts[b];
        (void)fprintf(out, "%s_bucket{function=\"%s\",le=\"%llu\"} %llu\n", name, f->name,
                      65536ULL << b, (unsigned long long)count);
    }
    print_sum(out, name, f, f->peaks.count, (double)f->peaks.sum);
}

static void
print_quantiles(FILE *out, const char *name, struct gw_function *f)
{
    static const double shares[] = {0.5, 0.95, 0.99, 0.999, 1};
    char share[16];

    if (f->memory == NULL || f->memory->peaks.total == 0)
        return;
    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
        (void)snprintf(share, sizeof share, "%g", shares[i]);
        print_labelled(out, name, f, "share", share,
                       (double)histogram_quantile(&f->memory->peaks, shares[i]));
    }
}

static void
print_overhead(FILE *out, const char *name, struct gw_function *f)
{
    if (f->memory != NULL && f->memory->overhead_count > 0)
        print_value(out, name, f, f->memory->overhead);
}

static void
print_forks(FILE *out, const char *name, struct gw_function *f)
{
    print_value(out, name, f, (double)f->forks);
}

static void
print_leak(FILE *out, const char *name, struct gw_function *f)
{
    gw_function_find_leak(f);
    print_value(out, name, f, f->leak_bytes);
}

static void
print_reclaimed(FILE *out, const char *name, struct gw_function *f)
{
    print_value(out, name, f, (double)f->reclaimed);
}

/* ---- of the daemon and its host ---- */

static void
print_build(FILE *out, const char *name, struct gw *gw)
{
    (void)fprintf(out, "%s{version=\"%s\",cgroup=\"%s\"} 1\n", name, HEARTH_VERSION,
                  gw->admin->cgroup);
}

static void
print_number(FILE *out, const char *name, double value)
{
    (void)fprintf(out, "%s %.15g\n", name, value);
}

static void
print_uptime(FILE *out, const char *name, struct gw *gw)
{
    print_number(out, name, (double)(gw_now_ms() - gw->admin->started_ms) / 1000);
}

static void
print_functions(FILE *out, const char *name, struct gw *gw)
{
    print_number(out, name, HASH_COUNT(gw->functions->table));
}

static void
print_budget(FILE *out, const char *name, struct gw *gw)
{
    print_number(out, name, (double)gw->functions->memory_budget);
}

static void
print_reserved(FILE *out, const char *name, struct gw *gw)
{
    print_number(out, name, (double)sch_used_bytes(gw->functions->sch));
}

static void
print_evictions(FILE *out, const char *name, struct gw *gw)
{
    print_number(out, name, (double)sch_evictions(gw->functions->sch));
}

static void
print_disk_budget(FILE *out, const char *name, struct gw *gw)
{
    print_number(out, name, (double)gw->functions->disk_budget);
}

static void
print_disk_used(FILE *out, const char *name, struct gw *gw)
{
    print_number(out, name, (double)gw->functions->disk_used);
}

static void
print_pressure(FILE *out, const char *name, struct gw *gw)
{
    double some, full;

    if (!gw_memory_pressure(gw->admin->pressure_fd, &some, &full))
        return;
    (void)fprintf(out, "%s{tasks=\"some\"} %.4f\n", name, some);
    (void)fprintf(out, "%s{tasks=\"all\"} %.4f\n", name, full);
}

static void
print_connections(FILE *out, const char *name, struct gw *gw)
{
    print_number(out, name, gw_conns_count(gw));
}

static void
print_accepted(FILE *out, const char *name, struct gw *gw)
{
    double total = 0;

    for (uint32_t i = 0; i < gw->loops_count; i++)
        total += (double)gw->loops[i]->http->conns_total;
    print_number(out, name, total);
}

static void
print_waiting_bytes(FILE *out, const char *name, struct gw *gw)
{
    (void)fprintf(out, "%s{where=\"memory\"} %lld\n", name, (long long)gw->http->spool_use.memory);
    (void)fprintf(out, "%s{where=\"disk\"} %lld\n", name, (long long)gw->http->spool_use.disk);
}

static void
print_traces_dropped(FILE *out, const char *name, struct gw *gw)
{
    print_number(out, name, (double)gw->http->traces_dropped);
}

static void
print_loops(FILE *out, const char *name, struct gw *gw)
{
    print_number(out, name, gw->http->active);
}

static void
print_started(FILE *out, const char *name, struct gw *gw)
{
    print_number(out, name, (double)gw->instances->launches_total);
}

static void
print_killed(FILE *out, const char *name, struct gw *gw)
{
    print_number(out, name, (double)gw->instances->kills_total);
}

static void
print_cpu(FILE *out, const char *name, struct gw *gw)
{
    struct rusage usage;

    (void)gw;
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        print_number(out, name,
                     (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                         (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
}

static void
print_gateway_peak(FILE *out, const char *name, struct gw *gw)
{
    struct rusage usage;

    (void)gw;
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        print_number(out, name, (double)usage.ru_maxrss * 1024);
}

/* ---- the table ---- */

struct metric {
    const char *name, *type;
    const char *labels; /* for the documents, "a, b"; "": none */
    const char *help;
    void (*of_function)(FILE *out, const char *name, struct gw_function *f); /* or: */
    void (*of_daemon)(FILE *out, const char *name, struct gw *gw);
};

#define FUNCTION(name, type, labels, help, print)                                                  \
    {                                                                                              \
        "hearth_" name, type, labels, help, print, NULL                                            \
    }
#define DAEMON(name, type, labels, help, print)                                                    \
    {                                                                                              \
        "hearth_" name, type, labels, help, NULL, print                                            \
    }

static const struct metric metrics[] = {
    FUNCTION("calls_total", "counter", "function", "Calls of a function.", print_calls),
    FUNCTION("call_errors_total", "counter", "function, code",
             "Calls that the platform answered with an error.", print_errors),
    FUNCTION("call_run_seconds", "histogram", "function, le",
             "Time that an instance took for a call, of completed calls.", print_run),
    FUNCTION("call_queue_seconds", "histogram", "function, le",
             "Time that a call waited, without the start of an instance.", print_queue),
    FUNCTION("call_cold_seconds", "histogram", "function, le",
             "Time that a cold call waited for the start of its instance.", print_cold),
    FUNCTION("call_memory_bytes", "histogram", "function, le",
             "Peak memory of an instance in a call, or in several without a pause.", print_peaks),
    FUNCTION("call_memory_quantile_bytes", "gauge", "function, share",
             "What that share of the calls stayed within, with at most 1.6 % error.",
             print_quantiles),
    FUNCTION("waiting_calls", "gauge", "function", "Calls that wait for an instance.",
             print_waiting),
    FUNCTION("instances", "gauge", "function, state", "Instances by state.", print_instances),
    FUNCTION("instance_ends_total", "counter", "function, reason", "Ends of instances by reason.",
             print_ends),
    FUNCTION("function_connections", "gauge", "function", "Connections that instances have open.",
             print_open_connections),
    FUNCTION(
        "connects_total", "counter", "function, result",
        "Connections that instances asked for: opened; failed; refused, since network does not "
        "list them; limited, since too many were open.",
        print_connects),
    FUNCTION("refused_syscalls_total", "counter", "function",
             "System calls that were refused; the function goes on.", print_refused),
    FUNCTION("memory_limit_bytes", "gauge", "function", "Memory limit of one instance.",
             print_limit),
    FUNCTION("memory_advice_bytes", "gauge", "function",
             "Limit that is advised; absent while it is not known.", print_advice),
    FUNCTION("memory_bytes", "gauge", "function", "Memory that a function's instances use.",
             print_memory),
    FUNCTION("instance_overhead_bytes", "gauge", "function",
             "Memory of an instance before its first call, on average.", print_overhead),
    FUNCTION("memory_leak_bytes_per_call", "gauge", "function",
             "Memory that each call keeps, where a leak is suspected; else 0.", print_leak),
    FUNCTION("memory_reclaimed_bytes_total", "counter", "function",
             "Memory that instances gave back between two calls.", print_reclaimed),
    FUNCTION("instance_forks_total", "counter", "function",
             "Instances that were forked from a template.", print_forks),
    DAEMON("build_info", "gauge", "version, cgroup", "Always 1.", print_build),
    DAEMON("uptime_seconds", "gauge", "", "Time since the daemon's start.", print_uptime),
    DAEMON("functions", "gauge", "", "Functions that are deployed.", print_functions),
    DAEMON("memory_budget_bytes", "gauge", "", "Memory budget for all instances.", print_budget),
    DAEMON("memory_reserved_bytes", "gauge", "", "Sum of the memory limits of all instances.",
           print_reserved),
    DAEMON("host_memory_pressure_ratio", "gauge", "tasks",
           "Share of the last 10 s in which some or all tasks of the host waited for memory.",
           print_pressure),
    DAEMON("evictions_total", "counter", "", "Idle instances that made room for others.",
           print_evictions),
    DAEMON("disk_budget_bytes", "gauge", "", "Disk that all versions may take; 0: no limit.",
           print_disk_budget),
    DAEMON("disk_used_bytes", "gauge", "", "Disk that all versions take.", print_disk_used),
    DAEMON("connections", "gauge", "", "Open client connections.", print_connections),
    DAEMON("connections_total", "counter", "", "Client connections accepted.", print_accepted),
    DAEMON("waiting_bytes", "gauge", "where",
           "Bodies and responses that wait, in memory and on disk.", print_waiting_bytes),
    DAEMON("traces_dropped_total", "counter", "",
           "Traced calls that were dropped because the exporter was behind.", print_traces_dropped),
    DAEMON("loops_active", "gauge", "", "Event loops that accept connections.", print_loops),
    DAEMON("instances_started_total", "counter", "", "Instances started.", print_started),
    DAEMON("instances_killed_total", "counter", "", "Instances killed.", print_killed),
    DAEMON("gateway_cpu_seconds_total", "counter", "", "CPU time of the gateway.", print_cpu),
    DAEMON("gateway_memory_peak_bytes", "gauge", "", "Peak memory of the gateway.",
           print_gateway_peak),
};

#define METRICS (sizeof metrics / sizeof metrics[0])

char *
gw_metrics_text(struct gw *gw, size_t *len)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, len);
    struct gw_function *f, *next;

    if (out == NULL)
        return NULL;
    for (const struct metric *m = metrics; m < metrics + METRICS; m++) {
        (void)fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", m->name, m->help, m->name, m->type);
        if (m->of_daemon != NULL)
            m->of_daemon(out, m->name, gw);
        else
            HASH_ITER (hh, gw->functions->table, f, next)
                m->of_function(out, m->name, f);
    }
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

void
gw_metrics_print_table(FILE *out)
{
    (void)fprintf(out, "| metric | type | labels | what it is |\n| --- | --- | --- | --- |\n");
    for (const struct metric *m = metrics; m < metrics + METRICS; m++)
        (void)fprintf(out, "| `%s` | %s | %s | %s |\n", m->name, m->type, m->labels, m->help);
}
