/* test_builder.c: sources that attack the compiler's jail: its files, its options, its
 * time, memory and disk. Each ends in build_failed with a message that says why, or is
 * built as if nothing were; and the next build is well.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bundle.h"
#include "harness.h"
#include "run.h"

#define HANDLE                                                                                     \
    "#include <hearth.h>\n"                                                                        \
    "int hearth_handle(hearth_call *c) { return hearth_printf(c, \"built\"); }\n"

static void
expect_built(const struct daemon *d, const char *name)
{
    char path[96];
    struct reply r;

    (void)snprintf(path, sizeof path, "/function/%s", name);
    r = get(d, path);
    if (r.status != 200 || strcmp(r.body, "built") != 0)
        fail_msg("%s: %ld %s", name, r.status, r.body);
    reply_free(&r);
}

/* The build fails, some diagnostic holds these words, and nothing of the host is told. */
static void
expect_refused(const struct daemon *d, const char *source, const char *words)
{
    struct reply r = deploy(d, "victim", "", source);
    json_t *list, *one;
    bool said = false;
    size_t i;

    if (r.status != 422 || strcmp(reply_text(&r, "code"), "build_failed") != 0)
        fail_msg("want build_failed (%s), got %ld %s", words, r.status, r.body);
    list = json_object_get(r.json, "diagnostics");
    assert_true(json_array_size(list) > 0);
    json_array_foreach (list, i, one) {
        const char *message = json_string_value(json_object_get(one, "message"));

        assert_non_null(message);
        said = said || strstr(message, words) != NULL;
    }
    if (!said)
        fail_msg("no diagnostic says \"%s\": %s", words, r.body);
    assert_null(strstr(r.body, "root:"));
    assert_null(strstr(r.body, "full bug report"));
    reply_free(&r);
    r = get(d, "/v1/functions/victim");
    assert_int_equal(r.status, 404);
    reply_free(&r);
}

/* ---- files of the host ---- */

static void
test_sources_that_include_files_of_the_host_are_refused(void **state)
{
    static const char *const paths[] = {
        "/etc/passwd",      "/etc/shadow",        "/etc/ld.so.cache", "/proc/self/environ",
        "/proc/1/maps",     "/dev/zero",          "/dev/stdin",       "/dev/fd/3",
        "../../etc/passwd", "/src/../etc/passwd", "/usr/bin/env",     "/usr/lib/os-release"};
    char source[256];

    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        (void)snprintf(source, sizeof source, "#include \"%s\"\n" HANDLE, paths[i]);
        expect_refused(*state, source, "No such file or directory");
        (void)snprintf(source, sizeof source, "__asm__(\".incbin \\\"%s\\\"\");\n" HANDLE,
                       paths[i]);
        expect_refused(*state, source, "file not found");
        (void)snprintf(source, sizeof source, "__asm__(\".include \\\"%s\\\"\");\n" HANDLE,
                       paths[i]);
        expect_refused(*state, source, "can't open");
    }
    expect_refused(*state, "const char x[] = {\n#embed \"/etc/passwd\"\n};\n" HANDLE, "#embed");
}

/* What the host has and what it has not look the same: to the preprocessor, which could tell
 * EACCES from ENOENT, as to the assembler. */
static void
test_what_the_host_has_is_as_if_it_were_not_there(void **state)
{
    static const char *const paths[] = {"/usr/bin/python3",
                                        "/usr/bin/perl",
                                        "/usr/bin/env",
                                        "/bin/sh",
                                        "/bin/bash",
                                        "/usr/bin/ldd",
                                        "/usr/sbin/init",
                                        "/usr/lib/os-release",
                                        "/usr/lib/python3",
                                        "/usr/share/doc",
                                        "/usr/lib/systemd",
                                        "/etc/passwd",
                                        "/etc/hostname",
                                        "/etc/ld.so.cache",
                                        "/etc/ld.so.conf",
                                        "/etc/alternatives/awk",
                                        "/root/.profile",
                                        "/proc/1/environ",
                                        "/sys/kernel",
                                        "/home",
                                        "/dev/zero",
                                        "/var/lib/dpkg/status",
                                        "/usr/local/bin",
                                        "/opt",
                                        "/boot",
                                        "/run",
                                        "/dev/mem",
                                        "/tmp/../etc/passwd"};
    char source[8192] = "#if 0";
    size_t n = strlen(source);

    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        n += (size_t)snprintf(source + n, sizeof source - n,
                              " \\\n|| __has_include(\"%s\") || __has_include(<%s>)", paths[i],
                              paths[i]);
    (void)snprintf(source + n, sizeof source - n,
                   "\n#error the host can be seen\n#endif\n"
                   "#ifdef __has_embed\n#if __has_embed(\"/etc/passwd\")\n#error embed\n#endif\n"
                   "#endif\n" HANDLE);
    deploy_ok(*state, "probe", "memory=16M", source);
    expect_built(*state, "probe");
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        (void)snprintf(source, sizeof source, "#include \"%s\"\n" HANDLE, paths[i]);
        expect_refused(*state, source, "No such file or directory");
    }
    (void)snprintf(source, sizeof source, "__asm__(\".incbin \\\"/usr/bin/env\\\"\");\n" HANDLE);
    expect_refused(*state, source, "file not found");
}

static void
test_words_of_a_source_cannot_reach_the_linker_s_files(void **state)
{
    struct bundle *b = calloc(1, sizeof *b);
    struct reply r;

    bundle_open(b, false);
    bundle_add(b, "a.c", HANDLE, NULL);
    bundle_add(b, "function.json", "{\"libs\": [\"evil\"]}", NULL);
    bundle_add(b, "libevil.so", "INPUT(/etc/passwd)\n", NULL);
    bundle_add(b, "libevil.a", "GROUP(/etc/ld.so.cache)\n", NULL);
    bundle_close(b);
    r = put(*state, "/v1/functions/script", "application/x-tar", b->bytes, b->len);
    if (r.status != 422 || strstr(r.body, "cannot find -levil") == NULL)
        fail_msg("%ld %s", r.status, r.body);
    reply_free(&r);
    bundle_open(b, false);
    bundle_add(b, "a.c", HANDLE, NULL);
    bundle_add(b, "b.c", "INPUT(/etc/passwd)\n", NULL); /* a linker script by its content */
    bundle_close(b);
    r = put(*state, "/v1/functions/script", "application/x-tar", b->bytes, b->len);
    if (r.status != 422 || strstr(r.body, "b.c") == NULL)
        fail_msg("%ld %s", r.status, r.body);
    assert_null(strstr(r.body, "root:"));
    reply_free(&r);
    bundle_open(b, false);
    bundle_add(b, "-Wl,-T,x.c", HANDLE, NULL);
    bundle_add(b, "@options.c", "int at;\n", NULL);
    bundle_add(b, "options.c", "int other;\n", NULL);
    bundle_add(b, "-include/etc/passwd.c", "int minus;\n", NULL);
    bundle_add(b, "a.S", ".include \"/etc/passwd\"\n", NULL);
    bundle_close(b);
    r = put(*state, "/v1/functions/script", "application/x-tar", b->bytes, b->len);
    if (r.status != 422 || strstr(r.body, "can't open") == NULL)
        fail_msg("%ld %s", r.status, r.body);
    assert_null(strstr(r.body, "root:"));
    reply_free(&r);
    free(b);
}

/* Beside the libraries there are folders of programs that use them. */
static void
test_folders_beside_the_libraries_are_empty(void **state)
{
    static const char command[] =
        "find /usr/lib/*-linux-gnu -mindepth 2 -type f 2>/dev/null |"
        " grep -v -e /include/ -e /ldscripts/ -e /bfd-plugins/ -e '[.]pc$' -e blas -e lapack |"
        " head -40";
    FILE *list = popen(command, "r");
    char path[512], source[65536] = "#if 0";
    size_t n = strlen(source);

    assert_non_null(list);
    while (fgets(path, sizeof path, list) != NULL) {
        path[strcspn(path, "\n")] = '\0';
        n += (size_t)snprintf(source + n, sizeof source - n, " \\\n|| __has_include(\"%s\")", path);
    }
    (void)pclose(list);
    (void)snprintf(source + n, sizeof source - n, "\n#error seen\n#endif\n" HANDLE);
    deploy_ok(*state, "beside", "memory=16M", source);
    expect_built(*state, "beside");
}

/* The value of a macro is one word for the compiler, whatever it holds. */
static void
test_values_of_macros_are_never_options(void **state)
{
    deploy_ok(*state, "macro",
              "memory=16M&define=A=1%20-include%20/etc/passwd&define=B=@/etc/passwd&"
              "define=C=%22;touch%20x;%22&define=D=-fplugin=x",
              "#define STR(x) #x\n" HANDLE);
    expect_built(*state, "macro");
}

/* ---- code and options at build time ---- */

static void
test_files_of_a_bundle_are_sources_and_never_options(void **state)
{
    struct bundle *b = calloc(1, sizeof *b);
    struct reply r;

    bundle_open(b, false);
    bundle_add(b, "a.c", HANDLE, NULL);
    bundle_add(b, "specs", "*cc1:\n-fplugin=./x.so\n", NULL);
    bundle_add(b, "libhearth.so", "INPUT(/etc/passwd)", NULL);
    bundle_add(b, "libc.so", "INPUT(/etc/passwd)", NULL);
    bundle_add(b, "cc1", "#!/bin/sh\nexit 1\n", NULL);
    bundle_add(b, "as", "#!/bin/sh\nexit 1\n", NULL);
    bundle_add(b, "hearth.h", "#error in the place of the platform's\n", NULL);
    bundle_add(b, "x.h.gch", "no precompiled header", NULL);
    bundle_add(b, "b.c", "#pragma GCC plugin \"./x.so\"\nint b;\n", NULL);
    bundle_close(b);
    r = put(*state, "/v1/functions/options?memory=16M", "application/x-tar", b->bytes, b->len);
    if (r.status != 201)
        fail_msg("%ld %s", r.status, r.body);
    reply_free(&r);
    expect_built(*state, "options");
    bundle_open(b, false);
    bundle_add(b, "@flags.c", HANDLE, NULL); /* gcc takes options from a file after '@' */
    bundle_add(b, "flags.c", "-fplugin=./x.so", NULL);
    bundle_close(b);
    r = put(*state, "/v1/functions/at", "application/x-tar", b->bytes, b->len);
    if (r.status != 422 || strstr(r.body, "expected identifier") == NULL)
        fail_msg("%ld %s", r.status, r.body);
    reply_free(&r);
    free(b);
}

static void
test_libs_are_names_and_never_options(void **state)
{
    static const char *const libs[] = {"-fplugin%3D.%2Fx.so", "..%2F..%2Fx", "z%20-T%20x", ":x.so",
                                       "%40x"};
    char settings[64];

    for (size_t i = 0; i < sizeof libs / sizeof libs[0]; i++) {
        struct reply r;

        (void)snprintf(settings, sizeof settings, "libs=%s", libs[i]);
        r = deploy(*state, "victim", settings, HANDLE);
        assert_int_equal(r.status, 400);
        assert_string_equal(reply_text(&r, "setting"), "libs");
        reply_free(&r);
    }
}

/* ---- crashes ---- */

#define ENDLESS                                                                                    \
    "__asm__(\".rept 100000\\n.rept 100000\\n.if 0\\n.endif\\n.endr\\n.endr\");\n" HANDLE

/* A crash of the compiler starts no program on the host, as it would where the host has one
 * for crashes (kernel.core_pattern begins with '|'): see test_processes.c. */
static void
test_a_crash_of_a_build_starts_nothing_on_the_host(void **state)
{
    struct daemon d = {0};
    pid_t client;

    (void)state;
    daemon_start(&d);
    client = fork();
    assert_true(client >= 0);
    if (client == 0) {
        struct reply r = deploy(&d, "victim", "", ENDLESS);

        _exit((int)r.status);
    }
    expect_no_core(d.pid, "hearth-builder", false);
    expect_no_core(d.pid, "as", true);
    (void)kill(client, SIGKILL);
    assert_int_equal(waitpid(client, NULL, 0), client);
    daemon_remove(&d);
}

/* ---- time, memory, disk ---- */

static void
test_includes_without_end_are_refused(void **state)
{
    expect_refused(*state, "#include \"function.c\"\n#include \"function.c\"\n", "nested depth");
}

/* With less memory than usual, which is reached sooner on a slow machine too. */
static void
test_macros_that_multiply_are_refused(void **state)
{
    static const char ten[] = "#define %c %c %c %c %c %c %c %c %c %c %c\n";
    const char *options[] = {"--build-memory", "128M", "--build-time", "10m", NULL};
    struct daemon d = {0};
    char source[1024] = "";

    (void)state;
    for (char c = 'A'; c < 'K'; c++) {
        char next = (char)(c + 1);

        (void)snprintf(source + strlen(source), sizeof source - strlen(source), ten, c, next, next,
                       next, next, next, next, next, next, next, next);
    }
    (void)snprintf(source + strlen(source), sizeof source - strlen(source),
                   "#define K 1,\nint a[] = {A};\n" HANDLE);
    daemon_start_with(&d, options);
    expect_refused(&d, source, "more memory than it may");
    daemon_remove(&d);
}

static void
test_giant_arrays_are_refused(void **state)
{
    expect_refused(*state, "char big[1ul << 30] = {1};\n" HANDLE, "larger than it may be");
    expect_refused(*state, "char big[1ul << 40];\n" HANDLE, "bytes of address space");
    expect_refused(*state, "char big[1ul << 62];\n" HANDLE, "bytes of address space");
    expect_refused(*state, "__asm__(\".space 10000000000\");\n" HANDLE, "larger than it may be");
    expect_refused(*state, "__asm__(\".rept 100000000\\n.quad 1\\n.endr\");\n" HANDLE,
                   "more memory than it may");
}

static void
test_a_file_of_a_million_lines_is_refused_within_its_limits(void **state)
{
    const char *options[] = {"--build-memory", "256M", "--build-time", "10m", NULL};
    size_t room = 16 << 20;
    char *source = malloc(room), *at = source;
    struct daemon d = {0};

    (void)state;
    daemon_start_with(&d, options);
    for (int i = 0; i < 1000000; i++)
        at += sprintf(at, "int v%d;\n", i);
    (void)strcpy(at, HANDLE);
    expect_refused(&d, source, "more memory than it may");
    daemon_remove(&d);
    free(source);
}

static void
test_sources_nested_too_deeply_are_refused(void **state)
{
    size_t deep = 200000;
    char *source = malloc(2 * deep + 512), *at = source;

    at += sprintf(at, HANDLE "int x = ");
    memset(at, '(', deep);
    at[deep] = '1';
    memset(at + deep + 1, ')', deep);
    (void)strcpy(at + 2 * deep + 1, ";\n");
    expect_refused(*state, source, "nested too deeply");
    free(source);
}

static void
test_a_compiler_that_does_not_end_is_ended(void **state)
{
    const char *options[] = {"--build-time", "1s", NULL};
    struct daemon d = {0};

    (void)state;
    daemon_start_with(&d, options);
    expect_refused(&d, ENDLESS, "longer than it may (1000 ms)");
    daemon_remove(&d);
}

static void
test_a_compiler_s_memory_is_the_operator_s_to_set(void **state)
{
    const char *options[] = {"--build-memory", "64M", NULL};
    struct daemon d = {0};

    (void)state;
    daemon_start_with(&d, options);
    expect_refused(&d, "__asm__(\".rept 10000000\\n.quad 1\\n.endr\");\n" HANDLE,
                   "more memory than it may (67108864 bytes)");
    deploy_ok(&d, "after", "memory=16M", HANDLE);
    expect_built(&d, "after");
    daemon_remove(&d);
}

/* Each takes about 250 MB: one of both is ended by the kernel, and runs again alone. */
static void
test_sources_that_do_not_fit_together_are_compiled_one_by_one(void **state)
{
    static const char source[] = "#define B(x) x,x,x,x,x,x,x,x,x,x\n"
                                 "#define C(x) B(x),B(x),B(x),B(x),B(x),B(x),B(x),B(x),B(x),B(x)\n"
                                 "#define D(x) C(x),C(x),C(x),C(x),C(x),C(x),C(x),C(x),C(x),C(x)\n"
                                 "#define E(x) D(x),D(x),D(x),D(x),D(x),D(x),D(x),D(x),D(x),D(x)\n"
                                 "#define F(x) E(x),E(x),E(x),E(x),E(x),E(x),E(x),E(x),E(x),E(x)\n"
                                 "const int %s[] = {F(1),F(1),F(1),F(1),F(1),F(1),F(1),F(1),F(1),"
                                 "F(1),F(1),F(1),F(1)};\n";
    const char *options[] = {"--build-memory", "400M", "--build-time", "10m", NULL};
    struct bundle *b = calloc(1, sizeof *b);
    struct daemon d = {0};
    struct reply r;
    char text[1024];

    (void)state;
    bundle_open(b, false);
    bundle_add(b, "main.c", HANDLE, NULL);
    (void)snprintf(text, sizeof text, source, "a");
    bundle_add(b, "a.c", text, NULL);
    (void)snprintf(text, sizeof text, source, "b");
    bundle_add(b, "b.c", text, NULL);
    bundle_close(b);
    daemon_start_with(&d, options);
    r = put(&d, "/v1/functions/together", "application/x-tar", b->bytes, b->len);
    if (r.status != 201)
        fail_msg("%ld %s", r.status, r.body);
    reply_free(&r);
    daemon_remove(&d);
    free(b);
}

/* Nothing of all that is left: no file, no process, and the next build is well. */
static void
test_after_all_that_the_next_build_is_well(void **state)
{
    const struct daemon *d = *state;
    char path[256];

    (void)snprintf(path, sizeof path, "%s/functions/victim", d->state);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(count_processes(d->pid, "cc1"), 0);
    assert_int_equal(count_processes(d->pid, "hearth-builder"), 0);
    deploy_ok(d, "last", "memory=16M", HANDLE);
    expect_built(d, "last");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sources_that_include_files_of_the_host_are_refused),
        cmocka_unit_test(test_what_the_host_has_is_as_if_it_were_not_there),
        cmocka_unit_test(test_words_of_a_source_cannot_reach_the_linker_s_files),
        cmocka_unit_test(test_folders_beside_the_libraries_are_empty),
        cmocka_unit_test(test_values_of_macros_are_never_options),
        cmocka_unit_test(test_files_of_a_bundle_are_sources_and_never_options),
        cmocka_unit_test(test_libs_are_names_and_never_options),
        cmocka_unit_test(test_a_crash_of_a_build_starts_nothing_on_the_host),
        cmocka_unit_test(test_includes_without_end_are_refused),
        cmocka_unit_test(test_macros_that_multiply_are_refused),
        cmocka_unit_test(test_giant_arrays_are_refused),
        cmocka_unit_test(test_a_file_of_a_million_lines_is_refused_within_its_limits),
        cmocka_unit_test(test_sources_nested_too_deeply_are_refused),
        cmocka_unit_test(test_a_compiler_that_does_not_end_is_ended),
        cmocka_unit_test(test_a_compiler_s_memory_is_the_operator_s_to_set),
        cmocka_unit_test(test_sources_that_do_not_fit_together_are_compiled_one_by_one),
        cmocka_unit_test(test_after_all_that_the_next_build_is_well),
    };

    return RUN_TESTS("builder", tests, group_start, group_stop);
}
