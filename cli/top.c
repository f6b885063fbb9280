/* top.c: hearth top: what every function does now, redrawn once a second. */
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
    double calls, errors, rate, error_rate, instances, waiting, now, limit, share;
};

struct view {
    const struct cli *cli;
    struct row *rows, *before; /* of this look and of the one before */
    size_t count, before_count;
    double at, before_at; /* seconds */
    enum order order;
    json_t *host;
    unsigned width, height;
};

static double
seconds(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double
sum_of(const json_t *object)
{
    const char *name;
    json_t *value;
    double sum = 0;

    json_object_foreach ((json_t *)(uintptr_t)object, name, value)
        sum += json_number_value(value);
    return sum;
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
    row->errors = sum_of(json_object_get(f, "errors"));
    row->instances = cli_number(f, "instances.total");
    row->waiting = cli_number(f, "waiting");
    row->now = cli_number(f, "memory.now");
    row->limit = cli_number(f, "memory.limit") * (row->instances > 0 ? row->instances : 1);
    row->share = row->limit > 0 ? row->now / row->limit : 0;
    before = row_before(view, row->name);
    if (before != NULL && passed > 0 && row->calls >= before->calls) {
        row->rate = (row->calls - before->calls) / passed;
        row->error_rate = (row->errors - before->errors) / passed;
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
line(const struct view *view, const char *text)
{
    unsigned columns = 0;
    const char *at = text;

    for (; *at != '\0'; at++) {
        columns += ((unsigned char)*at & 0xc0) != 0x80;
        if (columns > view->width)
            break;
    }
    (void)printf("%.*s\033[K\r\n", (int)(at - text), text);
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
    line(view, text);
    (void)snprintf(text, sizeof text, "memory %s of %s  %s  pressure %.1f %%",
                   cli_bytes(reserved, b, sizeof b), cli_bytes(budget, c, sizeof c),
                   cli_bar(budget > 0 ? reserved / budget : 0, 20, bar, sizeof bar),
                   100 * cli_number(view->host, "pressure.some"));
    line(view, text);
    line(view, "");
}

static void
draw(struct view *view)
{
    static const char *const orders[] = {"calls", "memory", "errors", "name"};
    char text[256], a[24], b[24], bar[64];

    sorted_by = view->order;
    qsort(view->rows, view->count, sizeof *view->rows, compare);
    (void)printf("\033[H");
    draw_head(view);
    line(view, "NAME                 CALLS/S  ERR/S  INST  WAIT      MEMORY  OF LIMITS");
    for (size_t i = 0; i < view->count && i + 6 < view->height; i++) {
        const struct row *r = &view->rows[i];

        bar[0] = '\0';
        (void)snprintf(text, sizeof text, "%-18.18s %9.1f %6.1f %5.0f %5.0f  %10s  %s %s", r->name,
                       r->rate, r->error_rate, r->instances, r->waiting,
                       cli_bytes(r->now, a, sizeof a), cli_bar(r->share, 10, bar, sizeof bar),
                       cli_bytes(r->limit, b, sizeof b));
        line(view, text);
    }
    (void)snprintf(text, sizeof text, "sorted by %s: c calls, m memory, e errors, n name; q ends",
                   orders[view->order]);
    line(view, text);
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

/* Waits for a key, at most a second. Returns false for the one that ends. */
static bool
take_key(struct view *view)
{
    static const char keys[] = "cmen";
    struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
    char key;
    const char *found;

    if (poll(&p, 1, 1000) != 1)
        return true;
    if (read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 3 || key == 4)
        return false;
    found = strchr(keys, key);
    if (key != '\0' && found != NULL)
        view->order = (enum order)(found - keys);
    return true;
}

int
cmd_top(const struct cli *cli, int argc, char **argv)
{
    struct view view = {.cli = cli};
    struct termios was, raw;
    bool terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO), on = true;

    if (argc > 0)
        return cli_usage("top: \"%s\" is one argument too many", argv[0]);
    if (!terminal || cli->json)
        return cli_usage("top needs a terminal; hearth list --json is for programs");
    if (!look(&view))
        return CLI_REFUSED;
    if (tcgetattr(STDIN_FILENO, &was) == 0) {
        raw = was;
        raw.c_lflag &= (tcflag_t) ~(ICANON | ECHO | ISIG);
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    }
    (void)printf("\033[?1049h\033[?25l"); /* another screen, without a cursor */
    while (on) {
        measure(&view);
        draw(&view);
        on = take_key(&view) && look(&view);
    }
    (void)printf("\033[?25h\033[?1049l");
    (void)fflush(stdout);
    (void)tcsetattr(STDIN_FILENO, TCSANOW, &was);
    free(view.rows);
    free(view.before);
    json_decref(view.host);
    return CLI_OK;
}
