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

static char *setup, *env_bytes;
static size_t setup_len, env_len;
static const char *version = "";

int
wrk_setup_keep(const void *bytes, size_t len, struct hearth_err *err)
{
    char *at;

    if (setup != NULL && len == setup_len && memcmp(bytes, setup, len) == 0)
        return 0; /* that of its template */
    setup = malloc(len + 2);
    if (setup == NULL)
        return err_set(err, ENOMEM, "keep the env of %zu bytes", len);
    memcpy(setup, bytes, len);
    setup[len] = setup[len + 1] = '\0';
    setup_len = len;
    version = at = setup + strlen(setup) + 1;
    env_bytes = at + strlen(at) + 1;
    env_len = env_bytes < setup + len ? (size_t)(setup + len - env_bytes) : 0;
    for (at = env_bytes; at < env_bytes + env_len; at += strlen(at) + 1)
        if (putenv(at) != 0)
            return err_set(err, ENOMEM, "set the env of %zu bytes", len);
    if (getenv("TZ") != NULL)
        tzset(); /* the C library looks once, and may have before */
    return 0;
}

const char *
wrk_function_name(void)
{
    return setup != NULL ? setup : "";
}

const char *
wrk_function_version(void)
{
    return version;
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
