/* loader.c: loads a function that is a shared object. Other languages will have
 * loaders of their own beside this one; nothing else knows what a function is.
 * Runs under the LOAD filter: the object's constructors are the tenant's code.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api.h"
#include "worker.h"

/* The loader's text names the object by its descriptor: say what it is instead. */
static int
refuse(struct hearth_err *err, const char *path)
{
    const char *why = dlerror();

    if (why == NULL)
        why = "no reason given";
    if (strncmp(why, path, strlen(path)) == 0 && why[strlen(path)] == ':')
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
        return refuse(err, path);
    status = check_abi(object, err);
    if (status < 0)
        return status;
    *(void **)&function->handle = dlsym(object, "hearth_handle");
    *(void **)&function->init = dlsym(object, "hearth_init");
    *(void **)&function->fini = dlsym(object, "hearth_fini");
    if (function->handle == NULL)
        return err_set(err, 0, "the object does not define hearth_handle");
    return 0;
}
