/* loader.c: loads a function: a shared object, or what the loader of another language takes. No
 * other file knows what a function is. Runs under the LOAD filter: constructors of the object are
 * code of the tenant.
 */
#include "loader.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api.h"
#include "cleanup.h"
#include "environment.h"
#include "python_paths.h"
#include "request.h"
#include "response.h"
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

static int
load_c(int fd, struct wrk_function *function, struct hearth_err *err)
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

/* ---- other languages ---- */

static const struct language {
    const char *first_line; /* of the object */
    const char *loader;
    const char *name;
} languages[] = {
    {PYTHON_OBJECT_FIRST, PYTHON_HEARTH "/loader.so", "Python " PYTHON_VERSION},
};

static const struct wrk_host host = {
    .fail = wrk_call_fail,
    .take_body = wrk_call_take_body,
    .give_body = wrk_block_give,
    .field = wrk_call_field,
    .memory_of_files = wrk_memory_of_files,
    .function_name = wrk_function_name,
    .function_version = wrk_function_version,
};

static const struct language *
language_of(int fd)
{
    char first[32] = "";

    if (pread(fd, first, sizeof first - 1, 0) < 0)
        return NULL;
    for (size_t i = 0; i < sizeof languages / sizeof languages[0]; i++)
        if (starts_with(first, languages[i].first_line))
            return &languages[i];
    return NULL;
}

/* The libraries of the language are for its native modules too: hence RTLD_GLOBAL. */
static int
load_by(const struct language *language, int fd, struct wrk_function *function,
        struct hearth_err *err)
{
    cleanup_close int owned = fd;
    wrk_language_load load = NULL;
    void *loader = NULL, *object;
    struct stat st;

    if (fstat(owned, &st) != 0)
        return err_set(err, errno, "look at the object");
    object = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, owned, 0);
    if (object == MAP_FAILED)
        return err_set(err, errno, "map the object");
    if (access(language->loader, F_OK) != 0)
        return err_set(err, 0, "this Hearth was built without %s", language->name);
    loader = dlopen(language->loader, RTLD_NOW | RTLD_GLOBAL);
    if (loader == NULL)
        return load_error(err, language->loader);
    *(void **)&load = dlsym(loader, WRK_LANGUAGE_LOAD);
    if (load == NULL)
        return load_error(err, language->loader);
    return load(&host, object, (size_t)st.st_size, function, err);
}

int
wrk_function_load(int fd, struct wrk_function *function, struct hearth_err *err)
{
    const struct language *language = language_of(fd);

    return language != NULL ? load_by(language, fd, function, err) : load_c(fd, function, err);
}
