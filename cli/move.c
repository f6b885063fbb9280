/* move.c: hearth export, hearth import: functions with their versions and settings, as one tar:
 *
 *   hearth.json                        {"format": 1, "functions": [{"name", "live", "versions"}]}
 *   functions/NAME/VERSION.tar.gz      a version as the API saves it, the live one first
 *
 * The token, the logs and what was measured are not in it.
 */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "limits.h"
#include "name.h"

#define FORMAT      1
#define DESCRIPTION "hearth.json"

/* ---- export ---- */

static int
put(struct archive *out, const char *path, const void *bytes, size_t len)
{
    struct archive_entry *head = archive_entry_new();
    bool written;

    archive_entry_set_pathname(head, path);
    archive_entry_set_filetype(head, AE_IFREG);
    archive_entry_set_perm(head, 0600);
    archive_entry_set_mtime(head, time(NULL), 0);
    archive_entry_set_size(head, (la_int64_t)len);
    written = archive_write_header(out, head) == ARCHIVE_OK &&
              archive_write_data(out, bytes, len) == (la_ssize_t)len;
    archive_entry_free(head);
    return written ? CLI_OK : cli_fail("cannot write the archive: %s", archive_error_string(out));
}

static int
export_version(const struct cli *cli, struct archive *out, const char *name, json_int_t version)
{
    char path[200];
    struct cli_reply reply;
    int status = CLI_REFUSED;
    bool taken;

    (void)snprintf(path, sizeof path, "/v1/functions/%s/versions/%lld", name, (long long)version);
    taken = cli_ask(cli, &(struct cli_request){.path = path}, &reply);
    if (taken || reply.status == 404) {
        (void)snprintf(path, sizeof path, "functions/%s/%lld.%s", name, (long long)version,
                       taken ? "tar.gz" : "gone");
        status = put(out, path, taken ? reply.body : "", taken ? reply.len : 0);
    } else {
        cli_say_problem(cli, &reply);
    }
    if (!taken && status == CLI_OK)
        (void)fprintf(stderr, "%s: version %lld was removed meanwhile, and is left out\n", name,
                      (long long)version);
    cli_reply_free(&reply);
    return status;
}

/* One function of hearth.json: which versions there are, the live one first. NULL: it could not be
 * had, which was said; unless it is listed and was removed meanwhile: null. */
static json_t *
describe(const struct cli *cli, const char *name, bool listed)
{
    char path[160];
    struct cli_reply reply;
    json_t *versions = json_array(), *one;
    json_int_t live = 0;
    size_t i;

    (void)snprintf(path, sizeof path, "/v1/functions/%s/versions", name);
    if (!cli_ask(cli, &(struct cli_request){.path = path}, &reply)) {
        bool removed = listed && reply.status == 404;

        if (!removed)
            cli_say_problem(cli, &reply);
        cli_reply_free(&reply);
        json_decref(versions);
        return removed ? json_null() : NULL;
    }
    json_array_foreach (json_object_get(reply.json, "versions"), i, one) {
        json_int_t number = json_integer_value(json_object_get(one, "version"));
        bool is_live = json_is_true(json_object_get(one, "live"));

        live = is_live ? number : live;
        (void)(is_live ? json_array_insert_new(versions, 0, json_integer(number))
                       : json_array_append_new(versions, json_integer(number)));
    }
    cli_reply_free(&reply);
    return json_pack("{s:s,s:I,s:o}", "name", name, "live", live, "versions", versions);
}

/* Whether a name is among the first n. */
static bool
is_named(char **names, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

/* Those that are named, or all. */
static json_t *
describe_all(const struct cli *cli, int argc, char **argv)
{
    json_t *functions = json_array(), *one;
    struct cli_reply reply = {0};
    bool failed = false;
    size_t i;

    for (int k = 0; k < argc && !failed; k++)
        if (!is_named(argv, k, argv[k]))
            failed = json_array_append_new(functions, describe(cli, argv[k], false)) != 0;
    if (argc == 0) {
        failed = !cli_call(cli, &(struct cli_request){.path = "/v1/functions"}, &reply);
        json_array_foreach (json_object_get(reply.json, "functions"), i, one) {
            json_t *described = describe(cli, cli_text(one, "name"), true);

            failed = failed || described == NULL;
            if (json_is_object(described))
                (void)json_array_append(functions, described);
            json_decref(described);
        }
        cli_reply_free(&reply);
    }
    if (!failed)
        return json_pack("{s:i,s:s,s:o}", "format", FORMAT, "hearth", HEARTH_VERSION, "functions",
                         functions);
    json_decref(functions);
    return NULL;
}

static int
export_all(const struct cli *cli, struct archive *out, json_t *description)
{
    char *text = json_dumps(description, JSON_INDENT(2));
    int status = text != NULL ? put(out, DESCRIPTION, text, strlen(text)) : CLI_REFUSED;
    json_t *function, *version;
    size_t i, k;

    free(text);
    json_array_foreach (json_object_get(description, "functions"), i, function)
        json_array_foreach (json_object_get(function, "versions"), k, version)
            if (status == CLI_OK)
                status = export_version(cli, out, cli_text(function, "name"),
                                        json_integer_value(version));
    return status;
}

int
cmd_export(const struct cli *cli, int argc, char **argv)
{
    struct archive *out;
    json_t *description;
    int status;

    for (int i = 0; i < argc; i++)
        if (!name_function_ok(argv[i], strlen(argv[i])))
            return cli_usage("export: \"%s\" is no name of a function", argv[i]);
    if (isatty(STDOUT_FILENO))
        return cli_usage(
            "export writes a tar archive to standard output: hearth export > file.tar");
    description = describe_all(cli, argc, argv);
    if (description == NULL)
        return CLI_REFUSED;
    out = archive_write_new();
    (void)archive_write_set_format_pax_restricted(out);
    if (archive_write_open_fd(out, STDOUT_FILENO) != ARCHIVE_OK)
        status = cli_fail("cannot write the archive: %s", archive_error_string(out));
    else
        status = export_all(cli, out, description);
    if (archive_write_close(out) != ARCHIVE_OK && status == CLI_OK)
        status = cli_fail("cannot write the archive: %s", archive_error_string(out));
    (void)archive_write_free(out);
    if (status == CLI_OK)
        (void)fprintf(stderr, "exported %zu functions\n",
                      json_array_size(json_object_get(description, "functions")));
    json_decref(description);
    return status;
}

/* ---- import ---- */

struct import {
    const struct cli *cli;
    const char *path; /* of the archive; "-": standard input */
    bool skip;        /* what exists stays, and is no error */
    json_t *description;
    json_t *here; /* names of functions that exist: those are not touched */
    json_t *live; /* names of functions whose live version was taken */
    unsigned functions, versions, failed, seen;
    char failing[LIMIT_NAME + 1]; /* whose live version could not be taken: the rest is not tried */
};

/* 1, 0, or -1: it could not be found out, which was said. */
static int
exists(const struct cli *cli, const char *name)
{
    char path[160];
    struct cli_reply reply;
    int found;

    (void)snprintf(path, sizeof path, "/v1/functions/%s", name);
    found = cli_ask(cli, &(struct cli_request){.path = path}, &reply) ? 1
            : reply.status == 404                                     ? 0
                                                                      : -1;
    if (found < 0)
        cli_say_problem(cli, &reply);
    cli_reply_free(&reply);
    return found;
}

/* Before anything is changed. */
static int
look_around(struct import *import)
{
    json_int_t format = json_integer_value(json_object_get(import->description, "format"));
    json_t *function;
    size_t i;

    if (format < 1)
        return cli_fail("%s: the file " DESCRIPTION " in it is not of hearth export", import->path);
    if (format > FORMAT)
        return cli_fail("%s: a later Hearth wrote it, in format %lld; this one reads up to %d",
                        import->path, (long long)format, FORMAT);
    if (!json_is_array(json_object_get(import->description, "functions")))
        return cli_fail("%s: the file " DESCRIPTION " in it names no functions", import->path);
    json_array_foreach (json_object_get(import->description, "functions"), i, function) {
        const char *name = cli_text(function, "name");
        int found;

        if (!name_function_ok(name, strlen(name)))
            return cli_fail("%s: \"%s\" is no name of a function", import->path, name);
        found = exists(import->cli, name);
        if (found < 0)
            return CLI_REFUSED;
        if (found == 0)
            continue;
        if (!import->skip)
            return cli_fail(
                "%s exists already, and nothing was imported: delete it first, or leave "
                "such functions as they are with --skip-existing",
                name);
        (void)json_object_set_new(import->here, name, json_true());
        (void)fprintf(stderr, "%s: exists, left as it is\n", name);
    }
    return CLI_OK;
}

/* "functions/NAME/VERSION.tar.gz", or ".gone": it was removed while it was to be exported. */
static bool
parse_path(const char *path, char name[LIMIT_NAME + 1], unsigned *version, bool *gone)
{
    char digits[12], end[16] = "";

    if (sscanf(path, "functions/%63[a-z0-9-]/%10[0-9]%15s", name, digits, end) != 3 ||
        digits[0] == '0' || strtoull(digits, NULL, 10) >= UINT32_MAX)
        return false;
    *version = (unsigned)strtoull(digits, NULL, 10);
    *gone = strcmp(end, ".gone") == 0;
    return *gone || strcmp(end, ".tar.gz") == 0;
}

static const json_t *
find(const struct import *import, const char *name)
{
    const json_t *function;
    size_t i;

    json_array_foreach (json_object_get(import->description, "functions"), i, function)
        if (strcmp(cli_text(function, "name"), name) == 0)
            return function;
    return NULL;
}

static void
say_failed(struct import *import, const char *name, unsigned version, bool live)
{
    import->failed++;
    (void)fprintf(stderr, "hearth: %s: version %u was not taken:\n", name, version);
    if (live)
        (void)snprintf(import->failing, sizeof import->failing, "%s", name);
}

static int
import_version(struct import *import, const char *name, unsigned version, const void *bytes,
               size_t len)
{
    char path[200];
    struct cli_reply reply;
    bool live = json_integer_value(json_object_get(find(import, name), "live")) == version, taken;

    if (json_object_get(import->here, name) != NULL || strcmp(import->failing, name) == 0)
        return CLI_OK;
    if (!live && json_object_get(import->live, name) == NULL) {
        say_failed(import, name, version, true);
        return cli_fail("%s: the live version of %s must come first: it is not as hearth export "
                        "wrote it",
                        import->path, name);
    }
    (void)snprintf(path, sizeof path, "/v1/functions/%s/versions/%u", name, version);
    taken = cli_ask(
        import->cli,
        &(struct cli_request){
            .method = "PUT", .path = path, .type = "application/gzip", .body = bytes, .len = len},
        &reply);
    if (taken && live && (unsigned)cli_number(reply.json, "version") != version) {
        say_failed(import, name, version, true);
        (void)fprintf(stderr, "somebody else has deployed %s meanwhile\n", name);
    } else if (taken) {
        import->versions++;
        import->functions += live;
        if (live) {
            (void)json_object_set_new(import->live, name, json_true());
            (void)fprintf(stderr, "%s: version %u is live\n", name, version);
        }
    } else {
        say_failed(import, name, version, live);
        cli_say_problem(import->cli, &reply);
    }
    cli_reply_free(&reply);
    return CLI_OK;
}

static int
import_entry(struct import *import, const char *path, const char *bytes, size_t len)
{
    char name[LIMIT_NAME + 1];
    unsigned version;
    bool gone;

    if (import->description == NULL) {
        if (strcmp(path, DESCRIPTION) == 0)
            import->description = json_loadb(bytes, len, 0, NULL);
        if (!json_is_object(import->description))
            return cli_fail("%s: it does not begin with " DESCRIPTION
                            ": it is not of hearth export",
                            import->path);
        return look_around(import);
    }
    if (!parse_path(path, name, &version, &gone) || find(import, name) == NULL)
        return cli_fail("%s: \"%s\" is no part of an export", import->path, path);
    import->seen++;
    if (!gone)
        return import_version(import, name, version, bytes, len);
    if (json_integer_value(json_object_get(find(import, name), "live")) == version) {
        say_failed(import, name, version, true);
        (void)fprintf(stderr, "it was removed while it was exported\n");
    }
    return CLI_OK;
}

static int
read_entry(struct import *import, struct archive *in, struct archive_entry *entry)
{
    int64_t size = archive_entry_size(entry);
    const char *path = archive_entry_pathname(entry);
    char *bytes;
    int status;

    if (archive_entry_filetype(entry) != AE_IFREG || path == NULL || size < 0 ||
        size > LIMIT_SAVED_BODY)
        return cli_fail("%s: \"%s\" is no part of an export", import->path,
                        path != NULL ? path : "?");
    bytes = malloc((size_t)size + 1);
    if (bytes == NULL)
        return cli_fail("no memory for %s", path);
    if (archive_read_data(in, bytes, (size_t)size) != size)
        status = cli_fail("%s is damaged, or cut off, at %s", import->path, path);
    else
        status = import_entry(import, path, bytes, (size_t)size);
    free(bytes);
    return status;
}

static unsigned
count_versions(const json_t *description)
{
    const json_t *function;
    size_t i, count = 0;

    json_array_foreach (json_object_get(description, "functions"), i, function)
        count += json_array_size(json_object_get(function, "versions"));
    return (unsigned)count;
}

static int
import_all(struct import *import)
{
    struct archive *in = archive_read_new();
    struct archive_entry *entry;
    bool is_stdin = strcmp(import->path, "-") == 0;
    int got = ARCHIVE_OK, status = CLI_OK;

    (void)archive_read_support_format_tar(in);
    (void)archive_read_support_filter_all(in);
    if ((is_stdin ? archive_read_open_fd(in, STDIN_FILENO, 65536)
                  : archive_read_open_filename(in, import->path, 65536)) != ARCHIVE_OK)
        status = cli_fail("cannot read %s: %s", import->path, archive_error_string(in));
    while (status == CLI_OK && (got = archive_read_next_header(in, &entry)) == ARCHIVE_OK)
        status = read_entry(import, in, entry);
    if (status == CLI_OK && got != ARCHIVE_EOF)
        status = cli_fail("%s is damaged, or cut off: %s", import->path, archive_error_string(in));
    if (status == CLI_OK && import->description == NULL)
        status = cli_fail("%s is empty", import->path);
    if (status == CLI_OK && import->seen < count_versions(import->description))
        status = cli_fail("%s is cut off: it has %u of %u versions", import->path, import->seen,
                          count_versions(import->description));
    (void)archive_read_free(in);
    return status;
}

int
cmd_import(const struct cli *cli, int argc, char **argv)
{
    struct import import = {.cli = cli, .here = json_object(), .live = json_object()};
    int status;

    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], "--skip-existing") == 0)
            import.skip = true;
        else if (import.path == NULL)
            import.path = argv[i];
        else
            return cli_usage("import: \"%s\" is one argument too many", argv[i]);
    if (import.path == NULL)
        return cli_usage("import needs the FILE that hearth export wrote; - is standard input");
    status = import_all(&import);
    if (import.versions > 0 || status == CLI_OK)
        (void)printf("imported %u functions with %u versions\n", import.functions, import.versions);
    if (status == CLI_OK && import.failed > 0)
        status = cli_fail("%u versions were not taken", import.failed);
    json_decref(import.here);
    json_decref(import.live);
    json_decref(import.description);
    return status;
}
