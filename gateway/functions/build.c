/* build.c: see build.h. What is kept of a build is a JSON object of one form: lists of words
 * that are checked, and "define" and "flags_for" as objects. */
#include "build.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "build_rules.h"
#include "cleanup.h"
#include "query.h"
#include "settings_json.h"

#define PATTERNS_MAX  64
#define PATTERN_BYTES 128

/* ---- one word of each kind: 0, or -EINVAL ---- */

/* "./a/b/" as "a/b", and "" or "./" as "." */
static int
add_include(json_t *list, const char *word)
{
    cleanup_free char *folder = NULL;
    size_t n;

    while (strncmp(word, "./", 2) == 0)
        word += 2 + strspn(word + 2, "/");
    folder = strdup(word[0] != '\0' ? word : ".");
    if (folder == NULL)
        return -EINVAL;
    for (n = strlen(folder); n > 1 && folder[n - 1] == '/'; n--)
        folder[n - 1] = '\0';
    if ((strcmp(folder, ".") != 0 && build_path_refusal(folder) != NULL) ||
        json_array_size(list) == BUILD_INCLUDES)
        return -EINVAL;
    return json_array_append_new(list, json_string(folder));
}

static int
add_std(json_t *list, const char *word)
{
    enum build_language language = build_std_language(word);
    json_t *other;
    size_t i;

    json_array_foreach (list, i, other)
        if (build_std_language(json_string_value(other)) == language)
            return -EINVAL;
    return language != BUILD_NONE ? json_array_append_new(list, json_string(word)) : -EINVAL;
}

static int
add_optimize(json_t *list, const char *word)
{
    if (!build_optimize_ok(word) || json_array_size(list) > 0)
        return -EINVAL;
    return json_array_append_new(list, json_string(word));
}

static int
add_warnings(json_t *list, const char *word)
{
    if (!build_warnings_ok(word) || json_array_size(list) > 0)
        return -EINVAL;
    return json_array_append_new(list, json_string(word));
}

static bool
pattern_ok(const char *pattern)
{
    return pattern[0] != '\0' && strlen(pattern) <= PATTERN_BYTES;
}

static int
add_pattern(json_t *list, const char *word)
{
    if (!pattern_ok(word[0] == '!' ? word + 1 : word) || json_array_size(list) == PATTERNS_MAX)
        return -EINVAL;
    return json_array_append_new(list, json_string(word));
}

static int
add_flag(json_t *list, const char *word)
{
    if (!build_flag_ok(word) || json_array_size(list) == BUILD_FLAGS)
        return -EINVAL;
    return json_array_append_new(list, json_string(word));
}

/* ---- options ---- */

static const struct option {
    const char *name;
    int (*add)(json_t *list, const char *word); /* NULL: an object */
    const char *allowed;
} options[] = {
    {"include", add_include, "at most 32 folders of the bundle, relative to its root"},
    {"define", NULL,
     "at most 128 names of macros (letters, digits and '_'), with a text or a whole number of one "
     "line or nothing as the value"},
    {"std", add_std, build_stds_text},
    {"optimize", add_optimize, build_optimize_text},
    {"warnings", add_warnings, build_warnings_text},
    {"sources", add_pattern,
     "at most 64 patterns such as \"src/*.c\", \"lib/**\" or \"!test_*.c\""},
    {"flags_for", NULL, "patterns, each with a list of flags"},
};

static const struct option *
option_find(const char *name)
{
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        if (strcmp(options[i].name, name) == 0)
            return &options[i];
    return NULL;
}

bool
gw_build_is_option(const char *name)
{
    return strcmp(name, "build") == 0 || strcmp(name, "flags") == 0 ||
           (option_find(name) != NULL && strcmp(name, "flags_for") != 0);
}

static int
blame(struct gw_bad_setting *bad, const char *prefix, const char *name, const char *allowed)
{
    char full[sizeof bad->name];

    (void)snprintf(full, sizeof full, "%s%.40s", prefix, name);
    return gw_settings_blame(bad, full, allowed);
}

static int
blame_flags(struct gw_bad_setting *bad, const char *prefix, const char *name, const char *flag)
{
    char text[sizeof bad->allowed], flags[sizeof bad->allowed - 112];

    build_flags_text(flags, sizeof flags);
    (void)snprintf(text, sizeof text, "a flag of the closed list, and not \"%.40s\": %s, …", flag,
                   flags);
    return blame(bad, prefix, name, text);
}

/* The member of that name, made where there is none. */
static json_t *
member(json_t *object, const char *name, bool list)
{
    json_t *value = json_object_get(object, name);

    if (value == NULL) {
        value = list ? json_array() : json_object();
        (void)json_object_set_new(object, name, value);
    }
    return value;
}

/* ---- from JSON ---- */

static bool
is_text(const json_t *value)
{
    return json_is_string(value) && strlen(json_string_value(value)) == json_string_length(value);
}

static int
list_from_json(json_t *list, const struct option *option, json_t *value)
{
    json_t *one;
    size_t i;
    char number[24];
    int64_t whole;

    (void)json_array_clear(list);
    if (is_text(value))
        return option->add(list, json_string_value(value));
    if (gw_json_whole(value, &whole)) {
        (void)snprintf(number, sizeof number, "%lld", (long long)whole);
        return option->add(list, number);
    }
    if (!json_is_array(value))
        return -EINVAL;
    json_array_foreach (value, i, one)
        if (!is_text(one) || option->add(list, json_string_value(one)) < 0)
            return -EINVAL;
    return 0;
}

/* "NAME" or "NAME=VALUE" as a member. */
static int
add_define(json_t *object, const char *define)
{
    size_t n = strcspn(define, "=");
    cleanup_free char *name = strndup(define, n);

    if (name == NULL || !build_define_ok(define) || json_object_size(object) == BUILD_DEFINES)
        return -EINVAL;
    return json_object_set_new(object, name,
                               define[n] == '=' ? json_string(define + n + 1) : json_null());
}

static int
define_from_json(json_t *object, json_t *value)
{
    const char *name;
    json_t *one;
    size_t i;

    if (json_is_array(value)) { /* "NAME=VALUE", as in a query */
        json_array_foreach (value, i, one)
            if (!is_text(one) || add_define(object, json_string_value(one)) < 0)
                return -EINVAL;
        return 0;
    }
    if (!json_is_object(value))
        return -EINVAL;
    json_object_foreach (value, name, one) {
        char define[BUILD_DEFINE_BYTES + 64];
        int64_t whole;
        int n;

        if (json_is_null(one) || json_is_true(one))
            n = snprintf(define, sizeof define, "%s", name);
        else if (is_text(one))
            n = snprintf(define, sizeof define, "%s=%s", name, json_string_value(one));
        else if (gw_json_whole(one, &whole))
            n = snprintf(define, sizeof define, "%s=%lld", name, (long long)whole);
        else
            return -EINVAL;
        if (n >= (int)sizeof define || strchr(name, '=') != NULL || add_define(object, define) < 0)
            return -EINVAL;
    }
    return 0;
}

static int
flags_from_json(json_t *object, json_t *value, const char *prefix, struct gw_bad_setting *bad)
{
    const char *pattern;
    json_t *flags, *flag;
    size_t i;

    if (!json_is_object(value) || json_object_size(value) > PATTERNS_MAX)
        return blame(bad, prefix, "flags_for", option_find("flags_for")->allowed);
    json_object_foreach (value, pattern, flags) {
        json_t *list = json_array();

        (void)json_object_set_new(object, pattern, list);
        if (is_text(flags) && add_flag(list, json_string_value(flags)) < 0)
            return blame_flags(bad, prefix, "flags_for", json_string_value(flags));
        if (!pattern_ok(pattern) || (!is_text(flags) && !json_is_array(flags)))
            return blame(bad, prefix, "flags_for", option_find("flags_for")->allowed);
        json_array_foreach (flags, i, flag)
            if (!is_text(flag) || add_flag(list, json_string_value(flag)) < 0)
                return blame_flags(bad, prefix, "flags_for",
                                   is_text(flag) ? json_string_value(flag) : "");
    }
    return 0;
}

static int
from_json(json_t *build, json_t *value, const char *prefix, struct gw_bad_setting *bad)
{
    const char *name;
    json_t *one;

    json_object_foreach (value, name, one) {
        const struct option *option = option_find(name);
        int status;

        if (option == NULL)
            return blame(bad, prefix, name,
                         "include, define, std, optimize, warnings, sources, flags_for");
        if (strcmp(name, "flags_for") == 0)
            status = flags_from_json(member(build, name, false), one, prefix, bad);
        else if (option->add == NULL)
            status = define_from_json(member(build, name, false), one);
        else
            status = list_from_json(member(build, name, true), option, one);
        if (status < 0)
            return bad->name[0] != '\0' ? status : blame(bad, prefix, name, option->allowed);
    }
    return 0;
}

int
gw_build_from_json(json_t *build, json_t *value, struct gw_bad_setting *bad)
{
    if (!json_is_object(value))
        return gw_settings_blame(bad, "build", "a JSON object of build options");
    return from_json(build, value, "build.", bad);
}

/* ---- from a query ---- */

/* "a,b" */
static int
words_from_text(json_t *list, const char *text, int (*add)(json_t *list, const char *word),
                char **word)
{
    while (*text != '\0') {
        size_t n = strcspn(text, ",");

        free(*word);
        *word = strndup(text, n);
        if (*word == NULL || add(list, *word) < 0)
            return -EINVAL;
        text += n + (text[n] == ',');
    }
    return 0;
}

static int
pair_from_query(json_t *build, const char *name, const char *value, struct gw_bad_setting *bad)
{
    const struct option *option = option_find(name);
    cleanup_free char *word = NULL;
    json_t *list;
    int status;

    if (strcmp(name, "build") == 0) {
        json_t *object = json_loads(value, JSON_REJECT_DUPLICATES, NULL);

        status = gw_build_from_json(build, object, bad);
        json_decref(object);
        return status;
    }
    if (strcmp(name, "flags") == 0) {
        list = member(member(build, "flags_for", false), "*", true);
        status = words_from_text(list, value, add_flag, &word);
        return status == 0 ? 0 : blame_flags(bad, "", name, word != NULL ? word : "");
    }
    if (option->add == NULL) {
        status = add_define(member(build, name, false), value);
    } else {
        (void)json_object_del(build, name); /* instead of the bundle's */
        status = words_from_text(member(build, name, true), value, option->add, &word);
    }
    return status == 0 ? 0 : blame(bad, "", name, option->allowed);
}

int
gw_build_from_query(json_t *build, const char *query, struct gw_bad_setting *bad)
{
    int status;

    do {
        cleanup_free char *name = NULL, *value = NULL;

        status = gw_query_next(&query, &name, &value);
        if (status == -EINVAL)
            return gw_settings_blame(bad, "query", GW_QUERY_FORM);
        if (status == 1 && gw_build_is_option(name)) {
            status = pair_from_query(build, name, value, bad);
            status = status == 0 ? 1 : status;
        }
    } while (status == 1);
    return status;
}

/* ---- patterns ---- */

#define MATCHING_MOST UINT64_C(500000000) /* comparisons of letters, about a second */

/* A pattern as the states of an automaton, one for each letter, star or pair of stars: the time
 * that it takes is the product of both lengths, whatever they hold. */
struct glob {
    unsigned count;
    struct {
        enum { LETTER, ANY, STAR, STARS, FOLDERS } kind;
        char letter;
    } of[PATTERN_BYTES];
};

static void
glob_parse(struct glob *glob, const char *pattern, size_t n)
{
    glob->count = 0;
    for (size_t i = 0; i < n; i++) {
        bool two = pattern[i] == '*' && i + 1 < n && pattern[i + 1] == '*';

        glob->of[glob->count].letter = pattern[i];
        glob->of[glob->count].kind = pattern[i] == '?' ? ANY : pattern[i] == '*' ? STAR : LETTER;
        if (two) {
            glob->of[glob->count].kind = i + 2 < n && pattern[i + 2] == '/' ? FOLDERS : STARS;
            i += glob->of[glob->count].kind == FOLDERS ? 2 : 1;
        }
        if (glob->count > 0 && glob->of[glob->count].kind >= STAR &&
            glob->of[glob->count].kind == glob->of[glob->count - 1].kind)
            continue; /* the same twice says nothing more */
        glob->count++;
    }
}

/* Enters a state, and those that may follow it without a letter. */
static void
enter(const struct glob *glob, bool *set, unsigned state)
{
    for (; !set[state]; state++) {
        set[state] = true;
        if (state == glob->count || glob->of[state].kind < STAR)
            break;
    }
}

/* The states after one more letter; false where there are none. */
static bool
step(const struct glob *glob, const bool *set, bool *next, char letter)
{
    bool any = false;

    memset(next, 0, glob->count + 1);
    for (unsigned k = 0; k < glob->count; k++) {
        if (!set[k])
            continue;
        switch (glob->of[k].kind) {
        case LETTER:
            if (glob->of[k].letter == letter)
                enter(glob, next, k + 1);
            break;
        case ANY:
            if (letter != '/')
                enter(glob, next, k + 1);
            break;
        case STAR:
            if (letter != '/')
                enter(glob, next, k);
            break;
        case STARS:
            enter(glob, next, k);
            break;
        case FOLDERS: /* whole ones: what follows begins after a '/' */
            /* not by enter(): what follows is entered after a '/' alone */
            next[k] = true;
            if (letter == '/')
                enter(glob, next, k + 1);
            break;
        }
    }
    for (unsigned k = 0; k <= glob->count; k++)
        any = any || next[k];
    return any;
}

static bool
glob_matches(const char *pattern, size_t n, const char *text)
{
    bool sets[2][PATTERN_BYTES + 1] = {{false}};
    struct glob glob;
    unsigned now = 0;

    glob_parse(&glob, pattern, n);
    enter(&glob, sets[0], 0);
    for (; *text != '\0'; text++, now = !now)
        if (!step(&glob, sets[now], sets[!now], *text))
            return false;
    return sets[now][glob.count];
}

static bool
matches(const char *pattern, const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t n;

    while (strncmp(pattern, "./", 2) == 0)
        pattern += 2;
    n = strlen(pattern);
    while (n > 1 && pattern[n - 1] == '/')
        n--;
    if (strcmp(pattern, ".") == 0 || (strncmp(path, pattern, n) == 0 && path[n] == '/'))
        return true; /* a folder */
    if (memchr(pattern, '/', n) == NULL && strncmp(pattern, "**", 2) != 0)
        return glob_matches(pattern, n, slash != NULL ? slash + 1 : path);
    return glob_matches(pattern, n, path);
}

/* ---- the plan ---- */

struct plan {
    const json_t *build;
    char *const *files;
    unsigned count;
    bool *compiled;
    struct gw_bad_setting *bad;
};

static void
blame_word(struct plan *plan, const char *name, const char *word, const char *why)
{
    char text[sizeof plan->bad->allowed];

    (void)snprintf(text, sizeof text, "%s; \"%.100s\" is none", why, word);
    (void)blame(plan->bad, "build.", name, text);
}

/* All patterns are compared with all names, at most a letter at a time with each letter. */
static bool
is_little_work(const struct plan *plan)
{
    uint64_t names = 0, patterns = 0;
    const char *pattern;
    json_t *one;
    size_t i;

    for (unsigned f = 0; f < plan->count; f++)
        names += strlen(plan->files[f]);
    json_array_foreach (json_object_get(plan->build, "sources"), i, one)
        patterns += json_string_length(one);
    json_object_foreach (json_object_get(plan->build, "flags_for"), pattern, one)
        patterns += strlen(pattern);
    if (names * patterns <= MATCHING_MOST)
        return true;
    (void)gw_settings_blame(plan->bad, "build.sources",
                            "fewer or shorter patterns for so many files");
    return false;
}

static bool
choose_sources(struct plan *plan)
{
    const json_t *patterns = json_object_get(plan->build, "sources");
    const char *first = json_string_value(json_array_get(patterns, 0));
    bool usual = first == NULL || first[0] == '!';
    json_t *one;
    size_t i;

    for (unsigned f = 0; f < plan->count; f++)
        plan->compiled[f] = usual && build_is_usual_source(plan->files[f]);
    json_array_foreach (patterns, i, one) {
        const char *pattern = json_string_value(one);
        bool wanted = pattern[0] != '!', any = !wanted;

        for (unsigned f = 0; f < plan->count; f++)
            if (build_language_of(plan->files[f]) != BUILD_NONE &&
                matches(pattern + !wanted, plan->files[f])) {
                plan->compiled[f] = wanted;
                any = true;
            }
        if (!any) {
            blame_word(plan, "sources", pattern, "a pattern that matches a source of the bundle");
            return false;
        }
    }
    return true;
}

static bool
has_folder(const struct plan *plan, const char *folder)
{
    size_t n = strlen(folder);

    if (strcmp(folder, ".") == 0)
        return true;
    for (unsigned f = 0; f < plan->count; f++)
        if (strncmp(plan->files[f], folder, n) == 0 && plan->files[f][n] == '/')
            return true;
    return false;
}

static bool
write_includes(struct plan *plan, FILE *out)
{
    json_t *one;
    size_t i;

    json_array_foreach (json_object_get(plan->build, "include"), i, one) {
        if (!has_folder(plan, json_string_value(one))) {
            blame_word(plan, "include", json_string_value(one), "a folder of the bundle");
            return false;
        }
        (void)fprintf(out, "include %s\n", json_string_value(one));
    }
    return true;
}

static void
write_words(const struct plan *plan, const char *name, FILE *out)
{
    json_t *one;
    size_t i;

    json_array_foreach (json_object_get(plan->build, name), i, one)
        (void)fprintf(out, "%s %s\n", name, json_string_value(one));
}

static void
write_defines(const struct plan *plan, FILE *out)
{
    const char *name;
    json_t *value;

    json_object_foreach (json_object_get(plan->build, "define"), name, value)
        (void)fprintf(out, "define %s%s%s\n", name, json_is_null(value) ? "" : "=",
                      json_is_null(value) ? "" : json_string_value(value));
}

static bool
write_flags(struct plan *plan, const char *path, FILE *out)
{
    const char *pattern;
    json_t *flags, *flag;
    size_t i;
    unsigned count = 0;

    json_object_foreach (json_object_get(plan->build, "flags_for"), pattern, flags)
        if (matches(pattern, path))
            json_array_foreach (flags, i, flag) {
                if (++count > BUILD_FLAGS) {
                    (void)blame(plan->bad, "build.", "flags_for", "at most 32 flags of a source");
                    return false;
                }
                (void)fprintf(out, "flag %s\n", json_string_value(flag));
            }
    return true;
}

static bool
check_flag_patterns(struct plan *plan)
{
    const char *pattern;
    json_t *flags;

    json_object_foreach (json_object_get(plan->build, "flags_for"), pattern, flags) {
        bool any = strcmp(pattern, "*") == 0;

        for (unsigned f = 0; f < plan->count && !any; f++)
            any = plan->compiled[f] && matches(pattern, plan->files[f]);
        if (!any) {
            blame_word(plan, "flags_for", pattern, "a pattern that matches a compiled source");
            return false;
        }
    }
    return true;
}

static bool
write_plan(struct plan *plan, FILE *out)
{
    bool any = false;

    if (!is_little_work(plan) || !choose_sources(plan) || !check_flag_patterns(plan))
        return false;
    (void)fprintf(out, "%s\n", BUILD_PLAN_FIRST);
    write_words(plan, "std", out);
    write_words(plan, "optimize", out);
    write_words(plan, "warnings", out);
    if (!write_includes(plan, out))
        return false;
    write_defines(plan, out);
    for (unsigned f = 0; f < plan->count; f++) {
        if (!plan->compiled[f])
            continue;
        any = true;
        (void)fprintf(out, "source %s\n", plan->files[f]);
        if (!write_flags(plan, plan->files[f], out))
            return false;
    }
    (void)fprintf(out, "%s\n", BUILD_PLAN_LAST);
    return any;
}

char *
gw_build_plan(const json_t *build, char *const *files, unsigned count, bool *compiled,
              struct gw_bad_setting *bad)
{
    struct plan plan = {build, files, count, compiled, bad};
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    bool well;

    if (out == NULL)
        return NULL;
    well = write_plan(&plan, out);
    if (fclose(out) == 0 && well && len <= BUILD_PLAN_BYTES)
        return text;
    if (len > BUILD_PLAN_BYTES)
        (void)gw_settings_blame(bad, "build",
                                "options that fit 1M together, with the names of all "
                                "sources");
    free(text);
    return NULL;
}

char *
gw_build_plan_python(const char *handler)
{
    char *text;

    return asprintf(&text, "%s\npython %s\n%s\n", BUILD_PLAN_FIRST, handler, BUILD_PLAN_LAST) >= 0
               ? text
               : NULL;
}

bool
gw_build_is_silent(const json_t *build)
{
    const char *level = json_string_value(json_array_get(json_object_get(build, "warnings"), 0));

    return level != NULL && strcmp(level, "none") == 0;
}
