/* diagnostics.c: lines such as "./a.c:3:5: error: text" become objects. What the
 * compiler prints is shaped by the source it was given: it is only ever text. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "deploy.h"
#include "text.h"

#define EACH_MAX    50        /* of each severity */
#define CARET_BYTES 2000      /* of the lines that show a place */
#define OBJECTS     "/tmp/o/" /* the object of lib/a.c is /tmp/o/lib/a.c.o */

enum severity { ERROR, WARNING, NOTE, SEVERITIES };

static const char *const severity_names[SEVERITIES] = {"error", "warning", "note"};

/* What is known while the lines are read. */
struct reading {
    json_t *errors, *others; /* each with the notes that belong to it */
    json_t *group; /* the one of both that the last error or warning went to; NULL: none */
    json_t *last;  /* that lines which show its place belong to */
    unsigned count[SEVERITIES], left_out[SEVERITIES];
    bool silent;
    char in_object[512]; /* the source that the linker speaks of */
};

/* Where something is: the text of a line that says it. */
struct place {
    const char *file;
    size_t file_len;
    json_int_t line, column;
    const char *source; /* the source of the object that the linker names */
    size_t source_len;
};

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
take_severity(const char *at, enum severity *severity)
{
    static const struct {
        const char *said;
        enum severity means;
    } words[] = {{"error: ", ERROR},       {"fatal error: ", ERROR}, {"Error: ", ERROR},
                 {"Fatal error: ", ERROR}, {"Warning: ", WARNING},   {"warning: ", WARNING},
                 {"note: ", NOTE}};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (starts_with(at, words[i].said)) {
            *severity = words[i].means;
            return at + strlen(words[i].said);
        }
    return NULL;
}

static json_t *
printable(const char *text, size_t n)
{
    cleanup_free char *copy = strndup(text, n);
    json_t *json;

    if (copy == NULL)
        return json_string("");
    text_printable(copy, true);
    json = json_string(copy);
    return json != NULL ? json : json_string("");
}

/* As it was in the bundle. */
static void
tidy_place(struct place *place)
{
    static const char *const before[] = {"/src/", "./"};

    for (size_t i = 0; i < sizeof before / sizeof before[0]; i++)
        while (place->file_len > strlen(before[i]) &&
               strncmp(place->file, before[i], strlen(before[i])) == 0) {
            place->file += strlen(before[i]);
            place->file_len -= strlen(before[i]);
        }
    if (place->file_len > 0 && (place->file[0] == '{' || starts_with(place->file, "/tmp/")))
        *place = (struct place){.file = ""}; /* the assembler's input, a temporary file */
}

/* The macro is defined for all: who defines it too is right. */
static bool
is_platform_s(const char *message)
{
    return starts_with(message, "\"_GNU_SOURCE\" redefined");
}

static void
add(struct reading *r, struct place place, enum severity severity, const char *message)
{
    bool dropped = severity == WARNING && (r->silent || is_platform_s(message));
    json_t *one;

    r->last = NULL;
    if (severity != NOTE)
        r->group = dropped ? NULL : severity == ERROR ? r->errors : r->others;
    if (r->group == NULL)
        return;
    if (r->count[severity] == EACH_MAX) {
        r->left_out[severity]++;
        r->group = severity == NOTE ? r->group : NULL;
        return;
    }
    r->count[severity]++;
    tidy_place(&place);
    one = json_object();
    (void)json_object_set_new(
        one, "file", place.file_len > 0 ? printable(place.file, place.file_len) : json_null());
    (void)json_object_set_new(one, "line", place.line > 0 ? json_integer(place.line) : json_null());
    (void)json_object_set_new(one, "column",
                              place.column > 0 ? json_integer(place.column) : json_null());
    (void)json_object_set_new(one, "severity", json_string(severity_names[severity]));
    (void)json_object_set_new(one, "message", printable(message, strlen(message)));
    (void)json_array_append_new(r->group, one);
    r->last = one;
}

/* ---- the lines that show a place: "   12 |   code", "      |   ^~~~" ---- */

static bool
add_caret(struct reading *r, const char *text)
{
    const char *at = text + strspn(text, " ");
    const char *was;
    char caret[CARET_BYTES + 1];

    if (at == text)
        return false;
    at += strspn(at, "0123456789+");
    at += strspn(at, " ");
    if (*at != '|')
        return false;
    if (r->last == NULL)
        return true;
    was = json_string_value(json_object_get(r->last, "caret"));
    if ((was != NULL ? strlen(was) : 0) + strlen(text) + 2 > sizeof caret)
        return true;
    (void)snprintf(caret, sizeof caret, "%s%s%s", was != NULL ? was : "", was != NULL ? "\n" : "",
                   text);
    for (char *line = caret; line != NULL; line = strchr(line, '\n'), line = line ? line + 1 : NULL)
        text_printable_bytes(line, strcspn(line, "\n"), true);
    (void)json_object_set_new(r->last, "caret", json_string(caret));
    return true;
}

/* ---- the linker ---- */

/* "OBJECT:", "FILE:LINE:", "FILE:(.text+0x1):", in this order, each if it is there. Moves *at
 * behind it. */
static bool
take_place(const char **at, struct place *place)
{
    const char *end, *from = *at;
    bool any = false;

    if (starts_with(from, OBJECTS) && (end = strstr(from, ".o:")) != NULL) {
        place->file = place->source = from + strlen(OBJECTS);
        place->file_len = place->source_len = (size_t)(end - place->file);
        from = end + 3;
        any = true;
    }
    end = strchr(from, ':');
    if (end != NULL && *from != ' ') {
        json_int_t line = 0;
        const char *after = take_number(end + 1, &line);

        if (after == NULL && end[1] == '(' && (after = strstr(end, "):")) != NULL)
            after += 2;
        if (after != NULL) {
            if (line > 0) {
                place->file = from;
                place->file_len = (size_t)(end - from);
                place->line = line;
            }
            from = after;
            any = true;
        } else if (*from == '(' && (after = strstr(from, "):")) != NULL) {
            from = after + 2;
            any = true;
        }
    }
    *at = from + strspn(from, " ");
    return any;
}

/* "OBJECT:FILE:3:" and the like. */
static bool
take_all_places(const char **at, struct place *place)
{
    bool any = false;

    while (take_place(at, place)) {
        any = true;
        if (place->line > 0)
            break;
    }
    return any;
}

/* The name between "`" or "'" and "'"; 0: there is none. */
static size_t
quoted(const char *text, const char **name)
{
    size_t n = strcspn(text, "`'");

    if (text[n] == '\0')
        return 0;
    *name = text + n + 1;
    n = strcspn(*name, "'");
    return (*name)[n] == '\'' ? n : 0;
}

static json_t *
find_symbol(json_t *errors, const char *name, size_t n)
{
    json_t *one;
    size_t i;

    json_array_foreach (errors, i, one) {
        const char *symbol = json_string_value(json_object_get(one, "symbol"));

        if (symbol != NULL && strlen(symbol) == n && strncmp(symbol, name, n) == 0)
            return one;
    }
    return NULL;
}

/* One for each symbol. */
static void
add_symbol(struct reading *r, struct place place, const char *message)
{
    const char *name = NULL;
    size_t n = quoted(message, &name);

    if (n > 0 && find_symbol(r->errors, name, n) != NULL)
        return;
    if (place.file_len == 0)
        place = (struct place){.file = r->in_object, .file_len = strlen(r->in_object)};
    add(r, place, ERROR, message);
    if (n > 0 && r->last != NULL)
        (void)json_object_set_new(r->last, "symbol", printable(name, n));
}

/* " in b.c, line 3" of the object's own source, whatever header its line is in. */
static void
append_source(char *text, size_t room, const struct place *place)
{
    struct place own = *place;
    size_t used = strlen(text);

    tidy_place(&own);
    (void)snprintf(text + used, room - used, " in %.*s", (int)place->source_len, place->source);
    used = strlen(text);
    if (own.line > 0 && own.file_len == place->source_len &&
        memcmp(own.file, place->source, own.file_len) == 0)
        (void)snprintf(text + used, room - used, ", line %lld", (long long)own.line);
}

/* "multiple definition of `x'; OBJECT:FILE:3: first defined here" */
static void
add_twice_defined(struct reading *r, struct place place, const char *message)
{
    const char *other = strstr(message, "; ");
    struct place first = {.file = ""};
    char text[1200];

    (void)snprintf(text, sizeof text, "%.*s",
                   other != NULL ? (int)(other - message) : (int)strlen(message), message);
    if (place.source_len == 0) {
        place.source = r->in_object;
        place.source_len = strlen(r->in_object);
    }
    if (other != NULL && place.source_len > 0) {
        other += 2;
        append_source(text, sizeof text, &place);
        if (take_all_places(&other, &first) && first.source_len > 0) {
            size_t used = strlen(text);

            (void)snprintf(text + used, sizeof text - used, "; first defined");
            append_source(text, sizeof text, &first);
        }
    }
    add_symbol(r, place, text);
}

/* Of what the linker says besides, the lines that follow from others. */
static bool
is_consequence(const char *text)
{
    static const char *const words[] = {"final link failed", "error adding symbols: DSO missing",
                                        "bad value"};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strstr(text, words[i]) != NULL)
            return true;
    return false;
}

static bool
add_linker_line(struct reading *r, const char *text)
{
    static const char ld[] = "/usr/bin/ld: ";
    bool by_name = starts_with(text, ld);
    struct place place = {.file = ""};
    enum severity severity = ERROR;
    const char *after;

    if (by_name)
        text += sizeof ld - 1;
    else if (strstr(text, "undefined reference to ") == NULL &&
             strstr(text, "multiple definition of ") == NULL)
        return false;
    (void)take_all_places(&text, &place);
    if (starts_with(text, "in function `")) {
        (void)snprintf(r->in_object, sizeof r->in_object, "%.*s", (int)place.file_len, place.file);
        return true;
    }
    if (starts_with(text, "more undefined references") || is_consequence(text))
        return true;
    if ((after = strstr(text, "multiple definition of ")) != NULL)
        add_twice_defined(r, place, after);
    else if ((after = strstr(text, "undefined reference to ")) != NULL)
        add_symbol(r, place, after);
    else if ((after = take_severity(text, &severity)) != NULL)
        add(r, place, severity, after);
    else if (starts_with(text, "NOTE: "))
        add(r, place, NOTE, text + 6);
    else
        add(r, place, ERROR, text);
    return true;
}

/* "hearth: symbol NAME is in library LIB", by the builder. */
static bool
add_hint(struct reading *r, const char *text)
{
    static const char before[] = "hearth: symbol ", between[] = " is in library ";
    const char *name = text + sizeof before - 1, *lib;
    char message[512];
    json_t *one;

    if (!starts_with(text, before) || (lib = strstr(name, between)) == NULL)
        return false;
    one = find_symbol(r->errors, name, (size_t)(lib - name));
    lib += sizeof between - 1;
    if (one == NULL)
        return true;
    (void)snprintf(message, sizeof message, "%.300s: add libs=%.64s",
                   json_string_value(json_object_get(one, "message")), lib);
    (void)json_object_set_new(one, "message", printable(message, strlen(message)));
    (void)json_object_set_new(one, "library", printable(lib, strlen(lib)));
    return true;
}

/* ---- the driver ---- */

/* The driver's words for a part of the compiler that a signal ended: said so that the one
 * who wrote the sources can do something with it. */
static bool
add_dead_part(struct reading *r, const char *text)
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
        return starts_with(text, "Please submit a full bug report") ||
               starts_with(text, "See <file:///usr/share/doc/gcc");
    for (size_t i = 0; i < sizeof deaths / sizeof deaths[0]; i++)
        if (strstr(text, deaths[i].signal) != NULL) {
            add(r, (struct place){.file = ""}, ERROR, deaths[i].means);
            return true;
        }
    return false;
}

static void
add_line(struct reading *r, const char *text)
{
    const char *colon = strchr(text, ':');
    struct place place = {.file = text};
    const char *at = colon != NULL ? take_number(colon + 1, &place.line) : NULL;
    const char *message, *after;
    enum severity severity;

    if (add_caret(r, text) || add_hint(r, text))
        return;
    if (at != NULL && (after = take_number(at, &place.column)) != NULL)
        at = after;
    if (at != NULL && *at == ' ' && (message = take_severity(at + 1, &severity)) != NULL) {
        place.file_len = (size_t)(colon - text);
        add(r, place, severity, message);
        return;
    }
    r->last = NULL;
    if (add_linker_line(r, text) || add_dead_part(r, text) ||
        starts_with(text, "collect2: error: ld returned"))
        return;
    if (colon != NULL && colon[1] == ' ' && memchr(text, '/', (size_t)(colon - text)) == NULL &&
        (message = take_severity(colon + 2, &severity)) != NULL)
        add(r, (struct place){.file = ""}, severity, message);
}

/* Where nothing looked like an error, the last lines as they are: better raw than
 * lost. */
static void
add_last_lines(struct reading *r, const char *text)
{
    size_t n = strlen(text);
    const char *at = text + n;

    for (int lines = 0; at > text && lines < 5; at--)
        lines += at[-1] == '\n' && at < text + n;
    while (*at != '\0') {
        size_t len = strcspn(at, "\n");
        cleanup_free char *line = strndup(at, len);

        if (line != NULL && len > 0)
            add(r, (struct place){.file = ""}, ERROR, line);
        at += len + (at[len] == '\n');
    }
}

static void
add_left_out(struct reading *r)
{
    char text[96];

    for (int i = 0; i < NOTE; i++) {
        if (r->left_out[i] == 0)
            continue;
        (void)snprintf(text, sizeof text, "%u more %ss are not shown", r->left_out[i],
                       severity_names[i]);
        (void)json_array_append_new(r->errors,
                                    json_pack("{s:n,s:n,s:n,s:s,s:s}", "file", "line", "column",
                                              "severity", "note", "message", text));
    }
}

json_t *
gw_diagnostics(const char *text, bool failed, bool silent)
{
    const char *all = text;
    struct reading r = {.errors = json_array(), .others = json_array(), .silent = silent};

    while (text != NULL && *text != '\0') {
        size_t n = strcspn(text, "\n");
        cleanup_free char *line = strndup(text, n);

        if (line != NULL && n > 0)
            add_line(&r, line);
        text += n + (text[n] == '\n');
    }
    if (failed && all != NULL && r.count[ERROR] == 0)
        add_last_lines(&r, all);
    (void)json_array_extend(r.errors, r.others);
    json_decref(r.others);
    add_left_out(&r);
    return r.errors;
}
