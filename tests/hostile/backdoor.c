/* backdoor.c: a compromised gateway. It is the real gateway, linked with this file, which replaces
 * the handler of the request "rollback". Through it an attacker sends arbitrary messages to the
 * launcher and makes arbitrary system calls in the gateway's process.
 *
 * {"do": "send", "hex": "…", "fds": N}    one packet to the launcher
 * {"do": "call", "number": N, "args": […]}    a system call; arguments are numbers or strings
 * {"do": "noise", "seed": N, "count": N}    well-formed messages with random contents
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "admin.h"
#include "launch.h"

#define FD_LAUNCHER 3 /* as in main.c */

void __wrap_gw_manage_rollback(struct gw_request *req);

static size_t
from_hex(const char *hex, unsigned char *bytes, size_t room)
{
    size_t n = 0;

    for (; hex[0] != '\0' && hex[1] != '\0' && n < room; hex += 2) {
        char pair[3] = {hex[0], hex[1], '\0'};

        bytes[n++] = (unsigned char)strtoul(pair, NULL, 16);
    }
    return n;
}

static long
send_packet(const void *bytes, size_t n, int fds)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(64 * sizeof(int))] = {0};
    struct iovec iov = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = n};
    struct msghdr hdr = {.msg_iov = &iov, .msg_iovlen = 1};
    int all[64] = {0};

    if (fds > 0) {
        struct cmsghdr *cmsg;

        hdr.msg_control = control;
        hdr.msg_controllen = CMSG_SPACE((size_t)fds * sizeof(int));
        cmsg = CMSG_FIRSTHDR(&hdr);
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN((size_t)fds * sizeof(int));
        for (int i = 0; i < fds; i++)
            all[i] = FD_LAUNCHER;
        memcpy(CMSG_DATA(cmsg), all, (size_t)fds * sizeof(int));
    }
    return sendmsg(FD_LAUNCHER, &hdr, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

static uint64_t
next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void
noise(uint64_t seed, long count)
{
    static const uint16_t types[] = {LAUNCH_UP,    LAUNCH_START, LAUNCH_KILL, LAUNCH_LIMIT,
                                     LAUNCH_CHECK, LAUNCH_BUILD, LAUNCH_ALIVE};
    static const char *const names[] = {"neighbour", "none", "a", "evil", "tmp-1"};

    for (long i = 0; i < count; i++) {
        struct launch_message msg = {.type = types[next(&seed) % 7],
                                     .id = next(&seed) % 4 ? next(&seed) % 16 : next(&seed)};
        const char *name = names[next(&seed) % 5];

        if (msg.type == LAUNCH_START) {
            (void)strcpy(msg.u.start.name, name);
            msg.u.start.version = (uint32_t)(1 + next(&seed) % 3);
            msg.u.start.staged = next(&seed) % 2;
            msg.u.start.memory_limit = next(&seed) >> next(&seed) % 64;
            msg.u.start.tmp_bytes = next(&seed) % 3 ? 0 : next(&seed) >> next(&seed) % 64;
            msg.u.start.calls = next(&seed) % 2 ? 0 : next(&seed);
        } else if (msg.type == LAUNCH_LIMIT) {
            msg.u.limit.memory_limit = next(&seed) >> next(&seed) % 64;
        } else if (msg.type == LAUNCH_BUILD) {
            (void)strcpy(msg.u.build.name, name);
            msg.u.build.version = (uint32_t)(1 + next(&seed) % 3);
        }
        while (launch_send(FD_LAUNCHER, &msg, NULL, 0) == -EAGAIN)
            ; /* the launcher reads it, or kills the gateway */
    }
}

static long
any_call(json_t *body)
{
    long args[6] = {0};

    for (size_t i = 0; i < 6; i++) {
        json_t *arg = json_array_get(json_object_get(body, "args"), i);

        args[i] = json_is_string(arg) ? (long)(uintptr_t)json_string_value(arg)
                                      : (long)json_integer_value(arg);
    }
    return syscall(json_integer_value(json_object_get(body, "number")), args[0], args[1], args[2],
                   args[3], args[4], args[5]) < 0
               ? -errno
               : 0;
}

void
__wrap_gw_manage_rollback(struct gw_request *req)
{
    json_t *body = json_loads(req->body != NULL ? req->body : "", 0, NULL);
    const char *what = json_string_value(json_object_get(body, "do"));
    unsigned char bytes[2048];
    long result = -EINVAL;

    if (what != NULL && strcmp(what, "send") == 0)
        result = send_packet(
            bytes, from_hex(json_string_value(json_object_get(body, "hex")), bytes, sizeof bytes),
            (int)json_integer_value(json_object_get(body, "fds")));
    else if (what != NULL && strcmp(what, "call") == 0)
        result = any_call(body);
    else if (what != NULL && strcmp(what, "noise") == 0) {
        noise((uint64_t)json_integer_value(json_object_get(body, "seed")) | 1,
              (long)json_integer_value(json_object_get(body, "count")));
        result = 0;
    }
    json_decref(body);
    gw_request_json(req, 200, json_pack("{s:I}", "result", (json_int_t)result));
}
