/* store.h: functions on disk, in the state folder. All functions block: call them at the start or
 * in the thread pool, one at a time per function. Each step is written, synced and renamed, so that
 * after a power failure a function is either the old version or the new one.
 */
#ifndef GATEWAY_STORE_H
#define GATEWAY_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

/* Opens STATE/functions in the folder `root` and removes incomplete files. *cleaned: the number of
 * removed files and folders. */
int store_open(const char *root, unsigned *cleaned, struct hearth_err *err);

/* Reads the token, or creates one (64 hex digits and a NUL, file mode 0600). */
int store_token(char token[65], struct hearth_err *err);

/* A staged version: the folder tmp-VERSION, not yet visible to a restart. */
int store_stage(const char *name, uint32_t version, struct hearth_err *err);
/* path: relative, no "..", folders are made. Not synced yet. */
int store_stage_source(const char *name, uint32_t version, const char *path, const void *bytes,
                       size_t len, struct hearth_err *err);
/* Makes a staged source one of the files that instances see. */
int store_stage_file(const char *name, uint32_t version, const char *path, struct hearth_err *err);
/* Begins what store_commit would have to wait for, while the sources are compiled. */
void store_sync_sources(const char *name, uint32_t version);
/* How the builder makes the object of the sources. */
int store_stage_plan(const char *name, uint32_t version, const char *text, struct hearth_err *err);
int store_stage_object(const char *name, uint32_t version, const void *bytes, size_t len,
                       struct hearth_err *err);
/* The same from a file, from its start; at most LIMIT_OBJECT bytes. */
int store_stage_object_from(const char *name, uint32_t version, int fd, struct hearth_err *err);
/* Bytes on disk of what is staged, in whole blocks of 4 KiB; or a negative errno. */
int64_t store_staged_bytes(const char *name, uint32_t version);
void store_unstage(const char *name, uint32_t version);
/* Writes function.json, syncs all, makes the version live unless it is to stand beside the live
 * one, and gives the folder its name. */
int store_commit(const char *name, uint32_t version, const char *json, bool live,
                 struct hearth_err *err);
/* The folder of a version, open; -1 with errno. The caller closes it. */
int store_version_folder(const char *name, uint32_t version);

/* Keeps the object files of a build for the next one of that function, from a file that may be
 * empty: then the earlier ones stay. All of them together have a bound: those that were not
 * used for longest go. A failure costs the next build its time. */
void store_keep_cache(const char *name, int fd);
void store_limit_cache(uint64_t bytes);

/* Replaces VERSION/function.json. */
int store_settings(const char *name, uint32_t version, const char *json, struct hearth_err *err);
/* The folder NAME, open; -1 with errno. The caller closes it. */
int store_folder(const char *name);
/* What was measured of the memory of a function: NAME/memory.json. */
int store_keep_memory(const char *name, const char *json, struct hearth_err *err);
/* NULL: there is none. Owned by the caller. */
char *store_memory(const char *name);
/* The object of a version; from malloc, NULL: it cannot be read. */
unsigned char *store_object(const char *name, uint32_t version, size_t *len);
int store_live(const char *name, uint32_t version, struct hearth_err *err);
int store_remove_version(const char *name, uint32_t version, struct hearth_err *err);
int store_remove(const char *name, struct hearth_err *err);

/* Call this before the first version of an unknown function. If it has files that could not be read
 * at the start, they are moved to functions/.lost-NAME, for a human to inspect. */
int store_set_aside(const char *name, struct hearth_err *err);

/* Calls on_version for every version of every function. json: the text of function.json, NULL if
 * the version cannot be read. live: whether it is the live version. */
typedef void (*store_version_fn)(void *user, const char *name, uint32_t version, const char *json,
                                 int live, int64_t object_bytes);
int store_load(store_version_fn on_version, void *user, struct hearth_err *err);

#endif
