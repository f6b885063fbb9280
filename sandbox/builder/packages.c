/* packages.c: where the headers of a library are. The .pc files of the library folder say it;
 * they are read here, inside the jail, and of what they say only folders of headers that the
 * jail has and plain definitions are taken. pkg-config itself is not run: it would be one more
 * program in the jail. */
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "builder/builder.h"
#include "cleanup.h"
#include "name.h"

#define PC_BYTES    65536
#define PACKAGES    2048
#define DEPTH_MAX   8
#define EXPAND_MAX  4096
#define LINKED_MOST 8

/* One package; its text is cut into lines at the first use. */
struct package {
    char name[64];
    char *text;
    bool used;
};

struct index {
    struct package *of;
    unsigned count;
};

/* ---- reading ---- */

/* The rest of the line "KEY: rest", or of "KEY=rest"; NULL where there is none. */
static const char *
value_of(const char *text, const char *key, size_t key_len, char sign)
{
    while (text != NULL) {
        if (strncmp(text, key, key_len) == 0) {
            const char *at = text + key_len + strspn(text + key_len, " \t");

            if (*at == sign)
                return at + 1 + strspn(at + 1, " \t");
        }
        text = strchr(text, '\n');
        text = text != NULL ? text + 1 : NULL;
    }
    return NULL;
}

/* Appends the line at `from` to `to`, its ${variables} replaced. */
static void
expand(const char *text, const char *from, char *to, size_t room, int depth)
{
    size_t used = strlen(to);

    for (; *from != '\0' && *from != '\n' && used + 1 < room; from++) {
        size_t n = from[0] == '$' && from[1] == '{' ? strcspn(from + 2, "}\n") : 0;

        if (n > 0 && from[2 + n] == '}') {
            const char *value = value_of(text, from + 2, n, '=');

            if (value != NULL && depth < DEPTH_MAX)
                expand(text, value, to, room, depth + 1);
            used = strlen(to);
            from += 2 + n;
        } else if (*from != '"' && *from != '\r') {
            to[used++] = *from;
            to[used] = '\0';
        }
    }
}

static char *
line_of(const struct package *package, const char *key)
{
    const char *value = value_of(package->text, key, strlen(key), ':');
    char *line = bld_alloc(EXPAND_MAX);

    if (value != NULL)
        expand(package->text, value, line, EXPAND_MAX, 0);
    return line;
}

static void
read_packages(struct index *index)
{
    char folder[PATH_MAX], path[PATH_MAX];
    struct dirent *e;
    cleanup_dir DIR *dir = NULL;

    (void)snprintf(folder, sizeof folder, "%s/pkgconfig", bld_lib_folder());
    dir = opendir(folder);
    index->of = bld_alloc(PACKAGES * sizeof index->of[0]);
    while (dir != NULL && (e = readdir(dir)) != NULL && index->count < PACKAGES) {
        struct package *package = &index->of[index->count];
        size_t n = strlen(e->d_name), len;

        if (n < 4 || n - 3 >= sizeof package->name || strcmp(e->d_name + n - 3, ".pc") != 0 ||
            snprintf(path, sizeof path, "%s/%s", folder, e->d_name) >= (int)sizeof path)
            continue;
        package->text = bld_read(path, PC_BYTES, &len);
        if (package->text == NULL)
            continue;
        (void)snprintf(package->name, sizeof package->name, "%.*s", (int)(n - 3), e->d_name);
        index->count++;
    }
}

/* ---- what is taken ---- */

/* A folder of headers that the jail has, and that the compiler does not search already. */
static void
add_folder(const char *path, struct args *compile)
{
    char real[PATH_MAX], usual[PATH_MAX];
    struct stat st;

    (void)snprintf(usual, sizeof usual, "/usr/include/%s", strrchr(bld_lib_folder(), '/') + 1);
    if (path[0] != '/' || realpath(path, real) == NULL || stat(real, &st) != 0 ||
        !S_ISDIR(st.st_mode) || strcmp(real, "/usr/include") == 0 || strcmp(real, usual) == 0)
        return;
    bld_add(compile, "-isystem");
    bld_add(compile, real);
}

static void
add_options(struct package *package, struct args *compile)
{
    cleanup_free char *line = line_of(package, "Cflags");
    char *rest = line, *word;

    while ((word = strsep(&rest, " \t")) != NULL) {
        if (strncmp(word, "-I", 2) == 0)
            add_folder(word + 2, compile);
        else if (strncmp(word, "-D", 2) == 0 && build_define_ok(word + 2))
            bld_add(compile, word);
    }
}

static void use(struct index *index, const char *name, struct args *compile, int depth);

/* "a >= 1, b": names, between what is no name. */
static void
use_required(struct index *index, struct package *package, const char *key, struct args *compile,
             int depth)
{
    cleanup_free char *line = line_of(package, key);
    char *rest = line, *word;

    while ((word = strsep(&rest, " \t,")) != NULL)
        if (isalpha((unsigned char)word[0]))
            use(index, word, compile, depth + 1);
}

static void
use_package(struct index *index, struct package *package, struct args *compile, int depth)
{
    if (package->used || depth > DEPTH_MAX)
        return;
    package->used = true;
    add_options(package, compile);
    use_required(index, package, "Requires", compile, depth);
    use_required(index, package, "Requires.private", compile, depth);
}

static void
use(struct index *index, const char *name, struct args *compile, int depth)
{
    for (unsigned i = 0; i < index->count; i++)
        if (strcmp(index->of[i].name, name) == 0)
            use_package(index, &index->of[i], compile, depth);
}

/* Whether the library is what the package is about: the first that it links. */
static bool
is_about(const struct package *package, const char *lib)
{
    cleanup_free char *line = line_of(package, "Libs");
    char *rest = line, *word;

    while ((word = strsep(&rest, " \t")) != NULL)
        if (strncmp(word, "-l", 2) == 0)
            return strcmp(word + 2, lib) == 0;
    return false;
}

static bool
is_library(const char *lib)
{
    char path[PATH_MAX];

    (void)snprintf(path, sizeof path, "%s/lib%s.so", bld_lib_folder(), lib);
    if (access(path, F_OK) == 0)
        return true;
    (void)snprintf(path, sizeof path, "%s/lib%s.a", bld_lib_folder(), lib);
    return access(path, F_OK) == 0;
}

/* What a package of that name links, or those that it requires; how many libraries. */
static unsigned
add_package_links(const struct index *index, const char *name, struct args *link, int depth)
{
    unsigned added = 0;

    for (unsigned i = 0; i < index->count && added == 0 && depth <= DEPTH_MAX; i++) {
        cleanup_free char *libs = NULL, *required = NULL;
        char *rest, *word;

        if (strcmp(index->of[i].name, name) != 0)
            continue;
        libs = line_of(&index->of[i], "Libs");
        rest = libs;
        while ((word = strsep(&rest, " \t")) != NULL && added < LINKED_MOST)
            if (strncmp(word, "-l", 2) == 0 && name_lib_ok(word + 2, strlen(word + 2))) {
                bld_add(link, word);
                added++;
            }
        required = line_of(&index->of[i], "Requires");
        rest = required;
        while (added == 0 && (word = strsep(&rest, " \t,")) != NULL)
            if (isalpha((unsigned char)word[0]))
                (void)add_package_links(index, word, link, depth + 1);
    }
    return added;
}

static bool
is_package(const struct index *index, const char *name)
{
    for (unsigned i = 0; i < index->count; i++)
        if (strcmp(index->of[i].name, name) == 0)
            return true;
    return false;
}

void
bld_packages(char *const *libs, int count, struct args *compile, struct args *link)
{
    struct index index = {0};

    if (count == 0)
        return;
    read_packages(&index);
    for (int i = 0; i < count; i++) {
        bool known = is_library(libs[i]);

        for (unsigned k = 0; k < index.count; k++)
            if (known ? is_about(&index.of[k], libs[i]) : strcmp(index.of[k].name, libs[i]) == 0)
                use_package(&index, &index.of[k], compile, 0);
        if (!known && is_package(&index, libs[i]))
            (void)add_package_links(&index, libs[i], link, 0);
        else
            bld_addf(link, "-l%s", libs[i]);
    }
    for (unsigned k = 0; k < index.count; k++)
        free(index.of[k].text);
    free(index.of);
}
