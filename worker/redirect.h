/* redirect.h: redirects calls of all loaded objects, but for the worker itself, to other functions.
 */
#ifndef WORKER_REDIRECT_H
#define WORKER_REDIRECT_H

struct wrk_redirect {
    const char *name;
    void *to;
};

/* Ends with a NULL name. Calls that another thread makes meanwhile go either way. */
void wrk_redirect(const struct wrk_redirect *list);
/* Undoes it. */
void wrk_redirect_undo(void);

#endif
