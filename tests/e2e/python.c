/* python.c: see python.h. */
#include "python.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

const struct daemon *d;

int
python_group_start(void **state)
{
    int status = group_start(state);

    d = *state;
    return status;
}

/* ---- deploys ---- */

struct reply
put_python(const char *name, const char *settings, const char *source)
{
    char path[300];

    (void)snprintf(path, sizeof path, "/v1/functions/%s?%s", name, settings);
    return put(d, path, "text/x-python", source, strlen(source));
}

struct reply
put_file(const char *name, const char *settings, const char *file)
{
    char path[300];
    size_t len;
    char *source;
    struct reply r;

    (void)snprintf(path, sizeof path, "%s/tests/python/%s", getenv("HEARTH_SOURCE"), file);
    source = read_whole(path, &len);
    assert_non_null(source);
    r = put_python(name, settings, source);
    free(source);
    return r;
}

void
deploy_python(const char *name, const char *settings, const char *file)
{
    struct reply r = put_file(name, settings, file);

    if (r.status != 201 && r.status != 200)
        fail_msg("%s: %ld %s", file, r.status, r.body);
    reply_free(&r);
}

struct reply
put_bundle(const char *name, struct bundle *b)
{
    char path[100];

    bundle_close(b);
    (void)snprintf(path, sizeof path, "/v1/functions/%s", name);
    return put(d, path, "application/x-tar", b->bytes, b->len);
}

/* The first diagnostic of a refused deploy. */
void
expect_diagnostic(const struct reply *r, const char *code, const char *file, int line,
                  const char *message)
{
    const json_t *one = json_array_get(json_object_get(r->json, "diagnostics"), 0);

    if (r->status != 422 || one == NULL)
        fail_msg("%ld %s", r->status, r->body);
    assert_string_equal(reply_text(r, "code"), code);
    assert_string_equal(json_string_value(json_object_get(one, "severity")), "error");
    if (file != NULL)
        assert_string_equal(json_string_value(json_object_get(one, "file")), file);
    if (line > 0)
        assert_int_equal(json_integer_value(json_object_get(one, "line")), line);
    if (strstr(json_string_value(json_object_get(one, "message")), message) == NULL)
        fail_msg("%s", r->body);
}

void
expect_problem(const char *path, long status, const char *code, const char *exception)
{
    struct reply r = get(d, path);

    if (r.status != status)
        fail_msg("%s: %ld %s", path, r.status, r.body);
    assert_string_equal(reply_text(&r, "code"), code);
    if (exception != NULL)
        assert_string_equal(reply_text(&r, "exception"), exception);
    reply_free(&r);
}

bool
log_has(const char *name, const char *text)
{
    char path[100];
    struct reply r;
    bool has;

    (void)snprintf(path, sizeof path, "/v1/functions/%s/logs?lines=1000", name);
    r = get(d, path);
    has = r.status == 200 && strstr(r.body, text) != NULL;
    reply_free(&r);
    return has;
}

struct wanted_line {
    const char *name, *text;
};

static bool
has_line(void *user)
{
    const struct wanted_line *wanted = user;

    return log_has(wanted->name, wanted->text);
}

void
wait_for_line(const char *name, const char *text)
{
    struct wanted_line wanted = {name, text};

    wait_for(text, has_line, &wanted);
}
