/* metrics.c: the metrics in Prometheus text format 0.0.4. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "admin.h"
#include "function.h"
#include "http.h"
#include "instance.h"
#include "loop.h"
#include "memory_use.h"

#define NS_PER_S 1e9

static void
describe(FILE *out, const char *name, const char *type, const char *help)
{
    (void)fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
print_functions(FILE *out, struct gw *gw)
{
    struct gw_function *f, *next;

    describe(out, "hearth_calls_total", "counter", "Calls of a function.");
    HASH_ITER (hh, gw->functions->table, f, next)
        (void)fprintf(out, "hearth_calls_total{function=\"%s\"} %llu\n", f->name,
                      (unsigned long long)f->calls);
    describe(out, "hearth_call_errors_total", "counter",
             "Calls answered with an error by the platform.");
    HASH_ITER (hh, gw->functions->table, f, next)
        for (int c = 0; c < GW_CODE_COUNT; c++)
            if (f->errors[c] > 0)
                (void)fprintf(out, "hearth_call_errors_total{function=\"%s\",code=\"%s\"} %llu\n",
                              f->name, gw_code_name(c), (unsigned long long)f->errors[c]);
    describe(out, "hearth_call_run_seconds_total", "counter", "Total run time of calls.");
    HASH_ITER (hh, gw->functions->table, f, next)
        (void)fprintf(out, "hearth_call_run_seconds_total{function=\"%s\"} %.6f\n", f->name,
                      (double)f->run_ns_total / NS_PER_S);
    describe(out, "hearth_call_queue_seconds_total", "counter",
             "Total time of calls in the queue.");
    HASH_ITER (hh, gw->functions->table, f, next)
        (void)fprintf(out, "hearth_call_queue_seconds_total{function=\"%s\"} %.6f\n", f->name,
                      (double)f->queue_ns_total / NS_PER_S);
    describe(out, "hearth_waiting_calls", "gauge", "Calls waiting for an instance.");
    HASH_ITER (hh, gw->functions->table, f, next)
        (void)fprintf(out, "hearth_waiting_calls{function=\"%s\"} %u\n", f->name,
                      f->sch.waiting.count);
    describe(out, "hearth_instances", "gauge", "Instances by state.");
    HASH_ITER (hh, gw->functions->table, f, next)
        for (int s = 0; s < SCH_SLOT_STATE_COUNT; s++)
            (void)fprintf(out, "hearth_instances{function=\"%s\",state=\"%s\"} %u\n", f->name,
                          sch_slot_state_name(s), f->sch.slots[s].count);
}

/* What is measured of the memory of each function. */
static void
print_memory(FILE *out, struct gw *gw)
{
    static const double quantiles[] = {0.5, 0.95, 0.99, 0.999, 1};
    struct gw_function *f, *next;

    describe(out, "hearth_memory_limit_bytes", "gauge", "Memory limit of one instance.");
    HASH_ITER (hh, gw->functions->table, f, next)
        (void)fprintf(out, "hearth_memory_limit_bytes{function=\"%s\"} %lld\n", f->name,
                      (long long)f->settings.numbers.memory);
    describe(out, "hearth_memory_bytes", "gauge", "Memory used by a function's instances.");
    HASH_ITER (hh, gw->functions->table, f, next) {
        int64_t sum = 0;

        for (struct gw_instance *i = f->instances; i != NULL; i = i->next)
            sum += gw_instance_read(i->memory_fd);
        (void)fprintf(out, "hearth_memory_bytes{function=\"%s\"} %lld\n", f->name, (long long)sum);
    }
    describe(out, "hearth_call_memory_quantile_bytes", "gauge",
             "Peak memory of an instance in a call, by quantile of the calls; 1: the largest.");
    HASH_ITER (hh, gw->functions->table, f, next)
        for (size_t q = 0; q < sizeof quantiles / sizeof quantiles[0]; q++)
            if (f->memory != NULL && f->memory->peaks.total > 0)
                (void)fprintf(
                    out,
                    "hearth_call_memory_quantile_bytes{function=\"%s\",quantile=\"%g\"} %llu\n",
                    f->name, quantiles[q],
                    (unsigned long long)histogram_quantile(&f->memory->peaks, quantiles[q]));
    describe(out, "hearth_instance_overhead_bytes", "gauge",
             "Memory of an instance before its first call, on average.");
    HASH_ITER (hh, gw->functions->table, f, next)
        if (f->memory != NULL && f->memory->overhead_count > 0)
            (void)fprintf(out, "hearth_instance_overhead_bytes{function=\"%s\"} %.0f\n", f->name,
                          f->memory->overhead);
    describe(out, "hearth_memory_leak_bytes_per_call", "gauge",
             "Memory that each call keeps, where a leak is suspected; else 0.");
    HASH_ITER (hh, gw->functions->table, f, next) {
        gw_function_find_leak(f);
        (void)fprintf(out, "hearth_memory_leak_bytes_per_call{function=\"%s\"} %.1f\n", f->name,
                      f->leak_bytes);
    }
    describe(out, "hearth_memory_reclaimed_bytes_total", "counter",
             "Memory that instances gave back between two calls.");
    HASH_ITER (hh, gw->functions->table, f, next)
        (void)fprintf(out, "hearth_memory_reclaimed_bytes_total{function=\"%s\"} %llu\n", f->name,
                      (unsigned long long)f->reclaimed);
    describe(out, "hearth_instance_ends_total", "counter", "Ends of instances by reason.");
    HASH_ITER (hh, gw->functions->table, f, next)
        for (int e = 0; e < SCH_END_COUNT; e++)
            if (f->ends[e] > 0)
                (void)fprintf(out,
                              "hearth_instance_ends_total{function=\"%s\",reason=\"%s\"} %llu\n",
                              f->name, sch_end_name(e), (unsigned long long)f->ends[e]);
}

bool
gw_memory_pressure(int fd, double *some, double *full)
{
    char text[256];
    ssize_t got = fd >= 0 ? pread(fd, text, sizeof text - 1, 0) : -1;
    const char *at;

    *full = 0;
    if (got <= 0)
        return false; /* this kernel has none */
    text[got] = '\0';
    if (sscanf(text, "some avg10=%lf", some) != 1)
        return false;
    at = strstr(text, "full avg10=");
    if (at != NULL)
        (void)sscanf(at, "full avg10=%lf", full);
    *some /= 100;
    *full /= 100;
    return true;
}

/* The share of the time in which tasks of this host waited for memory (PSI). */
static void
print_pressure(FILE *out, int fd)
{
    double some, full;

    if (!gw_memory_pressure(fd, &some, &full))
        return;
    describe(out, "hearth_host_memory_pressure_ratio", "gauge",
             "Share of the last 10 s in which some or all tasks of the host waited for memory.");
    (void)fprintf(out, "hearth_host_memory_pressure_ratio{tasks=\"some\"} %.4f\n", some);
    (void)fprintf(out, "hearth_host_memory_pressure_ratio{tasks=\"all\"} %.4f\n", full);
}

static void
print_connections(FILE *out, const struct gw *gw)
{
    unsigned long long total = 0;

    for (uint32_t i = 0; i < gw->loops_count; i++)
        total += gw->loops[i]->http->conns_total;
    describe(out, "hearth_connections", "gauge", "Open client connections.");
    (void)fprintf(out, "hearth_connections %u\n", gw_conns_count(gw));
    describe(out, "hearth_connections_total", "counter", "Client connections accepted.");
    (void)fprintf(out, "hearth_connections_total %llu\n", total);
    describe(out, "hearth_waiting_bytes", "gauge",
             "Bodies and responses that wait, in memory and in files.");
    (void)fprintf(out,
                  "hearth_waiting_bytes{where=\"memory\"} %lld\n"
                  "hearth_waiting_bytes{where=\"disk\"} %lld\n",
                  (long long)gw->http->spool_use.memory, (long long)gw->http->spool_use.disk);
    describe(out, "hearth_loops_active", "gauge", "Event loops that accept connections.");
    (void)fprintf(out, "hearth_loops_active %u\n", gw->http->active);
}

char *
gw_metrics_text(struct gw *gw, size_t *len)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, len);
    struct rusage usage;

    if (out == NULL)
        return NULL;
    print_functions(out, gw);
    print_memory(out, gw);
    print_pressure(out, gw->admin->pressure_fd);
    describe(out, "hearth_memory_budget_bytes", "gauge", "Memory budget for all instances.");
    (void)fprintf(out, "hearth_memory_budget_bytes %lld\n",
                  (long long)gw->functions->memory_budget);
    describe(out, "hearth_memory_reserved_bytes", "gauge",
             "Sum of the memory limits of all instances.");
    (void)fprintf(out, "hearth_memory_reserved_bytes %lld\n",
                  (long long)sch_used_bytes(gw->functions->sch));
    describe(out, "hearth_evictions_total", "counter", "Idle instances evicted to free memory.");
    (void)fprintf(out, "hearth_evictions_total %llu\n",
                  (unsigned long long)sch_evictions(gw->functions->sch));
    describe(out, "hearth_functions", "gauge", "Functions deployed.");
    (void)fprintf(out, "hearth_functions %u\n", HASH_COUNT(gw->functions->table));
    describe(out, "hearth_disk_budget_bytes", "gauge",
             "Disk that all versions may take; 0: no limit.");
    (void)fprintf(out, "hearth_disk_budget_bytes %lld\n", (long long)gw->functions->disk_budget);
    describe(out, "hearth_disk_used_bytes", "gauge", "Disk that all versions take.");
    (void)fprintf(out, "hearth_disk_used_bytes %lld\n", (long long)gw->functions->disk_used);
    print_connections(out, gw);
    describe(out, "hearth_instances_started_total", "counter", "Instances started.");
    (void)fprintf(out, "hearth_instances_started_total %llu\n",
                  (unsigned long long)gw->instances->launches_total);
    describe(out, "hearth_instances_killed_total", "counter", "Instances killed.");
    (void)fprintf(out, "hearth_instances_killed_total %llu\n",
                  (unsigned long long)gw->instances->kills_total);
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        describe(out, "hearth_gateway_cpu_seconds_total", "counter", "CPU time of the gateway.");
        (void)fprintf(out, "hearth_gateway_cpu_seconds_total %.6f\n",
                      (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                          (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
        describe(out, "hearth_gateway_memory_peak_bytes", "gauge", "Peak memory of the gateway.");
        (void)fprintf(out, "hearth_gateway_memory_peak_bytes %ld\n", usage.ru_maxrss * 1024);
    }
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}
