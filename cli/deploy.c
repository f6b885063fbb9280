/* deploy.c: hearth new, hearth deploy. */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"

/* ---- new ---- */

static const char template[] =
    "/* %s.c: a function. Deploy it with: hearth deploy %s.c\n"
    " * Then call it: hearth call '%s?name=Ada'\n"
    " *\n"
    " * hearth.h (installed with Hearth) has all that a function can use. An instance runs one "
    "call at\n"
    " * a time and stays warm between calls: what hearth_init prepares is there for every call. "
    "*/\n"
    "#include <hearth.h>\n"
    "\n"
    "/* Optional: once per instance, before its first call. */\n"
    "int\n"
    "hearth_init(void)\n"
    "{\n"
    "    return 0;\n"
    "}\n"
    "\n"
    "/* Serves one call. 0 is success, anything else is answered as function_failed. */\n"
    "int\n"
    "hearth_handle(hearth_call *call)\n"
    "{\n"
    "    const char *name = hearth_query(call, \"name\");\n"
    "\n"
    "    hearth_log(call, HEARTH_INFO, \"greeting %%s\", name ? name : \"the world\");\n"
    "    return hearth_printf(call, \"hello, %%s\\n\", name ? name : \"world\");\n"
    "}\n";

static const char python_template[] =
    "\"\"\"%s.py: a function. Deploy it with: hearth deploy %s.py\n"
    "Then call it: hearth call '%s?name=Ada'\n"
    "\n"
    "An instance runs one call at a time and stays warm between calls: what is made here, outside "
    "of\n"
    "handle, is there for every call, and instances share its memory.\n"
    "\"\"\"\n"
    "\n"
    "\n"
    "def handle(call):\n"
    "    \"\"\"Serves one call. Returns None, str, bytes, dict, list, or an iterable of "
    "these.\"\"\"\n"
    "    name = call.query(\"name\") or \"world\"\n"
    "    call.log(\"greeting \" + name)\n"
    "    return \"hello, \" + name + \"\\n\"\n";

int
cmd_new(const struct cli *cli, int argc, char **argv)
{
    size_t given = argc > 0 && argv[0] != NULL ? strlen(argv[0]) : 0;
    bool python = given > 3 && strcmp(argv[0] + given - 3, ".py") == 0;
    const char *name;
    char path[80];
    FILE *file;

    (void)cli;
    if (python)
        argv[0][given - 3] = '\0';
    name = cli_name("new", argc, argv);
    if (name == NULL)
        return CLI_USAGE;
    (void)snprintf(path, sizeof path, "%s.%s", name, python ? "py" : "c");
    file = fopen(path, "wxe");
    if (file == NULL)
        return cli_fail("cannot make %s: %s", path, strerror(errno));
    if (python)
        (void)fprintf(file, python_template, name, name, name);
    else
        (void)fprintf(file, template, name, name, name);
    if (fclose(file) != 0)
        return cli_fail("cannot write %s: %s", path, strerror(errno));
    (void)printf("wrote %s. Next: hearth deploy %s\n", path, path);
    return CLI_OK;
}

/* ---- what is sent ---- */

struct payload {
    char *bytes;
    size_t len;
    const char *type;
};

static int
read_file(const char *path, struct payload *payload)
{
    FILE *file = fopen(path, "re"), *out = open_memstream(&payload->bytes, &payload->len);
    char buf[65536];
    size_t n;
    int failed;

    if (file == NULL)
        return cli_fail("cannot read %s: %s", path, strerror(errno));
    while ((n = fread(buf, 1, sizeof buf, file)) > 0)
        (void)fwrite(buf, 1, n, out);
    failed = ferror(file);
    (void)fclose(file);
    if (fclose(out) != 0 || failed)
        return cli_fail("cannot read %s: %s", path, strerror(errno));
    return CLI_OK;
}

static bool
ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);

    return n >= m && strcmp(text + n - m, end) == 0;
}

static const char *
type_of(const char *path)
{
    static const struct {
        const char *end, *type;
    } types[] = {{".c", "text/x-c"},
                 {".cc", "text/x-c++"},
                 {".cpp", "text/x-c++"},
                 {".cxx", "text/x-c++"},
                 {".so", "application/x-sharedlib"},
                 {".py", "text/x-python"},
                 {".tar", "application/x-tar"},
                 {".tgz", "application/gzip"},
                 {".gz", "application/gzip"},
                 {".zip", "application/zip"}};

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (ends_with(path, types[i].end))
            return types[i].type;
    return NULL;
}

static ssize_t
on_archive_bytes(struct archive *archive, void *user, const void *bytes, size_t n)
{
    (void)archive;
    return fwrite(bytes, 1, n, user) == n ? (ssize_t)n : -1;
}

static int
add_file(struct archive *archive, const FTSENT *entry, const char *name)
{
    struct archive_entry *head = archive_entry_new();
    struct payload file = {0};
    int status = read_file(entry->fts_accpath, &file);

    if (status == CLI_OK) {
        archive_entry_set_pathname(head, name);
        archive_entry_set_filetype(head, AE_IFREG);
        archive_entry_set_perm(head, 0644);
        archive_entry_set_size(head, (la_int64_t)file.len);
        if (archive_write_header(archive, head) != ARCHIVE_OK ||
            archive_write_data(archive, file.bytes, file.len) != (la_ssize_t)file.len)
            status = cli_fail("cannot pack %s: %s", entry->fts_path, archive_error_string(archive));
    }
    archive_entry_free(head);
    free(file.bytes);
    return status;
}

/* The files of a folder as a tar. */
static int
pack_folder(const char *path, struct payload *payload)
{
    char *const paths[] = {(char *)(uintptr_t)path, NULL};
    struct archive *archive = archive_write_new();
    FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    FILE *out = open_memstream(&payload->bytes, &payload->len);
    int status = CLI_OK;

    if (archive == NULL || tree == NULL || out == NULL)
        return cli_fail("cannot read the folder %s: %s", path, strerror(errno));
    (void)archive_write_set_format_pax_restricted(archive);
    (void)archive_write_set_bytes_in_last_block(archive, 1);
    (void)archive_write_open(archive, out, NULL, on_archive_bytes, NULL);
    for (FTSENT *entry; status == CLI_OK && (entry = fts_read(tree)) != NULL;) {
        const char *name = entry->fts_path + strlen(path);

        while (*name == '/')
            name++;
        if (entry->fts_info == FTS_D &&
            (strcmp(entry->fts_name, ".git") == 0 || strcmp(entry->fts_name, "__pycache__") == 0))
            (void)fts_set(tree, entry, FTS_SKIP);
        else if (entry->fts_info == FTS_F)
            status = add_file(archive, entry, name);
        else if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR)
            status = cli_fail("cannot read %s: %s", entry->fts_path, strerror(entry->fts_errno));
    }
    (void)archive_write_close(archive);
    (void)archive_write_free(archive);
    (void)fts_close(tree);
    (void)fclose(out);
    payload->type = "application/x-tar";
    return status;
}

/* ---- deploy ---- */

/* The function's name: that of the file or folder, in letters that a name may have. */
static void
name_of(const char *path, char *name, size_t n)
{
    char *real = realpath(path, NULL);
    const char *base = real != NULL ? real : path;
    size_t at = 0;

    if (strrchr(base, '/') != NULL)
        base = strrchr(base, '/') + 1;
    for (; *base != '\0' && at + 1 < n && (*base != '.' || at == 0); base++) {
        char c = *base;

        if (c >= 'A' && c <= 'Z')
            c = (char)(c | 0x20);
        if ((c < 'a' || c > 'z') && (c < '0' || c > '9'))
            c = '-';
        if (c != '-' || at > 0)
            name[at++] = c;
    }
    while (at > 0 && name[at - 1] == '-')
        at--;
    name[at] = '\0';
    free(real);
}

static const char *
paint(const struct cli *cli, const char *severity)
{
    if (!cli->color)
        return "";
    return strcmp(severity, "error") == 0
               ? "\033[1;31m"
               : (strcmp(severity, "warning") == 0 ? "\033[1;35m" : "\033[1;36m");
}

/* The file of a message as it is called here, so that editors find it: the daemon knows a single
 * source as function.c or function.py, and the files of a folder by their paths in it. */
static const char *
own_file(const char *path, const char *file, char *shown, size_t n)
{
    struct stat st;

    if (stat(path, &st) != 0)
        return file;
    if (S_ISDIR(st.st_mode))
        (void)snprintf(shown, n, "%s%s%s", path, path[strlen(path) - 1] == '/' ? "" : "/", file);
    else
        (void)snprintf(
            shown, n, "%s",
            strncmp(file, "function.c", 10) == 0 || strcmp(file, "function.py") == 0 ? path : file);
    return shown;
}

/* As the compiler shows them. */
static void
print_diagnostics(const struct cli *cli, const char *path, const json_t *answer)
{
    char shown[8192];
    json_t *item;
    size_t i;

    json_array_foreach (json_object_get(answer, "diagnostics"), i, item) {
        const char *severity = cli_text(item, "severity"), *file = cli_text(item, "file");
        const char *caret = cli_text(item, "caret");

        if (file[0] != '\0')
            (void)fprintf(stderr, "%s:%.0f:", own_file(path, file, shown, sizeof shown),
                          cli_number(item, "line"));
        if (file[0] != '\0' && cli_number(item, "column") > 0)
            (void)fprintf(stderr, "%.0f:", cli_number(item, "column"));
        if (file[0] != '\0')
            (void)fputc(' ', stderr);
        (void)fprintf(stderr, "%s%s:%s %s\n", paint(cli, severity), severity,
                      cli->color ? "\033[0m" : "", cli_text(item, "message"));
        if (caret[0] != '\0')
            (void)fprintf(stderr, "%s\n", caret);
    }
    if (cli_text(answer, "output")[0] != '\0')
        (void)fprintf(stderr, "%s\n", cli_text(answer, "output"));
    json_array_foreach (json_object_get(answer, "ignored"), i, item)
        if (json_is_string(item))
            (void)fprintf(stderr, "not compiled: %s\n", json_string_value(item));
}

/* Of a function in Python. */
static void
print_imports(const json_t *answer)
{
    char size[24];
    json_t *item;
    size_t i;

    json_array_foreach (json_object_get(answer, "imports"), i, item)
        if (i < 5)
            (void)printf("  %8.1f ms %8s  import %s\n", cli_number(item, "ms"),
                         cli_bytes(cli_number(item, "bytes"), size, sizeof size),
                         cli_text(item, "module"));
}

static int
read_payload(const char *path, struct payload *payload)
{
    struct stat st;
    int status;

    if (stat(path, &st) != 0)
        return cli_fail("cannot read %s: %s", path, strerror(errno));
    if (S_ISDIR(st.st_mode))
        return pack_folder(path, payload);
    payload->type = type_of(path);
    if (payload->type == NULL)
        return cli_usage("%s: a function is a .c, .cpp, .py or .so file, an archive (.tar, .tgz, "
                         ".zip), or a folder",
                         path);
    status = read_file(path, payload);
    if (status == CLI_OK && payload->len == 0)
        status = cli_fail("%s is empty", path);
    return status;
}

static int
send_payload(const struct cli *cli, const char *name, const char *path, const char *query,
             const struct payload *payload)
{
    char size[24], memory[24];
    struct cli_reply reply;
    bool terminal = isatty(STDERR_FILENO) && !cli->json, ok;

    if (terminal)
        (void)fprintf(stderr, "%s: sending %s, building, loading ...", name,
                      cli_bytes((double)payload->len, size, sizeof size));
    ok = cli_ask(cli,
                 &(struct cli_request){.method = "PUT",
                                       .path = query,
                                       .type = payload->type,
                                       .body = payload->bytes,
                                       .len = payload->len},
                 &reply);
    if (terminal)
        (void)fputs("\r\033[K", stderr);
    if (cli->json && reply.json != NULL)
        cli_print_json(reply.json);
    else
        print_diagnostics(cli, path, reply.json);
    if (!ok)
        cli_say_problem(cli, &reply);
    else if (!cli->json)
        (void)printf("%s: version %.0f of %s is live, with %s each. Call it: hearth call %s\n",
                     name, cli_number(reply.json, "version"), path,
                     cli_bytes(cli_number(reply.json, "limits.memory"), memory, sizeof memory),
                     name);
    if (ok && !cli->json)
        print_imports(reply.json);
    cli_reply_free(&reply);
    return ok ? CLI_OK : CLI_REFUSED;
}

/* The arguments of deploy: the path, the name, and the settings as a query. */
static int
take_arguments(int argc, char **argv, const char *command, const char **path, char *name, size_t n,
               char *query, size_t query_n)
{
    const char *given = NULL;

    *path = NULL;
    for (int i = 0; i < argc; i++) {
        const char *value;
        char setting[64];

        if (strncmp(argv[i], "--", 2) != 0) {
            if (*path != NULL)
                return cli_usage("%s takes one FILE or FOLDER; \"%s\" is another one", command,
                                 argv[i]);
            *path = argv[i];
            continue;
        }
        if (!cli_setting(argc, argv, &i, setting, sizeof setting, &value))
            return CLI_USAGE;
        if (strcmp(setting, "name") == 0)
            given = value;
        else
            cli_add_query(query, query_n, setting, value);
    }
    if (*path == NULL)
        return cli_usage("usage: hearth %s FILE|FOLDER [--name NAME] [--memory 32M] "
                         "[--SETTING VALUE ...]",
                         command);
    name_of(*path, name, n);
    if (given == NULL && name[0] == '\0')
        return cli_usage("%s has no name that a function could have: use --name NAME", *path);
    if (given != NULL && cli_name(command, 1, (char **)(uintptr_t)&given) == NULL)
        return CLI_USAGE;
    if (given != NULL)
        (void)snprintf(name, n, "%s", given);
    return CLI_OK;
}

int
cli_deploy_target(int argc, char **argv, const char *command, const char **path, char *name,
                  size_t n)
{
    char query[8192] = "";

    return take_arguments(argc, argv, command, path, name, n, query, sizeof query);
}

int
cmd_deploy(const struct cli *cli, int argc, char **argv)
{
    const char *path = NULL;
    char name[64], query[8192] = "", target[8300];
    struct payload payload = {0};
    int status =
        take_arguments(argc, argv, "deploy", &path, name, sizeof name, query, sizeof query);

    if (status != CLI_OK || path == NULL)
        return status;
    status = read_payload(path, &payload);
    if (status == CLI_OK) {
        (void)snprintf(target, sizeof target, "/v1/functions/%s%s", name, query);
        status = send_payload(cli, name, path, target, &payload);
    }
    free(payload.bytes);
    return status;
}
