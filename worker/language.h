/* language.h: what the loader of another language than C is given by the worker, and gives it. The
 * loader is a shared object of its own, so that instances of C functions are without it. Both are
 * built from this header, and installed together. */
#ifndef WORKER_LANGUAGE_H
#define WORKER_LANGUAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "err.h"

struct hearth_call;

/* A function, in the language's own way. All but handle may be NULL. */
struct wrk_function {
    int (*handle)(struct hearth_call *);
    int (*init)(void);
    void (*fini)(void);
    void (*memory_low)(void);
    void (*before_fork)(void);  /* in the template, */
    void (*after_fork)(void);   /* likewise */
    void (*settle)(void);       /* in a fork that may wait for its turn: what can be done before */
    int (*fork)(void);          /* in a fork of the template, before its first call */
    int (*begin)(void);         /* in an instance that is none, likewise */
    void (*after)(void);        /* after a call, unless another one waits */
    void (*idle)(void);         /* once no call has come for 100 ms after one */
    size_t (*heap)(void);       /* bytes that it has given out beside malloc, or nearly */
    const char *(*why)(void);   /* why init, fork or begin failed; NULL: it has no word for it */
    const char *(*costs)(void); /* of init: the text of struct frame_ready, or NULL */
    /* Between two calls: begins to note what allocates; and ends it, with a text of the lines that
     * worker/profile.h has, which stays until the next one. NULL: malloc is sampled. */
    void (*profile_begin)(void);
    const char *(*profile_end)(void);
    /* Forks write into all that the template made (counts of references, say): its memory stays in
     * small pages. One write into a huge page that is shared takes up to 2 ms. */
    bool small_pages;
};

struct wrk_host {
    /* The handler is about to return that it failed: with an exception of this type. no_memory: it
     * is of memory, and the limit is its cause. */
    void (*fail)(struct hearth_call *call, const char *exception, bool no_memory);
    /* As hearth_body, but the caller owns the block of `room` bytes, and gives it back. *room 0: it
     * is in the channel, where it stays until the end of the call. */
    void *(*take_body)(struct hearth_call *call, size_t *len, size_t *room);
    void (*give_body)(void *block, size_t room, size_t len);
    /* The header fields in the order in which they came; false past the last. name and value end
     * with a NUL, and stay until the end of the call. */
    bool (*field)(struct hearth_call *call, unsigned n, const char **name, const char **value);
    size_t (*memory_of_files)(void); /* bytes in use that the kernel takes back where needed */
    const char *(*function_name)(void);
    const char *(*function_version)(void);
};

/* The function of a loader that is called first: object is the version's object, of len bytes,
 * which stays mapped. 0, or -1 with err. */
#define WRK_LANGUAGE_LOAD "hearth_language_load"
typedef int (*wrk_language_load)(const struct wrk_host *host, const void *object, size_t len,
                                 struct wrk_function *function, struct hearth_err *err);
int hearth_language_load(const struct wrk_host *host, const void *object, size_t len,
                         struct wrk_function *function, struct hearth_err *err);

#endif
