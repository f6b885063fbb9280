/* config.h: what an operator configures: options of hearthd, which are the keys
 * of the configuration file. Read by hearthd at the start and by the gateway. */
#ifndef GATEWAY_CONFIG_H
#define GATEWAY_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"

struct gw_config {
    char listen[256];
    char admin[256]; /* "" : on the same listener */
    char state[256];
    char config[256];      /* the file; "" : none */
    char admin_hosts[256]; /* names that /v1 may be asked by, "a,b" */
    int64_t threads;
    bool spread;           /* all of them take connections from the start */
    int64_t memory_budget; /* bytes, of all instances together; 0: 75 % of what is offered */
    int64_t queue_calls;   /* that wait, of all functions */
    int64_t queue_bytes;   /* that they hold */
    int64_t keep_versions; /* on disk, of each function */
    int64_t blanks_min, blanks_max;
    int64_t build_time_ms, build_memory; /* of one compiler; bytes */
    int64_t drain_time_ms;
    int64_t header_timeout_ms;    /* from a request's first byte to its head's last */
    int64_t keepalive_timeout_ms; /* between two requests of a connection */
    bool no_auth;
    bool check;
};

void gw_config_default(struct gw_config *config);

/* Reads the file into config; the error names file, line, key and what is
 * allowed. fd: an open file to read instead of opening path; -1: open it. */
int gw_config_read(struct gw_config *config, const char *path, int fd, struct hearth_err *err);

/* Applies "--name VALUE", "--name=VALUE" and "--flag" arguments; --config is read
 * first, whatever its place. -EINVAL with a sentence for anything else. */
int gw_config_arguments(struct gw_config *config, int argc, char **argv, struct hearth_err *err);

/* What each value alone cannot tell: threads and addresses fit, no_auth is only
 * for loopback and unix listeners. */
int gw_config_check(const struct gw_config *config, struct hearth_err *err);

/* One line per option, for --help. */
void gw_config_usage(void);

/* "--name=VALUE" for every option, for the gateway's command line: fills argv
 * (room for GW_CONFIG_OPTIONS + 1) from storage; returns how many. */
#define GW_CONFIG_OPTIONS 32
int gw_config_to_arguments(const struct gw_config *config, char storage[][320], char **argv);

#endif
