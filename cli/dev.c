/* dev.c: hearth dev: deploys a file or folder again whenever it is saved, and shows calls, logs and
 * memory meanwhile. Where no daemon answers it starts one of its own, with a state folder in
 * TMPDIR, which goes with it; without root that daemon is an insecure one, and says so.
 *
 * Logs are followed by a thread; the rest is one loop that waits for changes of files.
 */
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli.h"

#define SETTLE_MS 150 /* an editor writes a file in several steps */
#define LOOK_MS   500 /* at calls and memory */
#define START_MS  15000
#define CHANGES   (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE)

struct dev {
    struct cli cli; /* of the daemon that is used */
    char name[64];
    char **arguments; /* of deploy, the path among them */
    int count;
    const char *path;
    /* the private daemon; pid 0: none */
    pid_t daemon;
    char state[256], url[64], token[128];
    int watch, signals;
    double calls, errors; /* that were shown */
    bool live, following;
};

/* ---- the private daemon ---- */

/* Where hearthd is: beside this program. */
static void
beside(char *path, size_t n, const char *program)
{
    ssize_t got = readlink("/proc/self/exe", path, n - 1);

    path[got > 0 ? got : 0] = '\0';
    if (strrchr(path, '/') != NULL)
        strrchr(path, '/')[1] = '\0';
    (void)snprintf(path + strlen(path), n - strlen(path), "%s", program);
}

static _Noreturn void
become_daemon(const struct dev *dev, int log)
{
    char program[4096], state[sizeof dev->state + 16];
    char *argv[] = {(char *)"hearthd", (char *)"--listen=127.0.0.1:0", state,
                    geteuid() != 0 ? (char *)"--insecure=cgroup,users" : NULL, NULL};
    sigset_t none;

    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)signal(SIGPIPE, SIG_DFL);
    (void)setpgid(0, 0); /* not the terminal's ^C: it is told to stop */
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
    (void)snprintf(state, sizeof state, "--state=%s", dev->state);
    beside(program, sizeof program, "hearthd");
    (void)dup2(log, STDERR_FILENO);
    (void)execv(program, argv);
    (void)fprintf(stderr, "cannot start %s: %s\n", program, strerror(errno));
    _exit(127);
}

/* What the daemon logs: its address when it is ready, and warnings for the reader. */
static bool
take_log_line(struct dev *dev, const char *line)
{
    const char *ready = strstr(line, "ready on http://"), *text = strchr(line, ' ');

    if (ready != NULL) {
        (void)sscanf(ready, "ready on %63[^,]", dev->url);
        return true;
    }
    if (strstr(line, " warning: ") != NULL || strstr(line, " error: ") != NULL || text == NULL)
        (void)fprintf(stderr, "hearthd: %s\n", text != NULL ? text + 1 : line);
    return false;
}

/* Reads its log until it is ready. The rest is read by nobody: it goes to a file. */
static bool
await_daemon(struct dev *dev, const char *log)
{
    char line[1024];
    FILE *file = fopen(log, "re");
    bool ready = false;

    for (int waited = 0; file != NULL && !ready && waited < START_MS; waited += 20) {
        while (!ready && fgets(line, sizeof line, file) != NULL) {
            line[strcspn(line, "\n")] = '\0';
            ready = take_log_line(dev, line);
        }
        clearerr(file);
        if (!ready && waitpid(dev->daemon, NULL, WNOHANG) != 0) {
            dev->daemon = 0;
            break;
        }
        if (!ready)
            (void)poll(NULL, 0, 20);
    }
    if (file != NULL)
        (void)fclose(file);
    return ready;
}

static int
start_daemon(struct dev *dev)
{
    const char *folder = getenv("TMPDIR");
    char log[sizeof dev->state + 8], path[sizeof dev->state + 8];
    FILE *file;
    int fd;

    (void)snprintf(dev->state, sizeof dev->state, "%s/hearth-dev-XXXXXX",
                   folder != NULL && folder[0] == '/' ? folder : "/tmp");
    if (mkdtemp(dev->state) == NULL)
        return cli_fail("cannot make %s: %s", dev->state, strerror(errno));
    (void)snprintf(log, sizeof log, "%s.log", dev->state);
    fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_EXCL, 0600);
    if (fd < 0)
        return cli_fail("cannot make %s: %s", log, strerror(errno));
    (void)fprintf(stderr, "no daemon at %s takes the token: starting one for this%s\n",
                  dev->cli.url,
                  geteuid() != 0 ? ", without root: WITHOUT limits of memory and with one user for "
                                   "all; for trying out only"
                                 : "");
    dev->daemon = fork();
    if (dev->daemon == 0)
        become_daemon(dev, fd);
    (void)close(fd);
    if (dev->daemon < 0 || !await_daemon(dev, log))
        return cli_fail("the daemon did not start; its log is %s", log);
    (void)snprintf(path, sizeof path, "%s/token", dev->state);
    file = fopen(path, "re");
    if (file == NULL || fgets(dev->token, sizeof dev->token, file) == NULL)
        return cli_fail("cannot read %s: %s", path, strerror(errno));
    (void)fclose(file);
    dev->token[strcspn(dev->token, "\n")] = '\0';
    dev->cli.url = dev->url;
    dev->cli.token = dev->token;
    return CLI_OK;
}

/* keep_log: somebody is to read it. */
static void
remove_state(const char *state, bool keep_log)
{
    char *const paths[] = {(char *)(uintptr_t)state, NULL};
    FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    char log[sizeof((struct dev *)NULL)->state + 8];

    for (FTSENT *e; tree != NULL && (e = fts_read(tree)) != NULL;)
        if (e->fts_info != FTS_D)
            (void)(e->fts_info == FTS_DP ? rmdir(e->fts_path) : unlink(e->fts_path));
    if (tree != NULL)
        (void)fts_close(tree);
    (void)snprintf(log, sizeof log, "%s.log", state);
    if (!keep_log)
        (void)unlink(log);
}

static void
stop_daemon(struct dev *dev)
{
    bool running = dev->daemon > 0;

    if (dev->state[0] == '\0')
        return;
    if (running) {
        (void)kill(dev->daemon, SIGTERM);
        (void)waitpid(dev->daemon, NULL, 0);
    }
    remove_state(dev->state, !running);
}

/* Uses the daemon that answers with the token, or starts one. */
static int
find_daemon(struct dev *dev)
{
    struct cli_reply reply;
    bool ok = cli_reaches(&dev->cli) &&
              cli_ask(&dev->cli, &(struct cli_request){.path = "/v1/host"}, &reply);

    if (!ok)
        return start_daemon(dev);
    cli_reply_free(&reply);
    return CLI_OK;
}

/* ---- files ---- */

/* Watches the folder that the path is in; its name there is what to look for. */
static bool
watch_parent(const struct dev *dev, const char *path)
{
    char folder[4096];

    (void)snprintf(folder, sizeof folder, "%s", path);
    if (strrchr(folder, '/') != NULL)
        *strrchr(folder, '/') = '\0';
    else
        (void)snprintf(folder, sizeof folder, ".");
    return inotify_add_watch(dev->watch, folder[0] != '\0' ? folder : "/", CHANGES) >= 0;
}

/* Watches a file, also that which a link leads to; or a folder and all below it, also when it is
 * made anew. */
static int
watch_files(struct dev *dev)
{
    char *const paths[] = {(char *)(uintptr_t)dev->path, NULL};
    char *real = realpath(dev->path, NULL);
    struct stat st;
    FTS *tree;

    if (!watch_parent(dev, dev->path) || (real != NULL && !watch_parent(dev, real))) {
        free(real);
        return cli_fail("cannot watch %s: %s", dev->path, strerror(errno));
    }
    free(real);
    if (stat(dev->path, &st) != 0)
        return cli_fail("cannot find %s: %s", dev->path, strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return CLI_OK;
    tree = fts_open(paths, FTS_COMFOLLOW | FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    for (FTSENT *e; tree != NULL && (e = fts_read(tree)) != NULL;)
        if (e->fts_info == FTS_D)
            (void)inotify_add_watch(dev->watch, e->fts_path, CHANGES);
    if (tree != NULL)
        (void)fts_close(tree);
    return CLI_OK;
}

static const char *
last_part(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

/* Whether what happened concerns the function: for a file, other files of its folder do not. */
static bool
take_changes(const struct dev *dev)
{
    _Alignas(struct inotify_event) char events[4096];
    char *real = realpath(dev->path, NULL);
    struct stat st;
    bool whole = stat(dev->path, &st) == 0 && S_ISDIR(st.st_mode), found = false;
    ssize_t n;

    while ((n = read(dev->watch, events, sizeof events)) > 0)
        for (ssize_t at = 0; at < n;) {
            const struct inotify_event *e = (const void *)(events + at);
            const char *name = e->len > 0 ? e->name : "";

            found = found || (whole && name[0] != '.' && name[0] != '\0') ||
                    strcmp(name, last_part(dev->path)) == 0 ||
                    (real != NULL && strcmp(name, last_part(real)) == 0);
            at += (ssize_t)(sizeof *e + e->len);
        }
    free(real);
    return found;
}

/* ---- what is shown ---- */

static void *
follow_logs(void *arg)
{
    struct dev *dev = arg;
    char path[128];
    struct cli_reply reply;

    (void)snprintf(path, sizeof path, "/v1/functions/%s/logs?follow=1&lines=0", dev->name);
    (void)cli_ask(
        &dev->cli,
        &(struct cli_request){.path = path, .line = cli_print_log_line, .user = &dev->cli}, &reply);
    cli_reply_free(&reply);
    return NULL;
}

/* A line about the calls since the last look, if there were any. */
static void
show_calls(struct dev *dev)
{
    struct cli_reply function, memory;
    char path[128], a[24], b[24], c[24], e[24];
    double calls, errors;

    (void)snprintf(path, sizeof path, "/v1/functions/%s", dev->name);
    if (!cli_ask(&dev->cli, &(struct cli_request){.path = path}, &function)) {
        cli_reply_free(&function);
        return;
    }
    calls = cli_number(function.json, "calls");
    errors = cli_sum(json_object_get(function.json, "errors"));
    if (calls > dev->calls) {
        (void)snprintf(path, sizeof path, "/v1/functions/%s/memory", dev->name);
        (void)cli_ask(&dev->cli, &(struct cli_request){.path = path}, &memory);
        (void)printf("%.0f call%s, %.0f failed; p50 %s, p99 %s", calls - dev->calls,
                     calls - dev->calls == 1 ? "" : "s", errors - dev->errors,
                     cli_ms(cli_number(function.json, "latency.p50"), a, sizeof a),
                     cli_ms(cli_number(function.json, "latency.p99"), b, sizeof b));
        if (cli_number(memory.json, "calls.max") > 0)
            (void)printf("; memory of a call %s, at most %s, of %s",
                         cli_bytes(cli_number(memory.json, "calls.p50"), c, sizeof c),
                         cli_bytes(cli_number(memory.json, "calls.max"), e, sizeof e),
                         cli_bytes(cli_number(memory.json, "limit"), a, sizeof a));
        (void)printf("\n");
        (void)fflush(stdout);
        cli_reply_free(&memory);
    }
    dev->calls = calls;
    dev->errors = errors;
    cli_reply_free(&function);
}

static void
deploy(struct dev *dev)
{
    pthread_t thread;
    bool ok = cmd_deploy(&dev->cli, dev->count, dev->arguments) == CLI_OK;

    (void)fflush(stdout);
    dev->live = dev->live || ok;
    if (!ok && dev->live)
        (void)fprintf(stderr, "the version before goes on serving\n");
    if (ok && !dev->following)
        dev->following = pthread_create(&thread, NULL, follow_logs, dev) == 0;
}

static int
loop(struct dev *dev)
{
    struct pollfd p[] = {{.fd = dev->signals, .events = POLLIN},
                         {.fd = dev->watch, .events = POLLIN}};
    bool changed = false;

    for (;;) {
        int n = poll(p, 2, changed ? SETTLE_MS : LOOK_MS);

        if (n > 0 && p[0].revents != 0)
            return CLI_OK;
        if (n > 0 && p[1].revents != 0 && take_changes(dev)) {
            changed = true; /* and wait until nothing follows */
        } else if (n <= 0 && changed) {
            changed = false;
            if (watch_files(dev) == CLI_OK) /* folders may be new */
                deploy(dev);
        }
        if (dev->live)
            show_calls(dev);
        if (ferror(stdout) != 0) /* nobody reads it any more */
            return CLI_OK;
        if (dev->daemon > 0 && waitpid(dev->daemon, NULL, WNOHANG) > 0) {
            dev->daemon = 0;
            return cli_fail("the daemon has ended; its log is %s.log", dev->state);
        }
    }
}

int
cmd_dev(const struct cli *cli, int argc, char **argv)
{
    struct dev dev = {.cli = *cli, .arguments = argv, .count = argc};
    sigset_t set;
    int status = cli_deploy_target(argc, argv, "dev", &dev.path, dev.name, sizeof dev.name);

    if (status != CLI_OK)
        return status;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGHUP);
    (void)sigaddset(&set, SIGQUIT);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    dev.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    dev.watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (dev.signals < 0 || dev.watch < 0)
        return cli_fail("cannot watch files: %s", strerror(errno));
    status = watch_files(&dev);
    if (status == CLI_OK)
        status = find_daemon(&dev);
    if (status == CLI_OK) {
        deploy(&dev);
        (void)printf("%s/function/%s  (watching %s; ^C ends)\n", dev.cli.url, dev.name, dev.path);
        (void)fflush(stdout);
        status = loop(&dev);
    }
    stop_daemon(&dev);
    return status;
}
