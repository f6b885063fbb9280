/* test_privilege.c: a compromised gateway (backdoor.c). It can make the launcher start instances of
 * deployed functions, and nothing else: whatever it sends, the launcher keeps running, no process
 * runs privileged or outside its sandbox, no file of the host is read, and the host's memory is not
 * exhausted.
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "harness.h"
#include "launch.h"
#include "run.h"

static const char hello[] =
    "#include <hearth.h>\n"
    "int hearth_handle(hearth_call *c) { return hearth_printf(c, \"hello\"); }\n";

static void
start(struct daemon *d)
{
    memset(d, 0, sizeof *d);
    daemon_start_with_rogue(d, "hearth-gateway", "gateway-backdoor");
    deploy_ok(d, "neighbour", "memory=16M&min=1", hello);
}

/* What the attacker got: 0 or a negative errno; 1: the gateway was killed before it could respond.
 */
static long
backdoor(const struct daemon *d, const char *body)
{
    struct reply r = post(d, "/v1/functions/door/rollback", body, strlen(body));
    long result = r.error != 0 || r.status != 200 ? 1 : (long)reply_number(&r, "result");

    reply_free(&r);
    return result;
}

static long
send_message(const struct daemon *d, const void *bytes, size_t n, int fds)
{
    char body[4096] = "{\"do\": \"send\", \"hex\": \"";
    const unsigned char *from = bytes;

    for (size_t i = 0; i < n; i++)
        (void)sprintf(body + strlen(body), "%02x", from[i]);
    (void)sprintf(body + strlen(body), "\", \"fds\": %d}", fds);
    return backdoor(d, body);
}

static bool
serves(void *user)
{
    struct reply r = get(user, "/function/neighbour");
    bool well = r.status == 200 && strcmp(r.body, "hello") == 0;

    reply_free(&r);
    return well;
}

static int
count_root_processes(const struct daemon *d)
{
    DIR *dir = opendir("/proc");
    int count = 0;

    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);
        char path[64], value[128];

        (void)snprintf(path, sizeof path, "/proc/%d", (int)pid);
        if (pid <= 0 || access(path, F_OK) != 0 || !is_below(pid, d->pid))
            continue;
        (void)snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
        if (access(path, R_OK) == 0 &&
            strtoul(proc_status(pid, "Uid", value, sizeof value), NULL, 10) == 0)
            count++;
    }
    (void)closedir(dir);
    return count;
}

/* A starting process belongs to root for a moment. */
static bool
one_is_root(void *user)
{
    return count_root_processes(user) == 1;
}

/* The launcher is the same process, it is the only one of root, and calls are served. */
static void
expect_launcher_unharmed(struct daemon *d, const char *after)
{
    char comm[32] = "", path[64];
    FILE *file;

    (void)snprintf(path, sizeof path, "/proc/%d/comm", (int)d->pid);
    file = fopen(path, "re");
    if (file == NULL || fgets(comm, sizeof comm, file) == NULL ||
        strncmp(comm, "hearth-launcher", 15) != 0)
        fail_msg("after %s the launcher is gone", after);
    (void)fclose(file);
    wait_for("a gateway that serves", serves, d);
    wait_for("no process of root's but the launcher", one_is_root, d);
}

/* ---- messages ---- */

static struct launch_message
message(unsigned type, uint64_t id)
{
    struct launch_message msg = {.version = LAUNCH_VERSION, .type = (uint16_t)type, .id = id};

    msg.length = (uint32_t)launch_size(type);
    return msg;
}

static void
test_what_is_no_message_ends_the_gateway_and_not_the_launcher(void **state)
{
    static const char noise[64] = "this is no message at all";
    struct launch_message msg = message(LAUNCH_START, 99);

    (void)state;
    for (int how = 0; how < 7; how++) {
        struct daemon d;
        size_t n = msg.length;

        start(&d);
        msg = message(LAUNCH_START, 99);
        (void)strcpy(msg.u.start.name, "neighbour");
        msg.u.start.version = 1;
        msg.u.start.threads = 1;
        msg.u.start.stack_bytes = 8 << 20;
        switch (how) {
        case 0:
            (void)strcpy(msg.u.start.name, "../../etc");
            break;
        case 1:
            memset(msg.u.start.name, 'a', sizeof msg.u.start.name); /* not terminated */
            break;
        case 2:
            msg.version++;
            break;
        case 3:
            n--;
            break;
        case 4:
            msg = message(LAUNCH_STARTED, 1); /* only the launcher sends it */
            n = msg.length;
            break;
        case 5:
            msg = message(LAUNCH_BUILD, 1);
            (void)strcpy(msg.u.build.name, "neighbour");
            msg.u.build.version = msg.u.build.libs = 1;
            (void)strcpy(msg.u.build.lib[0], "-fplugin=x");
            n = msg.length;
            break;
        default:
            memcpy(&msg, noise, sizeof noise);
            n = sizeof noise;
            break;
        }
        (void)send_message(&d, &msg, n, how == 6 ? 30 : 0);
        expect_launcher_unharmed(&d, "a message that is none");
        daemon_remove(&d);
    }
}

static void
test_only_what_is_deployed_can_be_started(void **state)
{
    static const char *const names[] = {"none", "jail", "token", "lock"};
    struct daemon d;

    (void)state;
    start(&d);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct launch_message msg = message(LAUNCH_START, 1000 + i);

        (void)strcpy(msg.u.start.name, names[i]);
        msg.u.start.version = 1;
        msg.u.start.threads = 1;
        msg.u.start.stack_bytes = 8 << 20;
        msg.u.start.memory_limit = 16 << 20;
        assert_int_equal(send_message(&d, &msg, msg.length, 0), 0);
    }
    expect_launcher_unharmed(&d, "starting what is not there");
    daemon_remove(&d);
}

/* The gateway may write to the state folder. The launcher must not follow links in it. */
static void
test_links_in_the_state_folder_are_not_followed(void **state)
{
    static const char *const targets[] = {"/etc/passwd", "../../../../../../etc/passwd"};
    struct daemon d;

    (void)state;
    start(&d);
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        struct launch_message msg = message(LAUNCH_START, 2000 + i);
        char path[256];

        (void)snprintf(path, sizeof path, "%s/functions/evil", d.state);
        (void)mkdir(path, 0755);
        (void)snprintf(path, sizeof path, "%s/functions/evil/%zu", d.state, i + 1);
        assert_int_equal(mkdir(path, 0755), 0);
        (void)strcat(path, "/function.so");
        assert_int_equal(symlink(targets[i], path), 0);
        (void)strcpy(msg.u.start.name, "evil");
        msg.u.start.version = (uint32_t)i + 1;
        msg.u.start.threads = 1;
        msg.u.start.stack_bytes = 8 << 20;
        msg.u.start.memory_limit = 16 << 20;
        assert_int_equal(send_message(&d, &msg, msg.length, 0), 0);
    }
    expect_launcher_unharmed(&d, "links");
    wait_for_log(&d, "functions/evil/1/function.so");
    wait_for_log(&d, strerror(ELOOP));
    daemon_remove(&d);
}

static void
test_calls_that_no_function_may_make_are_not_allowed_by_the_launcher_either(void **state)
{
    struct launch_message msg = message(LAUNCH_START, 3000);
    struct daemon d;

    (void)state;
    start(&d);
    (void)strcpy(msg.u.start.name, "neighbour");
    msg.u.start.version = 1;
    msg.u.start.threads = 1;
    msg.u.start.stack_bytes = 8 << 20;
    msg.u.start.memory_limit = 16 << 20;
    msg.u.start.calls = UINT64_C(1) << 63;
    assert_int_equal(send_message(&d, &msg, msg.length, 0), 0);
    expect_launcher_unharmed(&d, "widening");
    wait_for_log(&d, "system calls that no function may make");
    daemon_remove(&d);
}

/* Instances are started without end: their number is bounded, and they stay within the host's
 * memory. */
static void
test_instances_without_end_stay_within_their_bounds(void **state)
{
    struct daemon d;
    int workers = 0;

    (void)state;
    start(&d);
    for (uint64_t i = 0; i < 300; i++) {
        struct launch_message msg = message(LAUNCH_START, 4000 + i);

        (void)strcpy(msg.u.start.name, "neighbour");
        msg.u.start.version = 1;
        msg.u.start.threads = 1;
        msg.u.start.stack_bytes = 8 << 20;
        msg.u.start.memory_limit = UINT64_C(1) << 62;
        (void)send_message(&d, &msg, msg.length, 0);
    }
    workers = count_processes(d.pid, "hearth-worker");
    assert_true(workers > 0 && workers <= LIMIT_INSTANCES);
    expect_launcher_unharmed(&d, "three hundred instances");
    daemon_remove(&d);
}

static void
test_random_messages_harm_nothing(void **state)
{
    struct daemon d;

    (void)state;
    start(&d);
    for (int round = 0; round < 5; round++) {
        char body[128];
        unsigned seed;

        fill_random(&seed, sizeof seed);
        (void)snprintf(body, sizeof body, "{\"do\": \"noise\", \"seed\": %u, \"count\": 200}",
                       seed);
        (void)backdoor(&d, body);
        expect_launcher_unharmed(&d, "noise");
    }
    daemon_remove(&d);
}

/* ---- system calls ---- */

static void
test_the_gateway_can_make_no_process_socket_or_mount(void **state)
{
    static const struct {
        long number;
        const char *args;
    } calls[] = {
        {SYS_fork, ""},
        {SYS_execve, "\"/bin/sh\", 0, 0"},
        {SYS_socket, "2, 1, 0"},
        {SYS_socket, "1, 1, 0"},
        {SYS_connect, "3, 0, 0"},
        {SYS_ptrace, "16, 1, 0, 0"},
        {SYS_kill, "1, 9"},
        {SYS_setuid, "0"},
        {SYS_unshare, "268435456"},
        {SYS_mount, "\"none\", \"/x\", \"tmpfs\", 0, 0"},
        {SYS_chroot, "\"..\""},
        {SYS_bpf, "5, 0, 0"},
        {SYS_process_vm_readv, "1, 0, 0, 0, 0, 0"},
        {SYS_mmap, "0, 4096, 7, 34, -1, 0"},
        {SYS_mprotect, "0, 4096, 5"},
        {SYS_clone, "17, 0, 0, 0, 0"},
        {SYS_symlink, "\"/etc/passwd\", \"/x\""},
        {SYS_mknod, "\"/x\", 8624, 257"},
        {SYS_io_uring_setup, "8, 0"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        struct daemon d;
        char body[256];
        pid_t gateway;

        start(&d);
        gateway = find_process(d.pid, "hearth-gateway");
        (void)snprintf(body, sizeof body, "{\"do\": \"call\", \"number\": %ld, \"args\": [%s]}",
                       calls[i].number, calls[i].args);
        if (backdoor(&d, body) != 1)
            fail_msg("system call %ld did not end the gateway", calls[i].number);
        expect_launcher_unharmed(&d, "a forbidden call");
        assert_int_not_equal(find_process(d.pid, "hearth-gateway"), gateway);
        daemon_remove(&d);
    }
}

static void
test_the_gateway_sees_no_file_but_its_state(void **state)
{
    static const char *const paths[] = {"/etc/passwd",  "/proc/self/mem",     "/../etc/passwd",
                                        "/jail/worker", "/dev/null",          "/bin/sh",
                                        "/sys",         "/functions/../../x", "/proc"};
    struct daemon d;

    (void)state;
    start(&d);
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        char body[256];
        long got;

        (void)snprintf(body, sizeof body,
                       "{\"do\": \"call\", \"number\": %d, \"args\": [-100, \"%s\", 0]}",
                       (int)SYS_openat, paths[i]);
        got = backdoor(&d, body);
        if (got >= 0)
            fail_msg("%s: %ld", paths[i], got);
    }
    expect_launcher_unharmed(&d, "looking around");
    daemon_remove(&d);
}

/* tgkill is allowed because abort() needs it. It must not reach other processes. */
static void
test_the_gateway_signals_nobody_else(void **state)
{
    struct daemon d;
    char body[128];

    (void)state;
    start(&d);
    (void)snprintf(body, sizeof body, "{\"do\": \"call\", \"number\": %d, \"args\": [%d, %d, 9]}",
                   (int)SYS_tgkill, (int)d.pid, (int)d.pid);
    assert_int_equal(backdoor(&d, body), -EPERM);
    expect_launcher_unharmed(&d, "a signal");
    daemon_remove(&d);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_no_message_ends_the_gateway_and_not_the_launcher),
        cmocka_unit_test(test_only_what_is_deployed_can_be_started),
        cmocka_unit_test(test_links_in_the_state_folder_are_not_followed),
        cmocka_unit_test(
            test_calls_that_no_function_may_make_are_not_allowed_by_the_launcher_either),
        cmocka_unit_test(test_instances_without_end_stay_within_their_bounds),
        cmocka_unit_test(test_random_messages_harm_nothing),
        cmocka_unit_test(test_the_gateway_can_make_no_process_socket_or_mount),
        cmocka_unit_test(test_the_gateway_sees_no_file_but_its_state),
        cmocka_unit_test(test_the_gateway_signals_nobody_else),
    };

    return RUN_TESTS("privilege", tests, NULL, NULL);
}
