/* name.h: checks of the names that users choose, for all processes that make a path or an argument
 * of them. */
#ifndef COMMON_NAME_H
#define COMMON_NAME_H

#include <stdbool.h>
#include <stddef.h>

/* A function's name: [a-z0-9]([a-z0-9-]{0,61}[a-z0-9])? */
bool name_function_ok(const char *name, size_t len);

/* A library to link, the part after -l: letters, digits and "_+.-", not beginning with
 * '-' or '.', at most LIMIT_LIB_NAME letters. */
bool name_lib_ok(const char *name, size_t len);

#endif
