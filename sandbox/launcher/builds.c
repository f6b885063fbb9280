/* builds.c: the launcher's builders: one compiler's jail for each build, with a deadline. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "launcher/launcher.h"
#include "launcher/spawn.h"

#define BUILD_PIDS 64u

static int
spawn_builder(struct launcher *l, const struct launch_message *msg, struct launcher_child *c,
              int source, int control, struct hearth_err *err)
{
    char flags[LIMIT_LIBS][LIMIT_LIB_NAME + 4];
    char *argv[LIMIT_LIBS + 2] = {(char *)"hearth-builder"};
    struct sbx_spawn spawn = {
        .jail = &l->jail,
        .leaf = c->leaf,
        .inherit = {.input = l->null,
                    .output = c->said,
                    .control = control,
                    .first = c->object,
                    .filters = -1},
        .program = l->builder_program,
        .source = source,
        .life = l->life,
        .uid = LAUNCHER_UID_BUILD + launcher_slot_of(l, c) - LIMIT_INSTANCES,
        .cpu_seconds = (uint32_t)(l->build_ms / 1000) + 1,
        .file_bytes = LIMIT_OBJECT,
        .argv = argv,
    };

    for (uint32_t i = 0; i < msg->u.build.libs; i++) {
        (void)snprintf(flags[i], sizeof flags[i], "-l%s", msg->u.build.lib[i]);
        argv[i + 1] = flags[i];
    }
    return sbx_spawn(&spawn, &c->pid, &c->pidfd, err);
}

static int
start_builder(struct launcher *l, const struct launch_message *msg, struct launcher_child *c,
              struct hearth_err *err)
{
    struct sbx_cgroup_limits limits = {
        .memory = l->build_bytes, .pids = BUILD_PIDS, .cpu_weight = 500};
    cleanup_close int source = -1;
    cleanup_close int theirs = -1;
    char path[160];
    int pair[2], status;

    (void)snprintf(path, sizeof path, "functions/%s/tmp-%u/source", msg->u.build.name,
                   msg->u.build.version);
    source = launcher_open_in_state(l, path, O_RDONLY | O_DIRECTORY);
    if (source < 0)
        return err_set(err, errno, "open %s", path);
    c->object = memfd_create("hearth-object", MFD_CLOEXEC);
    c->said = memfd_create("hearth-diagnostics", MFD_CLOEXEC);
    if (c->object < 0 || c->said < 0 || fcntl(c->said, F_SETFL, O_APPEND) != 0)
        return err_set(err, errno, "make the files of a build");
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return err_set(err, errno, "make a socket pair");
    c->control = pair[0];
    theirs = pair[1];
    status = sbx_cgroup_take(&l->tree, &limits, &c->leaf, err);
    if (status == 0)
        status = spawn_builder(l, msg, c, source, theirs, err);
    return status;
}

static void
tell_built(struct launcher *l, uint64_t id, enum launch_build_result result, const char *text,
           const int *fds)
{
    struct launch_message msg = {.type = LAUNCH_BUILT, .id = id};

    msg.u.built.result = result;
    (void)snprintf(msg.u.built.text, sizeof msg.u.built.text, "%s", text);
    launcher_tell(l, &msg, fds, fds != NULL ? 2 : 0);
}

void
launcher_build(struct launcher *l, const struct launch_message *msg)
{
    struct hearth_err err = {0};
    struct launcher_child *c = launcher_take_slot(l, LAUNCHER_BUILDER, msg->id);
    int status;

    if (c == NULL)
        status = err_set(&err, EAGAIN, "%d builds run already", LAUNCHER_BUILDS);
    else
        status = start_builder(l, msg, c, &err);
    if (status == 0) {
        c->deadline_ms = launcher_now_ms() + l->build_ms;
        l->builds++;
        status = launcher_watch(l, c->pidfd, LAUNCHER_TAG_CHILD + launcher_slot_of(l, c));
        if (status == 0)
            return;
        (void)err_set(&err, -status, "watch a builder");
        (void)syscall(SYS_pidfd_send_signal, c->pidfd, SIGKILL, NULL, 0);
        (void)waitid(P_PIDFD, (id_t)c->pidfd, &(siginfo_t){0}, WEXITED);
        l->builds--;
    }
    launcher_complain(l, "a build could not be started: %s", err.text);
    tell_built(l, msg->id, LAUNCH_BUILD_BROKEN, err.text, NULL);
    if (c != NULL)
        launcher_free_slot(l, c);
}

int
launcher_builds_check(struct launcher *l)
{
    int64_t now = launcher_now_ms(), next = -1;

    for (uint32_t i = LIMIT_INSTANCES; l->builds > 0 && i < LIMIT_INSTANCES + LAUNCHER_BUILDS;
         i++) {
        struct launcher_child *c = &l->children[i];

        if (c->kind != LAUNCHER_BUILDER || c->asked)
            continue;
        if (c->deadline_ms <= now) {
            c->asked = true;
            (void)syscall(SYS_pidfd_send_signal, c->pidfd, SIGKILL, NULL, 0);
        } else if (next < 0 || c->deadline_ms - now < next) {
            next = c->deadline_ms - now;
        }
    }
    return (int)next;
}

void
launcher_build_ended(struct launcher *l, struct launcher_child *c, const siginfo_t *info)
{
    enum launch_build_result result = LAUNCH_BUILD_BROKEN;
    char text[128] = "";
    int fds[2] = {c->object, c->said};
    bool exited = info->si_code == CLD_EXITED;

    if (exited && info->si_status == 0)
        result = LAUNCH_BUILD_OK;
    else if (c->asked || (!exited && info->si_status == SIGXCPU))
        result = LAUNCH_BUILD_TIME;
    else if (sbx_cgroup_oom_kills(c->leaf) > 0)
        result = LAUNCH_BUILD_MEMORY;
    else if (exited && info->si_status == 1)
        result = LAUNCH_BUILD_FAILED;
    if (result == LAUNCH_BUILD_BROKEN) {
        launcher_last_words(c->control, text, sizeof text);
        if (text[0] == '\0')
            (void)snprintf(text, sizeof text, "the builder ended with %s %d",
                           exited ? "status" : "signal", info->si_status);
        launcher_complain(l, "build %" PRIu64 " broke: %s", c->id, text);
    }
    l->builds--;
    tell_built(l, c->id, result, text, fds);
}
