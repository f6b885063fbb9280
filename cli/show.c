/* show.c: hearth list, describe, versions, limits, rollback, delete. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "cli.h"

static void
add_row(struct cli_table *table, const json_t *f)
{
    char now[24], limit[24];

    cli_table_cell(table, "%s", cli_text(f, "name"));
    cli_table_cell(table, "%.0f", cli_number(f, "version"));
    cli_table_cell(table, "%.0f", cli_number(f, "calls"));
    cli_table_cell(table, "%.0f", cli_sum(json_object_get(f, "errors")));
    cli_table_cell(table, "%.0f", cli_number(f, "instances.total"));
    cli_table_cell(table, "%.0f", cli_number(f, "waiting"));
    cli_table_cell(table, "%s", cli_bytes(cli_number(f, "memory.now"), now, sizeof now));
    cli_table_cell(table, "%s", cli_bytes(cli_number(f, "memory.limit"), limit, sizeof limit));
}

/* No argument, or an error. */
static int
expect_none(const char *command, int argc, char **argv)
{
    return argc == 0 ? CLI_OK : cli_usage("%s: \"%s\" is one argument too many", command, argv[0]);
}

int
cmd_list(const struct cli *cli, int argc, char **argv)
{
    static const char *const heads[] = {"NAME",       ">VERSION", ">CALLS",  ">ERRORS",
                                        ">INSTANCES", ">WAITING", ">MEMORY", ">LIMIT"};
    struct cli_reply reply;
    struct cli_table table;
    json_t *functions, *f;
    size_t i;
    int status = expect_none("list", argc, argv);

    if (status != CLI_OK)
        return status;
    if (!cli_call(cli, &(struct cli_request){.path = "/v1/functions"}, &reply)) {
        cli_reply_free(&reply);
        return CLI_REFUSED;
    }
    functions = json_object_get(reply.json, "functions");
    if (cli->json) {
        cli_print_json(reply.json);
    } else if (json_array_size(functions) == 0) {
        (void)printf("nothing is deployed. Begin with: hearth new hello\n");
    } else {
        cli_table_begin(&table, heads, 8);
        json_array_foreach (functions, i, f)
            add_row(&table, f);
        cli_table_end(&table, cli);
    }
    cli_reply_free(&reply);
    return CLI_OK;
}

/* GET of a function's part; prints it as JSON if that is wanted. */
static bool
get_part(const struct cli *cli, const char *name, const char *part, struct cli_reply *reply)
{
    char path[160];
    bool ok;

    (void)snprintf(path, sizeof path, "/v1/functions/%s%s", name, part);
    ok = cli_call(cli, &(struct cli_request){.path = path}, reply);
    if (ok && cli->json)
        cli_print_json(reply->json);
    return ok;
}

static void
print_settings(const json_t *settings)
{
    static const char *const sizes[] = {"memory",       "memory_min", "memory_max", "max_body",
                                        "max_response", "tmp",        "stack"};
    static const char *const times[] = {"timeout", "idle_timeout", "queue_timeout"};
    const char *name;
    json_t *value;

    json_object_foreach (json_object_get(settings, "settings"), name, value) {
        char text[24], *dump = NULL;
        const char *shown = NULL;

        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
            if (strcmp(name, sizes[i]) == 0 && json_is_number(value))
                shown = cli_bytes(json_number_value(value), text, sizeof text);
        for (size_t i = 0; i < sizeof times / sizeof times[0]; i++)
            if (strcmp(name, times[i]) == 0 && json_is_number(value))
                shown = cli_ms(json_number_value(value), text, sizeof text);
        if (shown == NULL)
            shown = json_is_string(value) ? json_string_value(value)
                                          : (dump = json_dumps(value, JSON_ENCODE_ANY));
        (void)printf("  %-16s %s\n", name, shown != NULL ? shown : "");
        free(dump);
    }
}

#define OFTEN 0.5 /* connections per call, as in the event connects_often */

static void
print_connections(const json_t *function)
{
    double per_call = cli_number(function, "connections.per_call");

    if (cli_number(function, "connections.opened") + cli_number(function, "connections.failed") +
            cli_number(function, "connections.refused") ==
        0)
        return;
    (void)printf(
        "connections: %.0f open; %.0f opened, %.0f failed, %.0f refused",
        cli_number(function, "connections.open"), cli_number(function, "connections.opened"),
        cli_number(function, "connections.failed"), cli_number(function, "connections.refused"));
    if (per_call > OFTEN)
        (void)printf("; %.2f per call: keep them open from call to call", per_call);
    (void)printf("\n");
}

/* The connections of all instances. */
static void
print_open(const struct cli *cli, const json_t *instances)
{
    static const char *const heads[] = {">INSTANCE", "CONNECTED TO", ">AGE",
                                        ">CALLS",    ">SENT",        ">RECEIVED"};
    struct cli_table table;
    char a[24], b[24], c[24];
    json_t *instance, *connection;
    size_t i, k, count = 0;

    json_array_foreach (instances, i, instance)
        count += json_array_size(json_object_get(instance, "connections"));
    if (count == 0)
        return;
    (void)printf("\n");
    cli_table_begin(&table, heads, 6);
    json_array_foreach (instances, i, instance)
        json_array_foreach (json_object_get(instance, "connections"), k, connection) {
            bool counted = json_is_number(json_object_get(connection, "sent"));

            cli_table_cell(&table, "%.0f", cli_number(instance, "id"));
            cli_table_cell(&table, "%s", cli_text(connection, "destination"));
            cli_table_cell(&table, "%s", cli_ms(cli_number(connection, "age"), a, sizeof a));
            cli_table_cell(&table, "%.0f", cli_number(connection, "calls"));
            cli_table_cell(&table, "%s",
                           counted ? cli_bytes(cli_number(connection, "sent"), b, sizeof b) : "");
            cli_table_cell(&table, "%s",
                           counted ? cli_bytes(cli_number(connection, "received"), c, sizeof c)
                                   : "");
        }
    cli_table_end(&table, cli);
}

static void
print_instances(const struct cli *cli, const char *name)
{
    static const char *const heads[] = {">INSTANCE", "STATE", ">AGE", ">CALLS",
                                        ">MEMORY",   ">PEAK", ">CPU"};
    struct cli_reply reply;
    struct cli_table table;
    char path[160], a[24], b[24], c[24], e[24];
    json_t *instance;
    size_t i;

    (void)snprintf(path, sizeof path, "/v1/functions/%s/instances", name);
    if (cli_ask(cli, &(struct cli_request){.path = path}, &reply) &&
        json_array_size(json_object_get(reply.json, "instances")) > 0) {
        (void)printf("\n");
        cli_table_begin(&table, heads, 7);
        json_array_foreach (json_object_get(reply.json, "instances"), i, instance) {
            cli_table_cell(&table, "%.0f", cli_number(instance, "id"));
            cli_table_cell(&table, "%s", cli_text(instance, "state"));
            cli_table_cell(&table, "%s", cli_ms(cli_number(instance, "age"), a, sizeof a));
            cli_table_cell(&table, "%.0f", cli_number(instance, "calls"));
            cli_table_cell(&table, "%s", cli_bytes(cli_number(instance, "memory"), b, sizeof b));
            cli_table_cell(&table, "%s",
                           cli_bytes(cli_number(instance, "memory_peak"), c, sizeof c));
            cli_table_cell(&table, "%s", cli_ms(cli_number(instance, "cpu"), e, sizeof e));
        }
        cli_table_end(&table, cli);
        print_open(cli, json_object_get(reply.json, "instances"));
    }
    cli_reply_free(&reply);
}

int
cmd_describe(const struct cli *cli, int argc, char **argv)
{
    const char *name = cli_name("describe", argc, argv), *code;
    struct cli_reply reply;
    char a[24], b[24], c[24];
    json_t *count;
    bool ok;

    if (name == NULL)
        return CLI_USAGE;
    ok = get_part(cli, name, "", &reply);
    if (ok && !cli->json) {
        (void)printf("%s, version %.0f: %.0f calls, %.0f waiting, %.0f instances\n", name,
                     cli_number(reply.json, "version"), cli_number(reply.json, "calls"),
                     cli_number(reply.json, "waiting"), cli_number(reply.json, "instances.total"));
        (void)printf("memory: %s of %s each, at most %s so far\n",
                     cli_bytes(cli_number(reply.json, "memory.now"), a, sizeof a),
                     cli_bytes(cli_number(reply.json, "memory.limit"), b, sizeof b),
                     cli_bytes(cli_number(reply.json, "memory.peak"), c, sizeof c));
        json_object_foreach (json_object_get(reply.json, "errors"), code, count)
            (void)printf("errors: %.0f %s\n", json_number_value(count), code);
        json_object_foreach (json_object_get(reply.json, "refused"), code, count)
            (void)printf("refused system calls: %.0f %s\n", json_number_value(count), code);
        print_connections(reply.json);
        (void)printf("settings:\n");
        print_settings(reply.json);
        print_instances(cli, name);
    }
    cli_reply_free(&reply);
    return ok ? CLI_OK : CLI_REFUSED;
}

static const char *
when(double ms, char *buf, size_t n)
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;

    (void)strftime(buf, n, "%Y-%m-%d %H:%M:%S", localtime_r(&seconds, &tm));
    return buf;
}

int
cmd_versions(const struct cli *cli, int argc, char **argv)
{
    static const char *const heads[] = {">VERSION", "DEPLOYED", ">SIZE", ""};
    const char *name = cli_name("versions", argc, argv);
    struct cli_reply reply;
    struct cli_table table;
    char at[32], size[24];
    json_t *version;
    size_t i;
    bool ok;

    if (name == NULL)
        return CLI_USAGE;
    ok = get_part(cli, name, "/versions", &reply);
    if (ok && !cli->json) {
        cli_table_begin(&table, heads, 4);
        json_array_foreach (json_object_get(reply.json, "versions"), i, version) {
            cli_table_cell(&table, "%.0f", cli_number(version, "version"));
            cli_table_cell(&table, "%s", when(cli_number(version, "created"), at, sizeof at));
            cli_table_cell(&table, "%s",
                           cli_bytes(cli_number(version, "bytes"), size, sizeof size));
            cli_table_cell(&table, "%s",
                           json_is_true(json_object_get(version, "live")) ? "live" : "");
        }
        cli_table_end(&table, cli);
    }
    cli_reply_free(&reply);
    return ok ? CLI_OK : CLI_REFUSED;
}

/* ---- changes ---- */

/* A setting's value: JSON where it is a list, an object, true, false or null; else a text, as in
 * the query of a deploy: so that a time without a unit is refused. */
static json_t *
value_of(const char *text)
{
    bool number = text[strspn(text, "-0123456789.eE")] == '\0';
    json_t *value = number ? NULL : json_loads(text, JSON_DECODE_ANY, NULL);

    return value != NULL ? value : json_string(text);
}

static void
print_applied(const char *name, const json_t *answer)
{
    const char *setting;
    json_t *applied;

    json_object_foreach (json_object_get(answer, "applied"), setting, applied) {
        const char *reach =
            json_is_string(applied) ? json_string_value(applied) : cli_text(applied, "reach");

        (void)printf("%s: %s takes effect %s%s\n", name, setting,
                     strcmp(reach, "at once") == 0 ? "" : "on ", reach);
    }
}

int
cmd_limits(const struct cli *cli, int argc, char **argv)
{
    const char *name = cli_name("limits", argc > 0 ? 1 : 0, argv);
    json_t *settings = json_object();
    struct cli_reply reply;
    char path[96], *body;
    bool ok;

    if (name == NULL)
        return CLI_USAGE;
    for (int i = 1; i < argc; i++) {
        char setting[64];
        const char *value;

        if (!cli_setting(argc, argv, &i, setting, sizeof setting, &value))
            return CLI_USAGE;
        (void)json_object_set_new(settings, setting, value_of(value));
    }
    if (json_object_size(settings) == 0)
        return cli_usage("usage: hearth limits NAME --memory 48M [--SETTING VALUE ...]");
    (void)snprintf(path, sizeof path, "/v1/functions/%s", name);
    body = json_dumps(settings, JSON_COMPACT);
    ok = cli_send(cli, "PATCH", path, body, &reply);
    if (ok && cli->json)
        cli_print_json(reply.json);
    else if (ok)
        print_applied(name, reply.json);
    free(body);
    json_decref(settings);
    cli_reply_free(&reply);
    return ok ? CLI_OK : CLI_REFUSED;
}

int
cmd_rollback(const struct cli *cli, int argc, char **argv)
{
    const char *name = cli_name("rollback", argc > 0 ? 1 : 0, argv);
    struct cli_reply reply;
    char path[96], body[64];
    long version;
    char *end = NULL;
    bool ok;

    if (name == NULL)
        return CLI_USAGE;
    version = argc == 2 ? strtol(argv[1], &end, 10) : 0;
    if (version <= 0 || *end != '\0')
        return cli_usage("usage: hearth rollback NAME VERSION (hearth versions %s lists them)",
                         name);
    (void)snprintf(path, sizeof path, "/v1/functions/%s/rollback", name);
    (void)snprintf(body, sizeof body, "{\"version\": %ld}", version);
    ok = cli_send(cli, "POST", path, body, &reply);
    if (ok && cli->json)
        cli_print_json(reply.json);
    else if (ok)
        (void)printf("%s: version %ld is live\n", name, version);
    cli_reply_free(&reply);
    return ok ? CLI_OK : CLI_REFUSED;
}

int
cmd_delete(const struct cli *cli, int argc, char **argv)
{
    const char *name = cli_name("delete", argc, argv);
    struct cli_reply reply;
    char path[96];
    bool ok;

    if (name == NULL)
        return CLI_USAGE;
    (void)snprintf(path, sizeof path, "/v1/functions/%s", name);
    ok = cli_call(cli, &(struct cli_request){.method = "DELETE", .path = path}, &reply);
    if (ok && !cli->json)
        (void)printf("%s is deleted; running calls finish\n", name);
    cli_reply_free(&reply);
    return ok ? CLI_OK : CLI_REFUSED;
}
