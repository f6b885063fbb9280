/* main.c: hearth-launcher, started by hearthd with checked options.
 *
 *   hearth-launcher STATE LISTEN ADMIN|- THREADS BLANKS BUILD CONFIG|- [gateway options]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "launcher/loop.h"
#include "launcher/start.h"
#include "log.h"

static const char *
unless_dash(const char *arg)
{
    return strcmp(arg, "-") != 0 ? arg : NULL;
}

/* The value of one of the gateway's arguments, or NULL. */
static const char *
value_of(int argc, char **argv, const char *name)
{
    for (int i = 0; i < argc; i++)
        if (strncmp(argv[i], name, strlen(name)) == 0)
            return argv[i] + strlen(name);
    return NULL;
}

int
main(int argc, char **argv)
{
    static struct launcher l; /* static: it is large */
    struct hearth_err err = {0};
    int status;

    log_open("hearth-launcher", LOG_LEVEL_INFO);
    log_take_form(argc, argv);
    (void)umask(022); /* other users must be able to enter the folders of the jails */
    if (argc < 8) {
        (void)fprintf(stderr, "hearth-launcher is started by hearthd, not by hand\n");
        return 2;
    }
    l.options = (struct launcher_options){
        .state = argv[1],
        .listen = argv[2],
        .admin = unless_dash(argv[3]),
        .threads = argv[4],
        .blanks = argv[5],
        .build = argv[6],
        .config = unless_dash(argv[7]),
        .gateway_args = argv + 8,
        .gateway_args_count = argc - 8,
        .tls_cert = value_of(argc - 8, argv + 8, "--tls_cert="),
        .tls_key = value_of(argc - 8, argv + 8, "--tls_key="),
        .insecure = value_of(argc - 8, argv + 8, "--insecure="),
        .otlp = value_of(argc - 8, argv + 8, "--otlp="),
        .log_format = value_of(argc - 8, argv + 8, "--log_format="),
        .resolver = value_of(argc - 8, argv + 8, "--resolver="),
        .network_allow = value_of(argc - 8, argv + 8, "--network_allow="),
        .network_connections = value_of(argc - 8, argv + 8, "--network_connections="),
    };
    if (launcher_open(&l, &err) < 0) {
        log_error("%s", err.text);
        launcher_close(&l);
        return 1;
    }
    status = launcher_run(&l);
    launcher_close(&l);
    log_info("stopped");
    return status;
}
