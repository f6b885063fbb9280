/* test_python.c: functions in Python: their forms, errors, deploys and modules. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "python.h"
#include "run.h"

#define MB (1024 * 1024)

/* ---- handle(call) ---- */

static void
test_handle_sees_the_request(void **state)
{
    static const char *const fields[] = {"X-Some: v\xfc", "X-Twice: a", "X-Twice: b",
                                         "X-Call-Id: own-id", NULL};
    struct reply r;
    const json_t *headers;

    (void)state;
    deploy_python("forms", "env=%7B%22WORD%22%3A%22w%C3%B6rt%22%7D&max=1", "forms.py");
    r = http(d, &(struct request){.method = "POST",
                                  .path = "/function/forms/request?a=1%202&b&c=3",
                                  .fields = fields,
                                  .body = "b\xc3\xb6"
                                          "dy",
                                  .len = 5});
    if (r.status != 200)
        fail_msg("%ld %s", r.status, r.body);
    assert_string_equal(reply_text(&r, "method"), "POST");
    assert_string_equal(reply_text(&r, "path"), "/request");
    assert_string_equal(reply_text(&r, "a"), "1 2");
    assert_string_equal(reply_text(&r, "b"), "");
    assert_true(json_is_null(json_object_get(r.json, "none")));
    assert_string_equal(reply_text(&r, "query_string"), "a=1%202&b&c=3");
    assert_string_equal(reply_text(&r, "header"), "v\xc3\xbc"); /* each byte is one letter */
    assert_true(json_is_null(json_object_get(r.json, "missing")));
    headers = json_object_get(r.json, "headers");
    assert_string_equal(json_string_value(json_object_get(headers, "x-twice")), "a, b");
    assert_string_equal(reply_text(&r, "body"), "b\xc3\xb6"
                                                "dy");
    assert_string_equal(reply_text(&r, "id"), "own-id");
    assert_string_equal(reply_text(&r, "env"), "w\xc3\xb6rt");
    assert_string_equal(reply_text(&r, "environ"), "w\xc3\xb6rt");
    assert_int_equal(reply_number(&r, "limit"), 64 * MB);
    assert_true(json_is_true(json_object_get(r.json, "used")));
    assert_true(json_is_true(json_object_get(r.json, "deadline")));
    reply_free(&r);
}

static void
test_what_handle_returns_is_the_rest_of_the_response(void **state)
{
    char value[64];
    struct reply r = get(d, "/function/forms/response");

    (void)state;
    assert_int_equal(r.status, 201);
    assert_string_equal(r.body, "abcd\xc3\xbc");
    assert_string_equal(reply_field(&r, "X-One", value, sizeof value), "1");
    assert_string_equal(reply_field(&r, "Content-Type", value, sizeof value), "text/x-own");
    assert_string_equal(reply_field(&r, "Content-Length", value, sizeof value), "6");
    reply_free(&r);
    expect_body(d, "/function/forms/none", "");
    expect_body(d, "/function/forms/bytes", "\x01\x02");
    r = get(d, "/function/forms/dict");
    assert_string_equal(r.body, "{\"a\":[1,null,\"\xc3\xbc\"]}");
    assert_string_equal(reply_field(&r, "Content-Type", value, sizeof value), "application/json");
    reply_free(&r);
    expect_body(d, "/function/forms/list", "[1,2]");
    expect_body(d, "/function/forms/pieces", "one two three {\"four\":4}\n");
    expect_problem("/function/forms/number", 500, "function_failed", "TypeError");
    wait_for_line("forms", "it may return None, str, bytes");
    expect_body(d, "/function/forms/bad",
                "ValueError ValueError TypeError ValueError TypeError ValueError ValueError");
    expect_body(d, "/function/forms/ended", "");
    expect_body(d, "/function/forms/use-ended", "the call has ended");
}

static void
test_bodies_of_any_size_arrive_and_views_of_them_stay(void **state)
{
    size_t n = 3 * MB;
    unsigned char *body = malloc(n);
    char expected[64];
    unsigned long sum = 0;
    struct reply r;

    (void)state;
    r = post(d, "/function/forms/read", "abcdefgh", 8);
    assert_string_equal(r.body, "abc|de|fgh");
    reply_free(&r);
    assert_non_null(body);
    fill_random(body, n);
    for (size_t i = 0; i < n; i += 65536)
        sum += body[i];
    r = patch(d, "/v1/functions/forms", "{\"max_body\":\"4M\"}");
    assert_int_equal(r.status, 200);
    reply_free(&r);
    r = post(d, "/function/forms/sum", body, n);
    (void)snprintf(expected, sizeof expected, "%lu %zu", sum, n);
    assert_string_equal(r.body, expected);
    reply_free(&r);
    /* a small one, and one that comes in pieces */
    for (size_t len = 9; len < n; len += 2 * MB) {
        r = post(d, "/function/forms/keep", body, len);
        assert_int_equal(r.status, 200);
        reply_free(&r);
        r = post(d, "/function/forms/read", "another client's", 16);
        reply_free(&r);
        r = get(d, "/function/forms/kept");
        assert_memory_equal(r.body, body + 1, 8);
        reply_free(&r);
    }
    free(body);
    r = post(d, "/function/forms/released", "abcdefgh", 8);
    assert_string_equal(r.body, "abcd abcd1000");
    reply_free(&r);
    r = post(d, "/function/forms/read-then-body", "abcdefgh", 8);
    assert_non_null(strstr(r.body, "read() has taken a part of the body"));
    reply_free(&r);
}

static void
test_an_event_loop_runs_in_a_call(void **state)
{
    (void)state;
    expect_body(d, "/function/forms/asyncio", "[1]");
    deploy_python("threads", "threads=4&memory=96M", "forms.py");
    expect_body(d, "/function/threads/asyncio?thread=1", "[\"1\"]");
}

static void
test_an_exception_tells_its_type_to_the_caller_and_all_to_the_log(void **state)
{
    struct reply r = get(d, "/function/forms/raise");

    (void)state;
    assert_int_equal(r.status, 500);
    assert_string_equal(reply_text(&r, "code"), "function_failed");
    assert_string_equal(reply_text(&r, "exception"), "Refused");
    assert_null(strstr(r.body, "secret"));
    reply_free(&r);
    wait_for_line("forms", "Traceback (most recent call last):");
    wait_for_line("forms", "function.Refused: a secret message");
    wait_for_line("forms", "raise Refused(\\\"a secret message\\\")"); /* the source's line */
    assert_false(log_has("forms", "_hearth_worker"));
    expect_problem("/function/forms/exit", 500, "function_failed", "SystemExit");
    r = get(d, "/function/forms/late");
    assert_true(r.error != 0); /* cut */
    reply_free(&r);
    expect_body(d, "/function/forms/log", "");
    wait_for_line("forms", "\"stream\":\"stdout\"");
    wait_for_line("forms", "to stderr");
    wait_for_line("forms", "logged");
    assert_true(log_has("forms", "\"level\":\"warning\""));
}

/* ---- the other forms ---- */

static void
test_wsgi_holds_what_pep_3333_asks(void **state)
{
    static const char *const fields[] = {"X-Some: s", "Content-Type: text/plain", NULL};
    char value[64];
    struct reply r;

    (void)state;
    deploy_python("wsgi", "max=1", "wsgi.py");
    r = http(d, &(struct request){.method = "POST",
                                  .path = "/function/wsgi/echo?q=1",
                                  .fields = fields,
                                  .body = "body",
                                  .len = 4});
    if (r.status != 202)
        fail_msg("%ld %s", r.status, r.body);
    assert_string_equal(r.body, "body q=1 /function/wsgi POST s port");
    assert_string_equal(reply_field(&r, "X-Two", value, sizeof value), "2");
    reply_free(&r);
    expect_body(d, "/function/wsgi/iterator", "abc");
    expect_body(d, "/function/wsgi/closed", "1");
    expect_problem("/function/wsgi/raise", 500, "function_failed", "KeyError");
    r = http(d, &(struct request){.method = "POST",
                                  .path = "/function/wsgi/lines",
                                  .fields = fields,
                                  .body = "a\nb\nc",
                                  .len = 5,
                                  .chunked = true});
    assert_string_equal(r.body, "3");
    reply_free(&r);
    r = get(d, "/function/wsgi/none");
    assert_int_equal(r.status, 404);
    assert_string_equal(r.body, "nothing here");
    reply_free(&r);
}

static void
test_flask_and_bottle_run_as_they_are(void **state)
{
    static const char *const json[] = {"Content-Type: application/json", NULL};
    static const char *const form[] = {"Content-Type: multipart/form-data; boundary=x", NULL};
    static const char file[] = "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n5\r\n"
                               "--x\r\nContent-Disposition: form-data; name=\"f\"; "
                               "filename=\"n.txt\"\r\n\r\ntext\r\n--x--\r\n";
    struct reply r;

    (void)state;
    deploy_python("flask", "", "flask_app.py");
    expect_body(d, "/function/flask/hello/%3Cyou%3E", "<b>&lt;you&gt;</b>");
    r = http(d, &(struct request){.method = "POST",
                                  .path = "/function/flask/json",
                                  .fields = json,
                                  .body = "{\"k\":[1]}",
                                  .len = 9});
    assert_string_equal(r.body, "{\"got\":{\"k\":[1]},\"url\":\"/function/flask/hello/x\"}\n");
    reply_free(&r);
    expect_body(d, "/function/flask/stream", "0\n1\n2\n");
    r = get(d, "/function/flask/raise");
    assert_int_equal(r.status, 500); /* Flask's own answer */
    reply_free(&r);
    wait_for_line("flask", "RuntimeError: of flask");
    r = get(d, "/function/flask/nothing");
    assert_int_equal(r.status, 404);
    reply_free(&r);

    deploy_python("bottle", "", "bottle_app.py");
    expect_body(d, "/function/bottle/hello/%3Cyou%3E", "<b>&lt;you&gt;</b>");
    r = http(d, &(struct request){.method = "POST",
                                  .path = "/function/bottle/form",
                                  .fields = form,
                                  .body = file,
                                  .len = sizeof file - 1});
    assert_string_equal(r.body, "{\"a\": \"5\", \"file\": \"n.txt\"}");
    reply_free(&r);
}

static void
test_lambda_gets_the_event_of_a_function_url(void **state)
{
    static const char *const fields[] = {"Cookie: p=1; q=2", "Content-Type: application/json",
                                         "X-Call-Id: the-id", NULL};
    char value[64];
    struct reply r;
    json_t *event, *http_of;

    (void)state;
    deploy_python("lambda", "", "lambda_event.py");
    r = http(d, &(struct request){.method = "POST",
                                  .path = "/function/lambda/a/b?k=1&k=2&e",
                                  .fields = fields,
                                  .body = "{\"z\":1}",
                                  .len = 7});
    if (r.status != 202)
        fail_msg("%ld %s", r.status, r.body);
    assert_string_equal(reply_field(&r, "X-Three", value, sizeof value), "3");
    assert_non_null(strstr(r.fields, "Set-Cookie: a=1; Path=/"));
    assert_non_null(strstr(r.fields, "Set-Cookie: b=2"));
    assert_int_equal(reply_number(&r, "limit"), 64);
    assert_string_equal(reply_text(&r, "id"), "the-id");
    assert_string_equal(reply_text(&r, "name"), "lambda");
    assert_string_equal(reply_text(&r, "version"), "1");
    assert_true(json_is_true(json_object_get(r.json, "left")));
    event = json_object_get(r.json, "event");
    http_of = json_object_get(json_object_get(event, "requestContext"), "http");
    assert_string_equal(json_string_value(json_object_get(event, "version")), "2.0");
    assert_string_equal(json_string_value(json_object_get(event, "rawPath")), "/a/b");
    assert_string_equal(json_string_value(json_object_get(event, "rawQueryString")), "k=1&k=2&e");
    assert_string_equal(json_string_value(json_object_get(event, "body")), "{\"z\":1}");
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(event, "queryStringParameters"), "k")),
        "1,2");
    assert_string_equal(json_string_value(json_array_get(json_object_get(event, "cookies"), 1)),
                        "q=2");
    assert_string_equal(json_string_value(json_object_get(http_of, "method")), "POST");
    reply_free(&r);
    r = http(d, &(struct request){
                    .method = "POST", .path = "/function/lambda/", .body = "\xff\xfe", .len = 2});
    event = json_object_get(r.json, "event");
    assert_true(json_is_true(json_object_get(event, "isBase64Encoded")));
    assert_string_equal(json_string_value(json_object_get(event, "body")), "//4=");
    reply_free(&r);
    r = get(d, "/function/lambda/plain");
    assert_int_equal(r.status, 200);
    assert_string_equal(r.body, "{\"plain\":true}");
    assert_string_equal(reply_field(&r, "Content-Type", value, sizeof value), "application/json");
    reply_free(&r);
    expect_body(d, "/function/lambda/text", "text");
    r = get(d, "/function/lambda/binary");
    assert_int_equal(r.len, 2);
    reply_free(&r);
    expect_body(d, "/function/lambda/restored", "[\"before\",\"after\"]");
}

/* ---- deploys ---- */

static void
test_errors_of_a_deploy_name_file_and_line(void **state)
{
    struct reply r = put_python("bad", "", "import json\n\ndef handle(call):\n    x = (1,\n");

    (void)state;
    expect_diagnostic(&r, "build_failed", "function.py", 4, "SyntaxError: '(' was never closed");
    assert_non_null(strstr(r.body, "\"caret\""));
    reply_free(&r);
    r = put_python("bad", "", "import os\nimport nosuchmodule\ndef handle(call): pass\n");
    expect_diagnostic(&r, "init_failed", "function.py", 2,
                      "ModuleNotFoundError: No module named 'nosuchmodule'");
    assert_non_null(strstr(reply_text(&r, "output"), "Traceback"));
    reply_free(&r);
    r = put_python("bad", "", "x = 1 / 0\ndef handle(call): pass\n");
    expect_diagnostic(&r, "init_failed", "function.py", 1, "ZeroDivisionError");
    reply_free(&r);
    r = put_python("bad", "", "def other(call): pass\n");
    assert_int_equal(r.status, 422);
    assert_non_null(strstr(r.body, "none of handle, app and handler"));
    reply_free(&r);
    r = put_python("bad", "", "async def handle(call): pass\n");
    assert_int_equal(r.status, 422);
    assert_non_null(strstr(r.body, "asynchronous"));
    reply_free(&r);
    r = put_python("bad", "", "def handle(a, b, c): pass\n");
    assert_int_equal(r.status, 422);
    assert_non_null(strstr(r.body, "takes 3 arguments"));
    reply_free(&r);
    r = put_python("bad", "", "handle = 5\n");
    assert_int_equal(r.status, 422);
    reply_free(&r);
    r = put_python("bad", "", "def handle(call): return 'x'\n");
    assert_int_equal(r.status, 201);
    reply_free(&r);
    /* warnings do not keep it from going live */
    r = put_python("bad", "", "def handle(call): return str(call is 5)\n");
    assert_int_equal(r.status, 200);
    assert_non_null(strstr(r.body, "SyntaxWarning"));
    reply_free(&r);
}

static void
expect_bad_setting(const char *json, const char *setting)
{
    static struct bundle b;
    struct reply r;

    bundle_open(&b, false);
    bundle_add(&b, "function.json", json, NULL);
    bundle_add(&b, "app.py", "def handle(call): return 'x'\n", NULL);
    r = put_bundle("refused", &b);
    if (r.status != 400)
        fail_msg("%s: %ld %s", json, r.status, r.body);
    assert_string_equal(reply_text(&r, "code"), "bad_setting");
    assert_string_equal(reply_text(&r, "setting"), setting);
    reply_free(&r);
}

static void
test_a_bundle_names_its_language_and_handler(void **state)
{
    static struct bundle b;
    struct reply r;

    (void)state;
    expect_bad_setting("{\"language\":\"cobol\",\"handler\":\"app.handle\"}", "language");
    expect_bad_setting("{\"language\":\"python\"}", "handler");
    expect_bad_setting("{\"language\":\"python\",\"handler\":\"app\"}", "handler");
    expect_bad_setting("{\"language\":\"python\",\"handler\":\"../app.handle\"}", "handler");
    expect_bad_setting("{\"language\":\"python\",\"handler\":7}", "handler");
    expect_bad_setting("{\"language\":\"c\",\"handler\":\"app.handle\"}", "handler");
    expect_bad_setting(
        "{\"language\":\"python\",\"handler\":\"app.handle\",\"build\":{\"std\":\"c11\"}}",
        "build");
    bundle_open(&b, false);
    bundle_add(&b, "function.json", "{\"language\":\"python\",\"handler\":\"other.handle\"}", NULL);
    bundle_add(&b, "app.py", "def handle(call): return 'x'\n", NULL);
    r = put_bundle("refused", &b);
    expect_diagnostic(&r, "build_failed", NULL, 0, "no module other");
    reply_free(&r);
    bundle_open(&b, false);
    bundle_add(&b, "function.json", "{\"language\":\"python\",\"handler\":\"app.nothing\"}", NULL);
    bundle_add(&b, "app.py", "def handle(call): return 'x'\n", NULL);
    r = put_bundle("refused", &b);
    assert_int_equal(r.status, 422);
    assert_non_null(strstr(r.body, "module app has no nothing"));
    reply_free(&r);
}

/* Adds a file of the host. */
static void
add_host_file(struct bundle *b, const char *path, const char *from)
{
    size_t len;
    char *bytes = read_whole(from, &len);

    assert_non_null(bytes);
    bundle_add_bytes(b, path, bytes, len);
    free(bytes);
}

/* As `pip install --target` lays it out, one package with a native module. */
static void
test_packages_beside_the_handler_are_found(void **state)
{
#define SAFE "/usr/lib/python3/dist-packages/markupsafe/"
    static const char app[] =
        "import json, pathlib, markupsafe, pure\nfrom . import helper\n"
        "TEXT = pathlib.Path(__file__).with_name('data.txt').read_text()\n"
        "def handle(call):\n"
        "    import lazy\n"
        "    return ' '.join([TEXT, helper.word, pure.word, lazy.word, markupsafe.escape('<'),\n"
        "                     markupsafe._speedups.__name__, markupsafe.__file__])\n";
    static struct bundle b;
    struct reply r;

    (void)state;
    bundle_open(&b, true);
    bundle_add(&b, "function.json",
               "{\"language\":\"python\",\"handler\":\"web.main.handle\",\"memory\":\"48M\"}",
               NULL);
    bundle_add(&b, "web/__init__.py", "", NULL);
    bundle_add(&b, "web/main.py", app, NULL);
    bundle_add(&b, "web/helper.py", "word = 'helper'\n", NULL);
    bundle_add(&b, "web/data.txt", "data", NULL);
    bundle_add(&b, "lazy.py", "word = 'lazy'\n", NULL);
    bundle_add(&b, "site-packages/pure/__init__.py", "word = 'pure'\n", NULL);
    bundle_add(&b, "site-packages/pure/python2.py", "print 'never imported'\n", NULL);
    bundle_add(&b, "site-packages/pure-1.0.dist-info/RECORD",
               "pure/__init__.py,,\npure/python2.py,,\n", NULL);
    add_host_file(&b, "markupsafe/__init__.py", SAFE "__init__.py");
    add_host_file(&b, "markupsafe/_native.py", SAFE "_native.py");
    add_host_file(&b, "markupsafe/_speedups.cpython-311-x86_64-linux-gnu.so",
                  SAFE "_speedups.cpython-311-x86_64-linux-gnu.so");
    r = put_bundle("bundle", &b);
    if (r.status != 201)
        fail_msg("%ld %s", r.status, r.body);
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(r.json, "limits"), "memory")), 48 * MB);
    reply_free(&r);
    for (int i = 0; i < 3; i++)
        expect_body(d, "/function/bundle",
                    "data helper pure lazy &lt; markupsafe._speedups "
                    "/function/markupsafe/__init__.py");
}

static bool
has_import(const struct reply *r, const char *module)
{
    json_t *one;
    size_t i;

    json_array_foreach (json_object_get(r->json, "imports"), i, one)
        if (strcmp(json_string_value(json_object_get(one, "module")), module) == 0)
            return json_real_value(json_object_get(one, "ms")) > 0 &&
                   json_integer_value(json_object_get(one, "bytes")) >= 0;
    return false;
}

static void
test_a_deploy_reports_what_imports_cost(void **state)
{
    struct reply r =
        put_python("imports", "", "import sqlite3, http.client\ndef handle(call): return 'x'\n");
    double before = 1e9;
    json_t *one;
    size_t i;

    (void)state;
    assert_int_equal(r.status, 201);
    assert_true(has_import(&r, "http.client"));
    json_array_foreach (json_object_get(r.json, "imports"), i, one) {
        double ms = json_real_value(json_object_get(one, "ms"));

        assert_true(ms <= before); /* the heaviest first */
        before = ms;
    }
    reply_free(&r);
}

static void
test_versions_in_c_and_python_follow_each_other(void **state)
{
    struct reply r = put_python("mixed", "", "def handle(call): return 'python'\n");

    (void)state;
    assert_int_equal(r.status, 201);
    reply_free(&r);
    expect_body(d, "/function/mixed", "python");
    deploy_ok(d, "mixed", "",
              "#include <hearth.h>\nint hearth_handle(hearth_call *c) { "
              "return hearth_printf(c, \"c\"); }\n");
    expect_body(d, "/function/mixed", "c");
    r = post(d, "/v1/functions/mixed/rollback", "{\"version\":1}", 13);
    assert_int_equal(r.status, 200);
    reply_free(&r);
    expect_body(d, "/function/mixed", "python");
}

static void
test_nothing_is_written_at_run_time(void **state)
{
    (void)state;
    expect_body(d, "/function/forms/written", "[] False True");
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handle_sees_the_request),
        cmocka_unit_test(test_what_handle_returns_is_the_rest_of_the_response),
        cmocka_unit_test(test_bodies_of_any_size_arrive_and_views_of_them_stay),
        cmocka_unit_test(test_an_event_loop_runs_in_a_call),
        cmocka_unit_test(test_an_exception_tells_its_type_to_the_caller_and_all_to_the_log),
        cmocka_unit_test(test_wsgi_holds_what_pep_3333_asks),
        cmocka_unit_test(test_flask_and_bottle_run_as_they_are),
        cmocka_unit_test(test_lambda_gets_the_event_of_a_function_url),
        cmocka_unit_test(test_errors_of_a_deploy_name_file_and_line),
        cmocka_unit_test(test_a_bundle_names_its_language_and_handler),
        cmocka_unit_test(test_packages_beside_the_handler_are_found),
        cmocka_unit_test(test_a_deploy_reports_what_imports_cost),
        cmocka_unit_test(test_versions_in_c_and_python_follow_each_other),
        cmocka_unit_test(test_nothing_is_written_at_run_time),
    };

    return RUN_TESTS("python", tests, python_group_start, group_stop);
}
