/* build_rules.h: what a build may be told: closed lists. The gateway checks what users write by
 * them, and the builder checks again what the gateway wrote. Nothing in the lists lets the
 * compiler run a program or read a file that is not of the bundle. */
#ifndef COMMON_BUILD_RULES_H
#define COMMON_BUILD_RULES_H

#include <stdbool.h>
#include <stddef.h>

#define BUILD_PLAN_FIRST "hearth-build 1" /* first line of a plan: see sandbox/builder/plan.h */
#define BUILD_PLAN_LAST  "end"
#define BUILD_PLAN_BYTES (1024 * 1024)

#define BUILD_INCLUDES      32
#define BUILD_DEFINES       128
#define BUILD_DEFINE_BYTES  1024
#define BUILD_FLAGS         32  /* of one source */
#define BUILD_PATH_BYTES    480 /* of a file of a bundle */
#define BUILD_PATH_DEPTH    24
#define BUILD_HANDLER_BYTES 200

enum build_language { BUILD_NONE, BUILD_C, BUILD_ASSEMBLER, BUILD_CXX };

/* The language of a file by its ending; BUILD_NONE: it is no source. */
enum build_language build_language_of(const char *path);
/* The same for a source that is compiled although nobody named it: ".s" is not. */
bool build_is_usual_source(const char *path);
bool build_is_header(const char *path);

/* The path of a file of a bundle: relative, of parts that are neither empty nor "." nor "..",
 * UTF-8 without control characters. NULL, or why not. */
const char *build_path_refusal(const char *path);

/* The language that a standard is of; BUILD_NONE: there is none of that name. */
enum build_language build_std_language(const char *std);
bool build_optimize_ok(const char *level);
bool build_warnings_ok(const char *level);
bool build_flag_ok(const char *flag);
/* NAME, or NAME=VALUE. */
bool build_define_ok(const char *define);

/* "module.name" of Python, or "a.b.name". */
bool build_handler_ok(const char *handler);

/* What is allowed, for a human. flags: all of them, or as many as there is room for. */
extern const char build_stds_text[], build_optimize_text[], build_warnings_text[];
void build_flags_text(char *text, size_t n);

#endif
