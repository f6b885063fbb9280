/* memory.c: hearth memory, tune, profile: what a function uses, and what its limit should be. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define BAR 40u

/* ---- memory ---- */

/* One line of the picture: a bar up to `bytes` of `most`. */
static void
print_mark(const char *what, double bytes, double most, const struct cli *cli)
{
    unsigned width = cli->width < 80 ? (cli->width > 44 ? cli->width - 30 : 14) : BAR;
    char size[24], bar[4 * BAR + 8] = "";

    if (bytes <= 0)
        return;
    (void)printf("  %-8s %s %10s\n", what, cli_bar(bytes / most, width, bar, sizeof bar),
                 cli_bytes(bytes, size, sizeof size));
}

static void
print_picture(const struct cli *cli, const json_t *m)
{
    static const char *const marks[][2] = {
        {"p50", "calls.p50"},    {"p95", "calls.p95"}, {"p99", "calls.p99"},
        {"p99.9", "calls.p999"}, {"max", "calls.max"}, {"advice", "advice.memory"},
        {"limit", "limit"},
    };
    double most = cli_number(m, "limit");

    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++)
        most = fmax(most, cli_number(m, marks[i][1]));
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++)
        print_mark(marks[i][0], cli_number(m, marks[i][1]), most, cli);
}

static void
print_memory(const struct cli *cli, const char *name, const json_t *m)
{
    char a[24], b[24], c[24];
    const char *reason;
    json_t *count;

    (void)printf("%s: %s now, limit %s, %s of an instance before its first call\n", name,
                 cli_bytes(cli_number(m, "now"), a, sizeof a),
                 cli_bytes(cli_number(m, "limit"), b, sizeof b),
                 cli_bytes(cli_number(m, "overhead"), c, sizeof c));
    if (cli_number(m, "calls.count") > 0)
        (void)printf("peaks of %.0f calls, by %s:\n", cli_number(m, "calls.count"),
                     strcmp(cli_text(m, "calls.source"), "worker") == 0 ? "the instances themselves"
                                                                        : "the kernel");
    print_picture(cli, m);
    (void)printf("%s: %s\n", cli_text(m, "advice.finding"), cli_text(m, "advice.reason"));
    if (json_is_true(json_object_get(json_object_get(m, "leak"), "suspected")))
        (void)printf("it leaks: %s with each call, since version %.0f\n",
                     cli_bytes(cli_number(m, "leak.bytes_per_call"), a, sizeof a),
                     cli_number(m, "leak.since_version"));
    json_object_foreach (json_object_get(m, "ends"), reason, count)
        (void)printf("ended: %.0f instances, %s\n", json_number_value(count), reason);
}

/* Sets the limit that is advised. */
static int
apply(const struct cli *cli, const char *name, const json_t *m)
{
    double advice = cli_number(m, "advice.memory");
    char path[96], body[64], size[24];
    struct cli_reply reply;
    bool ok;

    if (advice <= 0)
        return cli_fail("there is no advice yet: %s", cli_text(m, "advice.reason"));
    (void)snprintf(path, sizeof path, "/v1/functions/%s", name);
    (void)snprintf(body, sizeof body, "{\"memory\": %.0f}", advice);
    ok = cli_send(cli, "PATCH", path, body, &reply);
    if (ok && !cli->json)
        (void)printf("the limit of %s is %s now\n", name, cli_bytes(advice, size, sizeof size));
    cli_reply_free(&reply);
    return ok ? CLI_OK : CLI_REFUSED;
}

int
cmd_memory(const struct cli *cli, int argc, char **argv)
{
    const char *name = NULL;
    bool follow = false, ok;
    struct cli_reply reply;
    char path[96];
    int status;

    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--apply") == 0)
            follow = true;
        else if (argv[i][0] == '-' || name != NULL)
            return cli_usage("usage: hearth memory NAME [--apply]");
        else
            name = argv[i];
    }
    name = cli_name("memory", name != NULL, (char **)(uintptr_t)&name);
    if (name == NULL)
        return CLI_USAGE;
    (void)snprintf(path, sizeof path, "/v1/functions/%s/memory", name);
    ok = cli_call(cli, &(struct cli_request){.path = path}, &reply);
    if (ok && cli->json)
        cli_print_json(reply.json);
    else if (ok)
        print_memory(cli, name, reply.json);
    status = ok ? CLI_OK : CLI_REFUSED;
    if (ok && follow)
        status = apply(cli, name, reply.json);
    cli_reply_free(&reply);
    return status;
}

/* ---- tune ---- */

static void
print_steps(const struct cli *cli, const json_t *answer)
{
    static const char *const heads[] = {">MEMORY", ">CALLS", ">P50", ">P99", ">PEAK", "P99", ""};
    struct cli_table table;
    char a[24], b[24], c[24], d[24], bar[128] = "";
    double most = 0;
    json_t *step;
    size_t i;

    json_array_foreach (json_object_get(answer, "steps"), i, step)
        most = fmax(most, cli_number(step, "p99"));
    cli_table_begin(&table, heads, 7);
    json_array_foreach (json_object_get(answer, "steps"), i, step) {
        bool works = json_is_true(json_object_get(step, "success"));

        cli_table_cell(&table, "%s", cli_bytes(cli_number(step, "memory"), a, sizeof a));
        cli_table_cell(&table, "%.0f", cli_number(step, "calls"));
        cli_table_cell(&table, "%s", works ? cli_ms(cli_number(step, "p50"), b, sizeof b) : "-");
        cli_table_cell(&table, "%s", works ? cli_ms(cli_number(step, "p99"), c, sizeof c) : "-");
        cli_table_cell(&table, "%s", cli_bytes(cli_number(step, "peak"), d, sizeof d));
        cli_table_cell(
            &table, "%s",
            works && most > 0 ? cli_bar(cli_number(step, "p99") / most, 20, bar, sizeof bar) : "");
        cli_table_cell(&table, "%s", works ? "" : cli_text(step, "reason"));
    }
    cli_table_end(&table, cli);
}

int
cmd_tune(const struct cli *cli, int argc, char **argv)
{
    const char *name = NULL, *data = "";
    json_t *request = json_object();
    struct cli_reply reply;
    char path[96], a[24], b[24], *body;
    bool ok;

    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "-d") == 0 && i + 1 < argc)
            data = argv[++i];
        else if (strcmp(argv[i], "--calls") == 0 && i + 1 < argc)
            (void)json_object_set_new(request, "calls", json_integer(atoll(argv[++i])));
        else if (argv[i][0] == '-' || name != NULL)
            return cli_usage("usage: hearth tune NAME [-d BODY] [--calls N]");
        else
            name = argv[i];
    }
    name = cli_name("tune", name != NULL, (char **)(uintptr_t)&name);
    if (name == NULL)
        return CLI_USAGE;
    (void)json_object_set_new(request, "payloads", json_pack("[{s:s}]", "body", data));
    (void)snprintf(path, sizeof path, "/v1/functions/%s/tune", name);
    body = json_dumps(request, JSON_COMPACT);
    ok = cli_send(cli, "POST", path, body, &reply);
    if (ok && cli->json) {
        cli_print_json(reply.json);
    } else if (ok) {
        print_steps(cli, reply.json);
        if (cli_number(reply.json, "need") > 0)
            (void)printf("%s needs %s; more than %s makes it no faster\n", name,
                         cli_bytes(cli_number(reply.json, "need"), a, sizeof a),
                         cli_bytes(cli_number(reply.json, "knee"), b, sizeof b));
        else
            ok = cli_fail("%s worked at none of the limits; the reasons are above, and hearth logs "
                          "%s may say more",
                          name, name) == CLI_OK;
    }
    free(body);
    json_decref(request);
    cli_reply_free(&reply);
    return ok ? CLI_OK : CLI_REFUSED;
}

/* ---- profile ---- */

struct site {
    char *name;
    double bytes;
};

static int
compare_sites(const void *a, const void *b)
{
    double x = ((const struct site *)a)->bytes, y = ((const struct site *)b)->bytes;

    return x < y ? 1 : (x > y ? -1 : 0);
}

/* The call sites of folded stacks ("a;b;c 123"), by what they allocated. */
static void
print_sites(const struct cli *cli, char *folded)
{
    static const char *const heads[] = {">BYTES", ">SHARE", "", "CALL SITE"};
    struct site *sites = NULL;
    size_t count = 0;
    struct cli_table table;
    double all = 0;
    char a[24], bar[64] = "", *rest = folded;

    for (char *line; (line = strtok_r(rest, "\n", &rest)) != NULL;) {
        char *space = strrchr(line, ' '), *leaf;
        size_t i = 0;

        if (space == NULL)
            continue;
        *space = '\0';
        leaf = strrchr(line, ';') != NULL ? strrchr(line, ';') + 1 : line;
        while (i < count && strcmp(sites[i].name, leaf) != 0)
            i++;
        if (i == count) {
            sites = realloc(sites, (count + 1) * sizeof *sites);
            if (sites == NULL)
                abort();
            sites[count++] = (struct site){.name = leaf};
        }
        sites[i].bytes += atof(space + 1);
        all += atof(space + 1);
    }
    if (count == 0) {
        (void)printf("nothing was allocated\n");
        return;
    }
    qsort(sites, count, sizeof *sites, compare_sites);
    cli_table_begin(&table, heads, 4);
    for (size_t i = 0; i < count && i < 20; i++) {
        cli_table_cell(&table, "%s", cli_bytes(sites[i].bytes, a, sizeof a));
        cli_table_cell(&table, "%.1f %%", 100 * sites[i].bytes / all);
        cli_table_cell(&table, "%s", cli_bar(sites[i].bytes / all, 10, bar, sizeof bar));
        cli_table_cell(&table, "%s", sites[i].name);
    }
    cli_table_end(&table, cli);
    free(sites);
}

static int
write_out(const char *path, const struct cli_reply *reply)
{
    FILE *file = fopen(path, "we");
    bool ok = file != NULL && fwrite(reply->body, 1, reply->len, file) == reply->len;

    if (file != NULL)
        ok = fclose(file) == 0 && ok;
    return ok ? CLI_OK : cli_fail("cannot write %s: %s", path, strerror(errno));
}

int
cmd_profile(const struct cli *cli, int argc, char **argv)
{
    const char *name = NULL, *pprof = NULL, *seconds = "10";
    bool folded = false, live = false, ok;
    struct cli_reply reply;
    char path[96], body[96];
    int status = CLI_OK;

    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--folded") == 0)
            folded = true;
        else if (strcmp(argv[i], "--live") == 0)
            live = true;
        else if (strcmp(argv[i], "--pprof") == 0 && i + 1 < argc)
            pprof = argv[++i];
        else if (strcmp(argv[i], "--seconds") == 0 && i + 1 < argc)
            seconds = argv[++i];
        else if (argv[i][0] == '-' || name != NULL)
            return cli_usage("usage: hearth profile NAME [--seconds 10] [--live] [--folded] "
                             "[--pprof FILE]");
        else
            name = argv[i];
    }
    name = cli_name("profile", name != NULL, (char **)(uintptr_t)&name);
    if (name == NULL)
        return CLI_USAGE;
    (void)snprintf(path, sizeof path, "/v1/functions/%s/profile", name);
    (void)snprintf(body, sizeof body, "{\"seconds\": %.0f, \"value\": \"%s\"}", atof(seconds),
                   live ? "live" : "allocated");
    ok = cli_call(
        cli,
        &(struct cli_request){.method = "POST",
                              .path = path,
                              .type = "application/json",
                              .accept = pprof != NULL ? "application/vnd.google.protobuf" : NULL,
                              .body = body,
                              .len = strlen(body)},
        &reply);
    if (!ok)
        status = CLI_REFUSED;
    else if (pprof != NULL)
        status = write_out(pprof, &reply);
    else if (folded)
        (void)fwrite(reply.body, 1, reply.len, stdout);
    else
        print_sites(cli, reply.body);
    cli_reply_free(&reply);
    return status;
}
