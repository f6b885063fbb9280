/* tables_main.c: prints the tables of the code for the documents (tools/documents): options,
 * settings, codes, reasons, metrics, requests. Not installed.
 *   hearth-tables TABLE    in Markdown; "options.5" in roff
 */
#include <stdio.h>
#include <string.h>

#include "codes.h"
#include "config.h"
#include "metrics.h"
#include "routes.h"
#include "scheduler.h"
#include "settings.h"
#include "units.h"

static void
print_options(void)
{
    struct gw_config_row row;

    (void)printf("| option | allowed | default | what it is |\n| --- | --- | --- | --- |\n");
    for (unsigned i = 0; gw_config_row(i, &row); i++)
        (void)printf("| `%s` | %s | %s | %s%s |\n", row.name, row.allowed, row.standard, row.text,
                     row.reloads ? " (R)" : "");
}

/* The text with what roff would read as a command or a hyphen escaped. */
static void
print_roff(const char *text)
{
    for (; *text != '\0'; text++)
        (void)printf(*text == '-' ? "\\-" : (*text == '\\' ? "\\e" : "%c"), *text);
}

static void
print_options_roff(void)
{
    struct gw_config_row row;

    for (unsigned i = 0; gw_config_row(i, &row); i++) {
        if (!row.in_file)
            continue;
        (void)printf(".TP\n.B %s\n", row.name);
        print_roff(row.text);
        (void)printf(".\nAllowed: ");
        print_roff(row.allowed);
        (void)printf(".");
        if (row.standard[0] != '\0') {
            (void)printf(" Default: ");
            print_roff(row.standard);
            (void)printf(".");
        }
        (void)printf("%s\n", row.reloads ? " A reload changes it." : "");
    }
}

static const char *
default_of(const struct sch_setting *row, char *buf, size_t n)
{
    switch (row->kind) {
    case SCH_SETTING_SIZE:
        return units_format_size(row->default_value, buf, n);
    case SCH_SETTING_TIME:
        return units_format_time(row->default_value, buf, n);
    case SCH_SETTING_COUNT:
        (void)snprintf(buf, n, "%lld", (long long)row->default_value);
        return buf;
    case SCH_SETTING_FLAG:
        return row->default_value != 0 ? "true" : "false";
    case SCH_SETTING_CHOICE:
        return sch_choice_name(row->default_value);
    case SCH_SETTING_CORES:
        return "none";
    case SCH_SETTING_LIST:
        return strcmp(row->name, "network") == 0 ? "none" : "[]";
    default:
        return "{}";
    }
}

static void
print_settings(void)
{
    static const char *const reaches[] = {
        [SCH_REACH_LIVE] = "running instances",
        [SCH_REACH_CALLS] = "calls from now on",
        [SCH_REACH_INSTANCES] = "new instances; the present ones are replaced",
        [SCH_REACH_BUILD] = "the next deploy",
    };
    char buf[32];

    (void)printf("| setting | default | allowed | what it is | a change reaches |\n"
                 "| --- | --- | --- | --- | --- |\n");
    for (unsigned i = 0; i < sch_setting_count; i++) {
        const struct sch_setting *row = &sch_setting_table[i];

        (void)printf("| `%s` | %s | %s | %s | %s |\n", row->name, default_of(row, buf, sizeof buf),
                     row->allowed, row->text, reaches[row->reach]);
    }
}

static void
print_codes(void)
{
    (void)printf("| code | status | meaning | members |\n| --- | --- | --- | --- |\n");
    for (int c = 0; c < GW_CODE_COUNT; c++)
        (void)printf("| `%s` | %d | %s | %s |\n", gw_code_name(c), gw_code_status(c),
                     gw_code_title(c), gw_code_facts(c));
}

static void
print_reasons(void)
{
    (void)printf("| reason | meaning |\n| --- | --- |\n");
    for (int e = SCH_END_NONE + 1; e < SCH_END_COUNT; e++)
        (void)printf("| `%s` | %s |\n", sch_end_name(e), sch_end_text(e));
}

static void
print_metrics(void)
{
    gw_metrics_print_table(stdout);
}

static void
print_requests(void)
{
    (void)printf("| request | |\n| --- | --- |\n");
    for (size_t i = 0; i < gw_routes_count; i++) {
        const struct gw_route *r = &gw_routes[i];
        char path[96];

        if (r->id == NULL)
            continue;
        gw_route_path(r, "NAME", "N", path, sizeof path);
        (void)printf("| `%s %s` | %s |\n", r->method, path, r->text);
    }
}

static const struct {
    const char *name;
    void (*print)(void);
} tables[] = {
    {"options", print_options},   {"options.5", print_options_roff}, {"settings", print_settings},
    {"codes", print_codes},       {"reasons", print_reasons},        {"metrics", print_metrics},
    {"requests", print_requests},
};

int
main(int argc, char **argv)
{
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        if (argc == 2 && strcmp(argv[1], tables[i].name) == 0) {
            tables[i].print();
            return 0;
        }
    (void)fprintf(stderr, "usage: hearth-tables TABLE\n");
    return 2;
}
