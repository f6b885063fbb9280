/* cli.h: the `hearth` command: what its subcommands share. Exit status 0; 1: the platform said no,
 * or could not be reached; 2: wrong usage. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { CLI_OK = 0, CLI_REFUSED = 1, CLI_USAGE = 2 };

/* What every subcommand knows. */
struct cli {
    const char *url;        /* of the daemon, without a slash at its end */
    const char *token;      /* NULL: none was found */
    const char *token_from; /* where, or where it was looked for */
    bool json;              /* answers as the API gives them */
    bool color;
    unsigned width; /* of the terminal; 80 where there is none */
};

/* ---- errors: what was tried, what went wrong, what to do next; to standard error ---- */

int cli_usage(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* CLI_USAGE */
int cli_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));  /* CLI_REFUSED */

/* ---- request.c ---- */

struct cli_reply {
    long status; /* 0: the daemon was not reached, which has been said */
    char *body;  /* owned; ended by a NUL */
    size_t len;
    json_t *json; /* owned; NULL: it is none */
};

struct cli_request {
    const char *method; /* NULL: GET */
    const char *path;   /* from "/" on */
    const char *type;   /* Content-Type of the body, or NULL */
    const char *accept; /* or NULL */
    const void *body;   /* NULL: none */
    size_t len;
    int (*line)(void *user, const char *line); /* each line as it comes, instead of `body`; non-zero
                                                  ends the transfer */
    void *user;
};

/* Calls the API. False if there is no answer of 2xx: then what went wrong was said. */
bool cli_call(const struct cli *cli, const struct cli_request *request, struct cli_reply *reply);
/* The same without saying anything of an answer that is no 2xx. */
bool cli_ask(const struct cli *cli, const struct cli_request *request, struct cli_reply *reply);
/* cli_call with a JSON body. */
bool cli_send(const struct cli *cli, const char *method, const char *path, const char *json,
              struct cli_reply *reply);
/* Whether the daemon answers at all; says nothing. */
bool cli_reaches(const struct cli *cli);
void cli_reply_free(struct cli_reply *reply);
/* Says what a problem is about. */
void cli_say_problem(const struct cli *cli, const struct cli_reply *reply);
/* Appends "name=value" to a path that has a query or begins one, encoded. */
void cli_add_query(char *path, size_t n, const char *name, const char *value);

/* ---- print.c ---- */

/* "1.5 MiB", "12 ms" in a buffer of the caller's. */
const char *cli_bytes(double bytes, char *buf, size_t n);
const char *cli_ms(double ms, char *buf, size_t n);
/* The number of a member, also of "a.b"; 0 if there is none. */
double cli_number(const json_t *object, const char *path);
const char *cli_text(const json_t *object, const char *path); /* "" if there is none */

double cli_sum(const json_t *object); /* of its members that are numbers */

/* A table whose columns are as wide as they must be. Cells are copied. */
struct cli_table {
    unsigned columns;
    unsigned rows;
    char **cells;
    const char *const *heads; /* a head that begins with '>' is of a column aligned to the right */
};
void cli_table_begin(struct cli_table *table, const char *const *heads, unsigned columns);
void cli_table_cell(struct cli_table *table, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Prints and frees it. Columns from the end on are left out where the terminal is too narrow. */
void cli_table_end(struct cli_table *table, const struct cli *cli);
/* A bar of `width` letters, full at 1. */
const char *cli_bar(double share, unsigned width, char *buf, size_t n);
void cli_print_json(const json_t *json);

/* ---- subcommands: argv begins behind the subcommand's name ---- */

int cmd_new(const struct cli *cli, int argc, char **argv);
int cmd_deploy(const struct cli *cli, int argc, char **argv);
int cmd_call(const struct cli *cli, int argc, char **argv);
int cmd_list(const struct cli *cli, int argc, char **argv);
int cmd_describe(const struct cli *cli, int argc, char **argv);
int cmd_versions(const struct cli *cli, int argc, char **argv);
int cmd_limits(const struct cli *cli, int argc, char **argv);
int cmd_rollback(const struct cli *cli, int argc, char **argv);
int cmd_delete(const struct cli *cli, int argc, char **argv);
int cmd_memory(const struct cli *cli, int argc, char **argv);
int cmd_tune(const struct cli *cli, int argc, char **argv);
int cmd_profile(const struct cli *cli, int argc, char **argv);
int cmd_logs(const struct cli *cli, int argc, char **argv);
int cmd_events(const struct cli *cli, int argc, char **argv);
int cmd_top(const struct cli *cli, int argc, char **argv);
int cmd_export(const struct cli *cli, int argc, char **argv);
int cmd_import(const struct cli *cli, int argc, char **argv);
int cmd_dev(const struct cli *cli, int argc, char **argv);

/* The setting in "--some-name VALUE" or "--some-name=VALUE" at argv[*i], which goes on to its last
 * word: its name with '_', and its value. False: it is none, which was said. */
bool cli_setting(int argc, char **argv, int *i, char *name, size_t n, const char **value);
/* What the arguments of deploy (or dev) name: the path, and the function. */
int cli_deploy_target(int argc, char **argv, const char *command, const char **path, char *name,
                      size_t n);
/* Prints a line of a log; user: a struct cli. */
int cli_print_log_line(void *user, const char *line);
/* The NAME that must come first. NULL: it is missing or no name, which was said. */
const char *cli_name(const char *command, int argc, char **argv);

#endif
