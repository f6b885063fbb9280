/* config.h: the options of hearthd, which are also the keys of the configuration file. hearthd
 * reads them at the start, and the gateway again on a reload. */
#ifndef GATEWAY_CONFIG_H
#define GATEWAY_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

/* Numbers of the choices of an option, in the order of its table. */
enum gw_log_format { GW_LOG_AUTO, GW_LOG_TEXT, GW_LOG_JSON, GW_LOG_JOURNAL };

struct gw_config {
    char listen[256];
    char admin[256]; /* "": same as listen */
    char state[256];
    char config[256];          /* path of the file; "": none */
    char admin_hosts[256];     /* host names accepted for /v1, "a,b" */
    char trusted_proxies[256]; /* see networks.h */
    int64_t threads;
    bool spread;           /* all loops accept connections from the start */
    int64_t memory_budget; /* bytes, for all instances together; 0: 75 % of the available memory */
    int64_t queue_calls;   /* maximum number of waiting calls, of all functions */
    int64_t queue_bytes;   /* most bytes that they hold */
    int64_t
        spool_bytes; /* on disk, of bodies and responses that wait; 0: chosen by the free disk */
    int64_t keep_versions; /* on disk, per function */
    int64_t max_functions;
    int64_t disk_budget;           /* bytes, for all versions of all functions; 0: no limit */
    int64_t log_bytes, log_budget; /* on disk, of a function and of all; log_bytes 0: in memory */
    int64_t blanks_min, blanks_max;
    int64_t build_time_ms, build_memory; /* CPU time of one build; bytes */
    int64_t build_cache;                 /* bytes */
    int64_t drain_time_ms;
    int64_t header_timeout_ms; /* from the first byte of a request to the end of its head */
    int64_t body_timeout_ms, write_timeout_ms; /* without progress */
    int64_t keepalive_timeout_ms;              /* between two requests of a connection */
    int64_t connections;                       /* 0: half of the descriptors */
    int64_t connections_per_address;           /* 0: no limit */
    int64_t max_header, max_header_fields, max_url;
    char tls_cert[256], tls_key[256]; /* "": no TLS */
    int64_t log_format;               /* enum gw_log_format */
    int64_t access_log;               /* enum gw_access_format */
    char resolver[256];               /* name server for functions; "": those of the host */
    char network_allow[64];           /* destinations that no list may name otherwise */
    int64_t network_connections;      /* of all instances */
    char otlp[256];                   /* URL of the collector; "": no traces */
    int64_t trace_percent;
    char insecure[256]; /* layers to do without, "cgroup, users" */
    bool no_auth;
    bool check;
    uint64_t fixed; /* bits of the options that the command line gave: a reload leaves them */
};

void gw_config_default(struct gw_config *config);

/* Reads the file into config. An error names the file, line and key, and the allowed values. fd: an
 * open file to read instead of opening path; -1: open path. */
int gw_config_read(struct gw_config *config, const char *path, int fd, struct hearth_err *err);

/* Applies "--name VALUE", "--name=VALUE" and "--flag" arguments. --config is read first, whatever
 * its position. Returns -EINVAL and an error text for anything else. */
int gw_config_arguments(struct gw_config *config, int argc, char **argv, struct hearth_err *err);

/* For the gateway: the arguments of gw_config_to_arguments. */
int gw_config_from_hearthd(struct gw_config *config, int argc, char **argv, struct hearth_err *err);

/* Checks what depends on several values: addresses, and that no_auth is used only with loopback and
 * unix listeners. */
int gw_config_check(const struct gw_config *config, struct hearth_err *err);

/* What log_format "auto" is here. A reload does not change it. */
void gw_config_choose_log(struct gw_config *config, enum gw_log_format format);

/* Before a reload: what the command line gave to `config` counts for `next` too. */
void gw_config_keep_fixed(struct gw_config *next, const struct gw_config *config);
/* Takes over the options that a reload changes. rest: the names
 * of those that differ and take a restart, "a, b"; "": none. */
void gw_config_adopt(struct gw_config *config, const struct gw_config *next, char *rest, size_t n);

/* Prints one line per option, for --help. */
void gw_config_usage(void);

/* One option, for the documents; false behind the last one. standard: its default, as text. */
struct gw_config_row {
    const char *name, *allowed, *text;
    bool in_file, reloads;
    char standard[64];
};
bool gw_config_row(unsigned i, struct gw_config_row *row);

/* Formats every option as "--name=VALUE" for the gateway's command line. Fills argv (of
 * GW_CONFIG_OPTIONS + 1 entries) from storage and returns their number. */
#define GW_CONFIG_OPTIONS 56
int gw_config_to_arguments(const struct gw_config *config, char storage[][320], char **argv);

/* Whether "ADDR:PORT" or "unix:/PATH" is reached from this host alone. */
bool gw_config_is_local(const char *address);

#endif
