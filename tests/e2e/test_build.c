/* test_build.c: sources as people have them: bundles of every shape, build options, languages,
 * libraries, what is said of what is wrong, and builds that were done before. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bundle.h"
#include "harness.h"
#include "run.h"

#define HANDLE(text)                                                                               \
    "#include <hearth.h>\n"                                                                        \
    "int hearth_handle(hearth_call *c) { return hearth_printf(c, \"" text "\"); }\n"

static struct bundle bundle;

static void
expect_answer(const struct daemon *d, const char *name, const char *body)
{
    char path[96];

    (void)snprintf(path, sizeof path, "/function/%s", name);
    expect_body(d, path, body);
}

/* Deploys `bundle`. */
static struct reply
put_bundle(const struct daemon *d, const char *name, const char *type)
{
    char path[256];

    bundle_close(&bundle);
    (void)snprintf(path, sizeof path, "/v1/functions/%s", name);
    return put(d, path, type, bundle.bytes, bundle.len);
}

static void
put_bundle_ok(const struct daemon *d, const char *name)
{
    struct reply r = put_bundle(d, name, "application/x-tar");

    if (r.status != 200 && r.status != 201)
        fail_msg("%s: %ld %s", name, r.status, r.body);
    reply_free(&r);
}

static void
expect_refused(struct reply r, long status, const char *code, const char *words)
{
    if (r.status != status || r.json == NULL || strcmp(reply_text(&r, "code"), code) != 0 ||
        strstr(r.body, words) == NULL)
        fail_msg("want %ld %s with \"%s\", got %ld %s", status, code, words, r.status, r.body);
    reply_free(&r);
}

static bool
list_has(const struct reply *r, const char *list, const char *name)
{
    json_t *one;
    size_t i;

    json_array_foreach (json_object_get(r->json, list), i, one)
        if (json_is_string(one)
                ? strcmp(json_string_value(one), name) == 0
                : strcmp(json_string_value(json_object_get(one, "file")), name) == 0)
            return true;
    return false;
}

/* ---- bundles ---- */

static void
test_a_folder_around_everything_is_looked_through(void **state)
{
    struct reply r;

    bundle_open(&bundle, true);
    bundle_add(&bundle, "./proj-1.0/main.c", "#include \"part.h\"\n" HANDLE("one"), NULL);
    bundle_add(&bundle, "./proj-1.0/part.h", "", NULL);
    bundle_add(&bundle, "./proj-1.0/function.json", "{\"memory\": \"24M\"}", NULL);
    bundle_add(&bundle, "./proj-1.0/.github/workflows/ci.yml", "on: push\n", NULL);
    bundle_add(&bundle, "./__MACOSX/._proj", "x", NULL);
    bundle_add(&bundle, ".DS_Store", "x", NULL);
    r = put_bundle(*state, "wrapped", "application/gzip");
    if (r.status != 201)
        fail_msg("%ld %s", r.status, r.body);
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(r.json, "settings"), "memory")),
        24 << 20);
    reply_free(&r);
    expect_answer(*state, "wrapped", "one");
}

static void
test_names_as_people_give_them_are_taken(void **state)
{
    struct reply r;

    bundle_open(&bundle, false);
    bundle_add(&bundle, "my file.c",
               "#include <hearth.h>\n#include \"d\303\251j\303\240 vu/\303\251t\303\251.h\"\n"
               "int hearth_handle(hearth_call *c) { return hearth_printf(c, \"%s\", WORD); }\n",
               NULL);
    bundle_add(&bundle, "d\303\251j\303\240 vu/\303\251t\303\251.h", "#define WORD \"vu\"\n", NULL);
    bundle_add(&bundle, "d\303\251j\303\240 vu/b,c$(x)'.c", "int other;\n", NULL);
    bundle_add(&bundle, "-o.c", "int minus;\n", NULL);
    bundle_add(&bundle, "@at.c", "int at;\n", NULL);
    bundle_add(&bundle, "README.md", "# read me\n", NULL);
    bundle_add(&bundle, "data file.txt", "1\n", NULL);
    bundle_add(&bundle, "inside", NULL, "README.md");
    r = put_bundle(*state, "names", "application/x-tar");
    if (r.status != 201)
        fail_msg("%ld %s", r.status, r.body);
    assert_true(list_has(&r, "ignored", "README.md"));
    assert_true(list_has(&r, "ignored", "data file.txt"));
    assert_true(list_has(&r, "ignored", "inside"));
    assert_false(list_has(&r, "ignored", "my file.c"));
    reply_free(&r);
    expect_answer(*state, "names", "vu");
}

static void
test_all_that_is_refused_is_named_at_once(void **state)
{
    struct reply r;

    bundle_open(&bundle, false);
    bundle_add(&bundle, "a.c", HANDLE("x"), NULL);
    bundle_add(&bundle, "../out.c", "", NULL);
    bundle_add(&bundle, "b/../../c.c", "", NULL);
    bundle_add(&bundle, "/abs.c", "", NULL);
    bundle_add(&bundle, "deep/link", NULL, "../../etc/passwd");
    bundle_add(&bundle, "link.h", NULL, "/etc/passwd");
    r = put_bundle(*state, "refused", "application/x-tar");
    assert_int_equal(r.status, 400);
    assert_string_equal(reply_text(&r, "code"), "bad_bundle");
    assert_int_equal(json_array_size(json_object_get(r.json, "refused")), 5);
    assert_true(list_has(&r, "refused", "../out.c"));
    assert_true(list_has(&r, "refused", "b/../../c.c"));
    assert_true(list_has(&r, "refused", "/abs.c"));
    assert_true(list_has(&r, "refused", "deep/link"));
    assert_true(list_has(&r, "refused", "link.h"));
    reply_free(&r);
}

static void
test_a_file_that_is_a_folder_too_is_a_bad_bundle(void **state)
{
    for (int turn = 0; turn < 2; turn++) {
        bundle_open(&bundle, false);
        bundle_add(&bundle, "main.c", HANDLE("x"), NULL);
        bundle_add(&bundle, turn ? "a" : "a/f.c", "int a;\n", NULL);
        bundle_add(&bundle, turn ? "a/f.c" : "a", "int a;\n", NULL);
        expect_refused(put_bundle(*state, "both", "application/x-tar"), 400, "bad_bundle",
                       "a file and a folder");
    }
}

static void
test_a_bundle_without_a_source_says_what_it_has(void **state)
{
    bundle_open(&bundle, false);
    bundle_add(&bundle, "p/main.rs", "fn main() {}\n", NULL);
    bundle_add(&bundle, "p/notes.txt", "x\n", NULL);
    expect_refused(put_bundle(*state, "none", "application/x-tar"), 400, "bad_bundle",
                   "main.rs, notes.txt");
    expect_refused(put(*state, "/v1/functions/none", "application/zip", "garbage", 7), 400,
                   "bad_bundle", "neither a tar archive nor a zip");
}

static void
test_bodies_are_told_by_their_content(void **state)
{
    static const char *const types[] = {"application/x-gzip", "application/x-gtar",
                                        "application/octet-stream", "application/x-tar", ""};
    struct reply r;

    for (size_t i = 0; i < 4 * (sizeof types / sizeof types[0]); i++) {
        if (i % 4 == 3)
            bundle_open_zip(&bundle);
        else
            bundle_open(&bundle, i % 2 == 1);
        bundle_add(&bundle, "x/a.c", HANDLE("any"), NULL);
        r = put_bundle(*state, "content", types[i / 4]);
        if (r.status != 200 && r.status != 201)
            fail_msg("%s: %ld %s", types[i / 4], r.status, r.body);
        reply_free(&r);
    }
    bundle_open_zip(&bundle);
    bundle_add(&bundle, "x/a.c", HANDLE("any"), NULL);
    r = put_bundle(*state, "content", "application/zip");
    assert_int_equal(r.status, 200);
    reply_free(&r);
    expect_answer(*state, "content", "any");
}

static void
test_one_file_is_taken_by_any_usual_type(void **state)
{
    static const char *const types[] = {"",
                                        "text/plain",
                                        "text/plain; charset=utf-8",
                                        "text/x-csrc",
                                        "text/x-c",
                                        "application/octet-stream"};
    static const char source[] = HANDLE("file");

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        struct reply r = put(*state, "/v1/functions/onefile", types[i], source, sizeof source - 1);

        if (r.status != 200 && r.status != 201)
            fail_msg("%s: %ld %s", types[i], r.status, r.body);
        reply_free(&r);
    }
    expect_answer(*state, "onefile", "file");
    expect_refused(put(*state, "/v1/functions/onefile", "text/html", source, sizeof source - 1),
                   415, "unsupported_media_type", "application/zip");
}

/* ---- options ---- */

static void
test_options_of_a_bundle_are_followed(void **state)
{
    struct reply r;

    bundle_open(&bundle, false);
    bundle_add(&bundle, "src/main.c",
               "#include <hearth.h>\n#include \"value.h\"\n"
               "int by_asm(void); int wide(void);\n"
               "#ifndef __STRICT_ANSI__\n#error gnu\n#endif\n"
               "int hearth_handle(hearth_call *c) { return hearth_printf(c, \"%d %s %d %d %ld\", "
               "VALUE + ADD, NAME, by_asm(), wide(), __STDC_VERSION__); }\n",
               NULL);
    bundle_add(&bundle, "src/asm.S",
               "#include \"value.h\"\n.text\n.globl by_asm\n.type by_asm,@function\nby_asm:\n"
               "  mov $VALUE, %eax\n  ret\n.section .note.GNU-stack,\"\",@progbits\n",
               NULL);
    bundle_add(&bundle, "src/simd/wide.c",
               "#ifndef __AVX2__\n#error no avx2\n#endif\nint wide(void) { return 2; }\n", NULL);
    bundle_add(&bundle, "src/test_main.c", "int main(void) { return 0; }\n#error a test\n", NULL);
    bundle_add(&bundle, "src/part.inc.c", "#error made to be included\n", NULL);
    bundle_add(&bundle, "third party/inc/value.h", "#define VALUE 40\n", NULL);
    bundle_add(
        &bundle, "function.json",
        "{\"max\": 2, \"build\": {\"include\": [\"third party/inc/\"], \"std\": \"c11\","
        " \"define\": {\"ADD\": 2, \"NAME\": \"\\\"a \\\\\\\"b\\\\\\\"\\\"\", \"BARE\": null},"
        " \"optimize\": \"s\", \"warnings\": \"extra\","
        " \"sources\": [\"src/**\", \"!test_*.c\", \"!*.inc.c\"],"
        " \"flags_for\": {\"src/simd/*.c\": [\"-mavx2\"]}}}",
        NULL);
    r = put_bundle(*state, "options", "application/x-tar");
    if (r.status != 201)
        fail_msg("%ld %s", r.status, r.body);
    assert_true(list_has(&r, "ignored", "src/test_main.c"));
    assert_true(list_has(&r, "ignored", "src/part.inc.c"));
    assert_false(list_has(&r, "ignored", "src/asm.S"));
    reply_free(&r);
    expect_answer(*state, "options", "42 a \"b\" 40 2 201112");
}

static void
test_options_of_one_file_are_in_the_query(void **state)
{
    deploy_ok(*state, "query", "std=gnu99&optimize=0&define=A=4&define=B&flags=-mavx2,-fwrapv",
              "#include <hearth.h>\n#if defined __OPTIMIZE__ || !defined __AVX2__\n#error\n#endif\n"
              "int hearth_handle(hearth_call *c) { return hearth_printf(c, \"%d %ld\", A + B, "
              "__STDC_VERSION__); }\n");
    expect_answer(*state, "query", "5 199901");
    deploy_ok(*state, "query", "build=%7B%22define%22:%7B%22A%22:7%7D%7D",
              "#include <hearth.h>\nint hearth_handle(hearth_call *c) { return hearth_printf(c, "
              "\"%d\", A); }\n");
    expect_answer(*state, "query", "7");
}

static void
test_options_that_are_not_in_the_lists_are_refused(void **state)
{
    static const char *const bad[][2] = {
        {"std=c98", "std"},
        {"optimize=fast", "optimize"},
        {"warnings=error", "warnings"},
        {"flags=-fplugin=./x.so", "flags"},
        {"flags=-include", "flags"},
        {"flags=-specs=x", "flags"},
        {"flags=@x", "flags"},
        {"flags=-Wl,-T,x", "flags"},
        {"flags=-Wa,-I/etc", "flags"},
        {"flags=-wrapper", "flags"},
        {"flags=-B.", "flags"},
        {"flags=-march=native", "flags"},
        {"define=1A", "define"},
        {"define=A%0aB", "define"},
        {"define=A(x)=x", "define"},
        {"define=-include", "define"},
        {"include=/etc", "include"},
        {"include=..%2f..", "include"},
        {"include=nowhere", "build.include"},
        {"sources=*.cpp", "build.sources"},
        {"build=%7B%22plugin%22:1%7D", "build.plugin"},
        {"build=%7B%22flags_for%22:%7B%22*%22:%5B%22-fplugin=x%22%5D%7D%7D", "build.flags_for"},
        {"build=1", "build"},
    };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct reply r = deploy(*state, "closed", bad[i][0], HANDLE("x"));

        if (r.status != 400 || strcmp(reply_text(&r, "code"), "bad_setting") != 0 ||
            strcmp(reply_text(&r, "setting"), bad[i][1]) != 0)
            fail_msg("%s: %ld %s", bad[i][0], r.status, r.body);
        assert_true(strlen(reply_text(&r, "allowed")) > 0);
        reply_free(&r);
    }
    expect_refused(get(*state, "/v1/functions/closed"), 404, "function_not_found", "");
}

/* ---- languages and libraries ---- */

static void
test_cxx_with_exceptions_and_streams_is_built(void **state)
{
    static const char source[] =
        "#include <hearth.h>\n#include <sstream>\n#include <stdexcept>\n#include <vector>\n"
        "static int f(int n) { if (n > 2) throw std::runtime_error(\"three\"); return n; }\n"
        "extern \"C\" int hearth_handle(hearth_call *c) {\n"
        "  std::ostringstream out;\n"
        "  try { for (int i : std::vector<int>{1, 2, 3}) out << f(i) << ' '; }\n"
        "  catch (const std::exception &e) { out << e.what(); }\n"
        "  return hearth_printf(c, \"%s\", out.str().c_str()); }\n";
    struct reply r;

    bundle_open(&bundle, false);
    bundle_add(&bundle, "a.cpp", source, NULL);
    bundle_add(&bundle, "b.cc", "namespace b { int x; }\n", NULL);
    bundle_add(&bundle, "c.c", "int in_c(void) { return 1; }\n", NULL);
    put_bundle_ok(*state, "cxx");
    expect_answer(*state, "cxx", "1 2 three");
    r = put(*state, "/v1/functions/cxx?std=c%2b%2b20", "text/x-c++src", source, sizeof source - 1);
    if (r.status != 200)
        fail_msg("%ld %s", r.status, r.body);
    reply_free(&r);
    expect_answer(*state, "cxx", "1 2 three");
}

static void
test_a_handler_of_cxx_linkage_is_explained(void **state)
{
    static const char source[] = "struct hearth_call;\n"
                                 "int hearth_handle(hearth_call *) { return 0; }\n";

    expect_refused(put(*state, "/v1/functions/mangled", "text/x-c++", source, sizeof source - 1),
                   422, "build_failed", "extern \\\"C\\\"");
}

static void
test_libraries_bring_their_folders_of_headers(void **state)
{
    deploy_ok(*state, "xml", "libs=xml2",
              "#include <hearth.h>\n#include <libxml/xmlversion.h>\n#include <libxml/parser.h>\n"
              "int hearth_handle(hearth_call *c) { xmlCheckVersion(LIBXML_VERSION);\n"
              "  return hearth_printf(c, \"%d\", LIBXML_VERSION > 20000); }\n");
    deploy_ok(*state, "glib", "libs=glib-2.0",
              "#include <hearth.h>\n#include <glib.h>\n"
              "int hearth_handle(hearth_call *c) { return hearth_printf(c, \"%d\", "
              "g_ascii_strcasecmp(\"A\", \"a\")); }\n");
    deploy_ok(*state, "package", "libs=libxml-2.0", /* by the name of its package */
              "#include <hearth.h>\n#include <libxml/parser.h>\n"
              "int hearth_handle(hearth_call *c) { xmlInitParser(); return hearth_printf(c, "
              "\"x\"); }\n");
    deploy_ok(*state, "maths", "",
              "#include <hearth.h>\n#include <math.h>\nint hearth_handle(hearth_call *c) {\n"
              "  return hearth_printf(c, \"%.2f\", cbrt(27.0 + (hearth_query(c, \"x\") != 0))); "
              "}\n");
    expect_answer(*state, "maths", "3.00");
}

static void
test_what_would_crash_later_is_an_error_at_deploy(void **state)
{
    static const char *const sources[][2] = {
        {"#include <hearth.h>\nint hearth_handle(hearth_call *c) { return undeclared(c); }\n",
         "implicit declaration"},
        {HANDLE("x") "char *p(long n) { return n; }\n", "without a cast"},
        {HANDLE("x") "int *p(char *s) { return s; }\n", "incompatible"},
        {HANDLE("x") "int call(int (*f)(void));\n"
                     "int outer(int n) { int inner(void) { return n++; } return call(inner); }\n",
         "trampoline"},
    };

    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++)
        expect_refused(deploy(*state, "strict", "warnings=none", sources[i][0]), 422,
                       "build_failed", sources[i][1]);
    deploy_ok(
        *state, "gnu", "std=c11",
        "#define _GNU_SOURCE 1\n#include <hearth.h>\n#include <stdio.h>\n#include <stdlib.h>\n"
        "int hearth_handle(hearth_call *c) { char *s = 0; int n = asprintf(&s, \"%d\", 7);\n"
        "  n = hearth_printf(c, \"%s%d\", s, n); free(s); return n; }\n");
    expect_answer(*state, "gnu", "71");
}

static bool
has_said_goodbye(void *user)
{
    struct reply r = get(user, "/v1/functions/goodbye/logs");
    const char *fini = strstr(r.body, "in fini"), *at = strstr(r.body, "in atexit");
    const char *last = strstr(r.body, "in destructor");
    bool all = fini != NULL && at != NULL && last != NULL && fini < at && at < last;

    reply_free(&r);
    return all;
}

static void
test_exit_handlers_and_destructors_run_at_retirement(void **state)
{
    const struct daemon *d = *state;

    deploy_ok(
        d, "goodbye", "idle_timeout=1ms",
        "#include <hearth.h>\n#include <stdio.h>\n#include <stdlib.h>\n"
        "static void at_exit(void) { printf(\"in atexit\\n\"); }\n"
        "__attribute__((destructor)) static void last(void) { printf(\"in destructor\\n\"); }\n"
        "int hearth_init(void) { return atexit(at_exit); }\n"
        "void hearth_fini(void) { printf(\"in fini\\n\"); }\n"
        "int hearth_handle(hearth_call *c) { return hearth_printf(c, \"x\"); }\n");
    expect_answer(d, "goodbye", "x");
    wait_for("what is printed at the end", has_said_goodbye, (void *)(uintptr_t)d);
}

/* ---- what is said ---- */

static const char *
member(json_t *list, size_t i, const char *name)
{
    return json_string_value(json_object_get(json_array_get(list, i), name));
}

static size_t
count_of(json_t *list, const char *severity)
{
    size_t count = 0;

    for (size_t i = 0; i < json_array_size(list); i++)
        count += strcmp(member(list, i, "severity"), severity) == 0;
    return count;
}

static void
test_errors_come_before_warnings_with_their_place(void **state)
{
    char *source = calloc(1, 1 << 16), *at = source;
    struct reply r;
    json_t *list;

    at += sprintf(at, "#include <hearth.h>\n");
    for (int i = 0; i < 120; i++)
        at += sprintf(at, "static int unused%d(void) { return %d; }\n", i, i);
    (void)strcpy(at, "int hearth_handle(hearth_call *c) { return nothing; }\n");
    r = deploy(*state, "said", "", source);
    assert_int_equal(r.status, 422);
    list = json_object_get(r.json, "diagnostics");
    assert_string_equal(member(list, 0, "severity"), "error");
    assert_non_null(strstr(member(list, 0, "message"), "nothing"));
    assert_non_null(strstr(member(list, 0, "caret"), "return nothing;"));
    assert_non_null(strchr(member(list, 0, "caret"), '^'));
    assert_int_equal(count_of(list, "warning"), 50);
    reply_free(&r);
    free(source);
}

static void
test_link_errors_name_symbol_file_and_library(void **state)
{
    struct reply r;
    json_t *list;

    bundle_open(&bundle, false);
    bundle_add(&bundle, "lib/one.c",
               "#include <hearth.h>\n#include \"shared.h\"\nunsigned long compressBound(unsigned "
               "long);\nint nowhere(void);\n"
               "int hearth_handle(hearth_call *c) { nowhere(); nowhere();\n"
               "  return hearth_printf(c, \"%lu\", compressBound(4)); }\n",
               NULL);
    bundle_add(&bundle, "lib/two.c",
               "#include \"shared.h\"\nint nowhere(void);\n"
               "int two(void) { return nowhere(); }\n",
               NULL);
    bundle_add(&bundle, "lib/shared.h", "int counter = 1;\n", NULL);
    bundle_add(&bundle, "x.txt", "", NULL);
    r = put_bundle(*state, "linked", "application/x-tar");
    assert_int_equal(r.status, 422);
    list = json_object_get(r.json, "diagnostics");
    for (size_t i = 0; i < json_array_size(list); i++)
        if (member(list, i, "symbol") == NULL || member(list, i, "file") == NULL)
            fail_msg("%s", r.body);
    assert_int_equal(count_of(list, "error"), 3); /* one for each symbol */
    for (size_t i = 0; i < 3; i++) {
        const char *symbol = member(list, i, "symbol");

        if (strcmp(symbol, "compressBound") == 0) {
            assert_string_equal(member(list, i, "library"), "z");
            assert_non_null(strstr(member(list, i, "message"), "add libs=z"));
            assert_string_equal(member(list, i, "file"), "lib/one.c");
        } else if (strcmp(symbol, "counter") == 0) {
            assert_non_null(strstr(member(list, i, "message"), "multiple definition"));
            assert_non_null(strstr(r.body, "lib/two.c"));
        } else {
            assert_string_equal(symbol, "nowhere");
        }
    }
    reply_free(&r);
}

/* ---- built before ---- */

static void
put_cached(const struct daemon *d, const char *number, const char *data, bool shadow)
{
    char header[64];

    (void)snprintf(header, sizeof header, "#define NUMBER %s\n", number);
    bundle_open(&bundle, false);
    bundle_add(
        &bundle, "main.c",
        "#include <hearth.h>\n#include <stdio.h>\nint part(void); extern const char data[];\n"
        "int hearth_handle(hearth_call *c) { return hearth_printf(c, \"%d %.3s\", part(), "
        "data); }\n",
        NULL);
    bundle_add(&bundle, "part.c", "#include \"number.h\"\nint part(void) { return NUMBER; }\n",
               NULL);
    bundle_add(
        &bundle, "bytes.c",
        "__asm__(\".globl data\\n.data\\ndata: .incbin \\\"data.bin\\\"\\n.byte 0\\n.text\");\n",
        NULL);
    bundle_add(&bundle, "data.bin", data, NULL);
    bundle_add(&bundle, "late/number.h", header, NULL);
    bundle_add(&bundle, "early/other.h", "", NULL);
    if (shadow)
        bundle_add(&bundle, "early/number.h", "#define NUMBER 99\n", NULL);
    bundle_add(&bundle, "function.json", "{\"build\": {\"include\": [\"early\", \"late\"]}}", NULL);
    put_bundle_ok(d, "cached");
}

static void
test_objects_built_before_follow_every_change(void **state)
{
    const struct daemon *d = *state;
    char path[256];
    struct stat st;
    FILE *file;

    put_cached(d, "1", "abc", false);
    expect_answer(d, "cached", "1 abc");
    (void)snprintf(path, sizeof path, "%s/cache/cached", d->state);
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size > 1000);
    put_cached(d, "2", "abc", false);
    expect_answer(d, "cached", "2 abc");
    put_cached(d, "2", "xyz", false);
    expect_answer(d, "cached", "2 xyz");
    put_cached(d, "2", "xyz", true);
    expect_answer(d, "cached", "99 xyz");
    put_cached(d, "1", "abc", false);
    expect_answer(d, "cached", "1 abc");
    file = fopen(path, "r+"); /* damaged: it is as if it were not there */
    assert_non_null(file);
    for (long at = 64; at < st.st_size; at += 97) {
        assert_int_equal(fseek(file, at, SEEK_SET), 0);
        (void)fputc(0xaa, file);
    }
    assert_int_equal(fclose(file), 0);
    put_cached(d, "1", "abc", false);
    expect_answer(d, "cached", "1 abc");
    assert_int_equal(truncate(path, 100), 0);
    put_cached(d, "3", "abc", false);
    expect_answer(d, "cached", "3 abc");
    assert_int_equal(
        http(d, &(struct request){.method = "DELETE", .path = "/v1/functions/cached"}).status, 204);
    assert_int_not_equal(access(path, F_OK), 0);
}

static int64_t
now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Sources that take the compiler some time: 6 of 1,500 functions. */
static int64_t
put_large(const struct daemon *d, int changed)
{
    static char source[1 << 17];
    int64_t begun;

    bundle_open(&bundle, true);
    for (int file = 0; file < 6; file++) {
        char *at = source, name[32];

        for (int i = 0; i < 1500; i++)
            at += sprintf(at, "int f%d_%d(int a, int b) { return a * b + %d; }\n", file, i, i);
        if (file == changed)
            (void)sprintf(at, "int changed = %d;\n", changed);
        (void)snprintf(name, sizeof name, "f%d.c", file);
        bundle_add(&bundle, name, source, NULL);
    }
    bundle_add(&bundle, "main.c", HANDLE("large"), NULL);
    begun = now_ms();
    put_bundle_ok(d, "large");
    return now_ms() - begun;
}

static void
test_a_second_deploy_compiles_what_has_changed_alone(void **state)
{
    int64_t first = put_large(*state, -1);
    int64_t second = put_large(*state, 3);

    if (second * 2 > first)
        fail_msg("the first deploy took %lld ms, the second %lld", (long long)first,
                 (long long)second);
    expect_answer(*state, "large", "large");
}

/* ---- who waits for whom ---- */

#define ENDLESS                                                                                    \
    "__asm__(\".rept 100000\\n.rept 100000\\n.if 0\\n.endif\\n.endr\\n.endr\");\n" HANDLE("x")

static bool
builders_run(void *user)
{
    return count_processes(((const struct daemon *)user)->pid, "hearth-builder") >= 4;
}

static void
test_slow_builds_hold_up_nobody_else(void **state)
{
    enum { SLOW = 8 };
    struct daemon d = {0};
    pid_t slow[SLOW];

    (void)state;
    daemon_start(&d);
    for (int i = 0; i < SLOW; i++) {
        slow[i] = fork();
        assert_true(slow[i] >= 0);
        if (slow[i] == 0) {
            char name[16];

            (void)snprintf(name, sizeof name, "slow%d", i < 4 ? 0 : i); /* four of one function */
            (void)deploy(&d, name, "", ENDLESS);
            _exit(0);
        }
    }
    wait_for("slow builds", builders_run, &d);
    deploy_ok(&d, "quick", "", HANDLE("quick"));
    expect_answer(&d, "quick", "quick");
    for (int i = 0; i < SLOW; i++) {
        assert_int_equal(waitpid(slow[i], NULL, WNOHANG), 0); /* still at it */
        (void)kill(slow[i], SIGKILL);
        assert_int_equal(waitpid(slow[i], NULL, 0), slow[i]);
    }
    daemon_remove(&d);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_folder_around_everything_is_looked_through),
        cmocka_unit_test(test_names_as_people_give_them_are_taken),
        cmocka_unit_test(test_all_that_is_refused_is_named_at_once),
        cmocka_unit_test(test_a_file_that_is_a_folder_too_is_a_bad_bundle),
        cmocka_unit_test(test_a_bundle_without_a_source_says_what_it_has),
        cmocka_unit_test(test_bodies_are_told_by_their_content),
        cmocka_unit_test(test_one_file_is_taken_by_any_usual_type),
        cmocka_unit_test(test_options_of_a_bundle_are_followed),
        cmocka_unit_test(test_options_of_one_file_are_in_the_query),
        cmocka_unit_test(test_options_that_are_not_in_the_lists_are_refused),
        cmocka_unit_test(test_cxx_with_exceptions_and_streams_is_built),
        cmocka_unit_test(test_a_handler_of_cxx_linkage_is_explained),
        cmocka_unit_test(test_libraries_bring_their_folders_of_headers),
        cmocka_unit_test(test_what_would_crash_later_is_an_error_at_deploy),
        cmocka_unit_test(test_exit_handlers_and_destructors_run_at_retirement),
        cmocka_unit_test(test_errors_come_before_warnings_with_their_place),
        cmocka_unit_test(test_link_errors_name_symbol_file_and_library),
        cmocka_unit_test(test_objects_built_before_follow_every_change),
        cmocka_unit_test(test_a_second_deploy_compiles_what_has_changed_alone),
        cmocka_unit_test(test_slow_builds_hold_up_nobody_else),
    };

    return RUN_TESTS("build", tests, group_start, group_stop);
}
