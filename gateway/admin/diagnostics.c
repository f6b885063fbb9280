/* diagnostics.c: lines such as "./a.c:3:5: error: text" become objects. What the
 * compiler prints is shaped by the source it was given: it is only ever text. */
#include <stdlib.h>
#include <string.h>

#include "admin/deploy.h"
#include "cleanup.h"
#include "text.h"

#define DIAGNOSTICS_MAX 200

static const char *
take_number(const char *at, json_int_t *number)
{
    char *end;

    if (*at < '0' || *at > '9')
        return NULL;
    *number = strtoll(at, &end, 10);
    return *end == ':' ? end + 1 : NULL;
}

static const char *
take_severity(const char *at, const char **severity)
{
    static const struct {
        const char *said, *means;
    } words[] = {{"error: ", "error"},       {"fatal error: ", "error"}, {"Error: ", "error"},
                 {"Fatal error: ", "error"}, {"Warning: ", "warning"},   {"warning: ", "warning"},
                 {"note: ", "note"}};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strncmp(at, words[i].said, strlen(words[i].said)) == 0) {
            *severity = words[i].means;
            return at + strlen(words[i].said);
        }
    return NULL;
}

static json_t *
printable(const char *text, size_t n)
{
    cleanup_free char *copy = strndup(text, n);

    if (copy == NULL)
        return NULL;
    text_printable(copy, true);
    return json_string(copy);
}

static void
add(json_t *list, const char *file, size_t file_len, json_int_t line, json_int_t column,
    const char *severity, const char *message)
{
    json_t *one = json_object();

    while (file_len > 2 && strncmp(file, "./", 2) == 0) {
        file += 2;
        file_len -= 2;
    }
    if (file_len > 0 && (file[0] == '{' || file[0] == '/'))
        file_len = line = column = 0; /* the assembler's input, a temporary file */
    (void)json_object_set_new(one, "file", file_len > 0 ? printable(file, file_len) : json_null());
    (void)json_object_set_new(one, "line", line > 0 ? json_integer(line) : json_null());
    (void)json_object_set_new(one, "column", column > 0 ? json_integer(column) : json_null());
    (void)json_object_set_new(one, "severity", json_string(severity));
    (void)json_object_set_new(one, "message", printable(message, strlen(message)));
    (void)json_array_append_new(list, one);
}

/* The linker's "…: undefined reference to `f'", which names file and line first
 * where it knows them. */
static bool
add_linker_line(json_t *list, const char *text)
{
    const char *at = strstr(text, "undefined reference to ");
    const char *colon = strchr(text, ':');
    json_int_t line = 0;

    if (at == NULL)
        return false;
    if (strncmp(text, "/usr/bin/ld: ", 13) == 0) {
        text += 13;
        colon = strchr(text, ':');
    }
    if (strncmp(text, "/src/", 5) == 0)
        text += 5;
    if (colon != NULL && take_number(colon + 1, &line) == NULL)
        colon = NULL;
    add(list, text, colon != NULL ? (size_t)(colon - text) : 0, line, 0, "error", at);
    return true;
}

/* The driver's words for a part of the compiler that a signal ended: said so that the one
 * who wrote the sources can do something with it. */
static bool
add_dead_part(json_t *list, const char *text)
{
    static const struct {
        const char *signal, *means;
    } deaths[] = {
        {"File size limit exceeded", "a file of the build would be larger than it may be (64M)"},
        {"Segmentation fault", "the compiler crashed: the sources are nested too deeply for it, or "
                               "met a bug of its own"},
        {"CPU time limit exceeded", "the compiler took longer than it may"},
        {"Killed", "a part of the compiler was ended for the memory or time that it took"},
    };

    if (strstr(text, " signal terminated program ") == NULL &&
        strstr(text, "ld terminated with signal ") == NULL) /* collect2's words */
        return strncmp(text, "Please submit a full bug report", 31) == 0 ||
               strncmp(text, "See <file:///usr/share/doc/gcc", 30) == 0;
    for (size_t i = 0; i < sizeof deaths / sizeof deaths[0]; i++)
        if (strstr(text, deaths[i].signal) != NULL) {
            add(list, "", 0, 0, 0, "error", deaths[i].means);
            return true;
        }
    return false;
}

static void
add_line(json_t *list, const char *text)
{
    const char *colon = strchr(text, ':');
    json_int_t line = 0, column = 0;
    const char *at = colon != NULL ? take_number(colon + 1, &line) : NULL;
    const char *severity, *message, *after;

    if (at != NULL && (after = take_number(at, &column)) != NULL)
        at = after;
    if (at != NULL && *at == ' ' && (message = take_severity(at + 1, &severity)) != NULL) {
        add(list, text, (size_t)(colon - text), line, column, severity, message);
        return;
    }
    if (add_linker_line(list, text) || add_dead_part(list, text))
        return;
    if (colon != NULL && colon[1] == ' ' && strchr(text, '/') == NULL &&
        (message = take_severity(colon + 2, &severity)) != NULL)
        add(list, "", 0, 0, 0, severity, message);
    else if (strncmp(text, "/usr/bin/ld: cannot find ", 25) == 0)
        add(list, "", 0, 0, 0, "error", text + 13);
}

static bool
has_error(json_t *list)
{
    json_t *one;
    size_t i;

    json_array_foreach (list, i, one) {
        if (strcmp(json_string_value(json_object_get(one, "severity")), "error") == 0)
            return true;
    }
    return false;
}

/* Where nothing looked like an error, the last lines as they are: better raw than
 * lost. */
static void
add_last_lines(json_t *list, const char *text)
{
    size_t n = strlen(text);
    const char *at = text + n;

    for (int lines = 0; at > text && lines < 5; at--)
        lines += at[-1] == '\n' && at < text + n;
    while (*at != '\0') {
        size_t len = strcspn(at, "\n");
        cleanup_free char *line = strndup(at, len);

        if (line != NULL && len > 0)
            add(list, "", 0, 0, 0, "error", line);
        at += len + (at[len] == '\n');
    }
}

json_t *
gw_diagnostics(const char *text, bool failed)
{
    const char *all = text;
    json_t *list = json_array();

    while (text != NULL && *text != '\0' && json_array_size(list) < DIAGNOSTICS_MAX) {
        size_t n = strcspn(text, "\n");
        cleanup_free char *line = strndup(text, n);

        if (line != NULL)
            add_line(list, line);
        text += n + (text[n] == '\n');
    }
    if (failed && all != NULL && !has_error(list))
        add_last_lines(list, all);
    return list;
}
