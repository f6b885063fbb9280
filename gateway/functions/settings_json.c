/* settings_json.c: settings in the forms that people send. The numbers go by the
 * scheduler's table; the others are known here alone: see `others`. */
#include "settings_json.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "build.h"
#include "cleanup.h"
#include "destination.h"
#include "filter.h"
#include "function.h"
#include "name.h"
#include "query.h"
#include "text.h"
#include "units.h"

static int64_t host_memory;

void
gw_settings_set_host_memory(int64_t bytes)
{
    host_memory = bytes;
}

int
gw_settings_blame(struct gw_bad_setting *bad, const char *name, const char *allowed)
{
    (void)snprintf(bad->name, sizeof bad->name, "%s", name);
    text_printable(bad->name, false); /* it may come from the client */
    (void)snprintf(bad->allowed, sizeof bad->allowed, "%s", allowed);
    return -EINVAL;
}

/* JSON has one kind of number: 1000.0 is a whole one. */
bool
gw_json_whole(const json_t *value, int64_t *number)
{
    double real = json_real_value(value);

    if (json_is_integer(value)) {
        *number = json_integer_value(value);
        return true;
    }
    if (!json_is_real(value) || real < -0x1p53 || real > 0x1p53 || real != (double)(int64_t)real)
        return false;
    *number = (int64_t)real;
    return true;
}

static int
blame_row(struct gw_bad_setting *bad, const struct sch_setting *row)
{
    char most[24], allowed[sizeof bad->allowed];

    if (strcmp(row->name, "memory") == 0) {
        (void)snprintf(allowed, sizeof allowed,
                       "auto, or 4M to %s, the memory that this host offers, " UNITS_SIZE_FORM,
                       units_format_size(host_memory, most, sizeof most));
        return gw_settings_blame(bad, row->name, allowed);
    }
    if (row->kind == SCH_SETTING_TIME || row->kind == SCH_SETTING_SIZE) {
        (void)snprintf(allowed, sizeof allowed, "%s, %s", row->allowed,
                       row->kind == SCH_SETTING_TIME ? UNITS_TIME_FORM "; in JSON a number is "
                                                                       "milliseconds"
                                                     : UNITS_SIZE_FORM);
        return gw_settings_blame(bad, row->name, allowed);
    }
    if (strcmp(row->name, "syscalls") == 0) {
        FILE *out = fmemopen(allowed, sizeof allowed, "w");

        for (unsigned i = 0; out != NULL && sbx_extra_name(i) != NULL; i++)
            (void)fprintf(out, "%s%s", i > 0 ? ", " : "any of ", sbx_extra_name(i));
        return gw_settings_blame(bad, row->name,
                                 out != NULL && fclose(out) == 0 ? allowed : row->allowed);
    }
    return gw_settings_blame(bad, row->name, row->allowed);
}

static int
blame_unknown(struct gw_bad_setting *bad, const char *name)
{
    char all[sizeof bad->allowed] = "";

    for (unsigned i = 0; i < sch_setting_count; i++) {
        size_t used = strlen(all);

        (void)snprintf(all + used, sizeof all - used, "%s%s", i > 0 ? ", " : "",
                       sch_setting_table[i].name);
    }
    return gw_settings_blame(bad, name, all);
}

int
gw_settings_copy(struct gw_settings *to, const struct gw_settings *from)
{
    *to = *from;
    if (from->env.bytes == NULL)
        return 0;
    to->env.bytes = malloc(from->env.len);
    if (to->env.bytes == NULL)
        return -ENOMEM;
    memcpy(to->env.bytes, from->env.bytes, from->env.len);
    return 0;
}

/* Frees what it owns. */
void
gw_settings_clear(struct gw_settings *settings)
{
    free(settings->env.bytes);
    settings->env.bytes = NULL;
    settings->env.len = 0;
}

bool
gw_settings_same_instance(const struct gw_settings *a, const struct gw_settings *b)
{
    return a->numbers.tmp == b->numbers.tmp && a->numbers.threads == b->numbers.threads &&
           a->numbers.stack == b->numbers.stack && a->numbers.strict == b->numbers.strict &&
           a->syscalls == b->syscalls && (a->network[0] == '\0') == (b->network[0] == '\0') &&
           a->env.len == b->env.len &&
           (a->env.len == 0 || memcmp(a->env.bytes, b->env.bytes, a->env.len) == 0);
}

/* ---- lists of names: libs, syscalls ---- */

static int
add_lib(struct gw_settings *settings, const char *name, size_t n)
{
    if (!name_lib_ok(name, n) || settings->libs_count == LIMIT_LIBS)
        return -EINVAL;
    memcpy(settings->libs[settings->libs_count], name, n);
    settings->libs[settings->libs_count][n] = '\0';
    settings->libs_count++;
    return 0;
}

static void
clear_libs(struct gw_settings *settings)
{
    settings->libs_count = 0;
}

static json_t *
libs_json(const struct gw_settings *settings)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < settings->libs_count; i++)
        (void)json_array_append_new(list, json_string(settings->libs[i]));
    return list;
}

static int
add_syscall(struct gw_settings *settings, const char *name, size_t n)
{
    uint64_t bit = sbx_extra_bit(name, n);

    settings->syscalls |= bit;
    return bit != 0 ? 0 : -EINVAL;
}

static void
clear_syscalls(struct gw_settings *settings)
{
    settings->syscalls = 0;
}

static json_t *
syscalls_json(const struct gw_settings *settings)
{
    json_t *list = json_array();

    for (unsigned i = 0; sbx_extra_name(i) != NULL; i++)
        if ((settings->syscalls >> i & 1) != 0)
            (void)json_array_append_new(list, json_string(sbx_extra_name(i)));
    return list;
}

/* ---- cors ---- */

/* scheme "://" host [ ":" port ], as a browser sends it in Origin (RFC 6454, 6.2); or "*" */
static bool
origin_ok(const char *origin, size_t n)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "-._~%[]:";
    size_t scheme = strspn(origin, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                   "0123456789+-.");

    if (n == 1 && origin[0] == '*')
        return true;
    return scheme > 0 && n > scheme + 3 && strncmp(origin + scheme, "://", 3) == 0 &&
           strspn(origin + scheme + 3, letters) >= n - scheme - 3;
}

static int
add_origin(struct gw_settings *settings, const char *origin, size_t n)
{
    size_t used = strlen(settings->cors);

    if (!origin_ok(origin, n) || used + n + 2 > sizeof settings->cors)
        return -EINVAL;
    if (used > 0)
        settings->cors[used++] = ',';
    memcpy(settings->cors + used, origin, n);
    settings->cors[used + n] = '\0';
    return 0;
}

static void
clear_cors(struct gw_settings *settings)
{
    settings->cors[0] = '\0';
}

/* "a,b" as a list */
static json_t *
words_json(const char *words)
{
    json_t *list = json_array();

    for (const char *at = words; *at != '\0';) {
        size_t n = strcspn(at, ",");

        (void)json_array_append_new(list, json_stringn(at, n));
        at += n + (at[n] == ',');
    }
    return list;
}

static json_t *
cors_json(const struct gw_settings *settings)
{
    return words_json(settings->cors);
}

/* ---- network ---- */

static int
add_destination(struct gw_settings *settings, const char *text, size_t n)
{
    char form[DESTINATION_TEXT];
    struct destination d;
    size_t used = strlen(settings->network);

    if (n == 4 && memcmp(text, "none", 4) == 0)
        return used == 0 ? 0 : -EINVAL;
    if (destination_parse(text, n, &d) < 0)
        return -EINVAL;
    destination_format(&d, form);
    if (used + strlen(form) + 2 > sizeof settings->network)
        return -EINVAL;
    (void)snprintf(settings->network + used, sizeof settings->network - used, "%s%s",
                   used > 0 ? "," : "", form);
    return 0;
}

static void
clear_network(struct gw_settings *settings)
{
    settings->network[0] = '\0';
}

static json_t *
network_json(const struct gw_settings *settings)
{
    return settings->network[0] == '\0' ? json_string("none") : words_json(settings->network);
}

/* ---- env ---- */

static int
env_append(FILE *out, const char *name, json_t *value)
{
    const char *text = json_string_value(value);

    if (name[0] == '\0' || strchr(name, '=') != NULL || text == NULL ||
        strlen(text) != json_string_length(value))
        return -EINVAL;
    (void)fprintf(out, "%s=%s", name, text);
    (void)fputc('\0', out);
    return 0;
}

static json_t *
env_json(const struct gw_env *env)
{
    json_t *object = json_object();

    for (const char *at = env->bytes; at != NULL && at < env->bytes + env->len;
         at += strlen(at) + 1) {
        cleanup_free char *name = strndup(at, strcspn(at, "="));

        if (name != NULL)
            (void)json_object_set_new(object, name, json_string(at + strlen(name) + 1));
    }
    return object;
}

static int
env_from_object(struct gw_settings *settings, json_t *object)
{
    struct gw_env made = {0};
    const char *name;
    json_t *value;
    size_t len = 0;
    FILE *out = open_memstream(&made.bytes, &len);
    int status = 0;

    if (out == NULL)
        return -ENOMEM;
    json_object_foreach (object, name, value)
        if (env_append(out, name, value) < 0)
            status = -EINVAL;
    if (fclose(out) != 0 || len > LIMIT_ENV)
        status = -EINVAL;
    if (status < 0) {
        free(made.bytes);
        return status;
    }
    made.len = (uint32_t)len;
    gw_settings_clear(settings);
    settings->env = made;
    return 0;
}

/* env is an object itself, so the merge goes into it. */
static int
env_from_json(struct gw_settings *settings, json_t *patch)
{
    json_t *merged = env_json(&settings->env);
    const char *name;
    json_t *value;
    int status = json_is_object(patch) ? 0 : -EINVAL;

    if (status == 0)
        json_object_foreach (patch, name, value) {
            if (json_is_null(value))
                (void)json_object_del(merged, name);
            else
                (void)json_object_set(merged, name, value);
        }
    if (status == 0)
        status = env_from_object(settings, merged);
    json_decref(merged);
    return status;
}

static int
env_from_text(struct gw_settings *settings, const char *text)
{
    json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    int status = json_is_object(object) ? env_from_object(settings, object) : -EINVAL;

    json_decref(object);
    return status;
}

static json_t *
env_to_json(const struct gw_settings *settings)
{
    return env_json(&settings->env);
}

/* ---- one setting ---- */

/* The settings that are no numbers. */
static const struct other {
    const char *name;
    void (*clear)(struct gw_settings *settings);                          /* to its default */
    int (*add)(struct gw_settings *settings, const char *name, size_t n); /* of a list */
    int (*from_text)(struct gw_settings *settings, const char *text);     /* of a map */
    int (*from_json)(struct gw_settings *settings, json_t *value);        /* of a map */
    json_t *(*json)(const struct gw_settings *settings);
} others[] = {
    {"libs", clear_libs, add_lib, NULL, NULL, libs_json},
    {"syscalls", clear_syscalls, add_syscall, NULL, NULL, syscalls_json},
    {"cors", clear_cors, add_origin, NULL, NULL, cors_json},
    {"network", clear_network, add_destination, NULL, NULL, network_json},
    {"env", gw_settings_clear, NULL, env_from_text, env_from_json, env_to_json},
};

static const struct other *
other_of(const struct sch_setting *row)
{
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (strcmp(others[i].name, row->name) == 0)
            return &others[i];
    return NULL;
}

/* "a,b" */
static int
list_from_text(struct gw_settings *settings, const struct other *list, const char *text)
{
    list->clear(settings);
    while (*text != '\0') {
        size_t n = strcspn(text, ",");

        if (list->add(settings, text, n) < 0)
            return -EINVAL;
        text += n + (text[n] == ',');
    }
    return 0;
}

static int
list_from_json(struct gw_settings *settings, const struct other *list, json_t *value)
{
    json_t *item;
    size_t i;

    if (json_is_string(value))
        return list_from_text(settings, list, json_string_value(value));
    if (!json_is_array(value))
        return -EINVAL;
    list->clear(settings);
    json_array_foreach (value, i, item)
        if (!json_is_string(item) ||
            list->add(settings, json_string_value(item), json_string_length(item)) < 0)
            return -EINVAL;
    return 0;
}

static int
from_text(struct gw_settings *settings, const struct sch_setting *row, const char *text)
{
    switch (row->kind) {
    case SCH_SETTING_LIST:
        return list_from_text(settings, other_of(row), text);
    case SCH_SETTING_MAP:
        return other_of(row)->from_text(settings, text);
    default:
        return sch_setting_from_text(row, text, host_memory, &settings->numbers);
    }
}

static int
to_default(struct gw_settings *settings, const struct sch_setting *row)
{
    if (row->kind == SCH_SETTING_LIST || row->kind == SCH_SETTING_MAP)
        other_of(row)->clear(settings);
    else
        return sch_setting_from_number(row, row->default_value, 0, &settings->numbers);
    return 0;
}

static int
from_json(struct gw_settings *settings, const struct sch_setting *row, json_t *value)
{
    int64_t number;

    if (json_is_null(value))
        return to_default(settings, row);
    if (row->kind == SCH_SETTING_LIST)
        return list_from_json(settings, other_of(row), value);
    if (row->kind == SCH_SETTING_MAP)
        return other_of(row)->from_json(settings, value);
    if (json_is_boolean(value) != (row->kind == SCH_SETTING_FLAG))
        return -EINVAL;
    if (json_is_boolean(value))
        return sch_setting_from_number(row, json_is_true(value), 0, &settings->numbers);
    if (row->kind == SCH_SETTING_CORES && json_is_number(value)) {
        double thousandths = json_number_value(value) * 1000;

        if (!(thousandths >= 1 && thousandths < 1e9))
            return -EINVAL;
        return sch_setting_from_number(row, llround(thousandths), 0, &settings->numbers);
    }
    if (row->kind != SCH_SETTING_CHOICE && gw_json_whole(value, &number))
        return sch_setting_from_number(row, number, host_memory, &settings->numbers);
    if (json_is_string(value))
        return from_text(settings, row, json_string_value(value));
    return -EINVAL;
}

int
gw_settings_from_json(struct gw_settings *settings, json_t *patch, struct gw_bad_setting *bad)
{
    const char *name;
    json_t *value;

    json_object_foreach (patch, name, value) {
        const struct sch_setting *row = sch_setting_find(name);

        if (row == NULL)
            return blame_unknown(bad, name);
        if (from_json(settings, row, value) < 0)
            return blame_row(bad, row);
    }
    return 0;
}

/* ---- queries ---- */

/* seen: a bit for each row that was set before. */
static int
pair_from_query(struct gw_settings *settings, const char *name, const char *value, uint64_t *seen,
                struct gw_bad_setting *bad)
{
    const struct sch_setting *row = sch_setting_find(name);
    uint64_t bit;

    if (row == NULL && gw_build_is_option(name))
        return 0; /* functions/build.c reads it */
    if (row == NULL)
        return blame_unknown(bad, name);
    bit = UINT64_C(1) << (row - sch_setting_table);
    if ((*seen & bit) != 0)
        return gw_settings_blame(bad, name, "one value; it is given twice");
    *seen |= bit;
    return from_text(settings, row, value) == 0 ? 0 : blame_row(bad, row);
}

int
gw_settings_from_query(struct gw_settings *settings, const char *query, struct gw_bad_setting *bad)
{
    uint64_t seen = 0;
    int status;

    do {
        cleanup_free char *name = NULL, *value = NULL;

        status = gw_query_next(&query, &name, &value);
        if (status == -EINVAL)
            return gw_settings_blame(bad, "query", GW_QUERY_FORM);
        if (status == 1 && (status = pair_from_query(settings, name, value, &seen, bad)) == 0)
            status = 1;
    } while (status == 1);
    return status;
}

void
gw_settings_bound(struct sch_settings *numbers)
{
    sch_settings_bound(numbers, host_memory);
}

int
gw_settings_check(struct gw_settings *settings, struct gw_bad_setting *bad)
{
    char allowed[96];
    const char *name = sch_settings_conflict(&settings->numbers, allowed, sizeof allowed);

    gw_settings_bound(&settings->numbers);
    return name == NULL ? 0 : gw_settings_blame(bad, name, allowed);
}

json_t *
gw_settings_json(const struct gw_settings *settings)
{
    json_t *object = json_object();

    for (unsigned i = 0; i < sch_setting_count; i++) {
        const struct sch_setting *row = &sch_setting_table[i];
        json_t *value;

        if (row->kind == SCH_SETTING_LIST || row->kind == SCH_SETTING_MAP) {
            value = other_of(row)->json(settings);
        } else if (sch_setting_is_auto(row, &settings->numbers)) {
            value = json_string("auto");
        } else if (row->kind == SCH_SETTING_CHOICE) {
            value = json_string(sch_choice_name(sch_setting_get(row, &settings->numbers)));
        } else if (row->kind == SCH_SETTING_CORES) {
            int64_t thousandths = sch_setting_get(row, &settings->numbers);

            value = thousandths > 0 ? json_real((double)thousandths / 1000) : json_null();
        } else {
            value = row->kind == SCH_SETTING_FLAG
                        ? json_boolean(sch_setting_get(row, &settings->numbers))
                        : json_integer(sch_setting_get(row, &settings->numbers));
        }
        (void)json_object_set_new(object, row->name, value);
    }
    return object;
}
