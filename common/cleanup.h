/* cleanup.h: releases scope-bound resources, by the cleanup attribute of the compiler. A resource
 * that is to outlive its scope is taken out with take_fd or take_ptr.
 */
#ifndef COMMON_CLEANUP_H
#define COMMON_CLEANUP_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void
cleanup_close_fn(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
}

static inline void
cleanup_free_fn(void *p)
{
    free(*(void **)p);
}

static inline void
cleanup_dir_fn(DIR **dir)
{
    if (*dir != NULL)
        (void)closedir(*dir);
}

static inline void
cleanup_file_fn(FILE **file)
{
    if (*file != NULL)
        (void)fclose(*file);
}

#define cleanup_close __attribute__((cleanup(cleanup_close_fn)))
#define cleanup_free  __attribute__((cleanup(cleanup_free_fn)))
#define cleanup_dir   __attribute__((cleanup(cleanup_dir_fn)))
#define cleanup_file  __attribute__((cleanup(cleanup_file_fn)))

/* Returns the descriptor and leaves -1 behind: the caller owns it now. */
static inline int
take_fd(int *fd)
{
    int taken = *fd;

    *fd = -1;
    return taken;
}

/* Returns the pointer and leaves NULL behind: the caller owns it now. */
#define take_ptr(p)                                                                                \
    __extension__({                                                                                \
        __typeof__(p) *take_at = &(p);                                                             \
        __typeof__(p) taken = *take_at;                                                            \
        *take_at = NULL;                                                                           \
        taken;                                                                                     \
    })

#endif
