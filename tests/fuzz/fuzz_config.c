/* fuzz_config.c: the configuration file (gateway/config/config.c). What is accepted is in range,
 * and is the same when the gateway gets it as arguments. An error names the first line that is
 * wrong. Indentation changes nothing. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config.h"
#include "limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PATH "f"

static int
read_file(const uint8_t *data, size_t size, struct gw_config *config, struct hearth_err *err)
{
    int fd = memfd_create("config", MFD_CLOEXEC);

    if (fd < 0 || write(fd, data, size) != (ssize_t)size || lseek(fd, 0, SEEK_SET) != 0)
        abort();
    gw_config_default(config);
    return gw_config_read(config, PATH, fd, err);
}

static void
check_same(const struct gw_config *a, const struct gw_config *b)
{
    static char storage[2][GW_CONFIG_OPTIONS][320];
    char *argv[2][GW_CONFIG_OPTIONS + 1];
    int n = gw_config_to_arguments(a, storage[0], argv[0]);

    assert(n > 0 && n <= GW_CONFIG_OPTIONS);
    assert(gw_config_to_arguments(b, storage[1], argv[1]) == n);
    for (int i = 0; i < n; i++)
        assert(strcmp(argv[0][i], argv[1][i]) == 0);
}

static void
check_number(int64_t number, int64_t least, int64_t most)
{
    assert(number >= least && number <= most);
}

static void
check_text(const char *text, size_t room)
{
    assert(memchr(text, '\0', room) != NULL && strchr(text, '\n') == NULL);
}

static void
check_ranges(const struct gw_config *config)
{
    check_text(config->listen, sizeof config->listen);
    check_text(config->admin, sizeof config->admin);
    check_text(config->state, sizeof config->state);
    check_text(config->admin_hosts, sizeof config->admin_hosts);
    assert(config->listen[0] != '\0' && config->state[0] != '\0');
    check_number(config->threads, 1, LIMIT_THREADS);
    check_number(config->memory_budget, 0, INT64_C(1) << 50);
    check_number(config->queue_calls, 1, 10000000);
    check_number(config->queue_bytes, 1 << 20, INT64_C(1) << 40);
    check_number(config->keep_versions, 1, 1000);
    check_number(config->blanks_min, 0, 64);
    check_number(config->blanks_max, 0, 64);
    check_number(config->build_time_ms, 1000, 3600000);
    check_number(config->build_memory, 64 << 20, INT64_C(1) << 40);
    check_number(config->drain_time_ms, 0, 3600000);
    check_number(config->header_timeout_ms, 100, 3600000);
    check_number(config->keepalive_timeout_ms, 100, 86400000);
    assert(config->config[0] == '\0' && !config->check); /* no keys of the file */
}

/* The gateway gets what hearthd read as arguments. */
static void
check_arguments(const struct gw_config *config)
{
    static char storage[GW_CONFIG_OPTIONS][320];
    char *argv[GW_CONFIG_OPTIONS + 1];
    int argc = gw_config_to_arguments(config, storage, argv);
    struct gw_config again;
    struct hearth_err err = {0};

    gw_config_default(&again);
    assert(gw_config_from_hearthd(&again, argc, argv, &err) == 0);
    check_same(config, &again);
}

static void
check_address(const char *address)
{
    assert(strchr(address, ':') != NULL);
    if (strncmp(address, "unix:", 5) == 0)
        assert(address[5] == '/');
}

static void
check_as_a_whole(const struct gw_config *config)
{
    struct hearth_err err = {0};

    if (gw_config_check(config, &err) < 0) {
        assert(err.text[0] != '\0' && err.code < 0);
        return;
    }
    check_address(config->listen);
    check_address(config->admin[0] != '\0' ? config->admin : config->listen);
    assert(config->state[0] == '/');
    assert(config->blanks_min <= config->blanks_max);
    assert(config->memory_budget == 0 || config->memory_budget >= 4 << 20);
}

/* Bytes of the first n lines. */
static size_t
lines(const uint8_t *data, size_t size, unsigned long n)
{
    const uint8_t *at = data, *end = data + size;

    for (; n > 0 && at < end; n--) {
        const uint8_t *newline = memchr(at, '\n', (size_t)(end - at));

        at = newline != NULL ? newline + 1 : end;
    }
    assert(n == 0); /* there are so many */
    return (size_t)(at - data);
}

/* What is above the line is right, and with the line it is wrong in the same way. */
static void
check_line(const uint8_t *data, size_t size, const char *text)
{
    struct gw_config config;
    struct hearth_err err = {0};
    unsigned long line;
    char *end;

    assert(strncmp(text, PATH ":", strlen(PATH ":")) == 0);
    line = strtoul(text + strlen(PATH ":"), &end, 10);
    assert(line > 0 && strncmp(end, ": ", 2) == 0 && end[2] != '\0');
    assert(read_file(data, lines(data, size, line - 1), &config, &err) == 0);
    assert(read_file(data, lines(data, size, line), &config, &err) < 0);
    assert(strcmp(err.text, text) == 0);
}

/* Each line behind a blank and a tab. */
static void
check_indented(const uint8_t *data, size_t size, int status, const struct gw_config *config,
               const char *text)
{
    uint8_t *wider = malloc(3 * size + 2);
    struct gw_config again;
    struct hearth_err err = {0};
    size_t n = 0;

    for (size_t i = 0; wider != NULL && i < size; i++) {
        if (i == 0 || data[i - 1] == '\n') {
            wider[n++] = ' ';
            wider[n++] = '\t';
        }
        wider[n++] = data[i];
    }
    assert(wider != NULL && read_file(wider, n, &again, &err) == status);
    free(wider);
    if (status == 0)
        check_same(config, &again);
    else
        assert(strcmp(err.text, text) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gw_config config, again;
    struct hearth_err err = {0}, err_again = {0};
    int status = read_file(data, size, &config, &err);

    assert(read_file(data, size, &again, &err_again) == status);
    assert(strcmp(err.text, err_again.text) == 0);
    check_ranges(&config); /* what was refused is not set */
    if (status == 0) {
        check_same(&config, &again);
        check_arguments(&config);
        check_as_a_whole(&config);
    } else {
        assert(err.code == status);
        check_line(data, size, err.text);
    }
    if (size == 0 || data[0] != 0xef) /* a byte-order mark comes first, or is none */
        check_indented(data, size, status, &config, err.text);
    return 0;
}
