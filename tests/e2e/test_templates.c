/* test_templates.c: instances that are forked from one that has run init: they share what it built,
 * and each has its own limit, channel and end. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "harness.h"
#include "run.h"

#define MB (1024 * 1024)

/* Fills MEGABYTES in init. A call says how often init and the hook have run in its memory, and the
 * sum of some of its bytes; ?take=N uses N MiB; ?signal=PID sends SIGTERM there. */
static const char shared[] =
    "#include <errno.h>\n#include <hearth.h>\n#include <signal.h>\n#include <stdlib.h>\n"
    "#include <string.h>\n#include <unistd.h>\n"
    "#ifndef MEGABYTES\n#define MEGABYTES 64\n#endif\n"
    "static char *heap; static int inits, forks;\n"
    "int hearth_init(void) {\n"
    "  heap = malloc((size_t)MEGABYTES << 20); if (!heap) return 1;\n"
    "  memset(heap, 7, (size_t)MEGABYTES << 20); inits++;\n"
    "  if (fork() != -1) return 2;\n"
    "  return errno != EAGAIN; }\n"
    "int hearth_fork(void) { forks++; return 0; }\n"
    "int hearth_handle(hearth_call *c) {\n"
    "  const char *take = hearth_query(c, \"take\"), *to = hearth_query(c, \"signal\");\n"
    "  if (hearth_query(c, \"sleep\")) usleep((unsigned)atoi(hearth_query(c, \"sleep\")) * 1000);\n"
    "  if (hearth_query(c, \"change\")) heap[0]++;\n"
    "  if (take) { size_t n = (size_t)atoi(take) << 20; char *p = malloc(n); if (!p) return 1;\n"
    "    memset(p, 1, n); __asm__ volatile(\"\" ::\"r\"(p) : \"memory\"); free(p); }\n"
    "  if (to) return hearth_printf(c, \"%s\\n\",\n"
    "    kill(atoi(to), SIGTERM) == 0 ? \"sent\" : strerrorname_np(errno));\n"
    "  if (hearth_query(c, \"fork\")) return hearth_printf(c, \"%d %s\\n\", (int)fork(),\n"
    "    strerrorname_np(errno));\n"
    "  if (hearth_query(c, \"pid\")) return hearth_printf(c, \"%d\", (int)getpid());\n"
    "  return hearth_printf(c, \"%d %d %d %s\\n\", inits, forks, heap[0] + heap[12345],\n"
    "    hearth_env(\"WORD\") ? hearth_env(\"WORD\") : \"-\"); }\n";

static const char cheap[] = "#include <hearth.h>\nint hearth_handle(hearth_call *c) {\n"
                            "  return hearth_printf(c, \"cheap\"); }\n";

static const struct daemon *d;

struct wanted {
    const char *name, *state;
    int count;
};

/* Of GET …/instances: those in a state, and the bytes of them together. */
static int
instances_in(const char *name, const char *state, json_int_t *bytes)
{
    struct reply r = get_of(d, name, "instances");
    json_t *one;
    size_t i;
    int count = 0;

    json_array_foreach (json_object_get(r.json, "instances"), i, one)
        if (strcmp(json_string_value(json_object_get(one, "state")), state) == 0) {
            count++;
            if (bytes != NULL)
                *bytes += json_integer_value(json_object_get(one, "memory"));
        }
    reply_free(&r);
    return count;
}

static bool
has_instances(void *user)
{
    const struct wanted *wanted = user;

    return instances_in(wanted->name, wanted->state, NULL) == wanted->count;
}

static void
wait_for_instances(const char *name, const char *state, int count)
{
    struct wanted wanted = {name, state, count};

    wait_for(state, has_instances, &wanted);
}

static pid_t
template_pid(const char *name)
{
    struct reply r = get_of(d, name, "instances");
    json_t *one;
    size_t i;
    pid_t pid = 0;

    json_array_foreach (json_object_get(r.json, "instances"), i, one)
        if (strcmp(json_string_value(json_object_get(one, "state")), "template") == 0)
            pid = (pid_t)json_integer_value(json_object_get(one, "pid"));
    reply_free(&r);
    assert_true(pid > 0);
    return pid;
}

static void
drop(const char *name)
{
    char path[100];
    struct reply r;

    (void)snprintf(path, sizeof path, "/v1/functions/%s", name);
    r = http(d, &(struct request){.method = "DELETE", .path = path});
    assert_int_equal(r.status, 204);
    reply_free(&r);
}

static void
test_instances_share_what_init_built(void **state)
{
    json_int_t template = 0, forks = 0;
    char value[64];
    pid_t pid;

    (void)state;
    deploy_ok(d, "shared", "memory=96M&max=8&timeout=20s", shared); /* "auto" is the default */
    wait_for_instances("shared", "template", 1);
    call_at_once(d, "/function/shared?sleep=500", 8, "1 1 14 -\n");
    assert_int_equal(instances_in("shared", "template", &template), 1);
    assert_int_equal(instances_in("shared", "idle", &forks), 8);
    assert_true(template >= 64 * MB);
    if (template + forks > (json_int_t)(64 * MB * 1.3))
        fail_msg("8 instances use %lld, their template %lld", (long long)forks,
                 (long long)template);
    {
        struct reply r = get_of(d, "shared", "memory");

        assert_true(reply_number(&r, "shared") >= 64 * MB);
        assert_true(reply_number(&r, "private") < 16 * MB);
        assert_int_equal(reply_number(&r, "forks"), 8);
        /* what one would need without the template */
        assert_true(reply_number(&r, "overhead") >= 64 * MB);
        reply_free(&r);
    }
    /* what one changes is its own */
    expect_body(d, "/function/shared?change", "1 1 15 -\n");
    call_at_once(d, "/function/shared?sleep=500", 7, "1 1 1");
    pid = template_pid("shared");
    assert_string_equal(proc_status(pid, "Seccomp_filters", value, sizeof value), "1");
    assert_string_equal(proc_status(pid, "CapEff", value, sizeof value), "0000000000000000");
    drop("shared");
}

/* Before 6 it does not know signals. */
static long
landlock_abi(void)
{
    return syscall(SYS_landlock_create_ruleset, NULL, 0, 1 /* the version */);
}

/* A fork in its own control group, namespace and filters. */
static void
test_the_walls_of_a_fork_stand(void **state)
{
    struct reply r;
    char value[64], path[100];
    pid_t template, fork;

    (void)state;
    deploy_ok(d, "walls", "memory=96M&max=2&timeout=20s&template=on", shared);
    wait_for_instances("walls", "template", 1);
    template = template_pid("walls");
    expect_body(d, "/function/walls", "1 1 14 -\n");
    r = get_of(d, "walls", "instances");
    fork = (pid_t)json_integer_value(
        json_object_get(json_array_get(json_object_get(r.json, "instances"), 0), "pid"));
    reply_free(&r);
    assert_int_not_equal(fork, template);
    assert_string_equal(proc_status(fork, "Seccomp_filters", value, sizeof value), "2");
    assert_string_equal(proc_status(fork, "NoNewPrivs", value, sizeof value), "1");
    assert_string_equal(proc_status(fork, "CapEff", value, sizeof value), "0000000000000000");
    (void)snprintf(path, sizeof path, "/proc/%d/cgroup", (int)fork);
    {
        char other[100];
        size_t n;
        char *mine, *its;

        (void)snprintf(other, sizeof other, "/proc/%d/cgroup", (int)template);
        mine = read_whole(path, &n);
        its = read_whole(other, &n);
        assert_string_not_equal(mine, its);
        free(mine);
        free(its);
    }
    expect_body(d, "/function/walls?fork", "-1 EAGAIN\n");
    r = get(d, "/v1/functions/walls/logs");
    assert_non_null(strstr(r.body, "system call clone was refused with EAGAIN"));
    reply_free(&r);
    /* 1: the first process of the namespace; 2: the template; then another instance */
    expect_body(d, "/function/walls?signal=1", "EPERM\n");
    if (landlock_abi() >= 6)
        expect_body(d, "/function/walls?signal=2", "EPERM\n");
    assert_int_equal(kill(template, 0), 0);
    /* over its own limit it ends alone */
    r = get(d, "/function/walls?take=120");
    assert_int_equal(r.status, 502);
    assert_string_equal(reply_text(&r, "code"), "memory_exceeded");
    reply_free(&r);
    assert_int_equal(template_pid("walls"), template);
    expect_body(d, "/function/walls", "1 1 14 -\n");
    expect_body(d, "/function/walls?take=80", "1 1 14 -\n");
    drop("walls");
}

static void
test_without_a_costly_init_there_is_none(void **state)
{
    static const char *const settings[] = {"memory=96M&template=off", "memory=96M&threads=2",
                                           "memory=96M&tmp=1M", "memory=96M&max=1"};

    (void)state;
    deploy_ok(d, "cheap", "memory=16M&min=1", cheap);
    expect_body(d, "/function/cheap", "cheap");
    assert_int_equal(instances_in("cheap", "template", NULL), 0);
    deploy_ok(d, "cheap", "template=on", cheap);
    wait_for_instances("cheap", "template", 1);
    drop("cheap");
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        deploy_ok(d, "alone", settings[i], shared);
        expect_body(d, "/function/alone", "1 0 14 -\n");
        assert_int_equal(instances_in("alone", "template", NULL), 0);
        drop("alone");
    }
    {
        struct reply r = deploy(d, "alone", "template=perhaps", cheap);

        assert_int_equal(r.status, 400);
        assert_string_equal(reply_text(&r, "setting"), "template");
        assert_non_null(strstr(reply_text(&r, "allowed"), "auto, on or off"));
        reply_free(&r);
    }
}

static void
test_another_version_has_another_template(void **state)
{
    struct reply r;
    pid_t first, second;

    (void)state;
    deploy_ok(d, "other", "memory=96M&max=4&template=on", shared);
    wait_for_instances("other", "template", 1);
    first = template_pid("other");
    expect_body(d, "/function/other", "1 1 14 -\n");
    r = patch(d, "/v1/functions/other", "{\"env\": {\"WORD\": \"new\"}}");
    assert_int_equal(r.status, 200);
    reply_free(&r);
    call_at_once(d, "/function/other", 1, " 14 new\n");
    wait_for_instances("other", "template", 1);
    second = template_pid("other");
    assert_int_not_equal(first, second);
    call_at_once(d, "/function/other?sleep=500", 2, " 14 new\n");
    r = patch(d, "/v1/functions/other", "{\"template\": \"off\"}");
    assert_int_equal(r.status, 200);
    reply_free(&r);
    wait_for_instances("other", "template", 0);
    call_at_once(d, "/function/other?sleep=500", 4, " 14 new\n"); /* forks live on without it */
    drop("other");
}

static bool
has_no_instance(void *user)
{
    struct reply r = get(d, "/v1/functions/orphan/instances");
    bool none = r.status == 200 && json_array_size(json_object_get(r.json, "instances")) == 0 &&
                count_processes(d->pid, "hearth-zone") == 0;

    (void)user;
    reply_free(&r);
    return none;
}

static void
test_a_gateway_that_dies_takes_templates_with_it(void **state)
{
    pid_t gateway;

    (void)state;
    deploy_ok(d, "orphan", "memory=96M&max=4&template=on&timeout=20s", shared);
    for (int i = 0; i < 3; i++) { /* whatever is being forked then */
        wait_for_instances("orphan", "template", i == 0 ? 1 : 0);
        call_at_once(d, "/function/orphan?sleep=100", 3, " 14 -\n");
        wait_for_instances("orphan", "template", 1);
        call_at_once(d, "/function/orphan?sleep=100", 4, " 14 -\n");
        gateway = find_process(d->pid, "hearth-gateway");
        assert_int_equal(kill(gateway, SIGKILL), 0);
        wait_for("another gateway without instances", has_no_instance, NULL);
    }
    drop("orphan");
}

/* Forks could keep memory in what they share, beyond the limit of each: they share none that can be
 * written to. */
static void
test_no_memory_is_shared_beyond_the_limit(void **state)
{
    static const char source[] =
        "#include <fcntl.h>\n#include <hearth.h>\n#include <string.h>\n#include <sys/mman.h>\n"
        "static char *anonymous, *zero;\n"
        "int hearth_init(void) { int fd = open(\"/dev/zero\", O_RDWR);\n"
        "  anonymous = mmap(0, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, "
        "0);\n"
        "  zero = mmap(0, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0); return 0; }\n"
        "int hearth_handle(hearth_call *c) {\n"
        "  return hearth_printf(c, \"%d %d\\n\", ++anonymous[0], zero == MAP_FAILED); }\n";

    (void)state;
    deploy_ok(d, "shm", "memory=16M&max=4&template=on&recycle_calls=1&timeout=20s", source);
    wait_for_instances("shm", "template", 1);
    call_at_once(d, "/function/shm", 1, "\n"); /* of before, perhaps */
    call_at_once(d, "/function/shm", 4, "1 1\n");
    drop("shm");
}

static bool
no_zone(void *user)
{
    (void)user;
    return count_processes(d->pid, "hearth-zone") == 0;
}

static bool
no_worker(void *user)
{
    (void)user;
    return count_processes(d->pid, "hearth-worker") == 0;
}

static void
test_a_template_that_dies_costs_no_call(void **state)
{
    (void)state;
    deploy_ok(d, "dies", "memory=96M&max=8&template=on", shared);
    wait_for_instances("dies", "template", 1);
    call_at_once(d, "/function/dies?sleep=300", 2, "1 1 14 -\n");
    assert_int_equal(kill(template_pid("dies"), SIGKILL), 0);
    wait_for_instances("dies", "template", 0);
    call_at_once(d, "/function/dies?sleep=500", 4, "1 "); /* two forks, and two without */
    assert_int_equal(instances_in("dies", "idle", NULL), 4);
    wait_for_log(d, "dies");
    drop("dies");
    wait_for("the end of the namespace", no_zone, NULL);
}

static void
test_a_template_ends_for_the_memory_of_instances(void **state)
{
    static const char *const options[] = {"--memory-budget=300M", NULL};
    const struct daemon *before = d;
    struct daemon own = {0};

    (void)state;
    daemon_start_with(&own, options);
    d = &own;
    deploy_ok(d, "first", "memory=96M&max=2", shared);
    wait_for_instances("first", "template", 1);
    deploy_ok(d, "second", "memory=250M&max=1", shared);
    expect_body(d, "/function/second", "1 0 14 -\n");
    wait_for_instances("first", "template", 0);
    call_at_once(d, "/function/first", 1, " 14 -\n"); /* the other one's instance ends for it */
    wait_for_instances("first", "template", 1);
    call_at_once(d, "/function/first?sleep=200", 2, "1 1 14 -\n"); /* no copy of before is left */
    assert_int_equal(daemon_stop(&own), 0);
    daemon_remove(&own);
    d = before;
}

/* Each call needs a new instance. */
static bool
has_failed_fork(void *user)
{
    (void)user;
    expect_body(d, "/function/hostile", "served");
    return instances_in("hostile", "template", NULL) == 0;
}

/* The code of init may stay behind in the template: a timer that takes the launcher's messages and
 * forks by itself. It gets no process more than was asked for, and nobody waits for it for long. */
static void
test_a_template_in_the_hands_of_its_function(void **state)
{
    static const char hostile[] =
        "#include <hearth.h>\n#include <linux/sched.h>\n#include <signal.h>\n#include <stdlib.h>\n"
        "#include <string.h>\n#include <sys/socket.h>\n#include <sys/syscall.h>\n"
        "#include <sys/time.h>\n#include <unistd.h>\n"
        "static void on_alarm(int sig) { (void)sig;\n"
        "  char byte, control[512]; struct iovec iov = {&byte, 1};\n"
        "  struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,\n"
        "    .msg_controllen = sizeof control};\n"
        "  long flags = CLONE_PARENT | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD;\n"
        "  static int tid, ticks;\n"
        "  if (++ticks < 500) return;\n" /* it is a template by now */
        "  for (;;)\n"
        "  if (recvmsg(3, &msg, 0) == 1 && byte == 'F')\n"
        "  for (int i = 0; i < 50; i++)\n"
        "    if (syscall(SYS_clone, flags, 0, 0, &tid, 0) == 0) THEN;\n"
        "}\n"
        "int hearth_init(void) {\n"
        "  struct itimerval often = {{0, 1000}, {0, 1000}};\n"
        "  signal(SIGALRM, on_alarm); setitimer(ITIMER_REAL, &often, 0); return 0; }\n"
        "int hearth_handle(hearth_call *c) { return hearth_printf(c, \"served\"); }\n";

    static const char *const then[] = {"#define THEN for (;;) pause()\n",
                                       "#define THEN _exit(0)\n"};

    (void)state;
    for (int i = 0; i < 2; i++) {
        char source[4096];

        (void)snprintf(source, sizeof source, "%s%s", then[i], hostile);
        deploy_ok(d, "hostile", "memory=16M&max=4&template=on&timeout=20s&recycle_calls=1", source);
        wait_for_instances("hostile", "template", 1);
        wait_for("the end of the template", has_failed_fork, NULL);
        drop("hostile");
        wait_for("the end of the namespace", no_zone, NULL);
        wait_for("the end of all that it made", no_worker, NULL);
    }
    /* the launcher lives on */
    deploy_ok(d, "after", "memory=16M", cheap);
    expect_body(d, "/function/after", "cheap");
    drop("after");
}

static int
start(void **state)
{
    int status = group_start(state);

    d = *state;
    return status;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_instances_share_what_init_built),
        cmocka_unit_test(test_the_walls_of_a_fork_stand),
        cmocka_unit_test(test_without_a_costly_init_there_is_none),
        cmocka_unit_test(test_a_gateway_that_dies_takes_templates_with_it),
        cmocka_unit_test(test_no_memory_is_shared_beyond_the_limit),
        cmocka_unit_test(test_another_version_has_another_template),
        cmocka_unit_test(test_a_template_that_dies_costs_no_call),
        cmocka_unit_test(test_a_template_ends_for_the_memory_of_instances),
        cmocka_unit_test(test_a_template_in_the_hands_of_its_function),
    };

    return RUN_TESTS("templates", tests, start, group_stop);
}
