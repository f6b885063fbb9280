/* store.h: functions on disk, under the state folder (DESIGN: state on disk).
 * Blocking: to be called at start, or from the thread pool; one at a time for one
 * function. Each step is written, synced and renamed, so that after a power cut a
 * function is either the old version or the new one.
 */
#ifndef GATEWAY_STORE_H
#define GATEWAY_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "err.h"

/* Opens STATE/functions below the folder `root`, and removes what is half done.
 * *cleaned: how many things that were. */
int store_open(const char *root, unsigned *cleaned, struct hearth_err *err);

/* Reads the token, or makes one (64 hex digits and a NUL, file mode 0600). */
int store_token(char token[65], struct hearth_err *err);

/* A staged version: the folder tmp-VERSION, not yet visible to a restart. */
int store_stage(const char *name, uint32_t version, struct hearth_err *err);
/* path: relative, no "..", folders are made. */
int store_stage_source(const char *name, uint32_t version, const char *path, const void *bytes,
                       size_t len, struct hearth_err *err);
int store_stage_object(const char *name, uint32_t version, const void *bytes, size_t len,
                       struct hearth_err *err);
/* The same from a file, from its start; at most LIMIT_OBJECT bytes. */
int store_stage_object_from(const char *name, uint32_t version, int fd, struct hearth_err *err);
void store_unstage(const char *name, uint32_t version);
/* Writes function.json, syncs all, renames the folder and makes it live. */
int store_commit(const char *name, uint32_t version, const char *json, struct hearth_err *err);

/* Replaces VERSION/function.json. */
int store_settings(const char *name, uint32_t version, const char *json, struct hearth_err *err);
int store_live(const char *name, uint32_t version, struct hearth_err *err);
int store_remove_version(const char *name, uint32_t version, struct hearth_err *err);
int store_remove(const char *name, struct hearth_err *err);

/* Before the first version of a function that nobody knows: where there are files all the
 * same, which could not be read at the start, they become functions/.lost-NAME, for a human. */
int store_set_aside(const char *name, struct hearth_err *err);

/* Calls on_version for every version of every function: its json as text (NULL where the
 * version cannot be read), whether
 * it is the live one, and the size of its object. */
typedef void (*store_version_fn)(void *user, const char *name, uint32_t version, const char *json,
                                 int live, int64_t object_bytes);
int store_load(store_version_fn on_version, void *user, struct hearth_err *err);

#endif
