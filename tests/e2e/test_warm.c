/* test_warm.c: the cost of a warm call, in counts that do not depend on a clock. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "run.h"

#define HELLO                                                                                      \
    "#include <hearth.h>\n"                                                                        \
    "int hearth_handle(hearth_call *call) { return hearth_printf(call, \"hello, world\"); }\n"

/* Bound for the system calls per warm call with one connection: two waits of the loop, request and
 * response, waking the worker, and its eventfd; and two that read and reset the mark of memory, at
 * most every 250 us, which under a tracer is after each call. A change that adds one must justify
 * it. */
#define SYSCALLS_PER_CALL 8.5

static void
call_many(int fd, int n)
{
    static const char request[] = "GET /function/warm HTTP/1.1\r\nHost: x\r\n\r\n";

    for (int i = 0; i < n; i++) {
        char answer[1024];
        size_t len = 0;

        raw_send(fd, request, sizeof request - 1);
        do {
            ssize_t got = recv(fd, answer + len, sizeof answer - 1 - len, 0);

            if (got <= 0)
                fail_msg("call %d was not answered", i);
            len += (size_t)got;
            answer[len] = '\0';
        } while (strstr(answer, "hello, world") == NULL);
    }
}

/* The heap allocations of a gateway that serves so many warm calls on one connection and does the
 * same otherwise. */
static unsigned long
takes_with(int calls)
{
    struct daemon d = {0};
    unsigned long takes = 0;
    char *log, *at;
    size_t len;
    int fd;

    assert_int_equal(setenv("LD_PRELOAD", getenv("HEARTH_COUNT_ALLOC"), 1), 0);
    daemon_start(&d);
    (void)unsetenv("LD_PRELOAD");
    deploy_ok(&d, "warm", "memory=16M", HELLO);
    fd = raw_connect(&d);
    call_many(fd, calls);
    (void)close(fd);
    assert_int_equal(daemon_stop(&d), 0);
    log = read_whole(d.log, &len);
    for (at = log; (at = strstr(at, "heap takes: ")) != NULL; at += 12)
        if (strtoul(at + 12, NULL, 10) > takes)
            takes = strtoul(at + 12, NULL, 10);
    free(log);
    daemon_remove(&d);
    assert_true(takes > 0);
    return takes;
}

static void
test_a_warm_call_takes_nothing_from_the_heap(void **state)
{
    unsigned long few, many;

    (void)state;
    few = takes_with(100);
    many = takes_with(5100);
    /* 5,000 calls more; the number of polls for readiness may differ a little */
    if (many > few + 250)
        fail_msg("%lu takes with 100 calls, %lu with 5,100", few, many);
}

static void
test_a_warm_call_makes_few_system_calls(void **state)
{
    struct daemon d = {0};
    char command[256], line[256], path[256];
    double total = 0;
    const int calls = 2000;
    pid_t tracer;
    int fd, status;
    FILE *file;

    (void)state;
    daemon_start(&d);
    deploy_ok(&d, "warm", "memory=16M", HELLO);
    fd = raw_connect(&d);
    call_many(fd, 50);
    (void)snprintf(path, sizeof path, "%s.strace", d.state);
    (void)snprintf(command, sizeof command, "%d", (int)find_process(d.pid, "hearth-gateway"));
    tracer = fork();
    if (tracer == 0) {
        execlp("strace", "strace", "-f", "-q", "-c", "-o", path, "-p", command, NULL);
        _exit(127);
    }
    /* traced when its calls are counted: TracerPid is set then */
    for (int i = 0; i < 2000; i++) {
        char value[64];

        call_many(fd, 1);
        if (strtol(proc_status((pid_t)atoi(command), "TracerPid", value, sizeof value), NULL, 10) !=
            0)
            break;
    }
    call_many(fd, calls);
    (void)kill(tracer, SIGINT);
    assert_int_equal(waitpid(tracer, &status, 0), tracer);
    file = fopen(path, "re");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL)
        if (strstr(line, "total") != NULL)
            (void)sscanf(line, "%*s %*s %*s %lf", &total);
    (void)fclose(file);
    (void)unlink(path);
    print_message("# %.2f system calls per call\n", total / calls);
    assert_true(total > calls); /* calls were counted */
    assert_true(total / calls < SYSCALLS_PER_CALL);
    (void)close(fd);
    daemon_remove(&d);
}

struct placed {
    int connection;
    pid_t worker;
};

/* Whether the worker's affinity is a single core. */
static bool
keeps_to_one_core(void *user)
{
    const struct placed *p = user;
    char cores[256];

    call_many(p->connection, 200);
    (void)proc_status(p->worker, "Cpus_allowed_list", cores, sizeof cores);
    return strpbrk(cores, ",-") == NULL;
}

static void
test_a_worker_with_short_calls_keeps_to_the_gateway_s_core(void **state)
{
    struct daemon d = {0};
    struct placed p;

    (void)state;
    if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
        return; /* there is only one core */
    daemon_start(&d);
    deploy_ok(&d, "warm", "memory=16M&max=1", HELLO);
    p.connection = raw_connect(&d);
    call_many(p.connection, 1);
    p.worker = find_process(d.pid, "hearth-worker");
    assert_true(p.worker > 0);
    wait_for("the worker to keep to one core", keeps_to_one_core, &p);
    (void)close(p.connection);
    daemon_remove(&d);
}

static void
test_a_worker_with_long_calls_runs_anywhere(void **state)
{
    struct daemon d = {0};
    char all[256], cores[256];
    int fd;

    (void)state;
    daemon_start(&d);
    deploy_ok(&d, "warm", "memory=16M&max=1",
              "#include <hearth.h>\n#include <time.h>\n"
              "int hearth_handle(hearth_call *call) {\n"
              "    struct timespec t = {.tv_nsec = 1000000};\n"
              "    nanosleep(&t, 0);\n"
              "    return hearth_printf(call, \"hello, world\");\n}\n");
    fd = raw_connect(&d);
    call_many(fd, 300);
    (void)proc_status(getpid(), "Cpus_allowed_list", all, sizeof all);
    (void)proc_status(find_process(d.pid, "hearth-worker"), "Cpus_allowed_list", cores,
                      sizeof cores);
    assert_string_equal(cores, all);
    (void)close(fd);
    daemon_remove(&d);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_warm_call_takes_nothing_from_the_heap),
        cmocka_unit_test(test_a_warm_call_makes_few_system_calls),
        cmocka_unit_test(test_a_worker_with_short_calls_keeps_to_the_gateway_s_core),
        cmocka_unit_test(test_a_worker_with_long_calls_runs_anywhere),
    };

    return RUN_TESTS("warm", tests, NULL, NULL);
}
