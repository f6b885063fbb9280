/* settings.c: the table of settings. A new setting is one row, and a field if it is a number. */
#include "settings.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "units.h"

#define FIELD(name) offsetof(struct sch_settings, name)
#define KB          INT64_C(1024)
#define MB          (KB * 1024)
#define GB          (MB * 1024)
#define SECOND      INT64_C(1000)
#define HOUR        (3600 * SECOND)

const struct sch_setting sch_setting_table[] = {
    {"memory", SCH_SETTING_SIZE, SCH_REACH_LIVE, FIELD(memory), 4 * MB, 1024 * GB, 64 * MB,
     "4M to the memory of the host, or auto", "memory limit of one instance"},
    {"memory_min", SCH_SETTING_SIZE, SCH_REACH_LIVE, FIELD(memory_min), 4 * MB, 1024 * GB, 4 * MB,
     "4M to 1024G, and not above memory_max", "memory auto chooses no less"},
    {"memory_max", SCH_SETTING_SIZE, SCH_REACH_LIVE, FIELD(memory_max), 4 * MB, 1024 * GB, 512 * MB,
     "4M to 1024G, and not below memory_min", "memory auto chooses no more"},
    {"cpu", SCH_SETTING_CORES, SCH_REACH_LIVE, FIELD(cpu), 10, 1024000, 0,
     "0.01 to 1024 (cores), or null for no cap", "most CPU time of one instance"},
    {"timeout", SCH_SETTING_TIME, SCH_REACH_CALLS, FIELD(timeout_ms), 1, HOUR, 5 * SECOND,
     "1ms to 1h", "longest run of one call"},
    {"min", SCH_SETTING_COUNT, SCH_REACH_LIVE, FIELD(min), 0, LIMIT_INSTANCES, 0, "0 to max",
     "instances kept warm"},
    {"max", SCH_SETTING_COUNT, SCH_REACH_LIVE, FIELD(max), 1, LIMIT_INSTANCES, 8,
     "1 to 4096, and not below min", "most instances"},
    {"idle_timeout", SCH_SETTING_TIME, SCH_REACH_LIVE, FIELD(idle_timeout_ms), 1, 24 * HOUR,
     60 * SECOND, "1ms to 24h, or auto", "idle instances beyond min end after this"},
    {"queue", SCH_SETTING_COUNT, SCH_REACH_CALLS, FIELD(queue), 0, 65536, 256, "0 to 65536",
     "most waiting calls"},
    {"queue_timeout", SCH_SETTING_TIME, SCH_REACH_CALLS, FIELD(queue_timeout_ms), 1, HOUR,
     5 * SECOND, "1ms to 1h", "longest wait of one call"},
    {"max_body", SCH_SETTING_SIZE, SCH_REACH_CALLS, FIELD(max_body), 0, 1024 * GB, 1 * MB,
     "0 to 1024G", "largest body of a request; with stream, 0 is no bound"},
    {"stream", SCH_SETTING_FLAG, SCH_REACH_CALLS, FIELD(stream), 0, 1, 0, "true or false",
     "a call begins with its first byte, and both bodies flow while it runs"},
    {"max_response", SCH_SETTING_SIZE, SCH_REACH_CALLS, FIELD(max_response), 0, 1024 * GB, 64 * MB,
     "0 to 1024G", "response kept for a slow client; past it the function waits"},
    {"recycle_calls", SCH_SETTING_COUNT, SCH_REACH_CALLS, FIELD(recycle_calls), 0, INT64_C(1) << 53,
     0, "0 (never) or more", "an instance is replaced after this many calls"},
    {"recycle_memory", SCH_SETTING_COUNT, SCH_REACH_CALLS, FIELD(recycle_memory), 1, 100, 90,
     "1 to 100 (percent of memory)",
     "an instance that uses more than this after a call is replaced"},
    {"tmp", SCH_SETTING_SIZE, SCH_REACH_INSTANCES, FIELD(tmp), 0, 1024 * GB, 0, "0 (none) to 1024G",
     "size of an instance's own /tmp; what is in it counts to its memory"},
    {"threads", SCH_SETTING_COUNT, SCH_REACH_INSTANCES, FIELD(threads), 1, LIMIT_FUNCTION_THREADS,
     1, "1 to 64", "threads of an instance; with 1, pthread_create fails with EAGAIN"},
    {"stack", SCH_SETTING_SIZE, SCH_REACH_INSTANCES, FIELD(stack), 64 * KB, 64 * MB, 8 * MB,
     "64K to 64M", "stack of an instance's first thread; what is used of it counts to its memory"},
    {"template", SCH_SETTING_CHOICE, SCH_REACH_LIVE, FIELD(template), 0, SCH_CHOICE_COUNT - 1,
     SCH_CHOICE_AUTO, "auto, on or off",
     "further instances are forked from one that has run hearth_init; auto: where that is costly"},
    {"strict", SCH_SETTING_FLAG, SCH_REACH_INSTANCES, FIELD(strict), 0, 1, 0, "true or false",
     "system calls that would be refused with an error end the instance"},
    {"cors", SCH_SETTING_LIST, SCH_REACH_CALLS, 0, 0, 0, 0,
     "origins such as \"https://app.example\", or \"*\", at most 511 bytes together",
     "origins whose pages may call the function"},
    {"proxy_headers", SCH_SETTING_FLAG, SCH_REACH_CALLS, FIELD(proxy_headers), 0, 1, 0,
     "true or false", "the function may set fields that a front proxy obeys (X-Accel-...)"},
    {"network", SCH_SETTING_LIST, SCH_REACH_LIVE, 0, 0, 0, 0,
     "none, or HOST:PORT, [v6]:PORT and unix:/PATH, at most 1023 bytes together",
     "destinations that an instance may connect to"},
    {"connections", SCH_SETTING_COUNT, SCH_REACH_LIVE, FIELD(connections), 1, LIMIT_CONNECTIONS, 8,
     "1 to 100", "open connections of an instance"},
    {"libs", SCH_SETTING_LIST, SCH_REACH_BUILD, 0, 0, LIMIT_LIBS, 0,
     "at most 16 plain names such as \"m\" or \"z\"", "libraries to link"},
    {"syscalls", SCH_SETTING_LIST, SCH_REACH_INSTANCES, 0, 0, 0, 0, "names of system calls",
     "extra system calls that the function may make"},
    {"env", SCH_SETTING_MAP, SCH_REACH_INSTANCES, 0, 0, LIMIT_ENV, 0,
     "names without '=' and texts, at most 16K together", "values for hearth_env"},
};

const unsigned sch_setting_count = sizeof sch_setting_table / sizeof sch_setting_table[0];

const char *
sch_choice_name(int64_t choice)
{
    static const char *const names[] = {"auto", "on", "off"};

    return names[choice];
}

const struct sch_setting *
sch_setting_find(const char *name)
{
    for (unsigned i = 0; i < sch_setting_count; i++)
        if (strcmp(sch_setting_table[i].name, name) == 0)
            return &sch_setting_table[i];
    return NULL;
}

static bool
is_number(const struct sch_setting *row)
{
    return row->kind <= SCH_SETTING_FLAG;
}

static int64_t *
field(const struct sch_setting *row, struct sch_settings *settings)
{
    return (int64_t *)(void *)((char *)settings + row->offset);
}

int64_t
sch_setting_get(const struct sch_setting *row, const struct sch_settings *settings)
{
    return *(const int64_t *)(const void *)((const char *)settings + row->offset);
}

bool
sch_setting_is_auto(const struct sch_setting *row, const struct sch_settings *settings)
{
    if (!is_number(row))
        return false;
    if (row->offset == FIELD(memory))
        return settings->memory_auto != 0;
    return row->offset == FIELD(idle_timeout_ms) && settings->idle_timeout_ms == SCH_AUTO;
}

void
sch_settings_default(struct sch_settings *settings)
{
    memset(settings, 0, sizeof *settings);
    for (unsigned i = 0; i < sch_setting_count; i++)
        if (is_number(&sch_setting_table[i]))
            *field(&sch_setting_table[i], settings) = sch_setting_table[i].default_value;
}

int
sch_setting_from_number(const struct sch_setting *row, int64_t number, int64_t memory_most,
                        struct sch_settings *settings)
{
    bool is_none = row->kind == SCH_SETTING_CORES && number == 0;

    if (!is_number(row) || (!is_none && (number < row->least || number > row->most)))
        return -EINVAL;
    if (row->offset == FIELD(memory)) {
        if (memory_most > 0 && number > memory_most)
            return -EINVAL;
        settings->memory_auto = 0;
    }
    *field(row, settings) = number;
    return 0;
}

/* "2", "0.5": at most three decimals. */
static int
parse_cores(const char *text, int64_t *thousandths)
{
    size_t whole = strspn(text, "0123456789"), part = 0;
    int64_t value = 0;

    if (whole == 0 || whole > 4)
        return -EINVAL;
    for (size_t i = 0; i < whole; i++)
        value = 10 * value + (text[i] - '0');
    text += whole;
    if (*text == '.') {
        part = strspn(++text, "0123456789");
        if (part == 0 || part > 3)
            return -EINVAL;
    }
    for (size_t i = 0; i < 3; i++)
        value = 10 * value + (i < part ? text[i] - '0' : 0);
    *thousandths = value;
    return text[part] == '\0' && value > 0 ? 0 : -EINVAL;
}

int
sch_setting_from_text(const struct sch_setting *row, const char *text, int64_t memory_most,
                      struct sch_settings *settings)
{
    int64_t number = 0;
    int status = -EINVAL;

    if (row->offset == FIELD(idle_timeout_ms) && strcmp(text, "auto") == 0) {
        settings->idle_timeout_ms = SCH_AUTO;
        return 0;
    }
    if (row->offset == FIELD(memory) && row->kind == SCH_SETTING_SIZE &&
        strcmp(text, "auto") == 0) {
        settings->memory_auto = 1;
        return 0;
    }
    for (int64_t i = 0; i < SCH_CHOICE_COUNT && row->kind == SCH_SETTING_CHOICE; i++)
        if (strcmp(text, sch_choice_name(i)) == 0) {
            number = i;
            status = 0;
        }
    if (row->kind == SCH_SETTING_CORES && strcmp(text, "none") == 0) {
        number = 0;
        status = 0;
    } else if (row->kind == SCH_SETTING_CORES) {
        status = parse_cores(text, &number);
    } else if (row->kind == SCH_SETTING_TIME)
        status = units_parse_time(text, &number);
    else if (row->kind == SCH_SETTING_SIZE ||
             (row->kind == SCH_SETTING_COUNT && text[strspn(text, "0123456789")] == '\0'))
        status = units_parse_size(text, &number);
    else if (row->kind == SCH_SETTING_FLAG &&
             (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)) {
        number = text[0] == 't';
        status = 0;
    }
    return status == 0 ? sch_setting_from_number(row, number, memory_most, settings) : -EINVAL;
}

void
sch_settings_bound(struct sch_settings *settings, int64_t memory_most)
{
    if (settings->memory_auto == 0)
        return;
    if (settings->memory > settings->memory_max)
        settings->memory = settings->memory_max;
    if (settings->memory < settings->memory_min)
        settings->memory = settings->memory_min;
    if (memory_most > 0 && settings->memory > memory_most)
        settings->memory = memory_most;
}

const char *
sch_settings_conflict(const struct sch_settings *settings, char *text, size_t n)
{
    if (settings->min > settings->max) {
        (void)snprintf(text, n, "0 to max, which is %lld", (long long)settings->max);
        return "min";
    }
    if (settings->memory_min > settings->memory_max) {
        (void)snprintf(text, n, "4M to memory_max, which is %lld", (long long)settings->memory_max);
        return "memory_min";
    }
    return NULL;
}
