/* build.h: how a function is built, as people say it in function.json ("build") and in a query,
 * and as the builder is told. It belongs to the sources: another deploy says it anew.
 *
 *   include    folders of the bundle that are searched for headers, besides its root
 *   define     names and values of macros: an object, or in a query NAME=VALUE, once for each
 *   std        of C, of C++, or a list of both
 *   optimize   0, 1, 2, 3 or s
 *   warnings   none, default, all or extra
 *   sources    patterns of the files that are compiled; "!" before one takes files away again
 *   flags_for  pattern: flags for the sources that it matches; in a query `flags`, for all
 *
 * In a pattern '*' and '?' stand for letters of one name, "**" for any folders; one without a
 * '/' is held against the last part of a path, and the name of a folder means all that is in it.
 * Pure: no file is looked at. */
#ifndef GATEWAY_BUILD_H
#define GATEWAY_BUILD_H

#include <jansson.h>
#include <stdbool.h>

struct gw_bad_setting;

/* Whether a query may say it. */
bool gw_build_is_option(const char *name);

/* Each adds to *build, an object that is empty at first, what is checked word by word. 0, or
 * -EINVAL with *bad filled. */
int gw_build_from_json(json_t *build, json_t *value, struct gw_bad_setting *bad);
int gw_build_from_query(json_t *build, const char *query, struct gw_bad_setting *bad);

/* The plan for the builder (sandbox/builder/builder.h has the format) of a bundle with these
 * files, from malloc; compiled: filled, one for each file. NULL with *bad filled where a pattern
 * or a folder is none of the bundle's; bad->name stays empty where no file is compiled. */
char *gw_build_plan(const json_t *build, char *const *files, unsigned count, bool *compiled,
                    struct gw_bad_setting *bad);

/* The same for Python: all modules, and this handler. NULL: no memory. */
char *gw_build_plan_python(const char *handler);

/* Whether warnings are not wanted. */
bool gw_build_is_silent(const json_t *build);

#endif
