/* listen.c: hearth logs and hearth events: lines that are there, and with -f those that come. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"

int
cli_print_log_line(void *user, const char *line)
{
    const struct cli *cli = user;
    json_t *entry = json_loads(line, 0, NULL);
    const char *level = cli_text(entry, "level"), *paint = "", *stream = cli_text(entry, "stream");
    bool printed = strcmp(stream, "stderr") == 0 || strcmp(stream, "stdout") == 0;

    if (entry == NULL || cli->json) {
        (void)printf("%s\n", line);
    } else {
        if (cli->color && strcmp(level, "error") == 0)
            paint = "\033[31m";
        else if (cli->color && strcmp(level, "warning") == 0)
            paint = "\033[33m";
        (void)printf("%.23s %s%-7s%s %s%s%s%s\n", cli_text(entry, "time"), paint, level,
                     paint[0] != '\0' ? "\033[0m" : "", cli_text(entry, "message"),
                     printed ? "  (" : "", printed ? stream : "", printed ? ")" : "");
    }
    json_decref(entry);
    return fflush(stdout) != 0;
}

static int
print_event(void *user, const char *line)
{
    const struct cli *cli = user;
    json_t *event = json_loads(line, 0, NULL), *value;
    const char *name;

    if (event == NULL || cli->json) {
        (void)printf("%s\n", line);
    } else {
        (void)printf("%.23s %-16s %s", cli_text(event, "time"), cli_text(event, "function"),
                     cli_text(event, "event"));
        json_object_foreach (event, name, value) {
            char *text;

            if (strcmp(name, "time") == 0 || strcmp(name, "function") == 0 ||
                strcmp(name, "event") == 0)
                continue;
            text = json_is_string(value)
                       ? strdup(json_string_value(value))
                       : json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
            (void)printf("  %s %s", name, text != NULL ? text : "");
            free(text);
        }
        (void)printf("\n");
    }
    json_decref(event);
    return fflush(stdout) != 0;
}

/* Options with a value, and the parameters of the API that they are. */
static const struct option {
    const char *name, *parameter;
    bool of_events;
} options[] = {
    {"-n", "lines", true},       {"--lines", "lines", true}, {"--since", "since", true},
    {"--level", "level", false}, {"--call", "call", false},
};

static const struct option *
find_option(const char *name, bool events)
{
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        if (strcmp(options[i].name, name) == 0 && (options[i].of_events || !events))
            return &options[i];
    return NULL;
}

/* The options as the query of the path; *name: the argument that is none, or NULL. */
static int
take_arguments(int argc, char **argv, bool events, char *path, size_t n, const char **name)
{
    *name = NULL;
    for (int i = 0; i < argc; i++) {
        const struct option *option = find_option(argv[i], events);

        if (strcmp(argv[i], "-f") == 0 || strcmp(argv[i], "--follow") == 0)
            cli_add_query(path, n, "follow", "1");
        else if (option != NULL && i + 1 < argc)
            cli_add_query(path, n, option->parameter, argv[++i]);
        else if (option != NULL)
            return cli_usage("%s needs a value", argv[i]);
        else if (argv[i][0] == '-')
            return cli_usage("unknown option %s; known are -f, -n LINES, --since TIME%s", argv[i],
                             events ? "" : ", --level LEVEL, --call ID");
        else if (*name != NULL)
            return cli_usage("\"%s\" is one argument too many", argv[i]);
        else if ((*name = cli_name(events ? "events" : "logs", 1, argv + i)) == NULL)
            return CLI_USAGE;
    }
    return CLI_OK;
}

static int
listen_to(const struct cli *cli, const char *path, int (*print)(void *user, const char *line))
{
    struct cli_reply reply;
    bool ok = cli_ask(
        cli, &(struct cli_request){.path = path, .line = print, .user = (void *)(uintptr_t)cli},
        &reply);

    if (!ok)
        cli_say_problem(cli, &reply);
    cli_reply_free(&reply);
    return ok ? CLI_OK : CLI_REFUSED;
}

int
cmd_logs(const struct cli *cli, int argc, char **argv)
{
    char query[512] = "", path[640];
    const char *name;
    int status = take_arguments(argc, argv, false, query, sizeof query, &name);

    if (status != CLI_OK)
        return status;
    if (name == NULL)
        return cli_usage("usage: hearth logs NAME [-f] [-n LINES] [--since TIME] [--level LEVEL] "
                         "[--call ID]");
    (void)snprintf(path, sizeof path, "/v1/functions/%s/logs%s", name, query);
    return listen_to(cli, path, cli_print_log_line);
}

int
cmd_events(const struct cli *cli, int argc, char **argv)
{
    char path[640] = "/v1/events";
    const char *name;
    int status = take_arguments(argc, argv, true, path, sizeof path, &name);

    if (status != CLI_OK)
        return status;
    if (name != NULL)
        cli_add_query(path, sizeof path, "function", name);
    return listen_to(cli, path, print_event);
}
