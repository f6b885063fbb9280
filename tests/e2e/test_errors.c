/* test_errors.c: misbehaving functions. Each one gets its error code and details, the daemon keeps
 * running, and a new instance serves the next call. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "run.h"

/* A function that misbehaves as the query says. Without a query it works. */
#define NAUGHTY                                                                                    \
    "#include <hearth.h>\n#include <fcntl.h>\n#include <signal.h>\n#include <stdlib.h>\n"          \
    "#include <string.h>\n#include <sys/mman.h>\n#include <sys/socket.h>\n#include <time.h>\n"     \
    "#include <sys/syscall.h>\n#include <unistd.h>\n"                                              \
    "static int deep(volatile char *p) { volatile char b[4096]; b[0] = *p; return deep(b) + "      \
    "b[0]; }\n"                                                                                    \
    "int hearth_handle(hearth_call *c) {\n"                                                        \
    "  const char *do_ = hearth_query(c, \"do\"); char b[1] = {0};\n"                              \
    "  if (!do_) return hearth_printf(c, \"well\");\n"                                             \
    "  if (hearth_query(c, \"begun\")) for (int i = 0; i < 200000; i++) hearth_write(c, b, 1);\n"  \
    "  if (!strcmp(do_, \"segv\")) *(volatile int *)8 = 1;\n"                                      \
    "  if (!strcmp(do_, \"abort\")) abort();\n"                                                    \
    "  if (!strcmp(do_, \"raise\")) raise(SIGTERM);\n"                                             \
    "  if (!strcmp(do_, \"fpe\")) { volatile int z = 0; z = 7 / z; }\n"                            \
    "  if (!strcmp(do_, \"stack\")) return deep(b);\n"                                             \
    "  if (!strcmp(do_, \"exit\")) exit(3);\n"                                                     \
    "  if (!strcmp(do_, \"exit0\")) exit(0);\n"                                                    \
    "  if (!strcmp(do_, \"spin\")) for (;;) ;\n"                                                   \
    "  if (!strcmp(do_, \"sleep\")) { struct timespec t = {30, 0}; nanosleep(&t, 0); }\n"          \
    "  if (!strcmp(do_, \"malloc\")) for (;;) memset(malloc(1 << 20), 1, 1 << 20);\n"              \
    "  if (!strcmp(do_, \"mmap\")) for (;;) memset(mmap(0, 1 << 20, 3, 34, -1, 0), 1, 1 << 20);\n" \
    "  if (!strcmp(do_, \"socket\")) socket(AF_INET, SOCK_STREAM, 0);\n"                           \
    "  if (!strcmp(do_, \"open\")) open(\"/etc/passwd\", O_RDONLY);\n"                             \
    "  if (!strcmp(do_, \"fork\")) fork();\n"                                                      \
    "  if (!strcmp(do_, \"exec\")) execl(\"/bin/true\", \"true\", NULL);\n"                        \
    "  if (!strcmp(do_, \"bpf\")) syscall(SYS_bpf, 0, 0, 0);\n"                                    \
    "  if (!strcmp(do_, \"ptrace\")) syscall(SYS_ptrace, 0, 0, 0, 0);\n"                           \
    "  if (!strcmp(do_, \"wx\")) mmap(0, 4096, PROT_WRITE | PROT_EXEC, 34, -1, 0);\n"              \
    "  if (!strcmp(do_, \"blocked\")) { sigset_t s; sigfillset(&s); sigprocmask(SIG_SETMASK, &s, " \
    "0);\n"                                                                                        \
    "    signal(SIGSYS, SIG_IGN); syscall(SYS_ptrace, 0, 0, 0, 0); }\n"                            \
    "  if (!strcmp(do_, \"return\")) return 42;\n"                                                 \
    "  return hearth_printf(c, \"survived\"); }\n"

static int
start(void **state)
{
    int status = group_start(state);

    deploy_ok(*state, "naughty", "memory=16M&timeout=1s&max=2", NAUGHTY);
    return status;
}

static struct reply
misbehave(void **state, const char *how)
{
    char path[128];

    (void)snprintf(path, sizeof path, "/function/naughty?do=%s", how);
    return get(*state, path);
}

/* The next call must succeed. */
static void
expect_well(void **state)
{
    struct reply r = get(*state, "/function/naughty");

    if (r.status != 200 || strcmp(r.body, "well") != 0)
        fail_msg("the next call: %ld %s", r.status, r.body);
    reply_free(&r);
}

static struct reply
expect(void **state, const char *how, long status, const char *code)
{
    struct reply r = misbehave(state, how);

    if (r.status != status || r.json == NULL || strcmp(reply_text(&r, "code"), code) != 0)
        fail_msg("%s: want %ld %s, got %ld %s", how, status, code, r.status, r.body);
    assert_non_null(strstr(r.fields, "application/problem+json"));
    assert_true(strlen(reply_text(&r, "call_id")) > 0);
    assert_true(strlen(reply_text(&r, "title")) > 0);
    expect_well(state);
    return r;
}

static void
test_crashes_name_their_signal(void **state)
{
    static const char *const how[][2] = {{"segv", "SIGSEGV"},
                                         {"abort", "SIGABRT"},
                                         {"raise", "SIGTERM"},
                                         {"fpe", "SIGFPE"},
                                         {"stack", "SIGSEGV"}};

    for (size_t i = 0; i < sizeof how / sizeof how[0]; i++) {
        struct reply r = expect(state, how[i][0], 502, "function_crashed");

        assert_string_equal(reply_text(&r, "signal"), how[i][1]);
        reply_free(&r);
    }
}

static void
test_exits_name_their_status(void **state)
{
    struct reply r = expect(state, "exit", 502, "function_crashed");

    assert_int_equal(reply_number(&r, "exit"), 3);
    reply_free(&r);
    r = expect(state, "exit0", 502, "function_crashed");
    assert_int_equal(reply_number(&r, "exit"), 0);
    reply_free(&r);
}

static void
test_a_call_over_its_timeout_is_killed(void **state)
{
    static const char *const how[] = {"spin", "sleep"};

    for (size_t i = 0; i < 2; i++) {
        struct reply r = expect(state, how[i], 504, "timeout");

        assert_int_equal(reply_number(&r, "timeout_ms"), 1000);
        reply_free(&r);
    }
}

static void
test_too_much_memory_is_told_from_the_cgroup(void **state)
{
    static const char *const how[] = {"malloc", "mmap"};

    for (size_t i = 0; i < 2; i++) {
        struct reply r = expect(state, how[i], 502, "memory_exceeded");

        assert_int_equal(reply_number(&r, "limit"), 16 << 20);
        assert_true(reply_number(&r, "peak") > 15 << 20);
        assert_true(reply_number(&r, "peak") <= 16 << 20);
        assert_true(reply_number(&r, "advice") > 16 << 20);
        reply_free(&r);
    }
}

static void
test_forbidden_calls_are_named(void **state)
{
    static const char *const how[][2] = {
        {"ptrace", "ptrace"}, {"bpf", "bpf"}, {"blocked", "ptrace"}};

    for (size_t i = 0; i < sizeof how / sizeof how[0]; i++) {
        struct reply r = expect(state, how[i][0], 502, "forbidden_syscall");

        assert_string_equal(reply_text(&r, "syscall"), how[i][1]);
        reply_free(&r);
    }
}

static void
test_a_refused_call_is_an_error_to_the_function_alone(void **state)
{
    static const char *const how[] = {"socket", "open", "fork", "exec", "wx"};

    for (size_t i = 0; i < sizeof how / sizeof how[0]; i++) {
        struct reply r = misbehave(state, how[i]);

        assert_string_equal(r.body, "survived");
        reply_free(&r);
    }
}

static void
test_a_stack_overflow_is_named(void **state)
{
    struct reply r = expect(state, "stack", 502, "function_crashed");

    assert_string_equal(reply_text(&r, "signal"), "SIGSEGV");
    assert_string_equal(reply_text(&r, "reason"), "stack_overflow");
    reply_free(&r);
    r = expect(state, "segv", 502, "function_crashed");
    assert_null(json_object_get(r.json, "reason"));
    reply_free(&r);
}

static void
test_a_handler_that_fails_says_what_it_returned(void **state)
{
    struct reply r = expect(state, "return", 500, "function_failed");

    assert_int_equal(reply_number(&r, "returned"), 42);
    reply_free(&r);
}

static void
test_a_failure_after_the_response_began_cuts_the_connection(void **state)
{
    static const char *const how[] = {"segv&begun", "return&begun", "spin&begun", "malloc&begun"};

    for (size_t i = 0; i < sizeof how / sizeof how[0]; i++) {
        struct reply r = misbehave(state, how[i]);

        assert_int_equal(r.status, 200);
        assert_int_not_equal(r.error, 0); /* the client must detect the truncation */
        reply_free(&r);
        expect_well(state);
    }
}

static void
test_errors_are_counted_by_code(void **state)
{
    struct reply r;
    json_t *errors;

    r = expect(state, "exit", 502, "function_crashed");
    reply_free(&r);
    r = get(*state, "/v1/functions/naughty");
    errors = json_object_get(r.json, "errors");
    assert_true(json_integer_value(json_object_get(errors, "function_crashed")) > 0);
    reply_free(&r);
}

static void
test_many_calls_that_crash_lose_no_other_call(void **state)
{
    for (int i = 0; i < 25; i++) {
        struct reply r = misbehave(state, i % 2 ? "segv" : "exit");

        assert_int_equal(r.status, 502);
        reply_free(&r);
        expect_well(state);
    }
}

static void
test_a_build_without_end_is_build_failed(void **state)
{
    struct reply r = deploy(*state, "deep", "", "#include \"function.c\"\n");

    assert_int_equal(r.status, 422);
    assert_string_equal(reply_text(&r, "code"), "build_failed");
    reply_free(&r);
}

static void
test_the_compiler_cannot_read_the_host(void **state)
{
    struct reply r = deploy(*state, "spy", "", "#include \"/etc/passwd\"\n");

    assert_int_equal(r.status, 422);
    assert_null(strstr(r.body, "root:"));
    reply_free(&r);
    r = deploy(*state, "spy", "",
               "#include <hearth.h>\n__asm__(\".incbin \\\"/etc/shadow\\\"\");\n"
               "int hearth_handle(hearth_call *c) { (void)c; return 0; }\n");
    assert_int_equal(r.status, 422);
    reply_free(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crashes_name_their_signal),
        cmocka_unit_test(test_exits_name_their_status),
        cmocka_unit_test(test_a_call_over_its_timeout_is_killed),
        cmocka_unit_test(test_too_much_memory_is_told_from_the_cgroup),
        cmocka_unit_test(test_forbidden_calls_are_named),
        cmocka_unit_test(test_a_refused_call_is_an_error_to_the_function_alone),
        cmocka_unit_test(test_a_stack_overflow_is_named),
        cmocka_unit_test(test_a_handler_that_fails_says_what_it_returned),
        cmocka_unit_test(test_a_failure_after_the_response_began_cuts_the_connection),
        cmocka_unit_test(test_errors_are_counted_by_code),
        cmocka_unit_test(test_many_calls_that_crash_lose_no_other_call),
        cmocka_unit_test(test_a_build_without_end_is_build_failed),
        cmocka_unit_test(test_the_compiler_cannot_read_the_host),
    };

    return RUN_TESTS("errors", tests, start, group_stop);
}
