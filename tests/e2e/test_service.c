/* test_service.c: hearthd under a service manager: sockets that are passed and kept, and what it is
 * told (sd_listen_fds(3), sd_notify(3)). The test is the service manager. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "run.h"

#define HELLO                                                                                      \
    "#include <hearth.h>\n"                                                                        \
    "int hearth_handle(hearth_call *c) { return hearth_printf(c, \"hello\"); }\n"
#define PASSED_MOST 8

/* ---- the service manager ---- */

static struct {
    int fds[PASSED_MOST];
    const char *names;
    int count;
} passed;

/* In the child that becomes the daemon. */
static void
pass_sockets(void)
{
    char text[16];

    for (int i = 0; i < passed.count; i++) /* out of the way first */
        passed.fds[i] = fcntl(passed.fds[i], F_DUPFD, 100);
    for (int i = 0; i < passed.count; i++)
        (void)dup2(passed.fds[i], 3 + i);
    (void)snprintf(text, sizeof text, "%d", (int)getpid());
    (void)setenv("LISTEN_PID", text, 1);
    (void)snprintf(text, sizeof text, "%d", passed.count);
    (void)setenv("LISTEN_FDS", text, 1);
    (void)setenv("LISTEN_FDNAMES", passed.names, 1);
}

static int
listener(int *port, bool listening)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    if (listening)
        assert_int_equal(listen(fd, 100), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    *port = ntohs(at.sin_port);
    return fd;
}

/* daemon_start waits at its --listen port; here the port is another one. */
static void
use_port(struct daemon *d, int port)
{
    d->port = port;
    (void)snprintf(d->url, sizeof d->url, "http://127.0.0.1:%d", port);
}

/* What came on NOTIFY_SOCKET. */
static int notify_fd = -1;
static char notify_path[64];
static char heard[16384];
static int stored[PASSED_MOST], stored_count;
static char stored_names[256];

static void
open_notify(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};

    (void)snprintf(notify_path, sizeof notify_path, "/tmp/hearth-notify-%d", (int)getpid());
    (void)unlink(notify_path);
    (void)strcpy(at.sun_path, notify_path);
    notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(notify_fd, (struct sockaddr *)&at, sizeof at), 0);
    (void)setenv("NOTIFY_SOCKET", notify_path, 1);
    heard[0] = stored_names[0] = '\0';
    stored_count = 0;
}

static void
close_notify(void)
{
    (void)close(notify_fd);
    (void)unlink(notify_path);
    (void)unsetenv("NOTIFY_SOCKET");
    while (stored_count > 0)
        (void)close(stored[--stored_count]);
}

static void
take_stored(const char *text, const struct cmsghdr *c)
{
    const char *name = strstr(text, "FDNAME=");
    size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

    for (size_t i = 0; i < n; i++) {
        int fd;

        memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
        if (strstr(text, "FDSTORE=1") == NULL || stored_count == PASSED_MOST) {
            (void)close(fd); /* of a barrier: closed, it is passed */
            continue;
        }
        stored[stored_count++] = fd;
        (void)snprintf(stored_names + strlen(stored_names),
                       sizeof stored_names - strlen(stored_names), "%s%.*s",
                       stored_names[0] != '\0' ? ":" : "", (int)strcspn(name + 7, "\n"), name + 7);
    }
}

static void
hear(void)
{
    char text[2048];
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(64 * sizeof(int))];
    } control;
    struct iovec piece = {text, sizeof text - 1};
    struct msghdr msg = {.msg_iov = &piece, .msg_iovlen = 1};
    ssize_t n;

    for (;;) {
        msg.msg_control = &control;
        msg.msg_controllen = sizeof control;
        n = recvmsg(notify_fd, &msg, MSG_CMSG_CLOEXEC);
        if (n < 0)
            return;
        text[n] = '\0';
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c != NULL; c = CMSG_NXTHDR(&msg, c))
            if (c->cmsg_type == SCM_RIGHTS)
                take_stored(text, c);
        if (strlen(heard) + strlen(text) + 2 < sizeof heard) {
            (void)strcat(heard, text);
            (void)strcat(heard, "\n");
        }
    }
}

static bool
was_heard(void *user)
{
    hear();
    return strstr(heard, user) != NULL;
}

/* ---- sockets of a socket unit ---- */

static void
test_the_first_call_to_an_activating_socket_is_served(void **state)
{
    struct daemon d = {0};
    int port, fd;
    char *got;

    (void)state;
    daemon_start(&d);
    deploy_ok(&d, "hello", "memory=16M", HELLO);
    assert_int_equal(daemon_stop(&d), 0);
    passed.fds[0] = listener(&port, true);
    passed.names = "hearth.socket";
    passed.count = 1;
    fd = raw_try(port); /* before there is a daemon */
    raw_send_text(fd, "GET /function/hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    d.prepare = pass_sockets;
    (void)unlink(d.log);
    use_port(&d, port);
    d.listens_elsewhere = true;
    daemon_start(&d);
    got = raw_receive(fd, NULL);
    assert_non_null(strstr(got, "hello"));
    free(got);
    wait_for_log(&d, "the option listen is not used");
    assert_true(daemon_said(&d, "ready on"));
    (void)close(fd);
    (void)close(passed.fds[0]);
    daemon_remove(&d);
}

static void
test_a_socket_named_admin_is_the_administrations(void **state)
{
    struct daemon d = {0};
    int port, admin;
    struct reply r;

    (void)state;
    passed.fds[0] = listener(&port, true);
    passed.fds[1] = listener(&admin, true);
    passed.names = "http:admin";
    passed.count = 2;
    d.prepare = pass_sockets;
    use_port(&d, port);
    d.listens_elsewhere = true;
    daemon_start(&d);
    r = get(&d, "/v1/functions");
    assert_int_equal(r.status, 404);
    reply_free(&r);
    use_port(&d, admin);
    r = get(&d, "/v1/functions");
    assert_int_equal(r.status, 200);
    reply_free(&r);
    (void)close(passed.fds[0]);
    (void)close(passed.fds[1]);
    daemon_remove(&d);
}

static void
test_a_passed_socket_that_does_not_listen_is_refused(void **state)
{
    struct daemon d = {0};
    int port;
    char *log;
    size_t len;

    (void)state;
    passed.fds[0] = listener(&port, false);
    passed.names = "odd";
    passed.count = 1;
    d.prepare = pass_sockets;
    assert_int_equal(daemon_start_failing(&d, NULL), 1);
    log = read_whole(d.log, &len);
    assert_non_null(strstr(log, "passed \"odd\", which is no listening stream socket"));
    free(log);
    (void)close(passed.fds[0]);
    daemon_remove(&d);
}

/* ---- sockets that are kept over a restart ---- */

static void
test_a_restart_refuses_no_client(void **state)
{
    struct daemon d = {0};
    int port, fd;
    char *got;

    (void)state;
    open_notify();
    daemon_start(&d);
    port = d.port;
    deploy_ok(&d, "hello", "memory=16M", HELLO);
    wait_for("a kept socket", was_heard, (void *)(uintptr_t) "FDNAME=hearth-listen");
    assert_int_equal(daemon_stop(&d), 0);
    fd = raw_try(port); /* between the two daemons */
    assert_true(fd >= 0);
    raw_send_text(fd, "GET /function/hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    memcpy(passed.fds, stored, sizeof stored);
    passed.count = stored_count;
    passed.names = stored_names;
    d.prepare = pass_sockets;
    d.port_wanted = port;
    (void)unlink(d.log);
    daemon_start(&d);
    got = raw_receive(fd, NULL);
    assert_non_null(strstr(got, "hello"));
    free(got);
    (void)close(fd);
    wait_for_log(&d, "listening on the sockets of before the restart");
    assert_int_equal(daemon_stop(&d), 0);
    /* with another port they are given up, and the old one is free */
    heard[0] = '\0';
    d.port_wanted = 0;
    (void)unlink(d.log);
    while (stored_count > 0)
        (void)close(stored[--stored_count]);
    daemon_start(&d);
    expect_body(&d, "/function/hello", "hello");
    daemon_remove(&d);
    close_notify();
}

static void
test_a_unix_socket_for_the_administration_does_not_matter(void **state)
{
    struct daemon d = {0};
    char admin[200];
    int port, fd;

    (void)state;
    (void)snprintf(d.state, sizeof d.state, "/tmp/hearth-test-XXXXXX");
    assert_non_null(mkdtemp(d.state));
    (void)snprintf(admin, sizeof admin, "--admin=unix:%s.sock", d.state);
    open_notify();
    daemon_start_with(&d, (const char *const[]){admin, NULL});
    port = d.port;
    wait_for("a kept socket", was_heard, (void *)(uintptr_t) "FDNAME=hearth-listen");
    assert_null(strstr(heard, "FDNAME=hearth-admin"));
    assert_int_equal(daemon_stop(&d), 0);
    fd = raw_try(port);
    assert_true(fd >= 0);
    memcpy(passed.fds, stored, sizeof stored);
    passed.count = stored_count;
    passed.names = stored_names;
    d.prepare = pass_sockets;
    d.port_wanted = port;
    daemon_start_with(&d, (const char *const[]){admin, NULL});
    wait_for_log(&d, "listening on the sockets of before the restart");
    (void)close(fd);
    daemon_remove(&d);
    close_notify();
}

/* As after the installation of a package that makes the user "hearth". */
static void
test_a_state_folder_of_another_user_is_taken_over(void **state)
{
    struct daemon d = {0};
    char command[700];

    (void)state;
    daemon_start(&d);
    deploy_ok(&d, "hello", "memory=16M", HELLO);
    assert_int_equal(daemon_stop(&d), 0);
    (void)snprintf(command, sizeof command,
                   "cd %s && chown -Rh 12345:12345 functions cache token format && "
                   "ln -s /etc/passwd functions/link && chown -h 12345:12345 functions/link && "
                   "touch %s.other && ln -s %s.other functions/hello/link",
                   d.state, d.state, d.state);
    assert_int_equal(system(command), 0);
    daemon_start(&d);
    wait_for_log(&d, "the files of the state folder belong to user 12345");
    expect_body(&d, "/function/hello", "hello");
    deploy_ok(&d, "hello", "", HELLO);
    (void)snprintf(command, sizeof command,
                   "test \"$(stat -c %%u /etc/passwd %s.other | sort -u)\" = 0 && rm %s.other",
                   d.state, d.state);
    assert_int_equal(system(command), 0);
    daemon_remove(&d);
}

/* ---- what the service manager is told ---- */

static void
test_the_service_manager_is_told_what_goes_on(void **state)
{
    struct daemon d = {0};

    (void)state;
    open_notify();
    daemon_start(&d);
    wait_for("READY=1", was_heard, (void *)(uintptr_t) "READY=1");
    deploy_ok(&d, "hello", "memory=16M&min=1", HELLO);
    wait_for("a status", was_heard,
             (void *)(uintptr_t) "STATUS=1 functions, 1 instances, 0 calls wait");
    assert_non_null(strstr(heard, "WATCHDOG=1"));
    heard[0] = '\0';
    (void)kill(d.pid, SIGHUP);
    wait_for("a reload", was_heard, (void *)(uintptr_t) "RELOADING=1\nMONOTONIC_USEC=");
    wait_for("the end of the reload", was_heard, (void *)(uintptr_t) "READY=1");
    for (int i = 0; i < 200; i++) /* each asks again, while an answer is on its way */
        (void)kill(d.pid, SIGHUP);
    heard[0] = '\0';
    wait_for("the end of the last reload", was_heard, (void *)(uintptr_t) "READY=1");
    (void)kill(find_process(d.pid, "hearth-gateway"), SIGKILL);
    wait_for("a status of the restart", was_heard,
             (void *)(uintptr_t) "the gateway was started again 1 times");
    assert_int_equal(daemon_stop(&d), 0);
    assert_true(was_heard((void *)(uintptr_t) "STOPPING=1"));
    daemon_remove(&d);
    close_notify();
}

/* ---- a gateway that stands still ---- */

static bool
has_begun(void *user)
{
    struct reply r = get(user, "/v1/functions/slow/logs?lines=10");
    bool begun = r.status == 200 && strstr(r.body, "begun") != NULL;

    reply_free(&r);
    return begun;
}

static void
test_a_gateway_that_stood_still_goes_on_and_it_is_said(void **state)
{
    struct daemon d = {0};
    struct timespec stop = {.tv_sec = 5};
    pid_t gateway;
    char *got;
    int fd;

    (void)state;
    daemon_start(&d);
    deploy_ok(&d, "slow", "memory=16M&timeout=3s&min=1",
              "#include <hearth.h>\n#include <time.h>\nint hearth_handle(hearth_call *c) {\n"
              "struct timespec t = {2, 0}; hearth_log(c, HEARTH_INFO, \"begun\"); nanosleep(&t, "
              "NULL); return hearth_printf(c, \"done\"); "
              "}\n");
    gateway = find_process(d.pid, "hearth-gateway");
    fd = raw_connect(&d);
    raw_send_text(fd, "GET /function/slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    /* the worker has it: a stop before it was woken would count as its time */
    wait_for("a call that has begun", has_begun, &d);
    (void)kill(gateway, SIGSTOP);
    (void)nanosleep(&stop,
                    NULL); /* the stop itself: the time that the call ran meanwhile is past */
    (void)kill(gateway, SIGCONT);
    got = raw_receive(fd, NULL); /* it was done within its timeout: so it is answered */
    if (strstr(got, "done") == NULL)
        fail_msg("%s", got);
    free(got);
    (void)close(fd);
    wait_for_log(&d, "the gateway stood still for");
    assert_int_equal(find_process(d.pid, "hearth-gateway"), gateway);
    daemon_remove(&d);
}

/* ---- the wall clock is set ---- */

static void
preload_clock(void)
{
    preload_library("HEARTH_CLOCK_SHIFT");
}

static void
expect_all_goes_on(const struct daemon *d, int kept)
{
    struct reply r;
    char *got;

    raw_send_text(kept, "GET /function/hello HTTP/1.1\r\nHost: x\r\n\r\n");
    got = raw_receive(kept, "hello"); /* the connection of before */
    assert_non_null(strstr(got, "200 OK"));
    free(got);
    r = patch(d, "/v1/functions/hello", "{\"max\": 3}");
    assert_int_equal(r.status, 200);
    reply_free(&r);
    deploy_ok(d, "hello", "", HELLO);
    expect_body(d, "/function/hello", "hello");
    r = get_of(d, "hello", "memory");
    assert_true(json_integer_value(json_object_get(json_object_get(r.json, "calls"), "count")) > 0);
    reply_free(&r);
    r = get(d, "/v1/events?since=1m");
    assert_non_null(strstr(r.body, "\"deployed\""));
    reply_free(&r);
    r = get(d, "/v1/functions/hello/logs?lines=10");
    assert_int_equal(r.status, 200);
    reply_free(&r);
}

static void
test_a_wall_clock_that_is_set_by_hours_changes_nothing(void **state)
{
    struct daemon d = {.prepare = preload_clock};
    char path[] = "/tmp/hearth-clock-XXXXXX";
    int fd = mkstemp(path), kept;
    int64_t shift = 0;
    pid_t worker;

    (void)state;
    assert_int_equal(pwrite(fd, &shift, sizeof shift, 0), sizeof shift);
    (void)setenv("HEARTH_CLOCK", path, 1);
    daemon_start(&d);
    deploy_ok(&d, "hello", "memory=16M&min=1&idle_timeout=1h", HELLO);
    deploy_ok(&d, "other", "memory=16M&min=1&idle_timeout=1h", HELLO);
    worker = instance_pid(&d, "other");
    kept = raw_connect(&d);
    shift = INT64_C(5) * 3600;
    assert_int_equal(pwrite(fd, &shift, sizeof shift, 0), sizeof shift);
    wait_for_log(&d, "the wall clock was set forward by 18000 s");
    expect_all_goes_on(&d, kept);
    shift = -INT64_C(5) * 3600;
    assert_int_equal(pwrite(fd, &shift, sizeof shift, 0), sizeof shift);
    wait_for_log(&d, "the wall clock was set back by 36000 s");
    expect_all_goes_on(&d, kept);
    assert_int_equal(instance_pid(&d, "other"), worker); /* not idle for hours: it is the same */
    (void)close(kept);
    assert_int_equal(daemon_stop(&d), 0);
    daemon_remove(&d);
    (void)close(fd);
    (void)unlink(path);
    (void)unsetenv("HEARTH_CLOCK");
}

/* ---- the host has no more processes ---- */

static char group[64];

/* A group of its own for the number of processes, which the test can set. */
static void
enter_group(void)
{
    char path[96];
    int fd;

    (void)snprintf(path, sizeof path, "%s/cgroup.procs", group);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "0", 1) != 1)
        _exit(127);
    (void)close(fd);
}

static void
write_group(const char *file, const char *text)
{
    char path[96];
    int fd;

    (void)snprintf(path, sizeof path, "%s/%s", group, file);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    (void)close(fd);
}

static bool
calls_well(void *user)
{
    struct reply r = get(user, "/function/late");
    bool well = r.status == 200;

    reply_free(&r);
    return well;
}

static void
test_a_host_without_processes_is_an_error_and_passes(void **state)
{
    struct daemon d = {.prepare = enter_group};
    struct reply r;

    (void)state;
    if (access("/sys/fs/cgroup/pids", F_OK) != 0) {
        (void)snprintf(group, sizeof group, "/sys/fs/cgroup/hearth-test-pids");
        (void)mkdir(group, 0755);
    } else {
        (void)snprintf(group, sizeof group, "/sys/fs/cgroup/pids/hearth-test-%d", (int)getpid());
        assert_int_equal(mkdir(group, 0755), 0);
    }
    daemon_start_with(&d, (const char *const[]){"--blanks-max=0", "--blanks-min=0", NULL});
    deploy_ok(&d, "warm", "memory=16M&min=1", HELLO);
    deploy_ok(&d, "late", "memory=16M", HELLO);
    write_group("pids.max", "1"); /* no process more can be made */
    r = get(&d, "/function/late");
    if (r.status != 502 && r.status != 503)
        fail_msg("%ld %s", r.status, r.body);
    reply_free(&r);
    r = deploy(&d, "more", "memory=16M", HELLO);
    assert_true(r.status >= 500);
    reply_free(&r);
    wait_for_log(&d, "Resource temporarily unavailable");
    expect_body(&d, "/function/warm", "hello"); /* what is there serves on */
    write_group("pids.max", "max");
    wait_for("a start that works again", calls_well, &d);
    deploy_ok(&d, "more", "memory=16M", HELLO);
    assert_int_equal(daemon_stop(&d), 0);
    daemon_remove(&d);
    (void)rmdir(group);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_call_to_an_activating_socket_is_served),
        cmocka_unit_test(test_a_socket_named_admin_is_the_administrations),
        cmocka_unit_test(test_a_passed_socket_that_does_not_listen_is_refused),
        cmocka_unit_test(test_a_restart_refuses_no_client),
        cmocka_unit_test(test_a_unix_socket_for_the_administration_does_not_matter),
        cmocka_unit_test(test_a_state_folder_of_another_user_is_taken_over),
        cmocka_unit_test(test_the_service_manager_is_told_what_goes_on),
        cmocka_unit_test(test_a_gateway_that_stood_still_goes_on_and_it_is_said),
        cmocka_unit_test(test_a_wall_clock_that_is_set_by_hours_changes_nothing),
        cmocka_unit_test(test_a_host_without_processes_is_an_error_and_passes),
    };

    return RUN_TESTS("service", tests, NULL, NULL);
}
