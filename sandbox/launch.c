/* launch.c: encodes, checks, sends and receives the messages of the launcher. Used by both sides.
 * Links alone, for the fuzzer. */
#include "launch.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fd_passing.h"
#include "name.h"

#define HEAD_BYTES offsetof(struct launch_message, u)

static_assert(LAUNCH_FDS_MAX <= FD_PASSING_MAX, "one message carries them");

size_t
launch_size(unsigned type)
{
    static const size_t body[LAUNCH_TYPES] = {
        [LAUNCH_START] = sizeof(struct launch_start),
        [LAUNCH_LIMIT] = sizeof(struct launch_limit),
        [LAUNCH_BUILD] = sizeof(struct launch_build),
        [LAUNCH_STARTED] = sizeof(struct launch_started),
        [LAUNCH_DIED] = sizeof(struct launch_died),
        [LAUNCH_LIMITED] = sizeof(struct launch_limited),
        [LAUNCH_BUILT] = sizeof(struct launch_built),
        [LAUNCH_CUT] = sizeof(struct launch_cut),
        [LAUNCH_ALIVE] = sizeof(struct launch_alive),
    };

    return type >= LAUNCH_UP && type < LAUNCH_TYPES ? HEAD_BYTES + body[type] : 0;
}

static bool
ended(const char *text, size_t room)
{
    return memchr(text, '\0', room) != NULL;
}

static bool
name_ok(const char *name)
{
    return ended(name, LIMIT_NAME + 1) && name_function_ok(name, strlen(name));
}

static bool
build_ok(const struct launch_build *build)
{
    if (!name_ok(build->name) || build->version == 0 || build->libs > LIMIT_LIBS)
        return false;
    for (uint32_t i = 0; i < build->libs; i++)
        if (!ended(build->lib[i], sizeof build->lib[i]) ||
            !name_lib_ok(build->lib[i], strlen(build->lib[i])))
            return false;
    return true;
}

static bool
body_ok(const struct launch_message *msg)
{
    switch (msg->type) {
    case LAUNCH_START:
        return name_ok(msg->u.start.name) && msg->u.start.version > 0 && msg->u.start.staged <= 1 &&
               msg->u.start.strict <= 1 && msg->u.start.network <= 1 &&
               msg->u.start.template <= 1 && msg->u.start.threads >= 1 &&
               msg->u.start.threads <= LIMIT_FUNCTION_THREADS && msg->u.start.stack_bytes > 0;
    case LAUNCH_BUILD:
        return build_ok(&msg->u.build);
    case LAUNCH_CUT:
        return msg->u.cut.count <= LAUNCH_CUT_MOST;
    case LAUNCH_DIED:
        return msg->u.died.cause <= LAUNCH_CAUSE_NOT_ISOLATED &&
               msg->u.died.killer <= LAUNCH_KILLER_HOST &&
               ended(msg->u.died.text, sizeof msg->u.died.text);
    case LAUNCH_BUILT:
        return msg->u.built.result <= LAUNCH_BUILD_BROKEN &&
               ended(msg->u.built.text, sizeof msg->u.built.text);
    default:
        return true;
    }
}

int
launch_decode(const void *bytes, size_t len, struct launch_message *msg)
{
    if (len < HEAD_BYTES || len > sizeof *msg)
        return -EPROTO;
    memset(msg, 0, sizeof *msg);
    memcpy(msg, bytes, len);
    if (msg->version != LAUNCH_VERSION || msg->length != len || launch_size(msg->type) != len)
        return -EPROTO;
    return body_ok(msg) ? 0 : -EPROTO;
}

int
launch_send(int sock, struct launch_message *msg, const int *fds, unsigned n_fds)
{
    size_t len = launch_size(msg->type);

    if (len == 0 || n_fds > LAUNCH_FDS_MAX)
        return -EINVAL;
    msg->version = LAUNCH_VERSION;
    msg->length = (uint32_t)len;
    return fd_send(sock, msg, len, fds, n_fds, 0);
}

int
launch_receive(int sock, struct launch_message *msg, int *fds, unsigned *n_fds)
{
    char bytes[sizeof *msg + 1];
    bool all;
    ssize_t got = fd_receive(sock, bytes, sizeof bytes, fds, n_fds, &all, MSG_DONTWAIT);
    int status;

    if (got <= 0)
        return (int)got;
    status = launch_decode(bytes, (size_t)got, msg);
    if (all && status == 0)
        return 1;
    while (*n_fds > 0)
        (void)close(fds[--*n_fds]);
    return status == 0 ? -EMFILE : -EPROTO;
}
