/* top.c: hearth top: what every function does now, redrawn once a second; Enter looks inside one.
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"

enum order { BY_CALLS, BY_MEMORY, BY_ERRORS, BY_NAME };

struct row {
    char name[64];
    double calls, errors, rate, error_rate, instances, waiting, now, limit, share, p50, p99;
};

struct view {
    const struct cli *cli;
    struct row *rows, *before; /* of this look and of the one before */
    size_t count, before_count;
    double at, before_at; /* seconds */
    enum order order;
    char cursor[64];  /* the function that is marked; "": the first one */
    bool inside;      /* of the one that is marked */
    json_t *parts[4]; /* of it: see part_paths; NULL: not there */
    json_t *host;
    unsigned width, height;
};

enum { MEMORY, INSTANCES, EVENTS, LOGS };

static const char *const part_paths[] = {
    [MEMORY] = "/v1/functions/%s/memory",
    [INSTANCES] = "/v1/functions/%s/instances",
    [EVENTS] = "/v1/events?function=%s&lines=6",
    [LOGS] = "/v1/functions/%s/logs?lines=20",
};

static double
seconds(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static const struct row *
row_before(const struct view *view, const char *name)
{
    for (size_t i = 0; i < view->before_count; i++)
        if (strcmp(view->before[i].name, name) == 0)
            return &view->before[i];
    return NULL;
}

static void
fill_row(const struct view *view, struct row *row, const json_t *f)
{
    const struct row *before;
    double passed = view->at - view->before_at;

    (void)snprintf(row->name, sizeof row->name, "%s", cli_text(f, "name"));
    row->calls = cli_number(f, "calls");
    row->errors = cli_sum(json_object_get(f, "errors"));
    row->instances = cli_number(f, "instances.total");
    row->waiting = cli_number(f, "waiting");
    row->now = cli_number(f, "memory.now");
    row->limit = cli_number(f, "memory.limit") * (row->instances > 0 ? row->instances : 1);
    row->p50 = cli_number(f, "latency.p50");
    row->p99 = cli_number(f, "latency.p99");
    row->share = row->limit > 0 ? row->now / row->limit : 0;
    before = row_before(view, row->name);
    if (before != NULL && passed > 0 && row->calls >= before->calls) {
        row->rate = (row->calls - before->calls) / passed;
        row->error_rate = (row->errors - before->errors) / passed;
    }
}

/* An array of the objects that the lines are. */
static json_t *
lines_json(const char *text)
{
    json_t *array = json_array();

    while (text != NULL && *text != '\0') {
        size_t n = strcspn(text, "\n");
        json_t *line = json_loadb(text, n, 0, NULL);

        if (line != NULL)
            (void)json_array_append_new(array, line);
        text += n + (text[n] == '\n');
    }
    return array;
}

/* What is known of the marked function; it may be deleted meanwhile. */
static void
look_inside(struct view *view)
{
    for (size_t i = 0; i < sizeof part_paths / sizeof part_paths[0]; i++) {
        struct cli_reply reply;
        char path[160];

        json_decref(view->parts[i]);
        view->parts[i] = NULL;
        (void)snprintf(path, sizeof path, part_paths[i], view->cursor);
        if (view->inside && cli_ask(view->cli, &(struct cli_request){.path = path}, &reply))
            view->parts[i] =
                reply.json != NULL && i < EVENTS ? json_incref(reply.json) : lines_json(reply.body);
        if (view->inside)
            cli_reply_free(&reply);
    }
}

/* One look at the daemon. */
static bool
look(struct view *view)
{
    struct cli_reply functions, host;
    json_t *list, *f;
    size_t i;
    bool ok = cli_call(view->cli, &(struct cli_request){.path = "/v1/functions"}, &functions) &&
              cli_call(view->cli, &(struct cli_request){.path = "/v1/host"}, &host);

    if (!ok) {
        cli_reply_free(&functions);
        return false;
    }
    free(view->before);
    view->before = view->rows;
    view->before_count = view->count;
    view->before_at = view->at;
    view->at = seconds();
    list = json_object_get(functions.json, "functions");
    view->count = json_array_size(list);
    view->rows = calloc(view->count + 1, sizeof *view->rows);
    if (view->rows == NULL)
        abort();
    json_array_foreach (list, i, f)
        fill_row(view, &view->rows[i], f);
    json_decref(view->host);
    view->host = json_incref(host.json);
    cli_reply_free(&functions);
    cli_reply_free(&host);
    return true;
}

/* ---- drawing ---- */

static enum order sorted_by;

static int
compare(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    double left = 0, right = 0;

    if (sorted_by == BY_CALLS)
        left = x->rate, right = y->rate;
    else if (sorted_by == BY_MEMORY)
        left = x->now, right = y->now;
    else if (sorted_by == BY_ERRORS)
        left = x->error_rate, right = y->error_rate;
    if (left != right)
        return left < right ? 1 : -1;
    return strcmp(x->name, y->name);
}

/* A line, cut at the width of the terminal; what was there before is erased. */
static void
line(const struct view *view, bool marked, const char *text)
{
    unsigned columns = 0;
    const char *at = text;

    for (; *at != '\0'; at++) {
        columns += ((unsigned char)*at & 0xc0) != 0x80;
        if (columns > view->width)
            break;
    }
    (void)printf("%s%.*s%s\033[K\r\n", marked ? "\033[7m" : "", (int)(at - text), text,
                 marked ? "\033[0m" : "");
}

static void
draw_head(const struct view *view)
{
    char text[256], a[24], b[24], c[24], bar[64] = "";
    double reserved = cli_number(view->host, "memory.reserved");
    double budget = cli_number(view->host, "memory.budget");

    (void)snprintf(text, sizeof text, "%s  up %s  %zu functions  %.0f connections",
                   cli_text(view->host, "host"),
                   cli_ms(cli_number(view->host, "uptime"), a, sizeof a), view->count,
                   cli_number(view->host, "connections"));
    line(view, false, text);
    (void)snprintf(text, sizeof text, "memory %s of %s  %s  pressure %.1f %%",
                   cli_bytes(reserved, b, sizeof b), cli_bytes(budget, c, sizeof c),
                   cli_bar(budget > 0 ? reserved / budget : 0, 20, bar, sizeof bar),
                   100 * cli_number(view->host, "pressure.some"));
    line(view, false, text);
    line(view, false, "");
}

/* The columns that fit: on a narrow terminal the least important ones are left out. */
static void
draw_heads(const struct view *view)
{
    if (view->width < 80)
        line(view, false, "NAME           CALLS/S     P99 MEMORY");
    else
        line(view, false,
             "NAME              CALLS/S     P50     P99  ERR/S INST  WAIT    MEMORY  OF LIMITS");
}

static void
draw_row(const struct view *view, const struct row *r)
{
    char text[256], a[24], b[24], c[24], d[24], bar[64] = "";
    const char *p50 = r->p50 > 0 ? cli_ms(r->p50, a, sizeof a) : "-";
    const char *p99 = r->p99 > 0 ? cli_ms(r->p99, b, sizeof b) : "-";
    bool marked = strcmp(r->name, view->cursor) == 0;

    if (view->width < 80)
        (void)snprintf(text, sizeof text, "%-14.14s %7.0f %7s %s", r->name, r->rate, p99,
                       cli_bar(r->share, 8, bar, sizeof bar));
    else
        (void)snprintf(text, sizeof text, "%-16.16s %8.1f %7s %7s %6.1f %4.0f %5.0f %9s  %s %s",
                       r->name, r->rate, p50, p99, r->error_rate, r->instances, r->waiting,
                       cli_bytes(r->now, c, sizeof c), cli_bar(r->share, 8, bar, sizeof bar),
                       cli_bytes(r->limit, d, sizeof d));
    line(view, marked, text);
}

static void
draw_table(const struct view *view)
{
    static const char *const orders[] = {"calls", "memory", "errors", "name"};
    size_t room = view->height > 6 ? view->height - 6 : 0, from = 0;
    char text[160];

    for (size_t i = 0; i < view->count; i++) /* the marked row is in sight */
        if (strcmp(view->rows[i].name, view->cursor) == 0 && i >= room)
            from = i - room + 1;
    draw_heads(view);
    for (size_t i = from; i < view->count && i < from + room; i++)
        draw_row(view, &view->rows[i]);
    (void)snprintf(text, sizeof text,
                   view->width < 80 ? "by %s: c m e n; Enter, q"
                                    : "sorted by %s: c calls, m memory, e errors, n name; "
                                      "arrows and Enter look inside; q ends",
                   orders[view->order]);
    line(view, false, text);
}

/* A figure of the memory as "name 12 MiB", or nothing where it is not known. */
static void
add_figure(char *text, size_t n, const json_t *memory, const char *name, const char *path)
{
    size_t at = strlen(text);
    char a[24];

    if (cli_number(memory, path) > 0)
        (void)snprintf(text + at, n - at, "%s%s %s", at > 0 ? "  " : "", name,
                       cli_bytes(cli_number(memory, path), a, sizeof a));
}

static void
draw_memory(const struct view *view, const json_t *memory)
{
    char text[512] = "";
    const char *reason;
    json_t *count;

    add_figure(text, sizeof text, memory, "limit", "limit");
    add_figure(text, sizeof text, memory, "now", "now");
    add_figure(text, sizeof text, memory, "p50", "calls.p50");
    add_figure(text, sizeof text, memory, "p99.9", "calls.p999");
    add_figure(text, sizeof text, memory, "max", "calls.max");
    add_figure(text, sizeof text, memory, "advice", "advice.memory");
    line(view, false, text);
    line(view, false, cli_text(memory, "advice.reason"));
    (void)snprintf(text, sizeof text, "ends:");
    json_object_foreach (json_object_get(memory, "ends"), reason, count)
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), " %s %.0f", reason,
                       json_number_value(count));
    line(view, false, text);
}

static void
draw_instance(const struct view *view, const json_t *instance)
{
    double limit = cli_number(instance, "memory_limit");
    char text[256], a[24], b[24], c[24], bar[64] = "";

    (void)snprintf(
        text, sizeof text, "%6.0f %-9s %8s %9.0f calls %9s of %s %s", cli_number(instance, "id"),
        cli_text(instance, "state"), cli_ms(cli_number(instance, "age"), a, sizeof a),
        cli_number(instance, "calls"), cli_bytes(cli_number(instance, "memory"), b, sizeof b),
        cli_bytes(limit, c, sizeof c),
        cli_bar(limit > 0 ? cli_number(instance, "memory") / limit : 0, 8, bar, sizeof bar));
    line(view, false, text);
}

/* "12:00:01 what  detail", of an event or of a line of the log. */
static void
draw_line(const struct view *view, const json_t *object)
{
    const char *time = cli_text(object, "time"), *event = cli_text(object, "event");
    char text[512];

    (void)snprintf(text, sizeof text, "%.8s %s  %s%s", strlen(time) > 19 ? time + 11 : time,
                   event[0] != '\0' ? event : cli_text(object, "level"),
                   cli_text(object, event[0] != '\0' ? "reason" : "message"),
                   cli_text(object, "code"));
    for (char *at = text; *at != '\0'; at++)
        if (*at == '\t')
            *at = ' ';
    line(view, false, text);
}

/* The last lines of an array that fit into what is left of the height. */
static size_t
draw_last(const struct view *view, const json_t *array, size_t used, size_t most,
          void (*draw_one)(const struct view *view, const json_t *one))
{
    size_t count = json_array_size(array), room = view->height > used ? view->height - used : 0;
    size_t shown = count < most ? count : most;

    if (shown > room)
        shown = room;
    for (size_t i = count - shown; i < count; i++)
        draw_one(view, json_array_get(array, i));
    return used + shown;
}

static void
draw_inside(const struct view *view)
{
    size_t used = 12;

    for (size_t i = 0; i < view->count; i++)
        if (strcmp(view->rows[i].name, view->cursor) == 0) {
            draw_heads(view);
            draw_row(view, &view->rows[i]);
        }
    draw_memory(view, view->parts[MEMORY]);
    used = draw_last(view, json_object_get(view->parts[INSTANCES], "instances"), used,
                     view->height / 4, draw_instance);
    line(view, false, "events");
    used = draw_last(view, view->parts[EVENTS], used, view->height / 4, draw_line);
    line(view, false, "log");
    (void)draw_last(view, view->parts[LOGS], used, view->height, draw_line);
    line(view, false, "Escape or b: back; q ends");
}

static void
draw(struct view *view)
{
    sorted_by = view->order;
    qsort(view->rows, view->count, sizeof *view->rows, compare);
    if (view->cursor[0] == '\0' && view->count > 0)
        (void)memcpy(view->cursor, view->rows[0].name, sizeof view->cursor);
    (void)printf("\033[H");
    draw_head(view);
    if (view->inside)
        draw_inside(view);
    else
        draw_table(view);
    (void)printf("\033[J");
    (void)fflush(stdout);
}

static void
measure(struct view *view)
{
    struct winsize size;

    view->width = view->cli->width;
    view->height = 24;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0) {
        view->width = size.ws_col;
        view->height = size.ws_row;
    }
}

static void
move_cursor(struct view *view, int by)
{
    size_t at = 0;

    while (at < view->count && strcmp(view->rows[at].name, view->cursor) != 0)
        at++;
    if (by < 0 && at > 0)
        at--;
    else if (by > 0)
        at++;
    if (at < view->count)
        (void)memcpy(view->cursor, view->rows[at].name, sizeof view->cursor);
}

/* One key: a letter, or the sequence of an arrow. Returns false for one that ends. */
static bool
act_on(struct view *view, const char *key, size_t n)
{
    static const char orders[] = "cmen";
    const char *found = strchr(orders, key[0]);
    bool arrow = n == 3 && key[0] == '\033';

    if (key[0] == 'q' || key[0] == 3 || key[0] == 4)
        return false;
    if ((arrow && key[2] == 'A') || key[0] == 'k')
        move_cursor(view, -1);
    else if ((arrow && key[2] == 'B') || key[0] == 'j')
        move_cursor(view, 1);
    else if (key[0] == '\r' || key[0] == '\n')
        view->inside = view->count > 0;
    else if ((n == 1 && key[0] == '\033') || key[0] == 'b' || key[0] == 127)
        view->inside = false;
    else if (found != NULL && key[0] != '\0')
        view->order = (enum order)(found - orders);
    return true;
}

/* Waits for keys, at most a second. Several may have been typed meanwhile. */
static bool
take_keys(struct view *view)
{
    struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
    char keys[64];
    ssize_t got;

    if (poll(&p, 1, 1000) != 1)
        return true;
    got = read(STDIN_FILENO, keys, sizeof keys);
    if (got < 1)
        return false;
    for (ssize_t at = 0, n; at < got; at += n) {
        bool sequence =
            keys[at] == '\033' && got - at >= 3 && (keys[at + 1] == '[' || keys[at + 1] == 'O');

        n = sequence ? 3 : 1;
        if (!act_on(view, keys + at, (size_t)n))
            return false;
    }
    return true;
}

/* One look: {"host": ..., "functions": [...]}. */
static int
print_json(const struct view *view)
{
    struct cli_reply functions, host = {0};
    bool ok = cli_call(view->cli, &(struct cli_request){.path = "/v1/functions"}, &functions) &&
              cli_call(view->cli, &(struct cli_request){.path = "/v1/host"}, &host);

    if (ok) {
        (void)json_object_set(functions.json, "host", host.json);
        cli_print_json(functions.json);
    }
    cli_reply_free(&functions);
    cli_reply_free(&host);
    return ok ? CLI_OK : CLI_REFUSED;
}

int
cmd_top(const struct cli *cli, int argc, char **argv)
{
    struct view view = {.cli = cli};
    struct termios was, raw;
    bool terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO), on = true;

    if (argc > 0)
        return cli_usage("top: \"%s\" is one argument too many", argv[0]);
    if (cli->json)
        return print_json(&view);
    if (!terminal)
        return cli_usage("top needs a terminal; hearth top --json is one look, for programs");
    if (!look(&view))
        return CLI_REFUSED;
    if (tcgetattr(STDIN_FILENO, &was) == 0) {
        raw = was;
        raw.c_lflag &= (tcflag_t) ~(ICANON | ECHO | ISIG);
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    }
    (void)printf("\033[?1049h\033[?25l"); /* another screen, without a cursor */
    while (on) {
        look_inside(&view);
        measure(&view);
        draw(&view);
        on = take_keys(&view) && look(&view);
    }
    (void)printf("\033[?25h\033[?1049l");
    (void)fflush(stdout);
    (void)tcsetattr(STDIN_FILENO, TCSANOW, &was);
    free(view.rows);
    free(view.before);
    view.inside = false;
    look_inside(&view); /* frees them */
    json_decref(view.host);
    return CLI_OK;
}
