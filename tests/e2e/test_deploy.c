/* test_deploy.c: deploying, settings, versions, and the administration's refusals. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bundle.h"
#include "harness.h"
#include "run.h"

#define HELLO                                                                                      \
    "#include <hearth.h>\n"                                                                        \
    "int hearth_handle(hearth_call *call) { return hearth_printf(call, \"hello\"); }\n"

static void
expect_code(struct reply r, long status, const char *code)
{
    if (r.status != status || r.json == NULL)
        fail_msg("want %ld %s, got %ld %s", status, code, r.status, r.body);
    assert_string_equal(reply_text(&r, "code"), code);
    assert_int_equal(reply_number(&r, "status"), status);
    assert_non_null(strstr(r.fields, "application/problem+json"));
    reply_free(&r);
}

static void
test_deploy_new_source_is_created_and_served(void **state)
{
    struct reply r = deploy(*state, "fresh", "memory=16M", HELLO);

    assert_int_equal(r.status, 201);
    assert_int_equal(reply_number(&r, "version"), 1);
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(r.json, "limits"), "memory")), 16 << 20);
    reply_free(&r);
    expect_body(*state, "/function/fresh", "hello");
}

static void
test_deploy_again_makes_the_next_version_and_keeps_settings(void **state)
{
    struct reply r;

    deploy_ok(*state, "again", "memory=16M&timeout=2s", HELLO);
    expect_body(*state, "/function/again", "hello");
    r = deploy(*state, "again", "timeout=3s",
               "#include <hearth.h>\n"
               "int hearth_handle(hearth_call *c) { return hearth_printf(c, \"second\"); }\n");
    assert_int_equal(r.status, 200);
    assert_int_equal(reply_number(&r, "version"), 2);
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(r.json, "settings"), "memory")),
        16 << 20);
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(r.json, "settings"), "timeout")), 3000);
    reply_free(&r);
    expect_body(*state, "/function/again", "second");
}

static void
test_deploy_of_a_wrong_source_names_the_line_and_leaves_the_old_version(void **state)
{
    struct reply r;
    json_t *first;

    deploy_ok(*state, "wrong", "", HELLO);
    r = deploy(*state, "wrong", "",
               "#include <hearth.h>\nint hearth_handle(hearth_call *c)\n{ return nothing; }\n");
    assert_int_equal(r.status, 422);
    assert_string_equal(reply_text(&r, "code"), "build_failed");
    first = json_array_get(json_object_get(r.json, "diagnostics"), 0);
    assert_string_equal(json_string_value(json_object_get(first, "severity")), "error");
    assert_string_equal(json_string_value(json_object_get(first, "file")), "function.c");
    assert_int_equal(json_integer_value(json_object_get(first, "line")), 3);
    assert_true(json_integer_value(json_object_get(first, "column")) > 0);
    assert_non_null(strstr(json_string_value(json_object_get(first, "message")), "nothing"));
    reply_free(&r);
    expect_body(*state, "/function/wrong", "hello");
}

static void
test_deploy_with_a_missing_symbol_fails_in_the_build(void **state)
{
    struct reply r = deploy(*state, "missing", "",
                            "#include <hearth.h>\nint elsewhere(void);\n"
                            "int hearth_handle(hearth_call *c) { (void)c; return elsewhere(); }\n");

    assert_int_equal(r.status, 422);
    assert_non_null(strstr(r.body, "elsewhere"));
    reply_free(&r);
    r = get(*state, "/function/missing");
    assert_int_equal(r.status, 404);
    reply_free(&r);
}

/* A function may define any name: those of the worker itself are not visible to it. */
static void
test_deploy_that_defines_a_name_of_the_worker_calls_its_own(void **state)
{
    deploy_ok(*state, "names", "",
              "#include <hearth.h>\n"
              "int err_set(int a) { return a + 1; }\n"
              "int chan_ready(int a) { return a + 2; }\n"
              "int hearth_handle(hearth_call *c)\n"
              "{ return hearth_printf(c, \"%d %d\", err_set(1), chan_ready(1)); }\n");
    expect_body(*state, "/function/names", "2 3");
}

static void
test_deploy_without_a_handler_is_init_failed(void **state)
{
    expect_code(deploy(*state, "empty", "", "#include <hearth.h>\nint other;\n"), 422,
                "init_failed");
}

static void
test_deploy_whose_init_fails_says_what_it_returned(void **state)
{
    struct reply r = deploy(*state, "init", "",
                            "#include <hearth.h>\nint hearth_init(void) { return 42; }\n"
                            "int hearth_handle(hearth_call *c) { (void)c; return 0; }\n");

    assert_int_equal(r.status, 422);
    assert_string_equal(reply_text(&r, "code"), "init_failed");
    assert_non_null(strstr(reply_text(&r, "detail"), "42"));
    reply_free(&r);
}

static void
test_deploy_whose_constructor_crashes_is_init_failed(void **state)
{
    struct reply r =
        deploy(*state, "ctor", "",
               "#include <hearth.h>\n__attribute__((constructor)) static void boom(void)"
               "{ *(volatile int *)8 = 1; }\n"
               "int hearth_handle(hearth_call *c) { (void)c; return 0; }\n");

    assert_int_equal(r.status, 422);
    assert_string_equal(reply_text(&r, "code"), "init_failed");
    assert_non_null(strstr(reply_text(&r, "detail"), "SIGSEGV"));
    reply_free(&r);
}

static void
test_deploy_with_bad_settings_names_them_and_changes_nothing(void **state)
{
    static const char *const bad[][2] = {
        {"memory=1M", "memory"},
        {"memory=lots", "memory"},
        {"timeout=0", "timeout"},
        {"max=0", "max"},
        {"min=9", "min"},
        {"colour=red", "colour"},
        {"queue=-1", "queue"},
        {"network=host", "network"},
        {"libs=../x", "libs"},
        {"max_body=x", "max_body"},
        {"recycle_memory=101", "recycle_memory"},
    };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct reply r = deploy(*state, "settings", bad[i][0], HELLO);

        if (r.status != 400)
            fail_msg("%s: %ld %s", bad[i][0], r.status, r.body);
        assert_string_equal(reply_text(&r, "code"), "bad_setting");
        assert_string_equal(reply_text(&r, "setting"), bad[i][1]);
        assert_true(strlen(reply_text(&r, "allowed")) > 0);
        reply_free(&r);
    }
    expect_code(get(*state, "/v1/functions/settings"), 404, "function_not_found");
}

static void
test_deploy_with_a_bad_name_or_type_is_refused(void **state)
{
    expect_code(deploy(*state, "Upper", "", HELLO), 400, "bad_name");
    expect_code(deploy(*state, "-dash", "", HELLO), 400, "bad_name");
    expect_code(deploy(*state, "a%2e%2e", "", HELLO), 400, "bad_name");
    expect_code(put(*state, "/v1/functions/typed", "text/html", "x", 1), 415,
                "unsupported_media_type");
}

static void
test_deploy_links_libraries(void **state)
{
    deploy_ok(
        *state, "maths", "libs=m,z",
        "#include <hearth.h>\n#include <math.h>\nunsigned long crc32(unsigned long, const "
        "unsigned char *, unsigned);\n"
        "int hearth_handle(hearth_call *c) { return hearth_printf(c, \"%.3f %08lx\", "
        "cbrt(27.0 + (hearth_query(c, \"x\") != NULL)), crc32(0, (const unsigned char *)\"abc\", "
        "3)); }\n");
    expect_body(*state, "/function/maths", "3.000 352441c2");
}

/* ---- bundles and objects ---- */

static void
add_sources(struct bundle *b)
{
    bundle_add(b, "main.c",
               "#include <hearth.h>\n#include \"lib/part.h\"\n"
               "int hearth_handle(hearth_call *c) { return hearth_printf(c, \"%s %s\", part(), "
               "hearth_env(\"WHO\")); }\n",
               NULL);
    bundle_add(b, "lib/part.h", "const char *part(void);\n", NULL);
    bundle_add(b, "lib/part.c",
               "#include \"part.h\"\nconst char *part(void) { return \"part\"; }\n", NULL);
    bundle_add(b, "function.json", "{\"memory\": \"20M\", \"env\": {\"WHO\": \"you\"}, \"max\": 3}",
               NULL);
}

static void
test_deploy_of_a_bundle_builds_all_and_takes_its_settings(void **state)
{
    static const char *const types[] = {"application/x-tar", "application/gzip"};

    for (int gzip = 0; gzip < 2; gzip++) {
        struct bundle b;
        struct reply r;
        json_t *settings;

        bundle_open(&b, gzip);
        add_sources(&b);
        bundle_close(&b);
        r = put(*state, "/v1/functions/bundle?max=4", types[gzip], b.bytes, b.len);
        if (r.status != (gzip ? 200 : 201))
            fail_msg("%ld %s", r.status, r.body);
        settings = json_object_get(r.json, "settings");
        assert_int_equal(json_integer_value(json_object_get(settings, "memory")), 20 << 20);
        assert_int_equal(json_integer_value(json_object_get(settings, "max")), 4);
        reply_free(&r);
        expect_body(*state, "/function/bundle", "part you");
    }
}

static void
test_deploy_of_a_bundle_with_a_path_out_or_a_link_is_refused(void **state)
{
    static const char *const paths[] = {"../out.c", "/abs.c", "a/../../b.c", "x\ny.c"};
    struct bundle b;

    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        bundle_open(&b, false);
        bundle_add(&b, paths[i], HELLO, NULL);
        bundle_close(&b);
        expect_code(put(*state, "/v1/functions/outside", "application/x-tar", b.bytes, b.len), 400,
                    "bad_bundle");
    }
    bundle_open(&b, false);
    bundle_add(&b, "link.c", NULL, "/etc/passwd");
    bundle_close(&b);
    expect_code(put(*state, "/v1/functions/outside", "application/x-tar", b.bytes, b.len), 400,
                "bad_bundle");
    expect_code(put(*state, "/v1/functions/outside", "application/x-tar", "garbage", 7), 400,
                "bad_bundle");
}

static void
test_deploy_of_a_bundle_whose_file_is_a_folder_too_is_refused(void **state)
{
    static const char *const names[][2] = {{"a.c", "a.c/b.c"}, {"a.c/b.c", "a.c"}};
    struct bundle b;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        bundle_open(&b, false);
        bundle_add(&b, names[i][0], HELLO, NULL);
        bundle_add(&b, names[i][1], HELLO, NULL);
        bundle_close(&b);
        expect_code(put(*state, "/v1/functions/outside", "application/x-tar", b.bytes, b.len), 400,
                    "bad_bundle");
    }
}

static void
test_deploy_of_a_built_object_serves_it(void **state)
{
    struct daemon *d = *state;
    char path[256];
    struct reply r;
    size_t len;
    char *object;

    deploy_ok(d, "origin", "", HELLO);
    (void)snprintf(path, sizeof path, "%s/functions/origin/1/function.so", d->state);
    object = read_whole(path, &len);
    r = put(d, "/v1/functions/copy", "application/x-sharedlib", object, len);
    assert_int_equal(r.status, 201);
    reply_free(&r);
    free(object);
    expect_body(d, "/function/copy", "hello");
    r = put(d, "/v1/functions/copy", "application/x-sharedlib", "no object", 9);
    assert_int_equal(r.status, 422);
    reply_free(&r);
    expect_body(d, "/function/copy", "hello");
}

static void
test_deploy_for_another_abi_is_refused_clearly(void **state)
{
    struct reply r =
        deploy(*state, "abi", "",
               "#define HEARTH_NO_STAMP\n#include <hearth.h>\n"
               "__attribute__((visibility(\"default\"))) const uint32_t hearth_abi = 77;\n"
               "int hearth_handle(hearth_call *c) { (void)c; return 0; }\n");

    assert_int_equal(r.status, 422);
    assert_string_equal(reply_text(&r, "code"), "init_failed");
    assert_non_null(strstr(reply_text(&r, "detail"), "77"));
    reply_free(&r);
}

/* ---- managing ---- */

static void
test_patch_of_memory_reaches_the_running_process(void **state)
{
    struct reply r;
    json_int_t pid;
    json_t *first;

    deploy_ok(*state, "live", "memory=16M",
              "#include <hearth.h>\nint hearth_handle(hearth_call *c) "
              "{ return hearth_printf(c, \"%zu\", hearth_memory_limit()); }\n");
    expect_body(*state, "/function/live", "16777216");
    wait_for_figure(*state, "live", "instances", "idle", 1); /* the answer may come before */
    r = get(*state, "/v1/functions/live/instances");
    first = json_array_get(json_object_get(r.json, "instances"), 0);
    pid = json_integer_value(json_object_get(first, "pid"));
    assert_string_equal(json_string_value(json_object_get(first, "state")), "idle");
    assert_int_equal(json_integer_value(json_object_get(first, "calls")), 1);
    assert_true(json_integer_value(json_object_get(first, "memory")) > 0);
    assert_true(json_integer_value(json_object_get(first, "memory_peak")) > 0);
    reply_free(&r);
    r = patch(*state, "/v1/functions/live", "{\"memory\": \"48M\"}");
    assert_int_equal(r.status, 200);
    assert_non_null(json_object_get(json_object_get(r.json, "applied"), "memory"));
    reply_free(&r);
    expect_body(*state, "/function/live", "50331648");
    r = get(*state, "/v1/functions/live/instances");
    first = json_array_get(json_object_get(r.json, "instances"), 0);
    assert_int_equal(json_integer_value(json_object_get(first, "pid")), pid);
    assert_int_equal(json_integer_value(json_object_get(first, "memory_limit")), 48 << 20);
    reply_free(&r);
}

static void
test_patch_below_present_use_replaces_the_instance_and_kills_no_call(void **state)
{
    struct reply r;
    json_int_t pid;

    deploy_ok(
        *state, "fat", "memory=64M",
        "#include <hearth.h>\n#include <string.h>\n#include <stdlib.h>\nstatic char *volatile "
        "keep;\n"
        "int hearth_handle(hearth_call *c) { if (hearth_query(c, \"grow\")) { keep = "
        "malloc(20 << 20); memset(keep, 1, 20 << 20); } return hearth_printf(c, \"ok\"); }\n");
    expect_body(*state, "/function/fat?grow", "ok");
    r = get(*state, "/v1/functions/fat/instances");
    pid = json_integer_value(
        json_object_get(json_array_get(json_object_get(r.json, "instances"), 0), "pid"));
    reply_free(&r);
    r = patch(*state, "/v1/functions/fat", "{\"memory\": \"8M\"}");
    assert_int_equal(r.status, 200);
    reply_free(&r);
    expect_body(*state, "/function/fat", "ok");
    r = get(*state, "/v1/functions/fat/instances");
    for (size_t i = 0; i < json_array_size(json_object_get(r.json, "instances")); i++) {
        json_t *one = json_array_get(json_object_get(r.json, "instances"), i);

        if (strcmp(json_string_value(json_object_get(one, "state")), "retiring") != 0)
            assert_int_not_equal(json_integer_value(json_object_get(one, "pid")), pid);
    }
    reply_free(&r);
}

static void
test_patch_with_a_bad_setting_changes_nothing(void **state)
{
    struct reply r;

    deploy_ok(*state, "patched", "memory=16M", HELLO);
    expect_code(patch(*state, "/v1/functions/patched", "{\"timeout\": \"9s\", \"memory\": \"1K\"}"),
                400, "bad_setting");
    expect_code(patch(*state, "/v1/functions/patched", "{\"min\": 9}"), 400, "bad_setting");
    expect_code(patch(*state, "/v1/functions/patched", "[1]"), 400, "bad_json");
    expect_code(patch(*state, "/v1/functions/patched", "{\"min\": 1, \"min\": 2}"), 400,
                "bad_json");
    r = get(*state, "/v1/functions/patched");
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(r.json, "settings"), "timeout")), 5000);
    reply_free(&r);
    r = patch(*state, "/v1/functions/patched", "{\"timeout\": 1500, \"env\": {\"A\": \"b\"}}");
    assert_int_equal(r.status, 200);
    reply_free(&r);
    r = patch(*state, "/v1/functions/patched", "{\"timeout\": null}");
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(r.json, "settings"), "timeout")), 5000);
    assert_string_equal(json_string_value(json_object_get(
                            json_object_get(json_object_get(r.json, "settings"), "env"), "A")),
                        "b");
    reply_free(&r);
}

static void
test_delete_removes_the_function_and_its_files(void **state)
{
    struct daemon *d = *state;
    struct reply r;
    char path[256];

    deploy_ok(d, "gone", "", HELLO);
    expect_body(d, "/function/gone", "hello");
    r = http(d, &(struct request){.method = "DELETE", .path = "/v1/functions/gone"});
    assert_int_equal(r.status, 204);
    assert_int_equal(r.len, 0);
    reply_free(&r);
    expect_code(get(d, "/function/gone"), 404, "function_not_found");
    expect_code(get(d, "/v1/functions/gone"), 404, "function_not_found");
    (void)snprintf(path, sizeof path, "%s/functions/gone", d->state);
    assert_int_not_equal(access(path, F_OK), 0);
    deploy_ok(d, "gone", "", HELLO);
    expect_body(d, "/function/gone", "hello");
}

static void
test_rollback_serves_the_older_version(void **state)
{
    struct reply r;

    deploy_ok(*state, "roll", "", HELLO);
    deploy_ok(*state, "roll", "",
              "#include <hearth.h>\n"
              "int hearth_handle(hearth_call *c) { return hearth_printf(c, \"two\"); }\n");
    expect_body(*state, "/function/roll", "two");
    r = post(*state, "/v1/functions/roll/rollback", "{\"version\": 1}", 14);
    assert_int_equal(r.status, 200);
    reply_free(&r);
    expect_body(*state, "/function/roll", "hello");
    r = get(*state, "/v1/functions/roll/versions");
    assert_int_equal(reply_number(&r, "live"), 1);
    assert_int_equal(json_array_size(json_object_get(r.json, "versions")), 2);
    reply_free(&r);
    expect_code(post(*state, "/v1/functions/roll/rollback", "{\"version\": 9}", 14), 404,
                "version_not_found");
}

static void
test_list_names_every_function(void **state)
{
    struct reply r;
    bool found = false;

    deploy_ok(*state, "listed", "", HELLO);
    r = get(*state, "/v1/functions");
    for (size_t i = 0; i < json_array_size(json_object_get(r.json, "functions")); i++)
        found =
            found || strcmp(json_string_value(json_object_get(
                                json_array_get(json_object_get(r.json, "functions"), i), "name")),
                            "listed") == 0;
    assert_true(found);
    reply_free(&r);
}

static void
test_requests_without_the_token_are_unauthorized(void **state)
{
    static const char *const wrong[] = {"Authorization: Bearer nonsense", NULL};

    expect_code(http(*state, &(struct request){.path = "/v1/functions", .no_token = true}), 401,
                "unauthorized");
    expect_code(
        http(*state, &(struct request){.path = "/v1/functions", .no_token = true, .fields = wrong}),
        401, "unauthorized");
    expect_code(http(*state, &(struct request){.path = "/metrics", .no_token = true}), 401,
                "unauthorized");
}

static void
test_unknown_paths_and_methods_are_told_apart(void **state)
{
    expect_code(get(*state, "/v1/nothing"), 404, "not_found");
    expect_code(
        http(*state,
             &(struct request){.method = "POST", .path = "/v1/functions", .body = "", .len = 0}),
        405, "method_not_allowed");
}

static void
test_metrics_count_calls(void **state)
{
    struct reply r;

    deploy_ok(*state, "counted", "", HELLO);
    expect_body(*state, "/function/counted", "hello");
    expect_body(*state, "/function/counted", "hello");
    r = get(*state, "/metrics");
    assert_int_equal(r.status, 200);
    assert_non_null(strstr(r.body, "hearth_calls_total{function=\"counted\"} 2\n"));
    reply_free(&r);
}

/* ---- deploys that take their time ---- */

/* A PUT by a process of its own: its exit status is 0 where the version was taken. */
static pid_t
put_beside(const struct daemon *d, const char *name, const char *settings, const char *source)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        struct reply r = deploy(d, name, settings, source);

        _exit(r.status == 200 || r.status == 201 ? 0 : 1);
    }
    return pid;
}

/* Deploys again and again; each goes live, or hears that the function was deleted. */
static _Noreturn void
deploy_many(const struct daemon *d, int times)
{
    for (int i = 0; i < times; i++) {
        struct reply r = deploy(d, "flicker", "", HELLO);

        if (r.status != 200 && r.status != 201 &&
            (r.status != 404 || strcmp(reply_text(&r, "code"), "function_not_found") != 0)) {
            (void)fprintf(stderr, "a deploy that was overtaken: %ld %s\n", r.status, r.body);
            _exit(1);
        }
        reply_free(&r);
    }
    _exit(0);
}

static bool
is_removable(void *path)
{
    return rmdir(path) == 0 || errno == ENOENT;
}

static void
test_a_deploy_overtaken_by_a_delete_says_so(void **state)
{
    const struct daemon *d = *state;
    char path[256];
    struct reply r;
    int status;
    pid_t pid = fork();

    if (pid == 0)
        deploy_many(d, 40);
    while (waitpid(pid, &status, WNOHANG) == 0) {
        r = http(d, &(struct request){.method = "DELETE", .path = "/v1/functions/flicker"});

        if (r.status != 204 && r.status != 404)
            fail_msg("DELETE: %ld %s", r.status, r.body);
        reply_free(&r);
    }
    assert_int_equal(status, 0);
    r = http(d, &(struct request){.method = "DELETE", .path = "/v1/functions/flicker"});
    reply_free(&r);
    (void)snprintf(path, sizeof path, "%s/functions/flicker", d->state);
    wait_for("an empty folder, or none: a restart finds nothing", is_removable, path);
    deploy_ok(d, "flicker", "", HELLO);
    expect_body(d, "/function/flicker", "hello");
}

static bool
a_builder_is_done(void *user)
{
    const struct daemon *d = user;

    return count_processes(d->pid, "hearth-builder") == 0 &&
           count_processes(d->pid, "hearth-worker") > 0;
}

/* What a build leaves in its control group keeps nobody else from starting. */
static void
test_a_slow_deploy_of_a_large_object_stops_no_other_start(void **state)
{
    const struct daemon *d = *state;
    int status;
    pid_t pid;

    deploy_ok(d, "small", "memory=8M&idle_timeout=1ms&tmp=1M", HELLO);
    deploy_ok(d, "small2", "memory=8M&idle_timeout=1ms", HELLO);
    pid = put_beside(d, "large", "memory=64M",
                     "#include <hearth.h>\n#include <time.h>\nchar large[20 << 20] = {1};\n"
                     "int hearth_init(void) { struct timespec t = {2, 0}; nanosleep(&t, 0); return "
                     "0; }\n"
                     "int hearth_handle(hearth_call *c) { return hearth_printf(c, \"%d\", "
                     "large[0]); }\n");
    wait_for("an instance of the large one", a_builder_is_done, (void *)(uintptr_t)d);
    while (waitpid(pid, &status, WNOHANG) == 0) {
        expect_body(d, "/function/small", "hello");
        expect_body(d, "/function/small2", "hello");
    }
    assert_int_equal(status, 0);
}

struct watched {
    const struct daemon *d;
    const char *path;
};

static bool
has_two_instances(void *user)
{
    const struct watched *w = user;
    struct reply r = get(w->d, w->path);
    bool two = json_array_size(json_object_get(r.json, "instances")) == 2;

    reply_free(&r);
    return two;
}

/* A PATCH while an instance checks version 2; returns once that one is live. */
static void
patch_during_a_deploy(const struct daemon *d, const char *name, const char *source,
                      const char *json)
{
    char function[64], instances[80];
    struct watched w = {d, instances};
    pid_t pid = put_beside(d, name, "", source);
    struct reply r;
    int status;

    (void)snprintf(function, sizeof function, "/v1/functions/%s", name);
    (void)snprintf(instances, sizeof instances, "%s/instances", function);
    wait_for("an instance that checks the new version", has_two_instances, &w);
    r = patch(d, function, json);
    assert_int_equal(r.status, 200);
    reply_free(&r);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    wait_for_figure(d, name, NULL, "version", 2);
}

static void
test_a_patch_during_a_deploy_holds_for_the_instance_that_checked_it(void **state)
{
    static const char source[] =
        "#include <hearth.h>\n#include <sys/sysinfo.h>\n#include <time.h>\n"
        "int hearth_init(void) { struct timespec t = {1, 0}; nanosleep(&t, 0); return 0; }\n"
        "int hearth_handle(hearth_call *c) { struct sysinfo i; sysinfo(&i);\n"
        "  return hearth_printf(c, \"%s%d\", hearth_env(\"A\"), i.totalram == 16 << 20); }\n";
    const struct daemon *d = *state;

    deploy_ok(d, "narrowed", "memory=16M&min=1&syscalls=sysinfo&env=%7B%22A%22:%22a%22%7D", source);
    expect_body(d, "/function/narrowed", "a0");
    patch_during_a_deploy(d, "narrowed", source, "{\"syscalls\": [], \"env\": {\"A\": \"b\"}}");
    for (int i = 0; i < 3; i++)
        expect_body(d, "/function/narrowed", "b1");
}

static bool
grown_has_48m(void *user)
{
    struct reply r = get(user, "/function/grown");
    bool has = r.status == 200 && strcmp(r.body, "50331648") == 0;

    reply_free(&r);
    return has;
}

static void
test_a_patch_of_memory_during_a_deploy_reaches_the_instance_that_checked_it(void **state)
{
    static const char source[] =
        "#include <hearth.h>\n#include <time.h>\n"
        "int hearth_init(void) { struct timespec t = {1, 0}; nanosleep(&t, 0); return 0; }\n"
        "int hearth_handle(hearth_call *c) {\n"
        "  return hearth_printf(c, \"%zu\", hearth_memory_limit()); }\n";
    const struct daemon *d = *state;

    deploy_ok(d, "grown", "memory=16M&min=1&max=1", source);
    expect_body(d, "/function/grown", "16777216");
    patch_during_a_deploy(d, "grown", source, "{\"memory\": \"48M\"}");
    wait_for("the new limit in the new version", grown_has_48m, (void *)(uintptr_t)d);
}

static _Noreturn void
patch_for_ever(const struct daemon *d)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* where the test fails */
    for (;;) {
        struct reply r = patch(d, "/v1/functions/patched", "{\"queue\": 100}");

        reply_free(&r);
    }
}

static void
test_patches_without_end_hold_up_no_deploy(void **state)
{
    enum { PATCHERS = 3 };
    const struct daemon *d = *state;
    pid_t pids[PATCHERS];
    struct reply r;

    deploy_ok(d, "patched", "", HELLO);
    for (int i = 0; i < PATCHERS; i++) {
        pids[i] = fork();
        if (pids[i] == 0)
            patch_for_ever(d);
    }
    for (int i = 0; i < 5; i++)
        deploy_ok(d, "patched", "", HELLO);
    r = deploy(d, "patched", "", "int hearth_init(void) { return 1; }\n" HELLO);
    assert_int_equal(r.status, 422);
    reply_free(&r);
    r = patch(d, "/v1/functions/patched", "{\"queue\": 101}"); /* their turn comes, too */
    assert_int_equal(r.status, 200);
    reply_free(&r);
    for (int i = 0; i < PATCHERS; i++) {
        (void)kill(pids[i], SIGKILL);
        (void)waitpid(pids[i], NULL, 0);
    }
    expect_body(d, "/function/patched", "hello");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deploy_new_source_is_created_and_served),
        cmocka_unit_test(test_deploy_again_makes_the_next_version_and_keeps_settings),
        cmocka_unit_test(test_deploy_of_a_wrong_source_names_the_line_and_leaves_the_old_version),
        cmocka_unit_test(test_deploy_with_a_missing_symbol_fails_in_the_build),
        cmocka_unit_test(test_deploy_that_defines_a_name_of_the_worker_calls_its_own),
        cmocka_unit_test(test_deploy_without_a_handler_is_init_failed),
        cmocka_unit_test(test_deploy_whose_init_fails_says_what_it_returned),
        cmocka_unit_test(test_deploy_whose_constructor_crashes_is_init_failed),
        cmocka_unit_test(test_deploy_with_bad_settings_names_them_and_changes_nothing),
        cmocka_unit_test(test_deploy_with_a_bad_name_or_type_is_refused),
        cmocka_unit_test(test_deploy_links_libraries),
        cmocka_unit_test(test_deploy_of_a_bundle_builds_all_and_takes_its_settings),
        cmocka_unit_test(test_deploy_of_a_bundle_with_a_path_out_or_a_link_is_refused),
        cmocka_unit_test(test_deploy_of_a_bundle_whose_file_is_a_folder_too_is_refused),
        cmocka_unit_test(test_deploy_of_a_built_object_serves_it),
        cmocka_unit_test(test_deploy_for_another_abi_is_refused_clearly),
        cmocka_unit_test(test_patch_of_memory_reaches_the_running_process),
        cmocka_unit_test(test_patch_below_present_use_replaces_the_instance_and_kills_no_call),
        cmocka_unit_test(test_patch_with_a_bad_setting_changes_nothing),
        cmocka_unit_test(test_delete_removes_the_function_and_its_files),
        cmocka_unit_test(test_rollback_serves_the_older_version),
        cmocka_unit_test(test_list_names_every_function),
        cmocka_unit_test(test_requests_without_the_token_are_unauthorized),
        cmocka_unit_test(test_unknown_paths_and_methods_are_told_apart),
        cmocka_unit_test(test_a_deploy_overtaken_by_a_delete_says_so),
        cmocka_unit_test(test_a_slow_deploy_of_a_large_object_stops_no_other_start),
        cmocka_unit_test(test_a_patch_during_a_deploy_holds_for_the_instance_that_checked_it),
        cmocka_unit_test(
            test_a_patch_of_memory_during_a_deploy_reaches_the_instance_that_checked_it),
        cmocka_unit_test(test_patches_without_end_hold_up_no_deploy),
        cmocka_unit_test(test_metrics_count_calls),
    };

    return RUN_TESTS("deploy", tests, group_start, group_stop);
}
