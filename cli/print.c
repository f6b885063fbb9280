/* print.c: numbers, tables and bars for people. */
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

const char *
cli_bytes(double bytes, char *buf, size_t n)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    unsigned unit = 0;

    while (bytes >= 1024 && unit < 4) {
        bytes /= 1024;
        unit++;
    }
    (void)snprintf(buf, n, bytes < 10 && unit > 0 && bytes != floor(bytes) ? "%.1f %s" : "%.0f %s",
                   bytes, units[unit]);
    return buf;
}

const char *
cli_ms(double ms, char *buf, size_t n)
{
    if (ms < 1)
        (void)snprintf(buf, n, "%.0f us", ms * 1000);
    else if (ms < 1000)
        (void)snprintf(buf, n, ms < 10 ? "%.1f ms" : "%.0f ms", ms);
    else if (ms < 120000)
        (void)snprintf(buf, n, "%.1f s", ms / 1000);
    else if (ms < 2 * 3600000.0)
        (void)snprintf(buf, n, "%.0f min", ms / 60000);
    else
        (void)snprintf(buf, n, ms < 48 * 3600000.0 ? "%.0f h" : "%.0f d",
                       ms < 48 * 3600000.0 ? ms / 3600000 : ms / 86400000);
    return buf;
}

static const json_t *
member(const json_t *object, const char *path)
{
    while (object != NULL && *path != '\0') {
        char name[64];
        size_t n = strcspn(path, ".");

        (void)snprintf(name, sizeof name, "%.*s", (int)n, path);
        object = json_object_get(object, name);
        path += n + (path[n] == '.');
    }
    return object;
}

double
cli_number(const json_t *object, const char *path)
{
    return json_number_value(member(object, path));
}

const char *
cli_text(const json_t *object, const char *path)
{
    const char *text = json_string_value(member(object, path));

    return text != NULL ? text : "";
}

double
cli_sum(const json_t *object)
{
    const char *name;
    json_t *value;
    double sum = 0;

    json_object_foreach ((json_t *)(uintptr_t)object, name, value)
        sum += json_number_value(value);
    return sum;
}

void
cli_print_json(const json_t *json)
{
    (void)json_dumpf(json, stdout, JSON_INDENT(2));
    (void)putchar('\n');
}

const char *
cli_bar(double share, unsigned width, char *buf, size_t n)
{
    size_t at = 0;
    unsigned full = (unsigned)lround((share < 0 ? 0 : (share > 1 ? 1 : share)) * width);

    for (unsigned i = 0; i < width && at + 4 < n; i++)
        at += (size_t)snprintf(buf + at, n - at, "%s", i < full ? "\xe2\x96\x88" : "\xc2\xb7");
    return buf;
}

/* ---- tables ---- */

void
cli_table_begin(struct cli_table *table, const char *const *heads, unsigned columns)
{
    *table = (struct cli_table){.columns = columns, .heads = heads};
}

void
cli_table_cell(struct cli_table *table, const char *fmt, ...)
{
    unsigned count = table->rows;
    char **grown = realloc(table->cells, (count + 1) * sizeof *grown);
    va_list ap;

    if (grown == NULL)
        abort();
    table->cells = grown;
    va_start(ap, fmt);
    if (vasprintf(&table->cells[count], fmt, ap) < 0)
        abort();
    va_end(ap);
    table->rows = count + 1; /* cells, until the end */
}

/* Columns on the terminal: bytes that do not continue a letter of UTF-8. */
static unsigned
width_of(const char *text)
{
    unsigned width = 0;

    for (; *text != '\0'; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

static void
print_cell(const char *text, unsigned width, bool right, bool last)
{
    unsigned pad = width > width_of(text) ? width - width_of(text) : 0;

    if (right)
        (void)printf("%*s%s", (int)pad, "", text);
    else
        (void)printf("%s%*s", text, last ? 0 : (int)pad, "");
    (void)fputs(last ? "\n" : "  ", stdout);
}

void
cli_table_end(struct cli_table *table, const struct cli *cli)
{
    unsigned columns = table->columns, rows = table->rows / columns, total = 0, shown = 0;
    unsigned widths[16] = {0};

    for (unsigned c = 0; c < columns; c++) {
        widths[c] = width_of(table->heads[c] + (table->heads[c][0] == '>'));
        for (unsigned r = 0; r < rows; r++) {
            unsigned width = width_of(table->cells[r * columns + c]);

            widths[c] = width > widths[c] ? width : widths[c];
        }
        total += widths[c] + (c > 0 ? 2 : 0);
        if (total <= cli->width || c == 0)
            shown = c + 1;
    }
    for (unsigned c = 0; c < shown; c++)
        print_cell(table->heads[c] + (table->heads[c][0] == '>'), widths[c],
                   table->heads[c][0] == '>', c + 1 == shown);
    for (unsigned r = 0; r < rows; r++)
        for (unsigned c = 0; c < shown; c++)
            print_cell(table->cells[r * columns + c], widths[c], table->heads[c][0] == '>',
                       c + 1 == shown);
    for (unsigned i = 0; i < table->rows; i++)
        free(table->cells[i]);
    free(table->cells);
}
