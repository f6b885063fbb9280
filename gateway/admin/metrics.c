/* metrics.c: counters as Prometheus text (exposition format 0.0.4). */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "admin/admin.h"
#include "calls/instance.h"
#include "functions/function.h"
#include "gateway.h"

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

    describe(out, "hearth_calls_total", "counter", "Calls to a function.");
    HASH_ITER (hh, gw->functions, f, next)
        (void)fprintf(out, "hearth_calls_total{function=\"%s\"} %llu\n", f->name,
                      (unsigned long long)f->calls);
    describe(out, "hearth_call_errors_total", "counter", "Calls that the platform answered.");
    HASH_ITER (hh, gw->functions, f, next)
        for (int c = 0; c < GW_CODE_COUNT; c++)
            if (f->errors[c] > 0)
                (void)fprintf(out, "hearth_call_errors_total{function=\"%s\",code=\"%s\"} %llu\n",
                              f->name, gw_code_name(c), (unsigned long long)f->errors[c]);
    describe(out, "hearth_call_run_seconds_total", "counter", "Time that calls ran.");
    HASH_ITER (hh, gw->functions, f, next)
        (void)fprintf(out, "hearth_call_run_seconds_total{function=\"%s\"} %.6f\n", f->name,
                      (double)f->run_ns_total / NS_PER_S);
    describe(out, "hearth_call_queue_seconds_total", "counter", "Time that calls waited.");
    HASH_ITER (hh, gw->functions, f, next)
        (void)fprintf(out, "hearth_call_queue_seconds_total{function=\"%s\"} %.6f\n", f->name,
                      (double)f->queue_ns_total / NS_PER_S);
    describe(out, "hearth_waiting_calls", "gauge", "Calls that wait for an instance.");
    HASH_ITER (hh, gw->functions, f, next)
        (void)fprintf(out, "hearth_waiting_calls{function=\"%s\"} %u\n", f->name,
                      f->sch.waiting.count);
    describe(out, "hearth_instances", "gauge", "Instances by state.");
    HASH_ITER (hh, gw->functions, f, next)
        for (int s = 0; s < SCH_SLOT_STATE_COUNT; s++)
            (void)fprintf(out, "hearth_instances{function=\"%s\",state=\"%s\"} %u\n", f->name,
                          sch_slot_state_name(s), f->sch.slots[s].count);
    describe(out, "hearth_memory_limit_bytes", "gauge", "Memory limit of one instance.");
    HASH_ITER (hh, gw->functions, f, next)
        (void)fprintf(out, "hearth_memory_limit_bytes{function=\"%s\"} %lld\n", f->name,
                      (long long)f->settings.numbers.memory);
    describe(out, "hearth_memory_bytes", "gauge", "Memory that a function's instances use.");
    HASH_ITER (hh, gw->functions, f, next) {
        int64_t sum = 0;

        for (struct gw_instance *i = f->instances; i != NULL; i = i->next)
            sum += gw_instance_read(i->memory_fd);
        (void)fprintf(out, "hearth_memory_bytes{function=\"%s\"} %lld\n", f->name, (long long)sum);
    }
}

static void
print_connections(FILE *out, const struct gw *gw)
{
    unsigned long long open = 0, total = 0;

    for (uint32_t i = 0; i < gw->loops_count; i++) {
        open += gw->loops[i]->conns_count;
        total += gw->loops[i]->conns_total;
    }
    describe(out, "hearth_connections", "gauge", "Open client connections.");
    (void)fprintf(out, "hearth_connections %llu\n", open);
    describe(out, "hearth_connections_total", "counter", "Client connections accepted.");
    (void)fprintf(out, "hearth_connections_total %llu\n", total);
    describe(out, "hearth_loops_active", "gauge", "Event loops that take connections.");
    (void)fprintf(out, "hearth_loops_active %u\n", gw->active);
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
    describe(out, "hearth_memory_budget_bytes", "gauge", "Memory for all instances together.");
    (void)fprintf(out, "hearth_memory_budget_bytes %lld\n", (long long)gw->memory_budget);
    describe(out, "hearth_memory_reserved_bytes", "gauge", "Limits of all instances together.");
    (void)fprintf(out, "hearth_memory_reserved_bytes %lld\n", (long long)sch_used_bytes(gw->sch));
    describe(out, "hearth_evictions_total", "counter", "Idle instances ended to make room.");
    (void)fprintf(out, "hearth_evictions_total %llu\n", (unsigned long long)sch_evictions(gw->sch));
    describe(out, "hearth_functions", "gauge", "Functions deployed.");
    (void)fprintf(out, "hearth_functions %u\n", HASH_COUNT(gw->functions));
    print_connections(out, gw);
    describe(out, "hearth_instances_started_total", "counter", "Instances asked for.");
    (void)fprintf(out, "hearth_instances_started_total %llu\n",
                  (unsigned long long)gw->launches_total);
    describe(out, "hearth_instances_killed_total", "counter", "Instances ended by force.");
    (void)fprintf(out, "hearth_instances_killed_total %llu\n", (unsigned long long)gw->kills_total);
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
