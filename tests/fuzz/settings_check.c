/* settings_check.c: see settings_check.h. */
#include "settings_check.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "filter.h"
#include "name.h"
#include "text.h"

#define HOST_MEMORY (INT64_C(8) << 30)

static void
check_env(const struct gw_env *env)
{
    const char *end = env->bytes + env->len;

    assert(env->len <= LIMIT_ENV && (env->len == 0 || env->bytes != NULL));
    for (const char *at = env->bytes; env->len > 0 && at < end; at += strlen(at) + 1) {
        const char *equals = strchr(at, '=');

        assert(memchr(at, '\0', (size_t)(end - at)) != NULL);
        assert(equals != NULL && equals > at);
    }
}

void
check_ranges(const struct gw_settings *settings)
{
    for (unsigned i = 0; i < sch_setting_count; i++) {
        const struct sch_setting *row = &sch_setting_table[i];
        int64_t number;

        if (row->kind > SCH_SETTING_CORES || sch_setting_is_auto(row, &settings->numbers))
            continue;
        number = sch_setting_get(row, &settings->numbers);
        if (row->kind == SCH_SETTING_CORES && number == 0)
            continue;
        assert(number >= row->least && number <= row->most);
    }
    assert(settings->numbers.memory <= HOST_MEMORY);
    assert(settings->libs_count <= LIMIT_LIBS);
    for (uint32_t i = 0; i < settings->libs_count; i++)
        assert(name_lib_ok(settings->libs[i], strlen(settings->libs[i])));
    assert((settings->syscalls & ~sbx_extra_all()) == 0);
    check_env(&settings->env);
    assert(memchr(settings->cors, '\0', sizeof settings->cors) != NULL);
}

void
check_same(const struct gw_settings *a, const struct gw_settings *b)
{
    struct sch_settings numbers = b->numbers;

    if (numbers.memory_auto != 0) /* the platform chooses it */
        numbers.memory = a->numbers.memory;
    assert(memcmp(&a->numbers, &numbers, sizeof numbers) == 0);
    assert(a->libs_count == b->libs_count);
    for (uint32_t i = 0; i < a->libs_count; i++)
        assert(strcmp(a->libs[i], b->libs[i]) == 0);
    assert(strcmp(a->cors, b->cors) == 0);
    assert(gw_settings_same_instance(a, b));
}

/* ---- written and read again ---- */

static void
defaults(struct gw_settings *settings)
{
    memset(settings, 0, sizeof *settings);
    sch_settings_default(&settings->numbers);
}

static void
check_json(const struct gw_settings *settings, json_t *json)
{
    char *text = json_dumps(json, JSON_INDENT(2));
    json_t *read = text != NULL ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
    struct gw_settings again;
    struct gw_bad_setting bad;

    assert(json_object_size(json) == sch_setting_count);
    defaults(&again);
    assert(read != NULL && gw_settings_from_json(&again, read, &bad) == 0);
    check_same(settings, &again);
    gw_settings_clear(&again);
    json_decref(read);
    free(text);
}

static void
print_encoded(FILE *out, const char *text)
{
    static const char digits[] = "0123456789ABCDEF";

    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;

        if (!isalnum(c)) {
            (void)putc_unlocked('%', out);
            (void)putc_unlocked(digits[c >> 4], out);
            c = (unsigned char)digits[c & 15];
        }
        (void)putc_unlocked(c, out);
    }
}

/* As `name=value&`. */
static void
print_pair(FILE *out, const struct sch_setting *row, json_t *value)
{
    char *text = json_is_object(value) ? json_dumps(value, JSON_COMPACT) : NULL;
    json_t *item;
    size_t i;

    (void)fprintf(out, "%s=", row->name);
    if (json_is_real(value))
        (void)fprintf(out, "%.3f", json_real_value(value));
    else if (json_is_null(value))
        (void)fputs("none", out);
    else if (json_is_integer(value))
        (void)fprintf(out, "%lld%s", (long long)json_integer_value(value),
                      row->kind == SCH_SETTING_TIME ? "ms" : "");
    else if (json_is_boolean(value))
        (void)fputs(json_is_true(value) ? "true" : "false", out);
    else if (json_is_string(value))
        print_encoded(out, json_string_value(value));
    else if (text != NULL)
        print_encoded(out, text);
    json_array_foreach (value, i, item) {
        (void)fputs(i > 0 ? "," : "", out);
        print_encoded(out, json_string_value(item));
    }
    (void)fputc('&', out);
    free(text);
}

static void
check_query(const struct gw_settings *settings, json_t *json)
{
    char *query = NULL;
    size_t len;
    FILE *out = open_memstream(&query, &len);
    struct gw_settings again;
    struct gw_bad_setting bad;

    for (unsigned i = 0; out != NULL && i < sch_setting_count; i++)
        print_pair(out, &sch_setting_table[i], json_object_get(json, sch_setting_table[i].name));
    if (out == NULL || fclose(out) != 0)
        abort();
    defaults(&again);
    assert(gw_settings_from_query(&again, query, &bad) == 0);
    check_same(settings, &again);
    gw_settings_clear(&again);
    free(query);
}

void
check_written(const struct gw_settings *settings)
{
    json_t *json = gw_settings_json(settings);

    check_json(settings, json);
    check_query(settings, json);
    json_decref(json);
}

/* ---- refusals ---- */

static void
check_shown(const char *text, size_t room)
{
    char shown[512];

    assert(memchr(text, '\0', room) != NULL && room <= sizeof shown);
    memcpy(shown, text, strlen(text) + 1);
    text_printable(shown, false);
    assert(strcmp(shown, text) == 0);
}

void
check_blame(const struct gw_bad_setting *bad)
{
    bool known = sch_setting_find(bad->name) != NULL || strcmp(bad->name, "query") == 0;

    check_shown(bad->name, sizeof bad->name);
    check_shown(bad->allowed, sizeof bad->allowed);
    assert(bad->allowed[0] != '\0');
    assert(strlen(bad->allowed) < sizeof bad->allowed - 1); /* all of it */
    for (unsigned i = 0; !known && i < sch_setting_count; i++)
        assert(strstr(bad->allowed, sch_setting_table[i].name) != NULL);
}

/* ---- one input ---- */

static void
check_part(struct gw_settings *now, const char *part, size_t len, change_fn change)
{
    struct gw_settings next, was;
    struct gw_bad_setting bad = {"", ""};
    int status;

    if (gw_settings_copy(&next, now) < 0 || gw_settings_copy(&was, now) < 0)
        abort();
    status = change(&next, part, len, &bad);
    check_same(now, &was);
    if (status == 0) {
        check_ranges(&next);
        check_written(&next);
        status = gw_settings_check(&next, &bad);
    }
    if (status == 0) {
        assert(next.numbers.min <= next.numbers.max);
        gw_settings_clear(now);
        *now = next;
    } else {
        check_blame(&bad);
        gw_settings_clear(&next);
    }
    gw_settings_clear(&was);
}

void
check_parts(const uint8_t *data, size_t size, change_fn change)
{
    struct gw_settings now;
    const uint8_t *end = data + size;

    gw_settings_set_host_memory(HOST_MEMORY);
    defaults(&now);
    while (data < end) {
        const uint8_t *stop = memchr(data, '\0', (size_t)(end - data));
        size_t len = (size_t)((stop != NULL ? stop : end) - data);
        char *part = strndup((const char *)data, len); /* of its own size */

        if (part == NULL)
            abort();
        check_part(&now, part, len, change);
        free(part);
        data += len + 1;
    }
    gw_settings_clear(&now);
}
