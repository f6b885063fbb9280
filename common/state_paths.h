/* state_paths.h: names in the state folder that more than one program uses.
 *   functions/NAME/VERSION/        a version: function.so, function.json, files/, which its
 *                                  instances see as /function
 *   functions/NAME/tmp-VERSION/    one that is being deployed; source/ is what the builder sees,
 *                                  build what it is told
 *   cache/NAME                     object files of earlier builds
 * The gateway makes them (gateway/functions/store.c); the launcher opens them.
 */
#ifndef COMMON_STATE_PATHS_H
#define COMMON_STATE_PATHS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "limits.h"

/* Of the whole folder, as docs/operating.md describes it. 2: a version whose number `live` has may
 * still have the name tmp-VERSION. 1 has no file with its number. */
#define STATE_FORMAT      2
#define STATE_FORMAT_FILE "format"

#define STATE_FUNCTIONS "functions"
#define STATE_STAGED    "tmp-"
#define STATE_OBJECT    "function.so"
#define STATE_SOURCE    "source"
#define STATE_BUILD     "build"
#define STATE_FILES     "files"
#define STATE_CACHE     "cache"

/* Room for NAME/tmp-VERSION of a name that name_function_ok() accepts, and for that with
 * "functions/" before and one of the names above behind it. */
#define STATE_FOLDER_BYTES (LIMIT_NAME + sizeof "/" STATE_STAGED "4294967295")
#define STATE_PATH_BYTES   (sizeof STATE_FUNCTIONS + STATE_FOLDER_BYTES + sizeof "/" STATE_OBJECT)

/* Relative to functions/. */
static inline void
state_version_folder(char folder[STATE_FOLDER_BYTES], const char *name, uint32_t version,
                     bool staged)
{
    (void)snprintf(folder, STATE_FOLDER_BYTES, "%s/%s%u", name, staged ? STATE_STAGED : "",
                   version);
}

/* Relative to the state folder. file: one of the names above. */
static inline void
state_version_path(char path[STATE_PATH_BYTES], const char *name, uint32_t version, bool staged,
                   const char *file)
{
    char folder[STATE_FOLDER_BYTES];

    state_version_folder(folder, name, version, staged);
    (void)snprintf(path, STATE_PATH_BYTES, "%s/%s/%s", STATE_FUNCTIONS, folder, file);
}

static inline void
state_cache_path(char path[STATE_PATH_BYTES], const char *name)
{
    (void)snprintf(path, STATE_PATH_BYTES, STATE_CACHE "/%s", name);
}

#endif
