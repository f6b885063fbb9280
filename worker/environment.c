/* environment.c: the part of hearth.h for log, env, memory and time. */
#include "environment.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api.h"
#include "call.h"
#include "clock.h"

static char *env_bytes;
static size_t env_len;

int
wrk_env_set(const void *bytes, size_t len, struct hearth_err *err)
{
    if (env_bytes != NULL && len == env_len && memcmp(bytes, env_bytes, len) == 0)
        return 0; /* that of its template */
    env_bytes = malloc(len + 1);
    if (env_bytes == NULL)
        return err_set(err, ENOMEM, "keep the env of %zu bytes", len);
    memcpy(env_bytes, bytes, len);
    env_bytes[len] = '\0';
    env_len = len;
    for (char *at = env_bytes; at < env_bytes + len; at += strlen(at) + 1)
        if (putenv(at) != 0)
            return err_set(err, ENOMEM, "set the env of %zu bytes", len);
    if (getenv("TZ") != NULL)
        tzset(); /* the C library looks once, and may have before */
    return 0;
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
    int64_t left = (int64_t)call->request.deadline_ns - clock_ns();

    return left > 0 ? left / 1000000 : 0;
}
