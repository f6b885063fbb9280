/* test_processes.c: the isolation as seen from the host, and what happens when one of the
 * platform's processes is killed. */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "run.h"

#define SLOW                                                                                       \
    "#include <hearth.h>\n#include <time.h>\n"                                                     \
    "int hearth_handle(hearth_call *c) { struct timespec t = {0, 500000000};\n"                    \
    "  if (hearth_query(c, \"slow\")) nanosleep(&t, 0); return hearth_printf(c, \"hello\"); }\n"

static void
expect_hello(const struct daemon *d)
{
    struct reply r = get(d, "/function/hello");

    if (r.status != 200 || strcmp(r.body, "hello") != 0)
        fail_msg("%ld %s", r.status, r.body);
    reply_free(&r);
}

static void
start(struct daemon *d)
{
    memset(d, 0, sizeof *d);
    daemon_start(d);
    deploy_ok(d, "hello", "memory=16M&min=2", SLOW);
    expect_hello(d);
}

static bool
two_workers(void *user)
{
    return count_processes(((struct daemon *)user)->pid, "hearth-worker") == 2;
}

/* ---- isolation ---- */

static void
expect_own_namespace(pid_t pid, const char *name)
{
    char path[64], host[64], own[64];
    ssize_t n;

    n = readlink((snprintf(path, sizeof path, "/proc/self/ns/%s", name), path), host, 63);
    host[n > 0 ? n : 0] = '\0';
    n = readlink((snprintf(path, sizeof path, "/proc/%d/ns/%s", (int)pid, name), path), own, 63);
    own[n > 0 ? n : 0] = '\0';
    assert_true(own[0] != '\0');
    if (strcmp(host, own) == 0)
        fail_msg("process %d shares the host's %s namespace", (int)pid, name);
}

static void
expect_no_privilege(pid_t pid, bool filtered)
{
    static const char *const caps[] = {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"};
    char value[128];

    for (size_t i = 0; i < sizeof caps / sizeof caps[0]; i++)
        assert_int_equal(strtoull(proc_status(pid, caps[i], value, sizeof value), NULL, 16), 0);
    assert_string_equal(proc_status(pid, "NoNewPrivs", value, sizeof value), "1");
    if (filtered)
        assert_string_equal(proc_status(pid, "Seccomp", value, sizeof value), "2");
    assert_true(strtoul(proc_status(pid, "Uid", value, sizeof value), NULL, 10) != 0);
    assert_true(strtoul(proc_status(pid, "Gid", value, sizeof value), NULL, 10) != 0);
}

static void
test_a_worker_stands_behind_every_wall(void **state)
{
    static const char *const spaces[] = {"mnt", "pid", "ipc", "uts", "net"};
    struct daemon d;
    char path[64], text[4096] = "";
    pid_t pid;
    FILE *file;
    DIR *dir;
    int entries = 0;

    (void)state;
    start(&d);
    pid = find_process(d.pid, "hearth-worker");
    expect_no_privilege(pid, true);
    for (size_t i = 0; i < sizeof spaces / sizeof spaces[0]; i++)
        expect_own_namespace(pid, spaces[i]);
    (void)snprintf(path, sizeof path, "/proc/%d/cgroup", (int)pid);
    file = fopen(path, "re");
    assert_true(fread(text, 1, sizeof text - 1, file) > 0);
    (void)fclose(file);
    assert_non_null(strstr(text, "/hearth-"));
    /* its root directory has libraries and no files of the host */
    (void)snprintf(path, sizeof path, "/proc/%d/root/etc/shadow", (int)pid);
    assert_int_not_equal(access(path, F_OK), 0);
    (void)snprintf(path, sizeof path, "/proc/%d/root/proc/self", (int)pid);
    assert_int_not_equal(access(path, F_OK), 0);
    (void)snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    dir = opendir(path);
    for (struct dirent *e; (e = readdir(dir)) != NULL;)
        entries += e->d_name[0] != '.';
    (void)closedir(dir);
    /* null, output twice, meter, a spare one, and an eventfd per loop of the gateway */
    assert_true(entries <= 5 + (getenv("HEARTH_THREADS") ? atoi(getenv("HEARTH_THREADS")) : 1));
    daemon_remove(&d);
}

/* If the host has a core-dump handler (kernel.core_pattern begins with '|'), the kernel starts it
 * as root for every dumpable process, whatever its core limit is, unless that is one byte. */
static void
test_a_crash_of_worker_or_gateway_starts_nothing_on_the_host(void **state)
{
    static const char *const options[] = {"--blanks-min", "1", NULL};
    struct daemon d = {0};

    (void)state;
    daemon_start_with(&d, options);
    deploy_ok(&d, "hello", "memory=16M&min=2", SLOW);
    expect_hello(&d);
    expect_no_core(d.pid, "hearth-worker", false);
    expect_no_core(d.pid, "hearth-blank", false);
    expect_no_core(d.pid, "hearth-gateway", false);
    daemon_remove(&d);
}

static const char *
read_line(const char *folder, const char *name, char *line, size_t n)
{
    char path[640];
    FILE *file;

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    file = fopen(path, "re");
    assert_non_null(file);
    assert_non_null(fgets(line, (int)n, file));
    (void)fclose(file);
    return line;
}

/* Finds the control group above all instances, from the kernel's entry for one of them. */
static void
find_tree(pid_t worker, char *tree, size_t n)
{
    char line[512], path[64], *at, *group;
    FILE *file;

    tree[0] = '\0';
    (void)snprintf(path, sizeof path, "/proc/%d/cgroup", (int)worker);
    file = fopen(path, "re");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        at = strchr(line, ':') + 1;
        group = strchr(at, ':');
        *group++ = '\0';
        if (at[0] != '\0' && strcmp(at, "cpu") != 0 && strstr(at, "cpu,") == NULL)
            continue; /* "": the unified hierarchy */
        if (strstr(group, "/hearth-") == NULL)
            continue;
        *strrchr(group, '/') = '\0'; /* the leaf */
        (void)snprintf(tree, n, "/sys/fs/cgroup%s%s%s", at[0] != '\0' ? "/" : "", at, group);
    }
    (void)fclose(file);
    assert_string_not_equal(tree, "");
}

/* The rest of the host gets CPU time, whatever the instances do. */
static void
test_all_instances_together_leave_time_to_the_host(void **state)
{
    struct daemon d;
    char tree[512], line[600];
    long long quota, period;

    (void)state;
    start(&d);
    find_tree(find_process(d.pid, "hearth-worker"), tree, sizeof tree);
    (void)snprintf(line, sizeof line, "%s/cpu.max", tree);
    if (access(line, F_OK) == 0) {
        (void)read_line(tree, "cpu.max", line, sizeof line);
        assert_int_equal(sscanf(line, "%lld %lld", &quota, &period), 2);
    } else {
        quota = atoll(read_line(tree, "cpu.cfs_quota_us", line, sizeof line));
        period = atoll(read_line(tree, "cpu.cfs_period_us", line, sizeof line));
    }
    assert_true(quota > 0 && period > 0);
    assert_true(quota * 20 <= period * 19 * sysconf(_SC_NPROCESSORS_ONLN));
    daemon_remove(&d);
}

/* The state folder belongs to root and is sticky: a compromised gateway cannot replace the jail. */
static void
test_the_gateways_user_cannot_remove_the_jail(void **state)
{
    struct daemon d;
    char path[256], uid[128];
    int status;
    pid_t pid;

    (void)state;
    start(&d);
    (void)snprintf(path, sizeof path, "%s/jail", d.state);
    (void)proc_status(find_process(d.pid, "hearth-gateway"), "Uid", uid, sizeof uid);
    pid = fork();
    if (pid == 0) {
        uid_t id = (uid_t)strtoul(uid, NULL, 10);

        _exit(setresgid(id, id, id) != 0 || setresuid(id, id, id) != 0 || rmdir(path) == 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    deploy_ok(&d, "after", "memory=16M", SLOW);
    daemon_remove(&d);
}

static void
test_a_strict_umask_and_a_protected_daemon_change_nothing(void **state)
{
    struct daemon d;
    mode_t was = umask(077);
    char value[32] = "";
    FILE *file = fopen("/proc/self/oom_score_adj", "re");
    struct reply r;

    (void)state;
    assert_non_null(fgets(value, sizeof value, file));
    (void)fclose(file);
    start(&d);
    (void)umask(was);
    deploy_ok(&d, "bomb", "memory=16M&timeout=5s",
              "#include <hearth.h>\n#include <stdlib.h>\n#include <string.h>\n"
              "int hearth_handle(hearth_call *c) { (void)c; for (;;) memset(malloc(1 << 20), 1, 1 "
              "<< 20); }\n");
    r = get(&d, "/function/bomb");
    assert_string_equal(reply_text(&r, "code"), "memory_exceeded");
    reply_free(&r);
    {
        char path[64];

        (void)snprintf(path, sizeof path, "/proc/%d/oom_score_adj",
                       (int)find_process(d.pid, "hearth-worker"));
        file = fopen(path, "re");
        assert_non_null(fgets(value, sizeof value, file));
        (void)fclose(file);
        assert_int_equal(atoi(value), 500);
    }
    daemon_remove(&d);
}

static void
test_two_workers_have_users_and_groups_of_their_own(void **state)
{
    struct daemon d;
    char a[128], b[128];
    pid_t first, second = 0;

    (void)state;
    start(&d);
    wait_for("two workers", two_workers, &d);
    first = find_process(d.pid, "hearth-worker");
    for (pid_t pid = first + 1; second == 0 && pid < first + 4000; pid++) {
        char path[64], comm[32] = "";
        FILE *file;

        (void)snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
        file = fopen(path, "re");
        if (file == NULL)
            continue;
        (void)!fgets(comm, sizeof comm, file);
        (void)fclose(file);
        if (strcmp(comm, "hearth-worker\n") == 0 && is_below(pid, d.pid))
            second = pid;
    }
    if (second != 0)
        assert_string_not_equal(proc_status(first, "Uid", a, sizeof a),
                                proc_status(second, "Uid", b, sizeof b));
    daemon_remove(&d);
}

static void
test_the_gateway_has_no_privilege_and_sees_only_its_state(void **state)
{
    struct daemon d;
    char path[64], link[256];
    ssize_t n;
    pid_t pid;

    (void)state;
    start(&d);
    pid = find_process(d.pid, "hearth-gateway");
    /* sanitizers need other system calls: such a build has no filter, and logs that */
    expect_no_privilege(pid, getenv("HEARTH_SANITIZED") == NULL);
    expect_own_namespace(pid, "net");
    (void)snprintf(path, sizeof path, "/proc/%d/root", (int)pid);
    n = readlink(path, link, sizeof link - 1);
    assert_true(n > 0);
    link[n] = '\0';
    assert_string_equal(link, d.state);
    daemon_remove(&d);
}

static void
test_the_token_is_for_its_owner_alone(void **state)
{
    struct daemon d;
    char path[256];
    struct stat st;

    (void)state;
    start(&d);
    (void)snprintf(path, sizeof path, "%s/token", d.state);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    daemon_remove(&d);
}

/* ---- killed processes ---- */

struct pids {
    pid_t pid[8];
    int n;
};

static void
remember(struct pids *pids, pid_t root)
{
    DIR *dir = opendir("/proc");

    pids->n = 0;
    for (struct dirent *e; (e = readdir(dir)) != NULL && pids->n < 8;) {
        pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);

        if (pid > 0 && pid != root && count_processes(root, "hearth") > 0) {
            char path[64], line[256] = "";
            FILE *file;
            int parent = 0;

            (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
            file = fopen(path, "re");
            if (file == NULL)
                continue;
            (void)!fgets(line, sizeof line, file);
            (void)fclose(file);
            if (strrchr(line, ')') != NULL)
                (void)sscanf(strrchr(line, ')') + 4, "%d", &parent);
            if (parent == root)
                pids->pid[pids->n++] = pid;
        }
    }
    (void)closedir(dir);
}

static bool
all_gone(void *user)
{
    const struct pids *pids = user;

    for (int i = 0; i < pids->n; i++) {
        char path[64], line[256] = "";
        FILE *file;

        (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pids->pid[i]);
        file = fopen(path, "re");
        if (file == NULL)
            continue;
        (void)!fgets(line, sizeof line, file);
        (void)fclose(file);
        if (strstr(line, "(hearth") != NULL && strrchr(line, ')')[2] != 'Z')
            return false;
    }
    return true;
}

static void
test_a_killed_launcher_leaves_nothing_running(void **state)
{
    struct daemon d, next;
    struct pids pids;
    char group[128];

    (void)state;
    start(&d);
    wait_for("two workers", two_workers, &d);
    remember(&pids, d.pid);
    assert_true(pids.n >= 3);
    (void)snprintf(group, sizeof group, "/sys/fs/cgroup/memory/hearth-%d", (int)d.pid);
    (void)kill(d.pid, SIGKILL);
    (void)waitpid(d.pid, NULL, 0);
    d.pid = 0;
    wait_for("the end of every process", all_gone, &pids);
    /* the next daemon serves the same state and removes the leftover control groups */
    memset(&next, 0, sizeof next);
    memcpy(next.state, d.state, sizeof next.state);
    daemon_start(&next);
    expect_hello(&next);
    assert_int_not_equal(access(group, F_OK), 0);
    daemon_remove(&next);
}

static bool
gateway_is_back(void *user)
{
    struct daemon *d = user;
    struct reply r = http(d, &(struct request){.path = "/readyz", .no_token = true});
    bool back = r.status == 200;

    reply_free(&r);
    return back;
}

static void
test_a_killed_gateway_takes_its_workers_and_is_started_again(void **state)
{
    struct daemon d;
    struct pids pids;

    (void)state;
    start(&d);
    wait_for("two workers", two_workers, &d);
    remember(&pids, d.pid);
    (void)kill(find_process(d.pid, "hearth-gateway"), SIGKILL);
    wait_for("the end of gateway and workers", all_gone, &pids);
    wait_for("a gateway again", gateway_is_back, &d);
    expect_hello(&d);
    assert_int_equal(daemon_stop(&d), 0);
    daemon_remove(&d);
}

static void
test_a_killed_worker_is_replaced(void **state)
{
    struct daemon d;

    (void)state;
    start(&d);
    for (int i = 0; i < 5; i++) {
        wait_for("two workers", two_workers, &d);
        (void)kill(find_process(d.pid, "hearth-worker"), SIGKILL);
        expect_hello(&d);
    }
    daemon_remove(&d);
}

/* Workers that start at the same time share nothing that one of them could spoil for another, such
 * as the offset of a shared file with filters. */
static void
test_many_workers_start_at_once(void **state)
{
    struct daemon d;
    int fds[24];

    (void)state;
    start(&d);
    for (int round = 0; round < 8; round++) {
        char name[16], path[64], request[128];

        (void)snprintf(name, sizeof name, "burst%d", round);
        deploy_ok(&d, name, "memory=8M&max=24&queue=64", SLOW);
        (void)snprintf(path, sizeof path, "/function/%s?slow", name);
        (void)snprintf(request, sizeof request,
                       "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path);
        for (int i = 0; i < 24; i++) {
            fds[i] = raw_connect(&d);
            raw_send(fds[i], request, strlen(request));
        }
        for (int i = 0; i < 24; i++) {
            char *got = raw_receive(fds[i], NULL);

            if (strstr(got, "200 OK") == NULL)
                fail_msg("call %d of round %d: %s", i, round, got);
            free(got);
            (void)close(fds[i]);
        }
    }
    daemon_remove(&d);
}

static void
test_sigterm_lets_running_calls_finish_and_exits_0(void **state)
{
    struct daemon d;
    struct pids pids;
    char *got;
    int fd;
    struct reply r;
    int status;

    (void)state;
    start(&d);
    remember(&pids, d.pid);
    fd = raw_connect(&d);
    raw_send(fd, "GET /function/hello?slow HTTP/1.1\r\nHost: x\r\n\r\n", 46);
    wait_for_figure(&d, "hello", "instances", "busy", 1);
    (void)kill(d.pid, SIGTERM);
    do { /* new calls are refused from some moment on */
        r = get(&d, "/function/hello");
        status = (int)r.status;
        if (status == 503)
            assert_string_equal(reply_text(&r, "code"), "draining");
        reply_free(&r);
    } while (status == 200);
    got = raw_receive(fd, NULL);
    assert_non_null(strstr(got, "hello"));
    free(got);
    assert_int_equal(waitpid(d.pid, &status, 0), d.pid);
    (void)close(fd); /* closed only now: an open connection must not delay the end */
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    d.pid = 0;
    wait_for("the end of every process", all_gone, &pids);
    daemon_remove(&d);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_worker_stands_behind_every_wall),
        cmocka_unit_test(test_a_crash_of_worker_or_gateway_starts_nothing_on_the_host),
        cmocka_unit_test(test_all_instances_together_leave_time_to_the_host),
        cmocka_unit_test(test_the_gateways_user_cannot_remove_the_jail),
        cmocka_unit_test(test_a_strict_umask_and_a_protected_daemon_change_nothing),
        cmocka_unit_test(test_two_workers_have_users_and_groups_of_their_own),
        cmocka_unit_test(test_the_gateway_has_no_privilege_and_sees_only_its_state),
        cmocka_unit_test(test_the_token_is_for_its_owner_alone),
        cmocka_unit_test(test_a_killed_launcher_leaves_nothing_running),
        cmocka_unit_test(test_a_killed_gateway_takes_its_workers_and_is_started_again),
        cmocka_unit_test(test_a_killed_worker_is_replaced),
        cmocka_unit_test(test_many_workers_start_at_once),
        cmocka_unit_test(test_sigterm_lets_running_calls_finish_and_exits_0),
    };

    return RUN_TESTS("processes", tests, NULL, NULL);
}
