/* files.c: hearth_file: the files of the version's bundle, mapped once each. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utlist.h>

#include "api.h"
#include "cleanup.h"
#include "inherit.h"

struct mapped {
    struct mapped *next;
    const void *bytes;
    size_t len;
    char name[];
};

static struct mapped *all;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* a function may have threads */

static bool
is_inside(const char *name)
{
    for (const char *part = name; part != NULL;) {
        size_t n = strcspn(part, "/");

        if (n == 0 || (n == 2 && strncmp(part, "..", 2) == 0))
            return false;
        part = part[n] == '/' ? part + n + 1 : NULL;
    }
    return true;
}

/* NULL with errno. */
static struct mapped *
map(const char *name)
{
    cleanup_close int fd = openat(INHERIT_WORKER_FILES, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    size_t size = strlen(name) + 1;
    struct mapped *file;
    struct stat st;

    if (fd < 0) {
        if (errno == EBADF) /* the version has no files */
            errno = ENOENT;
        return NULL;
    }
    if (fstat(fd, &st) != 0)
        return NULL;
    if (!S_ISREG(st.st_mode)) {
        errno = EISDIR;
        return NULL;
    }
    file = malloc(sizeof *file + size);
    if (file == NULL)
        return NULL;
    file->len = (size_t)st.st_size;
    file->bytes = file->len > 0 ? mmap(NULL, file->len, PROT_READ, MAP_SHARED, fd, 0) : "";
    if (file->bytes == MAP_FAILED) {
        free(file);
        return NULL;
    }
    memcpy(file->name, name, size);
    LL_PREPEND(all, file);
    return file;
}

const void *
hearth_file(const char *name, size_t *len)
{
    struct mapped *file;

    if (!is_inside(name)) {
        errno = EINVAL;
        return NULL;
    }
    (void)pthread_mutex_lock(&lock);
    LL_FOREACH(all, file)
    if (strcmp(file->name, name) == 0)
        break;
    if (file == NULL)
        file = map(name);
    (void)pthread_mutex_unlock(&lock);
    if (file != NULL && len != NULL)
        *len = file->len;
    return file != NULL ? file->bytes : NULL;
}
