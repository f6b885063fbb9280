/* test_interpreter.c: attacks by functions in Python (attacks.py), from a fork of a template and
 * from an instance that is none. After each the host and a neighbour are looked at. Needs root. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "harness.h"
#include "run.h"

enum end { HELD, SYSCALL, CODE, ANY /* but that it escaped */ };

static const struct attack {
    const char *name;
    enum end end;
    const char *fact;
} attacks[] = {
    {"imported", HELD, NULL},
    {"fork", HELD, NULL},
    {"forkpty", HELD, NULL},
    {"libc_fork", HELD, NULL},
    {"execute", HELD, NULL},
    {"execute_interpreter", HELD, NULL},
    {"run", HELD, NULL},
    {"spawn", HELD, NULL},
    {"system", HELD, NULL},
    {"processes", HELD, NULL},
    {"threads", HELD, NULL},
    {"tcp", HELD, NULL},
    {"udp", HELD, NULL},
    {"unix", HELD, NULL},
    {"raw", HELD, NULL},
    {"socket_of_descriptor", HELD, NULL},
    {"host_files", HELD, NULL},
    {"host_folders", HELD, NULL},
    {"other_functions", HELD, NULL},
    {"write_bytecode", HELD, NULL},
    {"change_source", HELD, NULL},
    {"writable_code", HELD, NULL},
    {"written_code", HELD, NULL},
    {"code_of_ctypes", HELD, NULL},
    {"memory_file", HELD, NULL},
    {"shared_memory", HELD, NULL},
    {"signals", HELD, NULL},
    {"become_root", HELD, NULL},
    {"limits", HELD, NULL},
    {"environment", HELD, NULL},
    {"host_name", HELD, NULL},
    {"handler_of_sigsys", HELD, NULL},
    {"namespaces", SYSCALL, "unshare"},
    {"ptrace", SYSCALL, "ptrace"},
    {"mount", SYSCALL, "mount"},
    {"chroot", SYSCALL, "chroot"},
    {"own_filter", SYSCALL, "seccomp"},
    {"keys", SYSCALL, "add_key"},
    {"trace_events", SYSCALL, "perf_event_open"},
    {"ring_of_requests", SYSCALL, "io_uring_setup"},
    {"memory_past_python", CODE, "memory_exceeded"},
    {"wild_pointer", CODE, "function_crashed"},
    {"deep_recursion", ANY, NULL},
    {"broken_bytecode", ANY, NULL},
    {"close_everything", ANY, NULL},
    {"finalizer", ANY, NULL},
};

static struct daemon *d;

static void
deploy_attacks(const char *name, const char *settings)
{
    char path[300];
    size_t len;
    char *source;
    struct reply r;

    (void)snprintf(path, sizeof path, "%s/tests/hostile/attacks.py", getenv("HEARTH_SOURCE"));
    source = read_whole(path, &len);
    assert_non_null(source);
    (void)snprintf(path, sizeof path, "/v1/functions/%s?memory=48M&timeout=5s&%s", name, settings);
    r = put(d, path, "text/x-python", source, len);
    if (r.status != 201)
        fail_msg("%s: %ld %s", name, r.status, r.body);
    reply_free(&r);
    free(source);
}

static void
expect_end(const struct attack *a, const struct reply *r)
{
    if (strstr(r->body, "ESCAPED") != NULL)
        fail_msg("%s: %s", a->name, r->body);
    if (a->end == HELD && strcmp(r->body, "held\n") != 0)
        fail_msg("%s: %ld %s", a->name, r->status, r->body);
    if (a->end == SYSCALL && (r->status != 502 || json_object_get(r->json, "syscall") == NULL ||
                              strcmp(reply_text(r, "syscall"), a->fact) != 0))
        fail_msg("%s: %ld %s", a->name, r->status, r->body);
    if (a->end == CODE && (r->json == NULL || strcmp(reply_text(r, "code"), a->fact) != 0))
        fail_msg("%s: %ld %s", a->name, r->status, r->body);
}

static bool
is_well(void *user)
{
    char path[100];
    struct reply r;
    bool well;

    (void)snprintf(path, sizeof path, "/function/%s?well=1", (const char *)user);
    r = get(d, path);
    well = r.status == 200 && strcmp(r.body, "well") == 0;
    reply_free(&r);
    return well;
}

static void
run_all(const char *name)
{
    struct stat before, after;

    assert_int_equal(stat("/etc/passwd", &before), 0);
    for (size_t i = 0; i < sizeof attacks / sizeof attacks[0]; i++) {
        char path[200];
        struct reply r;

        (void)snprintf(path, sizeof path, "/function/%s?attack=%s&state=%s", name, attacks[i].name,
                       d->state);
        r = get(d, path);
        expect_end(&attacks[i], &r);
        reply_free(&r);
        expect_body(d, "/function/neighbour", "neighbour");
        wait_for(attacks[i].name, is_well, (void *)name);
    }
    assert_int_equal(stat("/etc/passwd", &after), 0);
    assert_int_equal(before.st_mtime, after.st_mtime);
    assert_int_equal(before.st_size, after.st_size);
}

static void
test_attacks_from_a_fork_fail(void **state)
{
    (void)state;
    deploy_attacks("forked", "template=on&max=2");
    run_all("forked");
}

static void
test_attacks_without_a_template_fail(void **state)
{
    (void)state;
    deploy_attacks("single", "template=off&max=2");
    run_all("single");
}

static int
open_group(void **state)
{
    static const char neighbour[] = "neighbour_secret = 1\ndef handle(call): return 'neighbour'\n";
    int status = group_start(state);
    struct reply r;

    d = *state;
    r = put(d, "/v1/functions/neighbour?memory=32M&min=1", "text/x-python", neighbour,
            sizeof neighbour - 1);
    assert_int_equal(r.status, 201);
    reply_free(&r);
    return status;
}

int
main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attacks_from_a_fork_fail),
        cmocka_unit_test(test_attacks_without_a_template_fail),
    };

    return RUN_TESTS("interpreter", tests, open_group, group_stop);
}
