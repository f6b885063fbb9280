/* test_signals.c: signals and limits whose default action would end a process that must still
 * respond. */
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "run.h"

/* Takes the given number of milliseconds. */
#define SLOW                                                                                       \
    "#include <hearth.h>\n#include <stdlib.h>\n#include <time.h>\n"                                \
    "int hearth_handle(hearth_call *c) { const char *ms = hearth_query(c, \"ms\");\n"              \
    "  struct timespec t = {0, ms ? atol(ms) * 1000000 : 0};\n"                                    \
    "  while (nanosleep(&t, &t)) ; return hearth_printf(c, \"hello\"); }\n"

static void
start_slow(struct daemon *d)
{
    daemon_start(d);
    deploy_ok(d, "hello", "memory=16M&min=1&max=1", SLOW);
    expect_body(d, "/function/hello", "hello");
}

/* Sends a slow call and waits until it runs. */
static int
begin_slow_call(const struct daemon *d, int ms)
{
    char request[96];
    int fd = raw_connect(d);

    (void)snprintf(request, sizeof request, "GET /function/hello?ms=%d HTTP/1.1\r\nHost: x\r\n\r\n",
                   ms);
    raw_send(fd, request, strlen(request));
    wait_for_figure(d, "hello", "instances", "busy", 1);
    return fd;
}

/* The running call gets its response, and the daemon exits with 0 after SIGTERM. */
static void
expect_drained(struct daemon *d, int fd)
{
    char *got = raw_receive(fd, NULL);
    int status;

    if (strstr(got, "200 OK") == NULL || strstr(got, "hello") == NULL)
        fail_msg("the running call got: %s", got);
    free(got);
    (void)close(fd);
    assert_int_equal(waitpid(d->pid, &status, 0), d->pid);
    d->pid = 0;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("the daemon ended with %x", (unsigned)status);
    daemon_remove(d);
}

/* ---- signals whose default action ends the process ---- */

/* Faults, which must end a process, and signals that stop or continue it. */
static bool
is_left_alone(int sig)
{
    static const int sigs[] = {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS,  SIGFPE,  SIGILL, SIGTRAP,
                               SIGABRT, SIGSYS,  SIGTSTP, SIGTTIN, SIGTTOU, SIGCONT};

    for (size_t i = 0; i < sizeof sigs / sizeof sigs[0]; i++)
        if (sigs[i] == sig)
            return true;
    return false;
}

static void
test_no_signal_but_a_fault_ends_the_gateway(void **state)
{
    struct daemon d = {0};
    pid_t gateway;

    (void)state;
    start_slow(&d);
    gateway = find_process(d.pid, "hearth-gateway");
    for (int sig = 1; sig <= 64; sig++)
        if (!is_left_alone(sig)) {
            assert_int_equal(kill(gateway, sig), 0);
            expect_body(&d, "/function/hello", "hello");
            if (find_process(d.pid, "hearth-gateway") != gateway)
                fail_msg("signal %d ended the gateway", sig);
        }
    assert_int_equal(daemon_stop(&d), 0);
    daemon_remove(&d);
}

static void
test_no_signal_but_those_to_stop_ends_the_launcher(void **state)
{
    struct daemon d = {0};

    (void)state;
    start_slow(&d);
    for (int sig = 1; sig <= 64; sig++)
        if (!is_left_alone(sig) && sig != SIGTERM && sig != SIGINT && sig != SIGQUIT) {
            assert_int_equal(kill(d.pid, sig), 0);
            expect_body(&d, "/function/hello", "hello");
            if (waitpid(d.pid, NULL, WNOHANG) != 0)
                fail_msg("signal %d ended the launcher", sig);
        }
    wait_for_log(&d, "signal to reopen the log");
    wait_for_log(&d, "signal to reload the configuration");
    assert_int_equal(daemon_stop(&d), 0);
    daemon_remove(&d);
}

/* Signals that the host sends to all processes of the daemon must not end an instance's call. Sent
 * twice, because the first signal must not change the handling of the next. */
static void
test_no_signal_from_outside_ends_a_worker(void **state)
{
    struct daemon d = {0};
    pid_t worker;

    (void)state;
    start_slow(&d);
    worker = find_process(d.pid, "hearth-worker");
    for (int round = 0; round < 2; round++) {
        int fd = begin_slow_call(&d, 700);
        char *got;

        for (int sig = 1; sig <= 64; sig++)
            if (!is_left_alone(sig))
                assert_int_equal(kill(worker, sig), 0);
        got = raw_receive(fd, "hello");
        if (strstr(got, "200 OK") == NULL)
            fail_msg("a call to a worker that got signals: %s", got);
        free(got);
        (void)close(fd);
    }
    assert_int_equal(find_process(d.pid, "hearth-worker"), worker);
    daemon_remove(&d);
}

static void
test_sigquit_and_sigint_let_running_calls_finish(void **state)
{
    static const int sigs[] = {SIGQUIT, SIGINT};

    (void)state;
    for (size_t i = 0; i < sizeof sigs / sizeof sigs[0]; i++) {
        struct daemon d = {0};
        int fd;

        start_slow(&d);
        fd = begin_slow_call(&d, 700);
        assert_int_equal(kill(d.pid, sigs[i]), 0);
        expect_drained(&d, fd);
    }
}

/* As systemd does it with KillMode=control-group. */
static void
test_sigterm_to_every_process_lets_running_calls_finish(void **state)
{
    struct daemon d = {0};
    int fd;

    (void)state;
    start_slow(&d);
    fd = begin_slow_call(&d, 700);
    assert_int_equal(kill(find_process(d.pid, "hearth-worker"), SIGTERM), 0);
    assert_int_equal(kill(find_process(d.pid, "hearth-gateway"), SIGTERM), 0);
    assert_int_equal(kill(d.pid, SIGTERM), 0);
    expect_drained(&d, fd);
}

struct wanted {
    pid_t root;
    const char *name;
};

static bool
is_there(void *user)
{
    const struct wanted *w = user;

    return count_processes(w->root, w->name) > 0;
}

static void
test_sigterm_to_every_process_lets_a_running_build_finish(void **state)
{
    /* the assembler needs a second or so for it */
    static const char source[] =
        "#include <hearth.h>\n"
        "__asm__(\".rept 3000\\n.rept 2000\\n.if 0\\n.endif\\n.endr\\n.endr\");\n"
        "int hearth_handle(hearth_call *c) { return hearth_printf(c, \"built\"); }\n";
    static const char *const names[] = {"gcc", "cc1", "as", "hearth-builder"};
    struct daemon d = {0};
    int status;
    pid_t client;

    (void)state;
    daemon_start(&d);
    client = fork();
    assert_true(client >= 0);
    if (client == 0) {
        struct reply r = deploy(&d, "slow", "memory=16M", source);

        if (r.status != 201)
            print_error("the deploy got %ld %s\n", r.status, r.body);
        _exit(r.status == 201 ? 0 : 1);
    }
    wait_for("an assembler", is_there, &(struct wanted){d.pid, "as"});
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (is_there(&(struct wanted){d.pid, names[i]}))
            (void)kill(find_process(d.pid, names[i]), SIGTERM);
    assert_int_equal(kill(d.pid, SIGTERM), 0);
    assert_int_equal(waitpid(client, &status, 0), client);
    assert_int_equal(status, 0);
    assert_int_equal(waitpid(d.pid, &status, 0), d.pid);
    d.pid = 0;
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    daemon_remove(&d);
}

static void
ignore_and_block_signals(void)
{
    sigset_t all;

    for (int sig = 1; sig < NSIG; sig++)
        (void)signal(sig, SIG_IGN);
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, NULL);
}

/* Ignoring SIGCHLD, for example, has the kernel reap children before their status is read. */
static void
test_signals_that_were_ignored_or_blocked_at_the_start_do_not_matter(void **state)
{
    struct daemon d = {.prepare = ignore_and_block_signals};
    struct reply r;

    (void)state;
    start_slow(&d);
    deploy_ok(&d, "crash", "memory=16M",
              "#include <hearth.h>\n#include <stdlib.h>\n"
              "int hearth_handle(hearth_call *c) { (void)c; abort(); }\n");
    r = get(&d, "/function/crash");
    assert_string_equal(reply_text(&r, "signal"), "SIGABRT");
    reply_free(&r);
    assert_int_equal(kill(find_process(d.pid, "hearth-gateway"), SIGKILL), 0);
    wait_for_log(&d, "starting the gateway again");
    assert_int_equal(kill(d.pid, SIGUSR1), 0);
    wait_for_log(&d, "signal to reopen the log");
    assert_int_equal(daemon_stop(&d), 0);
    daemon_remove(&d);
}

/* ---- limits whose default action ends the process ---- */

/* Reports the error: of two files that fill /tmp, and of one that is written, positioned or
 * extended beyond the maximum size of a file. */
static void
test_a_full_tmp_is_an_error_and_no_death(void **state)
{
    struct daemon d = {0};

    (void)state;
    daemon_start(&d);
    deploy_ok(&d, "full", "tmp=1M&memory=32M",
              "#include <errno.h>\n#include <fcntl.h>\n#include <hearth.h>\n#include <string.h>\n"
              "#include <unistd.h>\n"
              "static char bytes[65536];\n"
              "static int fill(const char *path, int most)\n"
              "{ int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600); errno = 0;\n"
              "  while (most-- && write(fd, bytes, sizeof bytes) > 0) ;\n"
              "  return fd; }\n"
              "int hearth_handle(hearth_call *c)\n"
              "{ const char *how = hearth_query(c, \"how\"); int fd;\n"
              "  if (!strcmp(how, \"one\")) { fd = fill(\"/tmp/a\", 100); }\n"
              "  else if (!strcmp(how, \"two\")) { close(fill(\"/tmp/a\", 12));\n"
              "    fd = fill(\"/tmp/b\", 12); }\n"
              "  else { fd = fill(\"/tmp/a\", 1);\n"
              "    if (!strcmp(how, \"pwrite\")) pwrite(fd, bytes, 10, 5 << 20);\n"
              "    if (!strcmp(how, \"lseek\")) { lseek(fd, 5 << 20, SEEK_SET);\n"
              "      write(fd, bytes, 10); }\n"
              "    if (!strcmp(how, \"ftruncate\")) ftruncate(fd, 5 << 20); }\n"
              "  hearth_printf(c, \"%s\", strerror(errno));\n"
              "  close(fd); unlink(\"/tmp/a\"); unlink(\"/tmp/b\"); return 0; }\n");
    expect_body(&d, "/function/full?how=one", "File too large");
    expect_body(&d, "/function/full?how=two", "No space left on device");
    expect_body(&d, "/function/full?how=pwrite", "File too large");
    expect_body(&d, "/function/full?how=lseek", "File too large");
    expect_body(&d, "/function/full?how=ftruncate", "File too large");
    daemon_remove(&d);
}

/* Drops the capability to raise limits, as in a container. */
static void
give_up_widening(void)
{
    if (prctl(PR_CAPBSET_DROP, CAP_SYS_RESOURCE, 0, 0, 0) != 0)
        _exit(127);
}

/* Allows the token's file, and no large source. */
static void
allow_small_files(void)
{
    struct rlimit small = {.rlim_cur = 8192, .rlim_max = 8192};

    give_up_widening();
    if (setrlimit(RLIMIT_FSIZE, &small) != 0)
        _exit(127);
}

/* `ulimit -f` in the shell that starts the daemon. */
static void
test_a_daemon_whose_files_are_limited_answers_an_error(void **state)
{
    struct daemon d = {.prepare = allow_small_files};
    char source[10000];
    struct reply r;
    pid_t gateway;

    (void)state;
    memset(source, '\n', sizeof source);
    (void)snprintf(source + sizeof source - sizeof SLOW, sizeof SLOW, "%s", SLOW);
    daemon_start(&d);
    gateway = find_process(d.pid, "hearth-gateway");
    r = deploy(&d, "hello", "memory=16M", source);
    if (r.status < 500 || strcmp(reply_text(&r, "code"), "storage_failed") != 0)
        fail_msg("%ld %s", r.status, r.body);
    reply_free(&r);
    r = deploy(&d, "hello", "memory=16M", SLOW); /* its object is too large for the builder */
    if (r.status != 422 || strstr(r.body, "larger than it may be") == NULL)
        fail_msg("%ld %s", r.status, r.body);
    reply_free(&r);
    assert_int_equal(find_process(d.pid, "hearth-gateway"), gateway);
    assert_int_equal(daemon_stop(&d), 0);
    daemon_remove(&d);
}

static void
allow_no_core(void)
{
    struct rlimit none = {0};

    give_up_widening();
    if (setrlimit(RLIMIT_CORE, &none) != 0)
        _exit(127);
}

static void
test_a_tighter_limit_of_whoever_starts_the_daemon_stays(void **state)
{
    struct daemon d = {.prepare = allow_no_core};

    (void)state;
    start_slow(&d);
    assert_int_equal(daemon_stop(&d), 0);
    daemon_remove(&d);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_signal_but_a_fault_ends_the_gateway),
        cmocka_unit_test(test_no_signal_but_those_to_stop_ends_the_launcher),
        cmocka_unit_test(test_no_signal_from_outside_ends_a_worker),
        cmocka_unit_test(test_sigquit_and_sigint_let_running_calls_finish),
        cmocka_unit_test(test_sigterm_to_every_process_lets_running_calls_finish),
        cmocka_unit_test(test_sigterm_to_every_process_lets_a_running_build_finish),
        cmocka_unit_test(test_signals_that_were_ignored_or_blocked_at_the_start_do_not_matter),
        cmocka_unit_test(test_a_full_tmp_is_an_error_and_no_death),
        cmocka_unit_test(test_a_daemon_whose_files_are_limited_answers_an_error),
        cmocka_unit_test(test_a_tighter_limit_of_whoever_starts_the_daemon_stays),
    };

    return RUN_TESTS("signals", tests, NULL, NULL);
}
