/* environment.c: what surrounds a call in hearth.h: log, env, memory, time. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "api.h"
#include "worker.h"

static char *env_bytes;
static size_t env_len;
static struct chan *limit_from;
static int meter = -1;

int
wrk_env_set(const void *bytes, size_t len, struct hearth_err *err)
{
    env_bytes = malloc(len + 1);
    if (env_bytes == NULL)
        return err_set(err, ENOMEM, "keep the env of %zu bytes", len);
    memcpy(env_bytes, bytes, len);
    env_bytes[len] = '\0';
    env_len = len;
    return 0;
}

void
wrk_meters_set(struct chan *chan, int memory_fd)
{
    limit_from = chan;
    meter = memory_fd;
}

const char *
hearth_env(const char *name)
{
    size_t n = strlen(name);

    for (const char *at = env_bytes; at < env_bytes + env_len; at += strlen(at) + 1)
        if (strncmp(at, name, n) == 0 && at[n] == '=')
            return at + n + 1;
    return NULL;
}

void *
hearth_alloc(hearth_call *call, size_t n)
{
    return wrk_arena_take(call->arena, n);
}

int64_t
hearth_deadline_ms(hearth_call *call)
{
    struct timespec now;
    int64_t left;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    left = (int64_t)call->request.deadline_ns - ((int64_t)now.tv_sec * 1000000000 + now.tv_nsec);
    return left > 0 ? left / 1000000 : 0;
}

size_t
hearth_memory_limit(void)
{
    return atomic_load(&limit_from->shared->memory_limit);
}

size_t
hearth_memory_used(void)
{
    char text[32];
    ssize_t got = pread(meter, text, sizeof text - 1, 0);

    if (got <= 0)
        return 0;
    text[got] = '\0';
    return strtoull(text, NULL, 10);
}

/* A line to the gateway: SOH, the level's digit, the call's id, STX, the text.
 * Written in one piece of less than PIPE_BUF, so it arrives whole or not at all. */
int
hearth_log(hearth_call *call, enum hearth_level level, const char *fmt, ...)
{
    char line[LIMIT_LOG_LINE + LIMIT_CALL_ID + 8];
    size_t head, end;
    int n;
    va_list ap;

    if (level < HEARTH_DEBUG || level > HEARTH_ERROR) {
        errno = EINVAL;
        return -1;
    }
    head = (size_t)snprintf(line, sizeof line, "\001%d%s\002", (int)level,
                            call != NULL ? hearth_call_id(call) : "");
    va_start(ap, fmt);
    n = vsnprintf(line + head, LIMIT_LOG_LINE, fmt, ap);
    va_end(ap);
    if (n < 0)
        return -1; /* and what stands in the line is not said to be anything */
    end = head + strlen(line + head);
    for (size_t i = head; i < end; i++)
        if (line[i] == '\n')
            line[i] = ' ';
    line[end++] = '\n';
    return write(WRK_FD_OUTPUT, line, end) == (ssize_t)end ? 0 : -1;
}
