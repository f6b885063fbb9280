/* child.c: the slots of sandboxed children: taken, freed, and what happens when a child ends.
 * A slot is a uid. The slot and its cgroup leaf are free again once the child was reaped.
 */
#include "launcher/child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "launcher/zone.h"
#include "text.h"

#define NO_SLOT UINT32_MAX

void
launcher_children_init(struct launcher *l)
{
    for (uint32_t i = 0; i < LIMIT_INSTANCES; i++)
        l->children[i].next_free = i + 1 < LIMIT_INSTANCES ? i + 1 : NO_SLOT;
    l->free_worker = 0;
}

uint32_t
launcher_slot_of(const struct launcher *l, const struct launcher_child *c)
{
    return (uint32_t)(c - l->children);
}

struct launcher_child *
launcher_take_slot(struct launcher *l, enum launcher_kind kind, uint64_t id,
                   launcher_ended_fn *ended)
{
    uint32_t slot = l->free_worker;
    struct launcher_child *c;

    if (kind == LAUNCHER_BUILDER)
        for (slot = LIMIT_INSTANCES; slot < LIMIT_INSTANCES + LAUNCHER_BUILDS; slot++)
            if (l->children[slot].kind == LAUNCHER_FREE)
                break;
    if (slot >= LIMIT_INSTANCES + (kind == LAUNCHER_BUILDER ? LAUNCHER_BUILDS : 0))
        return NULL;
    c = &l->children[slot];
    if (kind != LAUNCHER_BUILDER) {
        l->free_worker = c->next_free;
        if (slot >= l->workers_top)
            l->workers_top = slot + 1;
    }
    *c = (struct launcher_child){.kind = kind,
                                 .ended = ended,
                                 .id = id,
                                 .pidfd = -1,
                                 .control = -1,
                                 .broker = -1,
                                 .object = -1,
                                 .said = -1,
                                 .kept = -1,
                                 .next_free = NO_SLOT};
    return c;
}

static void
free_worker_slot(struct launcher *l, uint32_t slot)
{
    l->children[slot].next_free = l->free_worker;
    l->free_worker = slot;
}

void
launcher_free_slot(struct launcher *l, struct launcher_child *c)
{
    uint32_t slot;
    int fds[] = {c->pidfd, c->control, c->broker, c->object, c->said, c->kept};

    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
        if (fds[i] >= 0)
            (void)close(fds[i]);
    if (c->leaf != NULL)
        sbx_cgroup_give(c->leaf);
    c->leaf = NULL;
    slot = launcher_slot_of(l, c);
    if (c->kind != LAUNCHER_BUILDER && (c->zone == NULL || launcher_zone_frees(c->zone, slot)))
        free_worker_slot(l, slot);
    c->kind = LAUNCHER_FREE;
    if (c->zone != NULL && launcher_zone_leave(c->zone, &slot))
        free_worker_slot(l, slot);
    c->zone = NULL;
}

int
launcher_open_in_state(struct launcher *l, const char *path, uint64_t flags)
{
    struct open_how how = {
        .flags = flags | O_CLOEXEC,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };

    return (int)syscall(SYS_openat2, l->state_fd, path, &how, sizeof how);
}

void
launcher_kill_child(const struct launcher_child *c)
{
    (void)syscall(SYS_pidfd_send_signal, c->pidfd, SIGKILL, NULL, 0);
}

void
launcher_drop(struct launcher *l, struct launcher_child *c)
{
    if (c->pidfd >= 0) {
        launcher_kill_child(c);
        (void)waitid(P_PIDFD, (id_t)c->pidfd, &(siginfo_t){0}, WEXITED);
    }
    launcher_free_slot(l, c);
}

int
launcher_count_filters(pid_t pid)
{
    char path[64], line[256];
    cleanup_file FILE *file = NULL;
    int count = -1;

    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    file = fopen(path, "re");
    while (file != NULL && count < 0 && fgets(line, sizeof line, file) != NULL)
        (void)sscanf(line, "Seccomp_filters: %d", &count);
    return count;
}

/* If the child died before it read its task, the first recv fails with ECONNRESET. */
void
launcher_read_error(int control, char *text, size_t n)
{
    ssize_t got = recv(control, text, n - 1, MSG_DONTWAIT);

    if (got < 0 && errno == ECONNRESET)
        got = recv(control, text, n - 1, MSG_DONTWAIT);
    text[got > 0 ? got : 0] = '\0';
    text_printable(text, false);
}

void
launcher_child_ended(struct launcher *l, uint32_t slot)
{
    struct launcher_child *c = &l->children[slot];
    siginfo_t info = {0};

    if (c->kind == LAUNCHER_FREE)
        return;
    if (waitid(P_PIDFD, (id_t)c->pidfd, &info, WEXITED | WNOHANG) != 0 || info.si_pid == 0)
        return;
    c->ended(l, c, &info);
    launcher_free_slot(l, c);
}

void
launcher_children_kill(const struct launcher *l)
{
    for (size_t i = 0; i < sizeof l->children / sizeof l->children[0]; i++)
        if (l->children[i].kind != LAUNCHER_FREE)
            launcher_kill_child(&l->children[i]);
}

void
launcher_children_end(struct launcher *l)
{
    launcher_children_kill(l);
    for (size_t i = 0; i < sizeof l->children / sizeof l->children[0]; i++) {
        struct launcher_child *c = &l->children[i];

        if (c->kind == LAUNCHER_FREE)
            continue;
        (void)waitid(P_PIDFD, (id_t)c->pidfd, &(siginfo_t){0}, WEXITED);
        launcher_free_slot(l, c);
    }
    l->builds = 0;
}
