/* main.c: the `hearth` command: finds the daemon, the token and the subcommand. */
#include <curl/curl.h>
#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli.h"
#include "name.h"
#include "text.h"

#define STATE_TOKEN "/var/lib/hearth/token"
#define DEFAULT_URL "http://127.0.0.1:8080"

static const struct command {
    const char *name, *arguments, *text;
    int (*run)(const struct cli *cli, int argc, char **argv);
} commands[] = {
    {"new", "NAME[.py]", "write NAME.c, or NAME.py, a function to begin with", cmd_new},
    {"deploy", "FILE|FOLDER [--name NAME] [--memory 32M ...]", "build it and make it live",
     cmd_deploy},
    {"call", "NAME[/path][?query] [-X METHOD] [-d DATA|@FILE|-] [-H FIELD] [-i] [--time]",
     "call a function", cmd_call},
    {"list", "", "what is deployed", cmd_list},
    {"describe", "NAME", "settings, errors and instances of a function", cmd_describe},
    {"limits", "NAME --memory 48M [--SETTING VALUE ...]", "change settings while it runs",
     cmd_limits},
    {"memory", "NAME [--apply]", "what it uses, and what its limit should be", cmd_memory},
    {"tune", "NAME [-d BODY] [--calls N]", "try it at several limits", cmd_tune},
    {"profile", "NAME [--seconds 10] [--live] [--folded] [--pprof FILE]", "who allocates memory",
     cmd_profile},
    {"logs", "NAME [-f] [-n LINES] [--since 10m] [--level warning] [--call ID]",
     "what it printed and logged", cmd_logs},
    {"events", "[NAME] [-f] [-n LINES] [--since 10m]", "what the platform did and why", cmd_events},
    {"dev", "FILE|FOLDER [--name NAME] [--memory 32M ...]",
     "deploy it again whenever it is saved; shows calls, logs and memory", cmd_dev},
    {"top", "", "what every function does now", cmd_top},
    {"versions", "NAME", "the versions that are kept", cmd_versions},
    {"rollback", "NAME VERSION", "make an older version live", cmd_rollback},
    {"delete", "NAME", "delete a function", cmd_delete},
    {"export", "[NAME ...] > FILE.tar", "all functions, or those, with their versions and settings",
     cmd_export},
    {"import", "FILE.tar|- [--skip-existing]", "put the functions of an export here", cmd_import},
};

#define COMMANDS (sizeof commands / sizeof commands[0])

static void
print_help(void)
{
    (void)printf("hearth: functions as a service on one host\n\n"
                 "usage: hearth [--url URL] [--token-file FILE] [--json] COMMAND ...\n\n");
    for (size_t i = 0; i < COMMANDS; i++)
        (void)printf("  hearth %s %s\n      %s\n", commands[i].name, commands[i].arguments,
                     commands[i].text);
    (void)printf(
        "\n  --url URL          of the daemon: http://HOST:PORT, https://..., or unix:PATH; else\n"
        "                     HEARTH_URL, else %s\n"
        "  --token-file FILE  with the operator's token; else HEARTH_TOKEN (the token itself),\n"
        "                     else %s\n"
        "  --json             answers as the API gives them\n\n"
        "Exit status: 0; 1: the platform said no; 2: wrong usage.\n",
        DEFAULT_URL, STATE_TOKEN);
}

const char *
cli_name(const char *command, int argc, char **argv)
{
    if (argc < 1 || argv[0] == NULL) {
        (void)cli_usage("%s needs the NAME of a function (hearth list shows them)", command);
        return NULL;
    }
    if (argc > 1) {
        (void)cli_usage("%s: \"%s\" is one argument too many", command, argv[1]);
        return NULL;
    }
    if (!name_function_ok(argv[0], strlen(argv[0]))) {
        (void)cli_usage("%s: \"%s\" is no name of a function: letters a to z, digits and '-', at "
                        "most 63",
                        command, argv[0]);
        return NULL;
    }
    return argv[0];
}

bool
cli_setting(int argc, char **argv, int *i, char *name, size_t n, const char **value)
{
    const char *option = argv[*i], *equals = strchr(option, '=');

    if (strncmp(option, "--", 2) != 0) {
        (void)cli_usage("\"%s\": settings are given as --memory 48M", option);
        return false;
    }
    if (equals == NULL && *i + 1 == argc) {
        (void)cli_usage("%s needs a value: %s VALUE", option, option);
        return false;
    }
    *value = equals != NULL ? equals + 1 : argv[++*i];
    (void)snprintf(name, n, "%.*s",
                   (int)(equals != NULL ? (size_t)(equals - option) : strlen(option)) - 2,
                   option + 2);
    for (char *p = name; *p != '\0'; p++)
        if (*p == '-')
            *p = '_';
    return true;
}

/* The first line of a file, without its end. NULL if it cannot be read. */
static char *
read_token(const char *path)
{
    static char token[256];
    FILE *file = fopen(path, "re");
    bool read = file != NULL && fgets(token, sizeof token, file) != NULL;

    if (file != NULL)
        (void)fclose(file);
    if (!read)
        return NULL;
    token[strcspn(token, "\r\n")] = '\0';
    return token;
}

static int
find_token(struct cli *cli, const char *file)
{
    if (file != NULL) {
        cli->token = read_token(file);
        cli->token_from = file;
        return cli->token != NULL
                   ? CLI_OK
                   : cli_fail("cannot read the token from %s: %s", file, strerror(errno));
    }
    cli->token = getenv("HEARTH_TOKEN");
    cli->token_from = "HEARTH_TOKEN";
    if (cli->token == NULL) {
        cli->token = read_token(STATE_TOKEN);
        cli->token_from = STATE_TOKEN;
    }
    return CLI_OK;
}

static unsigned
terminal_width(void)
{
    struct winsize size;
    const char *columns = getenv("COLUMNS");

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return columns != NULL && atoi(columns) > 0 ? (unsigned)atoi(columns) : 80;
}

static const struct command *
find_command(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static int
unknown_command(const char *name)
{
    const char *names[COMMANDS + 1] = {NULL}, *nearest;

    for (size_t i = 0; i < COMMANDS; i++)
        names[i] = commands[i].name;
    nearest = text_nearest(name, names);
    if (nearest != NULL)
        return cli_usage("there is no command \"%s\"; did you mean \"%s\"?", name, nearest);
    return cli_usage("there is no command \"%s\"; hearth --help lists them", name);
}

/* Takes the options that stand before or behind the command out of argv. */
static int
take_options(struct cli *cli, int *argc, char **argv, const char **token_file)
{
    int kept = 0;

    for (int i = 0; i < *argc; i++) {
        bool is_url = strcmp(argv[i], "--url") == 0;

        if (strcmp(argv[i], "--json") == 0) {
            cli->json = true;
        } else if (is_url || strcmp(argv[i], "--token-file") == 0) {
            if (i + 1 == *argc)
                return cli_usage("%s needs a value", argv[i]);
            *(is_url ? &cli->url : token_file) = argv[i + 1];
            i++;
        } else {
            argv[kept++] = argv[i];
        }
    }
    *argc = kept;
    return CLI_OK;
}

int
main(int argc, char **argv)
{
    static char url[1024];
    struct cli cli = {.url = getenv("HEARTH_URL")};
    const char *token_file = NULL;
    const struct command *command;
    int status;

    /* names of files are UTF-8 in archives, whatever the terminal's letters are */
    if (setlocale(LC_CTYPE, "C.UTF-8") == NULL)
        (void)setlocale(LC_CTYPE, "");
    argc--;
    argv++;
    status = take_options(&cli, &argc, argv, &token_file);
    if (status != CLI_OK)
        return status;
    if (argc == 0 || strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0 ||
        strcmp(argv[0], "help") == 0) {
        print_help();
        return argc == 0 ? CLI_USAGE : CLI_OK;
    }
    if (strcmp(argv[0], "--version") == 0) {
        (void)printf("hearth %s\n", HEARTH_VERSION);
        return CLI_OK;
    }
    command = find_command(argv[0]);
    if (command == NULL)
        return unknown_command(argv[0]);
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0) {
            (void)printf("usage: hearth %s %s\n%s\n", command->name, command->arguments,
                         command->text);
            return CLI_OK;
        }
    status = find_token(&cli, token_file);
    if (status != CLI_OK)
        return status;
    (void)snprintf(url, sizeof url, "%s", cli.url != NULL ? cli.url : DEFAULT_URL);
    if (strlen(url) > 0 && url[strlen(url) - 1] == '/')
        url[strlen(url) - 1] = '\0';
    cli.url = url;
    cli.width = terminal_width();
    cli.color = isatty(STDERR_FILENO) && getenv("NO_COLOR") == NULL;
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
    return command->run(&cli, argc - 1, argv + 1);
}
