/* test_start.c: how a daemon starts, and what remains after a failed start or an exit. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "run.h"

#define HELLO                                                                                      \
    "#include <hearth.h>\n"                                                                        \
    "int hearth_handle(hearth_call *call) { return hearth_printf(call, \"hello\"); }\n"

static void
expect_hello(const struct daemon *d)
{
    struct reply r = get(d, "/function/hello");

    if (r.status != 200 || strcmp(r.body, "hello") != 0)
        fail_msg("%ld %s", r.status, r.body);
    reply_free(&r);
}

/* ---- the unix socket's file ---- */

struct place {
    char folder[64];
    char path[96];    /* of the socket */
    char option[112]; /* the --listen option */
};

static void
make_place(struct place *p)
{
    (void)snprintf(p->folder, sizeof p->folder, "/tmp/hearth-socket-XXXXXX");
    assert_non_null(mkdtemp(p->folder));
    (void)snprintf(p->path, sizeof p->path, "%s/hearth.sock", p->folder);
    (void)snprintf(p->option, sizeof p->option, "unix:%s", p->path);
}

static void
remove_place(const struct place *p)
{
    (void)unlink(p->path);
    assert_int_equal(rmdir(p->folder), 0); /* nothing else was left in it */
}

static ino_t
inode_of(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 ? st.st_ino : 0;
}

/* Binds a socket of the type; listens with that backlog unless it is negative. */
static int
bind_at(const struct place *p, int type, int queue)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    (void)snprintf(at.sun_path, sizeof at.sun_path, "%s", p->path);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    if (queue >= 0)
        assert_int_equal(listen(fd, queue), 0);
    return fd;
}

/* Returns 0 if the connection is accepted, otherwise the errno. */
static int
connect_to(const struct place *p, int *fd)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};

    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    (void)snprintf(at.sun_path, sizeof at.sun_path, "%s", p->path);
    return connect(*fd, (struct sockaddr *)&at, sizeof at) == 0 ? 0 : errno;
}

static void
expect_in_use(const struct place *p)
{
    const char *options[] = {"--admin", p->option, NULL};
    struct daemon d = {0};
    ino_t was = inode_of(p->path);

    assert_int_equal(daemon_start_failing(&d, options), 1);
    wait_for_log(&d, "Address already in use");
    if (inode_of(p->path) != was)
        fail_msg("%s was removed or replaced", p->path);
    daemon_remove(&d);
}

static void
test_a_second_daemon_leaves_the_socket_of_the_first_alone(void **state)
{
    struct place p;
    const char *options[] = {"--admin", p.option, NULL};
    struct daemon d = {0};
    int fd;

    (void)state;
    make_place(&p);
    daemon_start_with(&d, options);
    expect_in_use(&p);
    assert_int_equal(connect_to(&p, &fd), 0);
    (void)close(fd);
    assert_int_equal(daemon_stop(&d), 0);
    assert_int_equal(inode_of(p.path), 0); /* the daemon removes its own socket */
    daemon_remove(&d);
    remove_place(&p);
}

static void
test_a_file_that_is_no_socket_is_left_alone(void **state)
{
    struct place p;
    int fd;

    (void)state;
    make_place(&p);
    fd = open(p.path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    expect_in_use(&p);
    (void)close(fd);
    remove_place(&p);
}

static void
test_a_socket_whose_queue_is_full_is_somebody_s(void **state)
{
    struct place p;
    int listener, clients[8], n = 0;

    (void)state;
    make_place(&p);
    listener = bind_at(&p, SOCK_STREAM, 0);
    while (connect_to(&p, &clients[n]) == 0)
        assert_true(++n < 8);
    assert_int_equal(connect_to(&p, &clients[n]), EAGAIN);
    expect_in_use(&p);
    (void)close(listener);
    remove_place(&p);
}

static void
test_a_socket_of_another_type_is_somebody_s(void **state)
{
    struct place p;
    int fd;

    (void)state;
    make_place(&p);
    fd = bind_at(&p, SOCK_DGRAM, -1);
    expect_in_use(&p);
    (void)close(fd);
    remove_place(&p);
}

static void
test_a_socket_that_nobody_listens_on_is_replaced(void **state)
{
    struct place p;
    const char *options[] = {"--admin", p.option, NULL};
    struct daemon d = {0};
    int fd;

    (void)state;
    make_place(&p);
    (void)close(bind_at(&p, SOCK_STREAM, 1));
    daemon_start_with(&d, options);
    assert_int_equal(connect_to(&p, &fd), 0);
    (void)close(fd);
    daemon_remove(&d);
    remove_place(&p);
}

/* A file that has replaced the socket meanwhile is not removed. */
static void
test_a_daemon_that_ends_removes_its_own_socket_alone(void **state)
{
    struct place p;
    const char *options[] = {"--admin", p.option, NULL};
    struct daemon d = {0};
    ino_t other;
    int fd;

    (void)state;
    make_place(&p);
    daemon_start_with(&d, options);
    assert_int_equal(unlink(p.path), 0);
    fd = bind_at(&p, SOCK_STREAM, 1);
    other = inode_of(p.path);
    assert_int_equal(daemon_stop(&d), 0);
    assert_int_equal(inode_of(p.path), other);
    (void)close(fd);
    daemon_remove(&d);
    remove_place(&p);
}

/* ---- inherited descriptors ---- */

static unsigned to_close; /* a bit for each of 0, 1 and 2 */

static void
close_standard_files(void)
{
    for (int fd = 0; fd < 3; fd++)
        if ((to_close & 1u << fd) != 0)
            (void)close(fd);
}

/* The next opened files would get these numbers and be used as standard files: an event loop as
 * standard error, a pipe as standard output. */
static void
test_a_daemon_without_standard_files_serves_and_ends_well(void **state)
{
    (void)state;
    for (to_close = 1; to_close < 8; to_close++) {
        struct daemon d = {.prepare = close_standard_files};
        int status;

        daemon_start(&d);
        deploy_ok(&d, "hello", "memory=16M", HELLO);
        expect_hello(&d);
        status = daemon_stop(&d);
        if (status != 0)
            fail_msg("with these closed (bits): %u, it ended with %d", to_close, status);
        daemon_remove(&d);
    }
}

#define STRAY 77

static void
open_a_stray_file(void)
{
    int fd = open("/etc/passwd", O_RDONLY);

    if (fd < 0 || dup2(fd, STRAY) != STRAY || dup2(fd, 3) != 3)
        _exit(127);
}

/* The unprivileged processes get only their own descriptors, and none that a shell or a service
 * manager left open. */
static void
test_a_file_that_was_open_at_the_start_reaches_no_other_process(void **state)
{
    static const char *const names[] = {"hearth-gateway", "hearth-worker"};
    struct daemon d = {.prepare = open_a_stray_file};
    struct stat st, passwd;

    (void)state;
    daemon_start(&d);
    deploy_ok(&d, "hello", "memory=16M&min=1", HELLO);
    expect_hello(&d);
    assert_int_equal(stat("/etc/passwd", &passwd), 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        for (int fd = 0; fd < 300; fd++) {
            char path[64];

            (void)snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)find_process(d.pid, names[i]),
                           fd);
            if (stat(path, &st) == 0 && st.st_dev == passwd.st_dev && st.st_ino == passwd.st_ino)
                fail_msg("%s has /etc/passwd open as %d", names[i], fd);
        }
    assert_int_equal(daemon_stop(&d), 0);
    daemon_remove(&d);
}

/* ---- control groups ---- */

static pid_t inner;

static void
pass_on(int sig)
{
    (void)kill(inner, sig);
}

/* Forks a process in a new pid namespace, as in a container that shares the host's control groups.
 * Its /proc shows no process of the host. */
static void
enter_pid_namespace(void)
{
    int status;

    if (unshare(CLONE_NEWPID | CLONE_NEWNS) != 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 || (inner = fork()) < 0)
        _exit(127);
    if (inner == 0) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || mount("proc", "/proc", "proc", 0, NULL) != 0)
            _exit(127);
        return;
    }
    (void)signal(SIGTERM, pass_on);
    while (waitpid(inner, &status, 0) != inner)
        ;
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 126);
}

static void
test_a_daemon_in_another_pid_namespace_keeps_its_instances(void **state)
{
    struct daemon first = {0}, second = {.prepare = enter_pid_namespace};
    pid_t worker;

    (void)state;
    daemon_start(&first);
    deploy_ok(&first, "hello", "memory=16M&min=1&max=1", HELLO);
    expect_hello(&first);
    worker = find_process(first.pid, "hearth-worker");
    daemon_start(&second);
    assert_int_equal(find_process(first.pid, "hearth-worker"), worker);
    deploy_ok(&first, "other", "memory=16M", HELLO); /* its group exists and accepts processes */
    expect_hello(&first);
    deploy_ok(&second, "hello", "memory=16M", HELLO);
    expect_hello(&second);
    assert_int_equal(daemon_stop(&second), 0);
    expect_hello(&first);
    assert_int_equal(daemon_stop(&first), 0);
    daemon_remove(&second);
    daemon_remove(&first);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_second_daemon_leaves_the_socket_of_the_first_alone),
        cmocka_unit_test(test_a_file_that_is_no_socket_is_left_alone),
        cmocka_unit_test(test_a_socket_whose_queue_is_full_is_somebody_s),
        cmocka_unit_test(test_a_socket_of_another_type_is_somebody_s),
        cmocka_unit_test(test_a_socket_that_nobody_listens_on_is_replaced),
        cmocka_unit_test(test_a_daemon_that_ends_removes_its_own_socket_alone),
        cmocka_unit_test(test_a_daemon_without_standard_files_serves_and_ends_well),
        cmocka_unit_test(test_a_file_that_was_open_at_the_start_reaches_no_other_process),
        cmocka_unit_test(test_a_daemon_in_another_pid_namespace_keeps_its_instances),
    };

    return RUN_TESTS("start", tests, NULL, NULL);
}
