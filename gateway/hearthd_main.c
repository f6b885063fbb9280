/* hearthd_main.c: hearthd: reads and checks the configuration, then executes the launcher, which
 * sets up the isolation and starts everything else. */
#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "log.h"

#define EXIT_USAGE 2

static void
help(void)
{
    (void)printf("hearthd: functions as a service on one host\n\n"
                 "usage: hearthd [options]\n\n");
    gw_config_usage();
    (void)printf("  %-20s %s\n  %-20s %s\n\n", "--version", "print the version", "--help",
                 "print this help");
    (void)printf("Every option except the last four is also a key of the configuration file.\n");
}

/* PREFIX/bin/hearthd gives PREFIX/libexec/hearth/hearth-launcher. */
static int
launcher_path(char *path, size_t n, struct hearth_err *err)
{
    char own[PATH_MAX];
    ssize_t got = readlink("/proc/self/exe", own, sizeof own - 1);

    if (got < 0)
        return err_set(err, errno, "find the path of this program");
    own[got] = '\0';
    for (int i = 0; i < 2; i++)
        if (strrchr(own, '/') != NULL)
            *strrchr(own, '/') = '\0';
    (void)snprintf(path, n, "%s/libexec/hearth/hearth-launcher", own);
    return 0;
}

static int
become_launcher(struct gw_config *config, struct hearth_err *err)
{
    char path[PATH_MAX + 64], threads[16], blanks[48], build[48];
    char storage[GW_CONFIG_OPTIONS][320];
    char *argv[GW_CONFIG_OPTIONS + 10] = {
        (char *)"hearth-launcher",
        config->state,
        config->listen,
        config->admin[0] != '\0' ? config->admin : (char *)"-",
        threads,
        blanks,
        build,
        config->config[0] != '\0' ? config->config : (char *)"-",
    };
    int status = launcher_path(path, sizeof path, err);

    if (status < 0)
        return status;
    (void)snprintf(threads, sizeof threads, "%lld", (long long)config->threads);
    (void)snprintf(blanks, sizeof blanks, "%lld:%lld", (long long)config->blanks_min,
                   (long long)config->blanks_max);
    (void)snprintf(build, sizeof build, "%lld:%lld", (long long)config->build_time_ms,
                   (long long)config->build_memory);
    (void)gw_config_to_arguments(config, storage, argv + 8);
    (void)execv(path, argv);
    return err_set(err, errno, "execute %s (is the installation of Hearth complete?)", path);
}

static int
write_file(const char *path, const char *text, struct hearth_err *err)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        return err_set(err, errno, "write %s to %s", text, path);
    (void)close(fd);
    return 0;
}

/* For a user who is not root: a user namespace in which he is, and nobody else. */
static int
become_root_of_namespace(struct hearth_err *err)
{
    char uids[48], gids[48];
    int status;

    (void)snprintf(uids, sizeof uids, "0 %u 1", (unsigned)geteuid());
    (void)snprintf(gids, sizeof gids, "0 %u 1", (unsigned)getegid());
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
        return err_set(err, errno,
                       "make a user namespace, which --insecure=users needs without root (is "
                       "kernel.unprivileged_userns_clone or user.max_user_namespaces 0?)");
    status = write_file("/proc/self/setgroups", "deny", err);
    if (status == 0)
        status = write_file("/proc/self/uid_map", uids, err);
    return status == 0 ? write_file("/proc/self/gid_map", gids, err) : status;
}

/* The parent may have closed descriptors 0 to 2. The next files to be opened would then get these
 * numbers, and messages for humans would be written into them. */
static int
open_standard_files(struct hearth_err *err)
{
    for (int fd = 0; fd < 3; fd++)
        /* open returns the lowest free number: this one */
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", O_RDWR) != fd)
            return err_set(err, errno, "open /dev/null as descriptor %d", fd);
    return 0;
}

int
main(int argc, char **argv)
{
    struct gw_config config;
    struct hearth_err err = {0};

    if (open_standard_files(&err) < 0) {
        (void)fprintf(stderr, "hearthd: %s\n", err.text);
        return 1;
    }
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            help();
            return 0;
        }
        if (strcmp(argv[i], "--version") == 0) {
            (void)printf("hearthd %s\n", HEARTH_VERSION);
            return 0;
        }
    }
    gw_config_default(&config);
    if (gw_config_arguments(&config, argc - 1, argv + 1, &err) < 0 ||
        gw_config_check(&config, &err) < 0) {
        (void)fprintf(stderr, "hearthd: %s\n", err.text);
        return EXIT_USAGE;
    }
    if (config.check) {
        (void)printf("hearthd: the configuration is valid\n");
        return 0;
    }
    gw_config_choose_log(&config, log_is_journal() ? GW_LOG_JOURNAL : GW_LOG_TEXT);
    if (geteuid() != 0 && strstr(config.insecure, "users") != NULL &&
        become_root_of_namespace(&err) < 0) {
        (void)fprintf(stderr, "hearthd: %s\n", err.text);
        return 1;
    }
    (void)become_launcher(&config, &err);
    (void)fprintf(stderr, "hearthd: %s\n", err.text);
    return 1;
}
