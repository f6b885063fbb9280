/* test_libraries.c: real libraries and real source trees as functions. Each source of
 * tests/libraries is deployed with the settings that its head comment names, called twice, and
 * compared with the same source built as an ordinary program (outside.c) beside it. Each tree of
 * tests/libraries/trees is deployed as a bundle: its files over a tree that tools/trees fetched.
 *
 * Lines of a head comment that are read:
 *   libs: NAME …          libraries to link            pkgconfig: NAME …  for the program alone
 *   settings: KEY=VALUE … of the deploy                env: NAME=VALUE …  for both
 *   log: TEXT             the function's log holds it after the calls
 *   expect: KEY: VALUE    the answer's line that begins with KEY is this one inside, whatever the
 *                         program outside says; VALUE "*": any
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bundle.h"
#include "harness.h"
#include "run.h"

#define BUILD_S 150 /* the longest build, on a machine that does other things too */

static struct daemon d;
static char scratch[] = "/tmp/hearth-libraries-XXXXXX";

/* Twice the same function with different bodies: a warm instance answers the second. */
static const char *const bodies[2] = {
    "The quick brown fox jumps over the lazy dog 12345.",
    "Zw\xc3\xb6lf Boxk\xc3\xa4mpfer jagen Viktor quer \xc3\xbc"
    "ber den gro\xc3\x9f"
    "en Sylter Deich.",
};

/* A source or a tree, and what its head comment says. */
struct library {
    const char *name; /* of the file, without its ending, or of the folder */
    const char *test;
    bool cxx, tree;
    const char *libs, *pkgconfig, *settings, *env, *log; /* NULL: none */
    const char *expect[24];                              /* "KEY: VALUE" */
    size_t expect_count;
};

static struct library libraries[96];
static size_t library_count;

static const char *
folder_of_sources(void)
{
    static char path[512];

    (void)snprintf(path, sizeof path, "%s/tests/libraries", getenv("HEARTH_SOURCE"));
    return path;
}

static const char *
folder_of_trees(void)
{
    const char *path = getenv("HEARTH_TREES");

    return path != NULL ? path : "build/trees";
}

/* ---- the head comment ---- */

static void
read_line(struct library *l, const char *line)
{
    const struct {
        const char *key;
        const char **value;
    } keys[] = {
        {" * libs: ", &l->libs},         {" * pkgconfig: ", &l->pkgconfig},
        {" * settings: ", &l->settings}, {" * env: ", &l->env},
        {" * log: ", &l->log},           {" * expect: ", &l->expect[l->expect_count]},
    };

    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (strncmp(line, keys[i].key, strlen(keys[i].key)) == 0)
            *keys[i].value = strdup(line + strlen(keys[i].key));
    if (l->expect[l->expect_count] != NULL &&
        ++l->expect_count == sizeof l->expect / sizeof l->expect[0]) {
        (void)fprintf(stderr, "%s expects more than this program has room for\n", l->name);
        exit(EXIT_FAILURE);
    }
}

static void
read_head(struct library *l, const char *path)
{
    FILE *f = fopen(path, "re");
    char line[512];

    while (f != NULL && fgets(line, sizeof line, f) != NULL && strstr(line, "*/") == NULL) {
        line[strcspn(line, "\n")] = '\0';
        read_line(l, line);
    }
    if (f != NULL)
        (void)fclose(f);
}

/* ---- the program outside ---- */

/* Starts a command of the shell in the scratch folder; what it prints goes to the file `log`. */
static pid_t
shell_start(const char *command, const char *log)
{
    pid_t pid = fork();

    if (pid == 0) {
        if (chdir(scratch) != 0 || freopen(log, "w", stdout) == NULL ||
            dup2(STDOUT_FILENO, STDERR_FILENO) < 0)
            _exit(126);
        (void)execl("/bin/sh", "sh", "-c", command, NULL);
        _exit(127);
    }
    assert_true(pid > 0);
    return pid;
}

static void
shell_end(pid_t pid, const char *log, const char *what)
{
    char path[256], *text;
    int status = 0;
    size_t len;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (status == 0)
        return;
    (void)snprintf(path, sizeof path, "%s/%s", scratch, log);
    text = read_whole(path, &len);
    fail_msg("%s ended with %x: %s", what, (unsigned int)status, text);
}

static void
run_shell(const char *command, const char *what)
{
    shell_end(shell_start(command, "shell.log"), "shell.log", what);
}

/* "-lA -lB" of "A B", after a separator of one's choice. */
static void
add_words(char *to, size_t room, const char *words, const char *before, const char *after)
{
    for (size_t n; words != NULL && *words != '\0'; words += n + (words[n] == ' ')) {
        size_t used = strlen(to);

        n = strcspn(words, " ");
        (void)snprintf(to + used, room - used, "%s%.*s%s", before, (int)n, words, after);
    }
}

/* The command that builds a source of tests/libraries as an ordinary program. */
static void
command_of_source(const struct library *l, char *to, size_t room)
{
    const char *folder = folder_of_sources();

    (void)snprintf(to, room,
                   "cc -c -w -std=gnu17 -D_GNU_SOURCE -DHEARTH_NO_STAMP -I%s/../../include "
                   "%s/outside.c -o %s.main.o && %s -w -D_GNU_SOURCE -O1 -pthread "
                   "-I%s/../../include ",
                   folder, folder, l->name, l->cxx ? "c++" : "cc -std=gnu17", folder);
    if (l->pkgconfig != NULL)
        (void)snprintf(to + strlen(to), room - strlen(to), "$(pkg-config --cflags %s) ",
                       l->pkgconfig);
    (void)snprintf(to + strlen(to), room - strlen(to), "%s/%s.%s %s.main.o -o %s.program ", folder,
                   l->name, l->cxx ? "cpp" : "c", l->name, l->name);
    add_words(to, room, l->libs, "-l", " ");
    (void)snprintf(to + strlen(to), room - strlen(to), "-lm");
}

/* Runs the program; the lengths and texts of its two responses. */
static void
run_outside(const struct library *l, char *responses[2])
{
    char command[4096] = "env -i PATH=\"$PATH\" ", path[256], *text, *at;
    size_t len;

    add_words(command, sizeof command, l->env, "'", "' ");
    (void)snprintf(command + strlen(command), sizeof command - strlen(command),
                   "./%s.program '%s' '%s' </dev/null >%s.answers", l->name, bodies[0], bodies[1],
                   l->name);
    run_shell(command, "the program outside");
    (void)snprintf(path, sizeof path, "%s/%s.answers", scratch, l->name);
    text = at = read_whole(path, &len);
    for (int i = 0; i < 2; i++) {
        size_t n = strtoul(at, &at, 10);

        assert_true(*at == '\n' && at + 1 + n <= text + len);
        responses[i] = strndup(at + 1, n);
        at += 1 + n;
    }
    free(text);
}

/* ---- comparing ---- */

/* What the head comment expects of a line; NULL: what the program outside says. */
static const char *
expected_of(const struct library *l, const char *line)
{
    for (size_t i = 0; i < l->expect_count; i++) {
        const char *colon = strstr(l->expect[i], ": ");
        size_t n = colon != NULL ? (size_t)(colon - l->expect[i]) + 2 : 0;

        if (n > 0 && strncmp(line, l->expect[i], n) == 0)
            return l->expect[i];
    }
    return NULL;
}

static bool
line_fits(const struct library *l, const char *outside, const char *inside)
{
    const char *want = expected_of(l, outside);
    size_t n;

    if (want == NULL)
        return strcmp(outside, inside) == 0;
    n = strlen(want);
    return want[n - 1] == '*' ? strncmp(want, inside, n - 1) == 0 : strcmp(want, inside) == 0;
}

/* Cuts off the first line. */
static char *
next_line(char **text)
{
    char *line = *text, *end = strchr(line, '\n');

    *text = end != NULL ? end + 1 : line + strlen(line);
    if (end != NULL)
        *end = '\0';
    return line;
}

static void
compare(const struct library *l, int call, const char *outside, const char *inside)
{
    char *a = strdup(outside), *b = strdup(inside), *left = a, *right = b;

    while (*left != '\0' || *right != '\0') {
        const char *one = next_line(&left), *other = next_line(&right), *want;

        if (line_fits(l, one, other))
            continue;
        want = expected_of(l, one);
        fail_msg("%s, call %d: want \"%s\"%s, got \"%s\" in:\n%s", l->name, call + 1,
                 want != NULL ? want : one, want != NULL ? "" : " as outside", other, inside);
    }
    free(a);
    free(b);
}

/* ---- the function ---- */

static struct reply
deploy_bytes(const char *path, const char *type, const void *bytes, size_t len)
{
    char field[96];
    const char *fields[] = {field, NULL};

    (void)snprintf(field, sizeof field, "Content-Type: %s", type);
    return http(&d, &(struct request){.method = "PUT",
                                      .path = path,
                                      .fields = fields,
                                      .body = bytes,
                                      .len = len,
                                      .timeout_s = BUILD_S});
}

static void
percent_encode(char *to, size_t room, const char *text)
{
    for (; *text != '\0'; text++) {
        size_t used = strlen(to);

        (void)snprintf(to + used, room - used, strchr("+&#%\" {}", *text) != NULL ? "%%%02X" : "%c",
                       (unsigned char)*text);
    }
}

/* {"NAME": "VALUE", …} of "NAME=VALUE …"; no value has a quote. */
static void
env_object(char *to, size_t room, const char *env)
{
    (void)snprintf(to, room, "{");
    for (size_t n; *env != '\0'; env += n + (env[n] == ' ')) {
        size_t used = strlen(to), name = strcspn(env, "=");

        n = strcspn(env, " ");
        assert_true(name < n);
        (void)snprintf(to + used, room - used, "%s\"%.*s\": \"%.*s\"", used > 1 ? ", " : "",
                       (int)name, env, (int)(n - name - 1), env + name + 1);
    }
    (void)snprintf(to + strlen(to), room - strlen(to), "}");
}

/* One C file: its settings stand in the query. */
static struct reply
deploy_source(const struct library *l, const char *function)
{
    char path[2048], file[640], env[512], *source;
    struct reply r;
    size_t len;

    (void)snprintf(path, sizeof path, "/v1/functions/%s?libs=", function);
    add_words(path, sizeof path, l->libs, "", ",");
    if (path[strlen(path) - 1] == ',')
        path[strlen(path) - 1] = '\0';
    add_words(path, sizeof path, l->settings, "&", "");
    if (l->env != NULL) {
        env_object(env, sizeof env, l->env);
        (void)snprintf(path + strlen(path), sizeof path - strlen(path), "&env=");
        percent_encode(path, sizeof path, env);
    }
    (void)snprintf(file, sizeof file, "%s/%s.c", folder_of_sources(), l->name);
    source = read_whole(file, &len);
    r = deploy_bytes(path, "text/x-c", source, len);
    free(source);
    return r;
}

/* C++ is told by the name of a file, which a bundle has. */
static struct reply
deploy_cxx(const struct library *l, const char *function)
{
    struct bundle *b = calloc(1, sizeof *b);
    char path[1024], file[640], *source;
    struct reply r;
    size_t len;

    assert_non_null(b);
    (void)snprintf(file, sizeof file, "%s/%s.cpp", folder_of_sources(), l->name);
    source = read_whole(file, &len);
    bundle_open(b, true);
    bundle_add(b, "function.cpp", source, NULL);
    bundle_close(b);
    (void)snprintf(path, sizeof path, "/v1/functions/%s?", function);
    add_words(path, sizeof path, l->settings, "&", "");
    r = deploy_bytes(path, "application/gzip", b->bytes, b->len);
    free(source);
    free(b);
    return r;
}

/* The tree's own files, and over them those of tests/libraries/trees. */
static struct reply
deploy_tree(const struct library *l, const char *function)
{
    char command[2048], path[256], *bytes;
    struct reply r;
    size_t len;

    (void)snprintf(command, sizeof command, "tar -czf %s.tar.gz -C %s/%s . -C %s/trees/%s .",
                   l->name, folder_of_trees(), l->name, folder_of_sources(), l->name);
    run_shell(command, "tar");
    (void)snprintf(path, sizeof path, "%s/%s.tar.gz", scratch, l->name);
    bytes = read_whole(path, &len);
    (void)snprintf(path, sizeof path, "/v1/functions/%s", function);
    r = deploy_bytes(path, "application/gzip", bytes, len);
    free(bytes);
    return r;
}

/* The function's name: that of the library, and a suffix; '_' is '-' in it. */
static void
deploy_library(const struct library *l, const char *suffix, char *function, size_t room)
{
    struct reply r;

    (void)snprintf(function, room, "%s%s", l->name, suffix);
    for (char *c = function; (c = strchr(c, '_')) != NULL;)
        *c = '-';
    r = l->tree ? deploy_tree(l, function)
                : (l->cxx ? deploy_cxx(l, function) : deploy_source(l, function));
    if (r.status != 201)
        fail_msg("%s is not deployed: %ld (%d) %s", l->name, r.status, r.error, r.body);
    reply_free(&r);
}

/* Ends its instances, whose memory the next ones may need. */
static void
remove_function(const char *function)
{
    struct reply r;
    char path[128];

    (void)snprintf(path, sizeof path, "/v1/functions/%s", function);
    r = http(&d, &(struct request){.method = "DELETE", .path = path});
    assert_int_equal(r.status, 204);
    reply_free(&r);
}

static char *
call(const char *function, const char *body)
{
    struct reply r;
    char path[128], *text;

    (void)snprintf(path, sizeof path, "/function/%s", function);
    r = post(&d, path, body, strlen(body));
    if (r.status != 200)
        fail_msg("%s: %ld %s", function, r.status, r.body);
    text = strndup(r.body, r.len);
    reply_free(&r);
    return text;
}

struct log_text {
    const char *function, *text;
};

static bool
log_holds(void *user)
{
    const struct log_text *want = user;
    struct reply r;
    char path[160];
    bool there;

    (void)snprintf(path, sizeof path, "/v1/functions/%s/logs?lines=100", want->function);
    r = get(&d, path);
    there = r.status == 200 && strstr(r.body, want->text) != NULL;
    reply_free(&r);
    return there;
}

/* Both are built at the same time. */
static void
compare_library(const struct library *l, const char *command)
{
    pid_t outside = shell_start(command, "outside.log");
    char function[96], *want[2];

    deploy_library(l, "", function, sizeof function);
    shell_end(outside, "outside.log", "the build outside");
    run_outside(l, want);
    for (int i = 0; i < 2; i++) {
        char *got = call(function, bodies[i]);

        compare(l, i, want[i], got);
        free(got);
        free(want[i]);
    }
    if (l->log != NULL)
        wait_for(l->log, log_holds, &(struct log_text){function, l->log});
    remove_function(function);
}

static void
test_library(void **state)
{
    char command[4096];

    command_of_source(*state, command, sizeof command);
    compare_library(*state, command);
}

/* ---- trees ---- */

/* The strings of a list, except exclusions, "!pattern". */
static void
add_list(char *to, size_t room, const json_t *list, const char *before)
{
    const json_t *one;
    size_t i;

    json_array_foreach (list, i, one)
        if (json_string_value(one)[0] != '!')
            (void)snprintf(to + strlen(to), room - strlen(to), "%s%s ", before,
                           json_string_value(one));
}

static void
add_removals(char *to, size_t room, const json_t *list)
{
    const json_t *one;
    size_t i;

    json_array_foreach (list, i, one)
        if (json_string_value(one)[0] == '!')
            (void)snprintf(to + strlen(to), room - strlen(to), "rm %s && ",
                           json_string_value(one) + 1);
}

static void
add_defines(char *to, size_t room, json_t *object)
{
    const char *name;
    json_t *value;

    json_object_foreach (object, name, value)
        (void)snprintf(to + strlen(to), room - strlen(to), "'-D%s=%s' ", name,
                       json_string_value(value));
}

/* The command that builds a tree as an ordinary program, by the same function.json: of all
 * sources at once, so that the flags of one are those of all. */
static void
command_of_tree(const struct library *l, char *to, size_t room)
{
    const char *sources = folder_of_sources(), *name;
    json_t *settings, *build, *flags, *lib;
    char path[640];
    size_t i;

    (void)snprintf(path, sizeof path, "%s/trees/%s/function.json", sources, l->name);
    settings = json_load_file(path, 0, NULL);
    build = json_object_get(settings, "build");
    if (build == NULL)
        fail_msg("%s has no settings of a build", path);
    (void)snprintf(to, room, "out=$PWD && mkdir %s && cd %s && cp -r %s/%s/. %s/trees/%s/. . && ",
                   l->name, l->name, folder_of_trees(), l->name, sources, l->name);
    add_removals(to, room, json_object_get(build, "sources"));
    (void)snprintf(to + strlen(to), room - strlen(to),
                   "cc -o $out/%s.program -w -pthread -D_GNU_SOURCE -DHEARTH_NO_STAMP "
                   "-I%s/../../include -I. ",
                   l->name, sources);
    add_list(to, room, json_object_get(build, "include"), "-I");
    add_defines(to, room, json_object_get(build, "define"));
    json_object_foreach (json_object_get(build, "flags_for"), name, flags)
        add_list(to, room, flags, "");
    (void)snprintf(to + strlen(to), room - strlen(to), "%s/outside.c ", sources);
    if (json_object_get(build, "sources") != NULL)
        add_list(to, room, json_object_get(build, "sources"), "");
    else
        (void)snprintf(to + strlen(to), room - strlen(to), "$(find . -name '*.c') ");
    json_array_foreach (json_object_get(settings, "libs"), i, lib)
        (void)snprintf(to + strlen(to), room - strlen(to), "-l%s ", json_string_value(lib));
    json_decref(settings);
}

static void
test_tree(void **state)
{
    const struct library *l = *state;
    char command[8192], path[640];

    (void)snprintf(path, sizeof path, "%s/%s", folder_of_trees(), l->name);
    if (access(path, R_OK) != 0)
        fail_msg("there is no %s: \"tools/trees %s\" fetches the trees, and says what it cannot "
                 "reach",
                 path, folder_of_trees());
    command_of_tree(l, command, sizeof command);
    compare_library(l, command);
}

/* ---- randomness ---- */

/* No line of the answers of two functions, two instances and two calls occurs twice. */
static void
test_random_values_differ_between_functions_instances_and_calls(void **state)
{
    const struct library l = {
        .name = "sqlite_random", .libs = "sqlite3", .settings = "tmp=4M recycle_calls=2"};
    char function[2][96], *lines[64], *answers[8];
    size_t n = 0;

    (void)state;
    for (int i = 0; i < 2; i++)
        deploy_library(&l, i == 0 ? "-one" : "-two", function[i], sizeof function[i]);
    for (int i = 0; i < 8; i++) {
        char *rest = answers[i] = call(function[i % 2], bodies[0]);

        while (*rest != '\0' && n < sizeof lines / sizeof lines[0])
            lines[n++] = next_line(&rest);
    }
    assert_int_equal(n, 8 * 5);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < i; k++)
            if (strcmp(lines[i], lines[k]) == 0)
                fail_msg("\"%s\" came twice", lines[i]);
    for (int i = 0; i < 8; i++)
        free(answers[i]);
}

/* ---- main ---- */

/* What a name in a folder is: a source, a tree, or nothing for here. */
static void
add_library(const char *folder, const char *name, bool tree)
{
    struct library *l = &libraries[library_count];
    const char *dot = strrchr(name, '.');
    char path[640], *test;

    if (name[0] == '.' || strcmp(name, "outside.c") == 0 ||
        (!tree && (dot == NULL || (strcmp(dot, ".c") != 0 && strcmp(dot, ".cpp") != 0))))
        return;
    if (library_count == sizeof libraries / sizeof libraries[0]) {
        (void)fprintf(stderr, "more sources than this program has room for\n");
        exit(EXIT_FAILURE);
    }
    library_count++;
    l->tree = tree;
    l->cxx = dot != NULL && strcmp(dot, ".cpp") == 0;
    l->name = strndup(name, tree ? strlen(name) : (size_t)(dot - name));
    if (l->name == NULL || asprintf(&test, "test_%s_%s", tree ? "tree" : "library", l->name) < 0)
        exit(EXIT_FAILURE);
    for (char *c = test; (c = strchr(c, '-')) != NULL;)
        *c = '_';
    l->test = test;
    (void)snprintf(path, sizeof path, "%s/%s%s", folder, name, tree ? "/main.c" : "");
    read_head(l, path);
}

static void
add_folder(const char *folder, bool tree)
{
    struct dirent **list;
    int n = scandir(folder, &list, NULL, alphasort);

    for (int i = 0; i < n; i++) {
        add_library(folder, list[i]->d_name, tree);
        free(list[i]);
    }
    if (n >= 0)
        free(list);
}

static int
start(void **state)
{
    (void)state;
    if (mkdtemp(scratch) == NULL)
        return -1;
    daemon_start(&d);
    return 0;
}

static int
stop(void **state)
{
    char command[64];

    (void)state;
    daemon_remove(&d);
    while (wait(NULL) > 0) /* builds of the cases that failed */
        ;
    (void)snprintf(command, sizeof command, "rm -rf %s", scratch);
    return system(command);
}

int
main(void)
{
    struct CMUnitTest tests[sizeof libraries / sizeof libraries[0] + 1] = {
        cmocka_unit_test(test_random_values_differ_between_functions_instances_and_calls)};
    char trees[640];
    size_t n = 1;

    if (getenv("HEARTH_SOURCE") == NULL)
        return EXIT_FAILURE;
    add_folder(folder_of_sources(), false);
    (void)snprintf(trees, sizeof trees, "%s/trees", folder_of_sources());
    add_folder(trees, true);
    for (size_t i = 0; i < library_count; i++)
        tests[n++] = (struct CMUnitTest){.name = libraries[i].test,
                                         .test_func = libraries[i].tree ? test_tree : test_library,
                                         .initial_state = &libraries[i]};
    if (!run_select(tests, n))
        return EXIT_FAILURE;
    return _cmocka_run_group_tests("libraries", tests, n, start, stop);
}
