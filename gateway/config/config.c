/* config.c: the table of options. The file (libinih), the command line, --help and the gateway's
 * arguments all use it. */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "limits.h"
#include "networks.h"
#include "text.h"
#include "units.h"

enum kind { TEXT, COUNT, SIZE, TIME, FLAG, CHOICE, BITS };

/* Where an option may stand, and what it takes to change it. INTERNAL: from hearthd to the gateway.
 */
enum reach { COMMAND_LINE, RESTART, RELOAD, INTERNAL };

struct option {
    const char *name; /* '-' and '_' are the same */
    enum kind kind;
    size_t offset;
    int64_t least, most;
    const char *allowed; /* of a CHOICE: its words, "a, b or c" */
    const char *text;
    enum reach reach;
};

#define AT(field) offsetof(struct gw_config, field)

static const struct option options[] = {
    {"listen", TEXT, AT(listen), 0, 0, "ADDR:PORT or unix:PATH", "where functions are called",
     RESTART},
    {"admin", TEXT, AT(admin), 0, 0, "ADDR:PORT or unix:PATH",
     "where /v1 is served (default: as --listen)", RESTART},
    {"admin_hosts", TEXT, AT(admin_hosts), 0, 0, "names, \"a.example,b.example\"",
     "additional host names that are accepted for /v1", RESTART},
    {"trusted_proxies", TEXT, AT(trusted_proxies), 0, 0,
     "networks, \"127.0.0.1, 10.0.0.0/8, unix\"",
     "proxies whose word about the client counts (X-Forwarded-For, Forwarded)", RESTART},
    {"state", TEXT, AT(state), 0, 0, "an absolute path",
     "folder for functions, the token and all other state", RESTART},
    {"threads", COUNT, AT(threads), 1, LIMIT_THREADS, "1 to 64",
     "event loops; the second and later ones become active when a core is idle", RESTART},
    {"spread", FLAG, AT(spread), 0, 0, "true or false", "all event loops are active from the start",
     RESTART},
    {"memory_budget", SIZE, AT(memory_budget), 0, INT64_C(1) << 50,
     "4M or more; 0: 75 % of the host's memory", "memory for all instances together", RESTART},
    {"queue_calls", COUNT, AT(queue_calls), 1, 10000000, "1 to 10000000",
     "maximum number of waiting calls, of all functions", RESTART},
    {"queue_bytes", SIZE, AT(queue_bytes), 1 << 20, INT64_C(1) << 40, "1M to 1024G",
     "maximum memory of waiting calls, and of responses that wait for their clients", RESTART},
    {"spool_bytes", SIZE, AT(spool_bytes), 0, INT64_C(1) << 50,
     "0 (4G, or a tenth of the free disk if that is less) to 1048576G",
     "disk for longer bodies and responses that wait", RESTART},
    {"keep_versions", COUNT, AT(keep_versions), 1, 1000, "1 to 1000",
     "versions to keep per function", RESTART},
    {"max_functions", COUNT, AT(max_functions), 1, 100000, "1 to 100000",
     "maximum number of functions", RESTART},
    {"disk_budget", SIZE, AT(disk_budget), 0, INT64_C(1) << 50, "0 (no limit) to 1048576G",
     "disk for all versions of all functions", RESTART},
    {"log_bytes", SIZE, AT(log_bytes), 0, INT64_C(1) << 30, "0 (in memory only), or 256K to 1G",
     "disk for the log of a function; the older half goes when it is full", RESTART},
    {"log_budget", SIZE, AT(log_budget), 1 << 20, INT64_C(1) << 50, "1M to 1048576G",
     "disk for the logs of all functions; the largest one loses its older half", RESTART},
    {"blanks_min", COUNT, AT(blanks_min), 0, 64, "0 to 64, at most blanks_max",
     "minimum number of pre-warmed sandboxes", RESTART},
    {"blanks_max", COUNT, AT(blanks_max), 0, 64, "0 to 64",
     "maximum number of pre-warmed sandboxes", RESTART},
    {"build_time", TIME, AT(build_time_ms), 1000, 3600000, "1s to 1h",
     "CPU time of one build; it ends after five times as long in any case", RESTART},
    {"build_memory", SIZE, AT(build_memory), 64 << 20, INT64_C(1) << 40, "64M to 1024G",
     "memory limit of the compiler", RESTART},
    {"build_cache", SIZE, AT(build_cache), 0, INT64_C(1) << 40, "0 (none) to 1024G",
     "disk for object files of earlier builds, of all functions", RESTART},
    {"drain_time", TIME, AT(drain_time_ms), 0, 3600000, "0 to 1h",
     "time for running calls to finish after SIGTERM", RELOAD},
    {"header_timeout", TIME, AT(header_timeout_ms), 100, 3600000, "100ms to 1h",
     "time limit for receiving a request's head", RELOAD},
    {"body_timeout", TIME, AT(body_timeout_ms), 100, 3600000, "100ms to 1h",
     "time without progress of a request's body", RELOAD},
    {"write_timeout", TIME, AT(write_timeout_ms), 100, 3600000, "100ms to 1h",
     "time without progress of a response", RELOAD},
    {"keepalive_timeout", TIME, AT(keepalive_timeout_ms), 100, 86400000, "100ms to 24h",
     "maximum idle time between two requests of a connection", RELOAD},
    {"connections", COUNT, AT(connections), 0, 1000000,
     "1 to 1000000, or 0: half of the open files that the process may have",
     "maximum number of clients at once", RESTART},
    {"connections_per_address", COUNT, AT(connections_per_address), 0, 1000000,
     "1 to 1000000, or 0: no limit", "of them, from one address that is no trusted proxy", RELOAD},
    {"max_header", SIZE, AT(max_header), 1024, LIMIT_HEAD, "1K to 32K",
     "bytes of a request's target and fields", RELOAD},
    {"max_header_fields", COUNT, AT(max_header_fields), 1, LIMIT_FIELDS, "1 to 100",
     "fields of a request", RELOAD},
    {"max_url", SIZE, AT(max_url), 64, LIMIT_HEAD, "64 to 32K", "bytes of a request's target",
     RELOAD},
    {"tls_cert", TEXT, AT(tls_cert), 0, 0, "a path", "certificate chain (PEM), for TLS on --listen",
     RESTART},
    {"tls_key", TEXT, AT(tls_key), 0, 0, "a path", "its private key (PEM)", RESTART},
    {"log_format", CHOICE, AT(log_format), 0, 0, "auto, text, json or journal",
     "form of the daemon's own log; auto: journal under systemd, else text", RESTART},
    {"access_log", CHOICE, AT(access_log), 0, 0, "off, common, combined or json",
     "a line for each request, in STATE/access.log; a reload opens it anew", RELOAD},
    {"resolver", TEXT, AT(resolver), 0, 0, "ADDRESS or ADDRESS:PORT, several with commas",
     "name servers for the destinations of functions (default: those of the host)", RESTART},
    {"network_allow", TEXT, AT(network_allow), 0, 0, "any of metadata, listeners",
     "what a function may connect to if it is named: link-local addresses such as "
     "169.254.169.254, and hearthd itself",
     RESTART},
    {"network_connections", COUNT, AT(network_connections), 1, 100000, "1 to 100000",
     "maximum number of open connections of all instances", RESTART},
    {"otlp", TEXT, AT(otlp), 0, 0, "http://HOST:PORT or https://HOST:PORT",
     "collector that traces are sent to (OpenTelemetry, OTLP over HTTP)", RESTART},
    {"trace_percent", COUNT, AT(trace_percent), 0, 100, "0 to 100",
     "share of the calls without traceparent that are traced", RELOAD},
    {"insecure", TEXT, AT(insecure), 0, 0, "any of cgroup, users",
     "isolation layers to do without where they cannot be set up; for trying out", RESTART},
    {"no_auth", FLAG, AT(no_auth), 0, 0, "true or false",
     "require no token; on loopback and unix listeners only", RELOAD},
    {"config", TEXT, AT(config), 0, 0, "a path", "configuration file", COMMAND_LINE},
    {"check", FLAG, AT(check), 0, 0, "true or false", "check the configuration and exit",
     COMMAND_LINE},
    {"fixed", BITS, AT(fixed), 0, 0, "", "", INTERNAL},
    {"config_path", TEXT, AT(config), 0, 0, "", "", INTERNAL}, /* for messages: not read */
};

#define OPTIONS (sizeof options / sizeof options[0])

_Static_assert(OPTIONS <= GW_CONFIG_OPTIONS && OPTIONS <= 64, "arguments; bits of `fixed`");

void
gw_config_default(struct gw_config *config)
{
    *config = (struct gw_config){
        .listen = "127.0.0.1:8080",
        .state = "/var/lib/hearth",
        .threads = 1,
        .queue_calls = 16384,
        .queue_bytes = 256 << 20,
        .keep_versions = 5,
        .max_functions = 1000,
        .disk_budget = INT64_C(10) << 30,
        .log_bytes = 8 << 20,
        .log_budget = 1 << 30,
        .blanks_min = 1,
        .blanks_max = 8,
        .build_time_ms = 120000,
        .build_memory = 1 << 30,
        .build_cache = 256 << 20,
        .drain_time_ms = 30000,
        .header_timeout_ms = 10000,
        .max_header = LIMIT_HEAD,
        .max_header_fields = LIMIT_FIELDS,
        .max_url = LIMIT_HEAD,
        .body_timeout_ms = 30000,
        .write_timeout_ms = 30000,
        .trace_percent = 100,
        .network_connections = 1024,
        .keepalive_timeout_ms = 120000,
    };
}

static bool
same_name(const char *given, size_t n, const char *name)
{
    if (strlen(name) != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (given[i] != name[i] && !(given[i] == '-' && name[i] == '_'))
            return false;
    return true;
}

static const struct option *
find(const char *name, size_t n)
{
    for (size_t i = 0; i < OPTIONS; i++)
        if (same_name(name, n, options[i].name))
            return &options[i];
    return NULL;
}

/* Bytes of its field. */
static size_t
width(const struct option *option)
{
    if (option->kind == TEXT)
        return sizeof((struct gw_config *)NULL)->listen;
    return option->kind == FLAG ? sizeof(bool) : sizeof(int64_t);
}

static bool
is_same(const struct option *option, const void *a, const void *b)
{
    return option->kind == TEXT ? strcmp(a, b) == 0 : memcmp(a, b, width(option)) == 0;
}

void
gw_config_adopt(struct gw_config *config, const struct gw_config *next, char *rest, size_t n)
{
    size_t used = 0;

    rest[0] = '\0';
    for (size_t i = 0; i < OPTIONS; i++) {
        const struct option *option = &options[i];
        char *mine = (char *)config + option->offset;
        const char *other = (const char *)next + option->offset;

        if (is_same(option, mine, other))
            continue;
        if (option->reach == RELOAD)
            memcpy(mine, other, width(option));
        else if (option->reach == RESTART && used < n)
            used +=
                (size_t)snprintf(rest + used, n - used, "%s%s", used > 0 ? ", " : "", option->name);
    }
}

void
gw_config_choose_log(struct gw_config *config, enum gw_log_format format)
{
    if (config->log_format != GW_LOG_AUTO)
        return;
    config->log_format = format;
    for (size_t i = 0; i < OPTIONS; i++)
        if (options[i].offset == AT(log_format))
            config->fixed |= UINT64_C(1) << i;
}

void
gw_config_keep_fixed(struct gw_config *next, const struct gw_config *config)
{
    for (size_t i = 0; i < OPTIONS; i++)
        if ((config->fixed >> i & 1) != 0)
            memcpy((char *)next + options[i].offset, (const char *)config + options[i].offset,
                   width(&options[i]));
}

static void
replace(char *text, char from, char to)
{
    for (; *text != '\0'; text++)
        if (*text == from)
            *text = to;
}

/* "; did you mean "x"?", or where to look. */
static const char *
did_you_mean(const char *name, bool in_file, char *text, size_t n)
{
    const char *names[OPTIONS + 1] = {NULL}, *nearest;
    char given[64], shown[64];
    size_t count = 0;

    (void)snprintf(given, sizeof given, "%.*s", (int)strcspn(name, "="), name);
    replace(given, '-', '_');
    for (size_t i = 0; i < OPTIONS; i++)
        if (options[i].reach != INTERNAL && !(in_file && options[i].reach == COMMAND_LINE))
            names[count++] = options[i].name;
    nearest = text_nearest(given, names);
    (void)snprintf(shown, sizeof shown, "%s%s", in_file ? "" : "--",
                   nearest != NULL ? nearest : "");
    if (!in_file)
        replace(shown, '_', '-');
    if (nearest != NULL)
        (void)snprintf(text, n, "; did you mean \"%s\"?", shown);
    else
        (void)snprintf(text, n, " (see hearthd --help)");
    return text;
}

static bool
set_flag(bool *flag, const char *text)
{
    bool on = strcmp(text, "true") == 0 || strcmp(text, "yes") == 0 || strcmp(text, "1") == 0;
    bool off = strcmp(text, "false") == 0 || strcmp(text, "no") == 0 || strcmp(text, "0") == 0;

    *flag = on;
    return on || off;
}

/* The word of that number in "a, b or c"; returns its length, 0 if there are fewer. */
static size_t
choice(const char *words, int64_t number, const char **word)
{
    for (; *words != '\0'; number--) {
        size_t n = strcspn(words, ", ");

        *word = words;
        if (number == 0)
            return n;
        words += n;
        words += strncmp(words, " or ", 4) == 0 ? 4 : strspn(words, ", ");
    }
    return 0;
}

static bool
set_choice(int64_t *number, const char *words, const char *text)
{
    const char *word;
    size_t n;

    for (*number = 0; (n = choice(words, *number, &word)) > 0; ++*number)
        if (strlen(text) == n && memcmp(word, text, n) == 0)
            return true;
    return false;
}

/* The notation of a value with a unit. */
static const char *
form_of(const struct option *option)
{
    return option->kind == TIME ? ", " UNITS_TIME_FORM
                                : (option->kind == SIZE ? ", " UNITS_SIZE_FORM : "");
}

static int
set(struct gw_config *config, const struct option *option, const char *text, struct hearth_err *err)
{
    char *at = (char *)config + option->offset;
    int64_t number = 0;
    bool ok = false;

    if (option->kind == TEXT) {
        ok = strlen(text) > 0 && strlen(text) < sizeof config->listen;
        if (ok)
            memcpy(at, text, strlen(text) + 1);
    } else if (option->kind == FLAG) {
        ok = set_flag((bool *)(void *)at, text);
    } else if (option->kind == CHOICE) {
        ok = set_choice(&number, option->allowed, text);
        if (ok)
            *(int64_t *)(void *)at = number;
    } else if (option->kind == BITS) {
        ok = sscanf(text, "%" SCNx64, (uint64_t *)(void *)at) == 1;
    } else {
        ok = (option->kind == TIME ? units_parse_time(text, &number)
                                   : units_parse_size(text, &number)) == 0 &&
             (option->kind != COUNT || text[strspn(text, "0123456789")] == '\0') &&
             number >= option->least && number <= option->most;
        if (ok)
            *(int64_t *)(void *)at = number;
    }
    return ok ? 0
              : err_set(err, 0, "%s is \"%s\"; expected %s%s", option->name, text, option->allowed,
                        form_of(option));
}

/* ---- the file ---- */

struct reading {
    FILE *file;
    int line; /* inih does not pass it to its handler */
    struct gw_config *config;
    const char *path;
    struct hearth_err *err;
    int status;
};

/* The next line without its indentation: the library would take an indented line for more of
 * the value above it. One that does not fit is refused, for the library would cut it. */
static char *
read_line(char *line, int n, void *user)
{
    struct reading *r = user;
    int len = 0, c;

    if (r->status < 0)
        return NULL;
    r->line++;
    while ((c = getc(r->file)) != EOF && c != '\n') {
        if (len == 0 && isspace(c))
            continue;
        if (c == '\0' || len == n - 1) {
            r->status = c == '\0'
                            ? err_set(r->err, 0, "%s:%d: the line has a NUL byte", r->path, r->line)
                            : err_set(r->err, 0, "%s:%d: the line is longer than %d bytes", r->path,
                                      r->line, n - 1);
            return NULL;
        }
        line[len++] = (char)c;
    }
    line[len] = '\0';
    return c != EOF || len > 0 ? line : NULL;
}

static int
on_key(void *user, const char *section, const char *name, const char *value)
{
    struct reading *r = user;
    const struct option *option = find(name, strlen(name));
    struct hearth_err why = {0};
    char nearest[96];

    if (r->status < 0)
        return 0;
    if (strpbrk(name, " \t") != NULL) /* the library also takes "key: value" */
        r->status = err_set(r->err, 0, "%s:%d: expected \"key = value\"", r->path, r->line);
    else if (section[0] != '\0' && strcmp(section, "hearthd") != 0)
        r->status = err_set(r->err, 0, "%s:%d: section [%s]; only [hearthd] is allowed, or none",
                            r->path, r->line, section);
    else if (option == NULL || option->reach == COMMAND_LINE || option->reach == INTERNAL)
        r->status = err_set(r->err, 0, "%s:%d: unknown key \"%s\"%s", r->path, r->line, name,
                            did_you_mean(name, true, nearest, sizeof nearest));
    else if (set(r->config, option, value, &why) < 0)
        r->status = err_set(r->err, 0, "%s:%d: %s", r->path, r->line, why.text);
    return r->status == 0;
}

int
gw_config_read(struct gw_config *config, const char *path, int fd, struct hearth_err *err)
{
    cleanup_file FILE *file = fd >= 0 ? fdopen(fd, "r") : fopen(path, "re");
    struct reading r = {.file = file, .config = config, .path = path, .err = err};
    int line;

    if (file == NULL)
        return err_set(err, errno, "open %s", path);
    line = ini_parse_stream(read_line, &r, on_key, &r);
    if (ferror(file))
        return err_set(err, errno, "read %s", path);
    if (line != 0 && (r.status == 0 || line < r.line)) /* the library goes on after these */
        return err_set(err, 0, "%s:%d: expected \"key = value\"", path, line);
    return r.status;
}

/* ---- the command line ---- */

/* Parses one argument and, if it is a separate word, its value. Returns the number of words
 * consumed. */
static int
argument(struct gw_config *config, int left, char **argv, const char *only, bool internal,
         struct hearth_err *err)
{
    const char *arg = argv[0];
    const char *equals = strchr(arg, '=');
    size_t n = equals != NULL ? (size_t)(equals - arg) - 2 : strlen(arg) - 2;
    const struct option *option = strncmp(arg, "--", 2) == 0 ? find(arg + 2, n) : NULL;
    const char *value = equals != NULL ? equals + 1 : NULL;
    char nearest[96];
    int words = 1;

    if (option == NULL || (option->reach == INTERNAL && !internal))
        return err_set(err, 0, "unknown option %s%s", arg,
                       did_you_mean(arg + strspn(arg, "-"), false, nearest, sizeof nearest));
    if (value == NULL && option->kind == FLAG)
        value = "true";
    if (value == NULL) {
        if (left < 2)
            return err_set(err, 0, "--%s requires a value: %s", option->name, option->allowed);
        value = argv[1];
        words = 2;
    }
    if (only == NULL ? strcmp(option->name, "config") == 0 : strcmp(option->name, only) != 0)
        return words;
    if (option->reach != INTERNAL && option->reach != COMMAND_LINE && only == NULL)
        config->fixed |= UINT64_C(1) << (option - options);
    return set(config, option, value, err) < 0 ? err->code : words;
}

static int
arguments(struct gw_config *config, int argc, char **argv, const char *only, bool internal,
          struct hearth_err *err)
{
    for (int i = 0; i < argc;) {
        int words = argument(config, argc - i, argv + i, only, internal, err);

        if (words < 0)
            return words;
        i += words;
    }
    return 0;
}

int
gw_config_arguments(struct gw_config *config, int argc, char **argv, struct hearth_err *err)
{
    int status = arguments(config, argc, argv, "config", false, err);

    if (status == 0 && config->config[0] != '\0')
        status = gw_config_read(config, config->config, -1, err);
    return status == 0 ? arguments(config, argc, argv, NULL, false, err) : status;
}

int
gw_config_from_hearthd(struct gw_config *config, int argc, char **argv, struct hearth_err *err)
{
    return arguments(config, argc, argv, NULL, true, err);
}

bool
gw_config_is_local(const char *address)
{
    if (strncmp(address, "127.", 4) == 0) /* not a name such as 127.example.org */
        return address[strspn(address, "0123456789.")] == ':';
    return strncmp(address, "unix:", 5) == 0 || strncmp(address, "localhost:", 10) == 0 ||
           strncmp(address, "[::1]:", 6) == 0;
}

static int
check_address(const char *name, const char *address, struct hearth_err *err)
{
    const char *colon = strrchr(address, ':');

    if (strncmp(address, "unix:", 5) == 0)
        return address[5] == '/' ? 0
                                 : err_set(err, 0, "%s is \"%s\"; unix: requires an absolute path",
                                           name, address);
    if (colon == NULL || colon[1] == '\0' || strlen(colon + 1) > 5 ||
        strspn(colon + 1, "0123456789") != strlen(colon + 1) || atoi(colon + 1) > 65535)
        return err_set(err, 0, "%s is \"%s\"; expected ADDR:PORT or unix:PATH", name, address);
    return 0;
}

/* http:// or https://, and at least a letter of a host. */
static bool
is_url(const char *text)
{
    size_t n = strncmp(text, "http://", 7) == 0 ? 7 : (strncmp(text, "https://", 8) == 0 ? 8 : 0);

    return n > 0 && text[n] != '\0' && strchr("/:?#", text[n]) == NULL;
}

static bool
is_word(const char *text, size_t n, const char *word)
{
    return n == strlen(word) && strncmp(text, word, n) == 0;
}

/* Whether a list has only these two words. */
static bool
has_only(const char *list, const char *one, const char *other)
{
    while (*list != '\0') {
        size_t n = strcspn(list, ", ");

        if (n > 0 && !is_word(list, n, one) && !is_word(list, n, other))
            return false;
        list += n + (list[n] != '\0');
    }
    return true;
}

static bool
are_servers(const char *list)
{
    struct in6_addr address;

    while (*list != '\0') {
        size_t n = strcspn(list, ",");

        if (!address_parse(list, n, &address))
            return false;
        list += n + (list[n] != '\0');
    }
    return true;
}

int
gw_config_check(const struct gw_config *config, struct hearth_err *err)
{
    const char *admin = config->admin[0] != '\0' ? config->admin : config->listen;
    int status = check_address("listen", config->listen, err);
    struct hearth_err why = {0};
    struct networks networks;

    if (status == 0)
        status = check_address("admin", admin, err);
    if (status < 0)
        return status;
    if (networks_parse(config->trusted_proxies, &networks, &why) < 0)
        return err_set(err, 0, "trusted_proxies: %s", why.text);
    if ((config->tls_cert[0] != '\0') != (config->tls_key[0] != '\0'))
        return err_set(err, 0, "tls_cert and tls_key are given together, or not at all");
    if (config->otlp[0] != '\0' && !is_url(config->otlp))
        return err_set(err, 0, "otlp is \"%s\"; expected http://HOST:PORT or https://HOST:PORT",
                       config->otlp);
    if (!are_servers(config->resolver))
        return err_set(err, 0,
                       "resolver is \"%s\"; expected ADDRESS or ADDRESS:PORT, several with commas",
                       config->resolver);
    if (!has_only(config->network_allow, "metadata", "listeners"))
        return err_set(err, 0, "network_allow is \"%s\"; expected any of metadata, listeners",
                       config->network_allow);
    if (!has_only(config->insecure, "cgroup", "users"))
        return err_set(err, 0, "insecure is \"%s\"; expected any of cgroup, users",
                       config->insecure);
    if (config->state[0] != '/')
        return err_set(err, 0, "state is \"%s\"; expected an absolute path", config->state);
    if (config->no_auth && !gw_config_is_local(admin))
        return err_set(err, 0,
                       "no_auth is allowed on loopback and unix listeners only, and /v1 is "
                       "served on %s",
                       admin);
    if (config->memory_budget != 0 && config->memory_budget < 4 << 20)
        return err_set(err, 0,
                       "memory_budget is less than one instance needs; expected 4M or "
                       "more, or 0");
    if (config->log_bytes != 0 && config->log_bytes < 256 << 10)
        return err_set(err, 0, "log_bytes is %lld; expected 0 (in memory only), or 256K to 1G",
                       (long long)config->log_bytes);
    if (config->blanks_min > config->blanks_max)
        return err_set(err, 0, "blanks_min is %lld; expected 0 to blanks_max, which is %lld",
                       (long long)config->blanks_min, (long long)config->blanks_max);
    return 0;
}

void
gw_config_usage(void)
{
    for (size_t i = 0; i < OPTIONS; i++) {
        char name[32];

        if (options[i].reach == INTERNAL)
            continue;
        (void)snprintf(name, sizeof name, "--%s", options[i].name);
        replace(name, '_', '-');
        (void)printf(
            "  %-20s %s%s%s%s\n", name, options[i].text, options[i].kind == FLAG ? "" : " (",
            options[i].kind == FLAG ? "" : options[i].allowed, options[i].kind == FLAG ? "" : ")");
    }
}

/* "--name=VALUE", as set() takes it. */
static void
print_argument(char *text, size_t n, const struct option *option, const void *at)
{
    const char *word = "";
    size_t len;

    switch (option->kind) {
    case TEXT:
        (void)snprintf(text, n, "--%s=%s", option->name, (const char *)at);
        break;
    case FLAG:
        (void)snprintf(text, n, "--%s=%s", option->name, *(const bool *)at ? "true" : "false");
        break;
    case CHOICE:
        len = choice(option->allowed, *(const int64_t *)at, &word);
        (void)snprintf(text, n, "--%s=%.*s", option->name, (int)len, word);
        break;
    case BITS:
        (void)snprintf(text, n, "--%s=%" PRIx64, option->name, *(const uint64_t *)at);
        break;
    default:
        (void)snprintf(text, n, "--%s=%lld%s", option->name, (long long)*(const int64_t *)at,
                       option->kind == TIME ? "ms" : "");
    }
}

bool
gw_config_row(unsigned i, struct gw_config_row *row)
{
    struct gw_config config;
    char text[320];
    const struct option *option = &options[i];
    const void *at = (const char *)&config + option->offset;

    if (i >= OPTIONS || option->reach == INTERNAL)
        return false;
    gw_config_default(&config);
    *row = (struct gw_config_row){.name = option->name,
                                  .allowed = option->allowed,
                                  .text = option->text,
                                  .in_file = option->reach != COMMAND_LINE,
                                  .reloads = option->reach == RELOAD};
    if (option->kind == SIZE) {
        (void)units_format_size(*(const int64_t *)at, row->standard, sizeof row->standard);
    } else if (option->kind == TIME) {
        (void)units_format_time(*(const int64_t *)at, row->standard, sizeof row->standard);
    } else {
        print_argument(text, sizeof text, option, at);
        (void)snprintf(row->standard, sizeof row->standard, "%.60s", strchr(text, '=') + 1);
    }
    return true;
}

int
gw_config_to_arguments(const struct gw_config *config, char storage[][320], char **argv)
{
    int n = 0;

    for (size_t i = 0; i < OPTIONS; i++) {
        const char *at = (const char *)config + options[i].offset;

        if (options[i].reach == COMMAND_LINE || (options[i].kind == TEXT && at[0] == '\0'))
            continue;
        print_argument(storage[n], 320, &options[i], at);
        argv[n] = storage[n];
        n++;
    }
    argv[n] = NULL;
    return n;
}
