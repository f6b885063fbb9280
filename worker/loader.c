/* loader.c: loads a function that is a shared object. No other file knows what a function is.
 * Runs under the LOAD filter: constructors of the object are code of the tenant.
 */
#include "loader.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api.h"
#include "text.h"

/* The text of the loader begins with the path /fd/N, which tells a user nothing: leave it out. */
static int
load_error(struct hearth_err *err, const char *path)
{
    const char *why = dlerror();

    if (why == NULL)
        why = "no reason given";
    if (starts_with(why, path) && why[strlen(path)] == ':')
        why += strlen(path) + 2;
    return err_set(err, 0, "cannot load the object: %s", why);
}

static int
check_abi(void *object, struct hearth_err *err)
{
    const uint32_t *abi = dlsym(object, "hearth_abi");

    if (abi == NULL)
        return err_set(err, 0, "the object was not built with hearth.h (it has no hearth_abi)");
    if (*abi != HEARTH_ABI)
        return err_set(err, 0,
                       "the object was built for ABI %u of hearth.h, this platform has ABI %u: "
                       "build it again",
                       *abi, HEARTH_ABI);
    return 0;
}

int
wrk_function_load(int fd, struct wrk_function *function, struct hearth_err *err)
{
    char path[32];
    void *object;
    int status;

    (void)snprintf(path, sizeof path, "/fd/%d", fd);
    object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    (void)close(fd);
    if (object == NULL)
        return load_error(err, path);
    status = check_abi(object, err);
    if (status < 0)
        return status;
    *(void **)&function->handle = dlsym(object, "hearth_handle");
    *(void **)&function->init = dlsym(object, "hearth_init");
    *(void **)&function->fini = dlsym(object, "hearth_fini");
    *(void **)&function->memory_low = dlsym(object, "hearth_memory_low");
    *(void **)&function->fork = dlsym(object, "hearth_fork");
    if (function->handle == NULL)
        return err_set(err, 0, "the object does not define hearth_handle");
    return 0;
}
