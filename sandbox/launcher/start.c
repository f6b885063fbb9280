/* start.c: what is set up once, for the whole life of the daemon: state folder, sockets,
 * jails, filters, the tree of control groups. */
#include "launcher/start.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "filter.h"
#include "landlock.h"
#include "launcher/blanks.h"
#include "launcher/child.h"
#include "launcher/forks.h"
#include "launcher/loop.h"
#include "launcher/passed.h"
#include "launcher/sockets.h"
#include "log.h"
#include "text.h"

#define DESCRIPTORS_WANTED 65536
#define DESCRIPTORS_LEAST  512
#define LOCK_TRIES         100 /* 20 ms apart */
#define DESCRIPTORS_KEPT   128 /* listeners, filters, a sandbox in the making */

static int
make_folder(const char *path, mode_t mode)
{
    char part[PATH_MAX];

    for (const char *p = strchr(path + 1, '/'); p != NULL; p = strchr(p + 1, '/')) {
        (void)snprintf(part, sizeof part, "%.*s", (int)(p - path), path);
        if (mkdir(part, 0755) != 0 && errno != EEXIST)
            return -errno;
    }
    return mkdir(path, mode) == 0 || errno == EEXIST ? 0 : -errno;
}

/* Whether --insecure names the layer. */
static bool
is_waived(const struct launcher *l, const char *layer)
{
    const char *found = l->options.insecure != NULL ? strstr(l->options.insecure, layer) : NULL;

    return found != NULL; /* hearthd has checked that there are only names of layers */
}

/* Whether this user namespace has more than one user. */
static bool
has_users(void)
{
    FILE *map = fopen("/proc/self/uid_map", "re");
    unsigned long inside, outside, count, all = 0;

    while (map != NULL && fscanf(map, "%lu %lu %lu", &inside, &outside, &count) == 3)
        all += count;
    if (map != NULL)
        (void)fclose(map);
    return all > 1;
}

static void
choose_user(struct launcher *l)
{
    struct passwd *user = getpwnam("hearth");

    if (l->without_users)
        return; /* 0 in the namespace, which is the user who started it */
    l->gateway_uid = user != NULL ? user->pw_uid : LAUNCHER_UID_GATEWAY;
    l->gateway_gid = user != NULL ? user->pw_gid : LAUNCHER_UID_GATEWAY;
    if (user == NULL)
        log_info("this host has no user \"hearth\": the gateway runs as user %u",
                 LAUNCHER_UID_GATEWAY);
}

/* Gives a file, or a folder with all in it, to a user. What belongs to others stays theirs: the
 * former user may have made links to it. */
static int
adopt(int at, const char *name, uid_t from, uid_t to, gid_t group)
{
    cleanup_close int fd = openat(at, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    cleanup_dir DIR *dir = NULL;
    struct stat st;
    struct dirent *e;
    int own, status = 0;

    if (fd < 0)
        return errno == ENOENT || errno == ELOOP || errno == ENXIO ? 0 : -errno;
    if (fstat(fd, &st) != 0)
        return -errno;
    if (st.st_uid == from && fchown(fd, to, group) != 0)
        return -errno;
    own = S_ISDIR(st.st_mode) ? openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    dir = own >= 0 ? fdopendir(own) : NULL;
    while (dir != NULL && status == 0 && (e = readdir(dir)) != NULL)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            status = adopt(fd, e->d_name, from, to, group);
    return status;
}

/* The files of the gateway belong to another user where the user "hearth" was made later, or where
 * the folder comes from another host: then they are given to the one of now. */
static int
adopt_state(struct launcher *l, struct hearth_err *err)
{
    static const char *const names[] = {"functions", "cache",      "token",
                                        "format",    "access.log", "access.log.1"};
    struct stat st;
    int status = 0;

    if (fstatat(l->state_fd, names[0], &st, AT_SYMLINK_NOFOLLOW) != 0 ||
        st.st_uid == l->gateway_uid)
        return 0;
    log_info("the files of the state folder belong to user %u: they are given to user %u",
             (unsigned)st.st_uid, (unsigned)l->gateway_uid);
    for (size_t i = 0; i < sizeof names / sizeof names[0] && status == 0; i++)
        status = adopt(l->state_fd, names[i], st.st_uid, l->gateway_uid, l->gateway_gid);
    return status == 0 ? 0 : err_set(err, -status, "give the state folder to the gateway's user");
}

/* Children of a launcher that was killed hold its lock until they are gone too. */
static int
take_lock(int lock)
{
    const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
    int status;

    for (int i = 0;
         (status = flock(lock, LOCK_EX | LOCK_NB)) != 0 && errno == EWOULDBLOCK && i < LOCK_TRIES;
         i++)
        (void)nanosleep(&pause, NULL);
    return status;
}

static int
open_state(struct launcher *l, struct hearth_err *err)
{
    const char *path = l->options.state;
    struct statvfs fs;
    cleanup_close int lock = -1;
    int status = make_folder(path, 0700);

    if (status < 0)
        return err_set(err, -status, "make the state folder %s", path);
    l->state_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (l->state_fd < 0 || fstatvfs(l->state_fd, &fs) != 0)
        return err_set(err, errno, "open the state folder %s", path);
    if ((fs.f_flag & ST_NOEXEC) != 0)
        return err_set(err, EACCES, "the state folder %s is on a file system mounted noexec", path);
    /* owned by root, and sticky: the gateway makes its own files in it, but can neither remove
     * nor rename the jail and the lock */
    if (fchown(l->state_fd, 0, l->gateway_gid) != 0 || fchmod(l->state_fd, 01770) != 0)
        return err_set(err, errno, "give the state folder %s to the group of the gateway", path);
    lock = openat(l->state_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (lock < 0 || take_lock(lock) != 0)
        return err_set(err, errno, "lock the state folder %s (does another hearthd use it?)", path);
    (void)take_fd(&lock); /* held until the process ends */
    return l->without_users ? 0 : adopt_state(l, err);
}

/* In our own mount namespace: a descriptor opened in that of the host cannot be the source of a
 * mount here. */
static int
reopen_state(struct launcher *l, struct hearth_err *err)
{
    int fd = open(l->options.state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return err_set(err, errno, "open the state folder %s again", l->options.state);
    (void)close(l->state_fd);
    l->state_fd = fd;
    return 0;
}

static int
open_program(const char *prefix, const char *name, int *fd, struct hearth_err *err)
{
    char path[PATH_MAX];

    (void)snprintf(path, sizeof path, "%s/libexec/hearth/%s", prefix, name);
    *fd = open(path, O_PATH | O_CLOEXEC);
    return *fd < 0 ? err_set(err, errno, "find %s", path) : 0;
}

/* PREFIX/libexec/hearth/hearth-launcher gives PREFIX. */
static int
find_prefix(struct launcher *l, struct hearth_err *err)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);

    if (n < 0)
        return err_set(err, errno, "find this program");
    path[n] = '\0';
    for (int i = 0; i < 3; i++) {
        char *slash = strrchr(path, '/');

        if (slash == NULL)
            return err_set(err, ENOENT, "find the folder where Hearth is installed");
        *slash = '\0';
    }
    if (strlen(path) >= sizeof l->prefix)
        return err_set(err, ENAMETOOLONG, "%s", path);
    memcpy(l->prefix, path, strlen(path) + 1);
    return 0;
}

static int
open_sockets(struct launcher *l, struct hearth_err *err)
{
    int status;

    if (sscanf(l->options.blanks, "%u:%u", &l->blanks.min, &l->blanks.max) != 2 ||
        l->blanks.min > l->blanks.max || l->blanks.max > LAUNCHER_BLANKS)
        return err_set(err, EINVAL, "blanks: 0 to %d", LAUNCHER_BLANKS);
    if (sscanf(l->options.build, "%" SCNd64 ":%" SCNu64, &l->build_ms, &l->build_bytes) != 2)
        return err_set(err, EINVAL, "build: expected MILLISECONDS:BYTES");
    l->threads = l->options.threads != NULL ? atoi(l->options.threads) : 1;
    if (l->threads < 1 || l->threads > LIMIT_THREADS)
        return err_set(err, EINVAL, "threads: 1 to %d", LIMIT_THREADS);
    /* a unix socket cannot be bound twice: the first loop of the gateway accepts for all */
    l->admin_listener = -1;
    status = launcher_take_passed(l, err);
    if (status == 0 && l->listeners_count == 0) {
        l->listeners_count = starts_with(l->options.listen, "unix:") ? 1 : l->threads;
        status = launcher_bind(l->options.listen, l->listeners_count, l->listeners, &l->listen_file,
                               err);
        if (status == 0)
            launcher_keep("listen", l->options.listen, l->listeners, l->listeners_count);
    }
    if (status == 0 && l->options.admin != NULL && l->admin_listener < 0) {
        status = launcher_bind(l->options.admin, 1, &l->admin_listener, &l->admin_file, err);
        if (status == 0)
            launcher_keep("admin", l->options.admin, &l->admin_listener, 1);
    }
    return status;
}

/* Many instances mean many descriptors, here and in the gateway. */
static int
raise_descriptors(struct hearth_err *err)
{
    struct rlimit lim, wider;

    if (getrlimit(RLIMIT_NOFILE, &lim) != 0)
        return err_set(err, errno, "read the limit of open files");
    lim.rlim_cur = lim.rlim_max;
    wider = lim;
    if (wider.rlim_max < DESCRIPTORS_WANTED)
        wider.rlim_cur = wider.rlim_max = DESCRIPTORS_WANTED;
    /* a container may not be allowed to raise it: then to the hard limit */
    if (setrlimit(RLIMIT_NOFILE, &wider) != 0 && setrlimit(RLIMIT_NOFILE, &lim) != 0)
        log_warning("the limit of open files could not be raised");
    if (getrlimit(RLIMIT_NOFILE, &lim) == 0 && lim.rlim_cur < DESCRIPTORS_LEAST)
        return err_set(err, EMFILE,
                       "the limit of open files (ulimit -n) must be at least %d; it is %llu",
                       DESCRIPTORS_LEAST, (unsigned long long)lim.rlim_cur);
    return 0;
}

/* Most leaves: a child has two descriptors here, and some must be left to make a sandbox with. */
static uint32_t
leaves_most(const struct launcher *l)
{
    struct rlimit files = {.rlim_cur = DESCRIPTORS_LEAST};
    uint64_t kept = DESCRIPTORS_KEPT + (uint64_t)l->blanks.max * (uint64_t)(10 + l->threads), most;

    (void)getrlimit(RLIMIT_NOFILE, &files);
    most = files.rlim_cur > kept ? (files.rlim_cur - kept) / 2 : 1;
    return most < LIMIT_INSTANCES + LAUNCHER_BUILDS ? (uint32_t)most
                                                    : LIMIT_INSTANCES + LAUNCHER_BUILDS;
}

static int
open_empty(struct launcher *l, struct hearth_err *err)
{
    l->empty = memfd_create("hearth-empty", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (l->empty < 0 ||
        fcntl(l->empty, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0)
        return err_set(err, errno, "make an empty file");
    return 0;
}

static void
log_isolation(const struct launcher *l)
{
    int abi = sbx_landlock_abi();
    char cgroups[32] = "", landlock[48] = "";

    if (abi > 0)
        (void)snprintf(landlock, sizeof landlock, ", landlock (ABI %d)", abi);
    if (!l->without_cgroups)
        (void)snprintf(cgroups, sizeof cgroups, "cgroups (%s), ", l->tree.ops->kind);
    log_info("isolation ready: %snamespaces, %sseccomp%s", cgroups,
             l->without_users ? "" : "users, ", landlock);
    if (l->without_cgroups)
        log_warning("INSECURE: without the layer \"cgroup\": no instance has a limit of memory, "
                    "CPU time or processes, and no memory is measured");
    if (l->without_users)
        log_warning("INSECURE: without the layer \"users\": all instances, and the gateway, are of "
                    "the user who started hearthd");
    if (abi == 0)
        log_warning("this kernel has no Landlock: only the mount namespace keeps functions "
                    "from files");
}

int
launcher_open(struct launcher *l, struct hearth_err *err)
{
    int status = launcher_loop_open(l, err); /* first: an early signal must not end it */

    if (status < 0)
        return status;
    if (geteuid() != 0)
        return err_set(err, EPERM,
                       "hearthd must be started as root: only root can set up the "
                       "layers \"user\", \"namespaces\" and \"cgroup\" (to try it out without: "
                       "--insecure=cgroup,users)");
    l->life = (int)syscall(SYS_pidfd_open, getpid(), 0);
    l->null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (l->life < 0 || l->null < 0)
        return err_set(err, errno, "open a pidfd and /dev/null");
    l->gateway_pidfd = l->gateway_sock = -1;
    l->exporter_pidfd = l->exporter_socks[0] = l->exporter_socks[1] = -1;
    l->broker_pidfd = l->broker_sock = l->broker_gateway[0] = l->broker_gateway[1] = -1;
    l->without_users = !has_users() && is_waived(l, "users");
    choose_user(l);
    launcher_children_init(l);
    l->filters_above = launcher_count_filters(getpid());
    if (l->filters_above < 0)
        return err_set(err, ENOTSUP,
                       "layer \"seccomp\": /proc/PID/status has no line Seccomp_filters (Linux 5.9 "
                       "and later have it)");
    status = raise_descriptors(err);
    if (status == 0)
        status = open_empty(l, err);
    if (status == 0)
        status = find_prefix(l, err);
    if (status == 0)
        status = open_program(l->prefix, "hearth-worker", &l->worker_program, err);
    if (status == 0)
        status = open_program(l->prefix, "hearth-builder", &l->builder_program, err);
    if (status == 0)
        status = open_state(l, err);
    if (status == 0)
        status = open_sockets(l, err);
    if (status == 0)
        status = sbx_jail_make(l->options.state, l->prefix, &l->jail, err);
    if (status == 0)
        status = reopen_state(l, err);
    if (status == 0)
        status = sbx_filter_worker_file(&(struct sbx_wider){0}, &l->filters, err);
    if (status == 0) {
        status = sbx_cgroup_tree_open(&l->tree, leaves_most(l), err);
        if (status < 0)
            (void)err_prefix(err, "layer \"cgroup\"");
        if (status < 0 && is_waived(l, "cgroup")) {
            log_warning("%s", err->text);
            l->without_cgroups = true;
            status = sbx_cgroup_tree_open_none(&l->tree, leaves_most(l), err);
        }
    }
    if (status == 0)
        log_isolation(l);
    return status;
}

void
launcher_close(struct launcher *l)
{
    launcher_spares_clear(l);
    launcher_children_end(l);
    launcher_blanks_clear(l);
    if (l->tree.ops != NULL)
        sbx_cgroup_tree_close(&l->tree);
    launcher_unbind(&l->admin_file);
    launcher_unbind(&l->listen_file);
}
