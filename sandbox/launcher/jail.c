/* jail.c: roots of sandboxed processes.
 *
 * A root is a small tmpfs with read-only bind mounts of the folders that its
 * processes need, at the paths where the host has them (symbolic links such as
 * /lib are copied as links). The loader in a worker opens the function's object
 * as /fd/N: that is the worker's own /proc/PID/fd, bound alone, so that no other
 * part of /proc is in the jail.
 */
#include "launcher/jail.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <linux/limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"

/* Makes the folders of path below root, copying links of the host as links and
 * going on with what they point to. Leaves the resolved path in real. */
static int
mirror(const char *root, const char *path, char *real, struct hearth_err *err)
{
    char place[PATH_MAX], link[PATH_MAX];

    if (realpath(path, real) == NULL)
        return err_set(err, errno, "find %s", path);
    for (const char *p = strchr(path + 1, '/');; p = strchr(p + 1, '/')) {
        size_t n = p != NULL ? (size_t)(p - path) : strlen(path);
        char part[PATH_MAX];
        ssize_t got;

        (void)snprintf(part, sizeof part, "%.*s", (int)n, path);
        (void)snprintf(place, sizeof place, "%s%s", root, part);
        got = readlink(part, link, sizeof link - 1);
        if (got > 0) {
            link[got] = '\0';
            if (symlink(link, place) != 0 && errno != EEXIST)
                return err_set(err, errno, "copy the link %s", part);
            return strcmp(real, path) == 0 ? 0 : mirror(root, real, real, err);
        }
        if (mkdir(place, 0755) != 0 && errno != EEXIST)
            return err_set(err, errno, "make %s", place);
        if (p == NULL)
            return 0;
    }
}

static int
bind_read_only(const char *from, const char *to, struct hearth_err *err)
{
    if (mount(from, to, NULL, MS_BIND, NULL) != 0)
        return err_set(err, errno, "bind %s into a jail", from);
    if (mount(NULL, to, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV, NULL) != 0)
        return err_set(err, errno, "make %s read-only in a jail", from);
    return 0;
}

/* Shows a folder of the host at the same path; one that the host has not is left out. */
static int
show(const char *root, const char *path, struct hearth_err *err)
{
    char real[PATH_MAX], place[2 * PATH_MAX];
    struct stat host, jailed;
    int status;

    if (access(path, F_OK) != 0)
        return 0;
    status = mirror(root, path, real, err);
    if (status < 0)
        return status;
    (void)snprintf(place, sizeof place, "%s%s", root, real);
    if (stat(real, &host) == 0 && stat(place, &jailed) == 0 && host.st_dev == jailed.st_dev &&
        host.st_ino == jailed.st_ino)
        return 0; /* shown already, under another name */
    return bind_read_only(real, place, err);
}

/* Likewise for one file, or for a folder at another place. */
static int
show_at(const char *from, const char *to, bool folder, struct hearth_err *err)
{
    if (folder) {
        if (mkdir(to, 0755) != 0 && errno != EEXIST)
            return err_set(err, errno, "make %s", to);
    } else {
        cleanup_close int fd = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

        if (fd < 0)
            return err_set(err, errno, "make %s", to);
    }
    return bind_read_only(from, to, err);
}

static int
make_folders(const char *root, const char *const *names, struct hearth_err *err)
{
    char place[PATH_MAX];

    for (; *names != NULL; names++) {
        (void)snprintf(place, sizeof place, "%s/%s", root, *names);
        if (mkdir(place, 0755) != 0 && errno != EEXIST)
            return err_set(err, errno, "make %s", place);
    }
    return 0;
}

/* The loader's index of libraries: without it every lookup walks the folders. */
static int
show_loader_cache(const char *root, struct hearth_err *err)
{
    char to[PATH_MAX];

    (void)snprintf(to, sizeof to, "%s/etc/ld.so.cache", root);
    if (access("/etc/ld.so.cache", F_OK) != 0)
        return 0;
    return show_at("/etc/ld.so.cache", to, false, err);
}

/* The folder that the C library was loaded from: the others of it are beside it. */
static int
libc_folder(char *folder, size_t n, struct hearth_err *err)
{
    Dl_info info;
    char real[PATH_MAX];

    if (dladdr((void *)(uintptr_t)&fopen, &info) == 0 || realpath(info.dli_fname, real) == NULL ||
        strrchr(real, '/') == real)
        return err_set(err, ENOENT, "find the C library's folder");
    *strrchr(real, '/') = '\0';
    (void)snprintf(folder, n, "%s", real);
    return 0;
}

static int
freeze(const char *root, struct hearth_err *err)
{
    unsigned long flags = MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV;

    if (mount(NULL, root, NULL, flags, NULL) != 0)
        return err_set(err, errno, "make the jail %s read-only", root);
    return 0;
}

static int
make_root(const char *root, const char *const *folders, struct hearth_err *err)
{
    if (mkdir(root, 0755) != 0 && errno != EEXIST)
        return err_set(err, errno, "make %s", root);
    /* a mount of its own, so that it can become a root and be read-only */
    if (mount(root, root, NULL, MS_BIND, NULL) != 0)
        return err_set(err, errno, "bind %s", root);
    return make_folders(root, folders, err);
}

/* Another usual name of a folder that is shown, for run paths that say it. */
static int
copy_link(const char *root, const char *path, struct hearth_err *err)
{
    char link[64], place[PATH_MAX];
    ssize_t got = readlink(path, link, sizeof link - 1);

    if (got <= 0)
        return 0; /* no link on this host */
    link[got] = '\0';
    (void)snprintf(place, sizeof place, "%s%s", root, path);
    if (symlink(link, place) != 0 && errno != EEXIST)
        return err_set(err, errno, "copy the link %s", path);
    return 0;
}

static int
make_worker_root(const struct sbx_jail *jail, struct hearth_err *err)
{
    static const char *const folders[] = {"fd", "etc", "proc", "tmp", NULL};
    char libs[PATH_MAX];
    int status = make_root(jail->worker, folders, err);

    if (status == 0)
        status = libc_folder(libs, sizeof libs, err);
    if (status == 0)
        status = show(jail->worker, libs, err);
    if (status == 0)
        status = show(jail->worker, "/lib64", err);
    if (status == 0)
        status = show_loader_cache(jail->worker, err);
    if (status == 0)
        status = copy_link(jail->worker, "/lib", err);
    return status == 0 ? freeze(jail->worker, err) : status;
}

static int
make_builder_root(const struct sbx_jail *jail, const char *prefix, struct hearth_err *err)
{
    static const char *const folders[] = {"src", "tmp", "etc", "dev", "hearth", NULL};
    static const char *const shown[] = {"/usr/bin", "/usr/lib",     "/usr/lib64", "/usr/include",
                                        "/bin",     "/usr/libexec", "/lib",       "/lib64"};
    char from[PATH_MAX], to[PATH_MAX];
    int status = make_root(jail->builder, folders, err);

    for (size_t i = 0; i < sizeof shown / sizeof shown[0] && status == 0; i++)
        status = show(jail->builder, shown[i], err);
    if (status == 0)
        status = show_loader_cache(jail->builder, err);
    (void)snprintf(to, sizeof to, "%s/dev/null", jail->builder);
    if (status == 0) {
        cleanup_close int fd = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

        if (fd < 0 || mount("/dev/null", to, NULL, MS_BIND, NULL) != 0)
            status = err_set(err, errno, "bind /dev/null into the builder's jail");
    }
    (void)snprintf(to, sizeof to, "%s/hearth/include", jail->builder);
    /* the one header, not the folder: a prefix such as /usr has others beside it */
    (void)snprintf(from, sizeof from, "%s/include/hearth.h", prefix);
    if (status == 0 && mkdir(to, 0755) != 0 && errno != EEXIST)
        status = err_set(err, errno, "make %s", to);
    (void)snprintf(to, sizeof to, "%s/hearth/include/hearth.h", jail->builder);
    if (status == 0)
        status = show_at(from, to, false, err);
    (void)snprintf(from, sizeof from, "%s/lib/hearth", prefix);
    (void)snprintf(to, sizeof to, "%s/hearth/lib", jail->builder);
    if (status == 0)
        status = show_at(from, to, true, err);
    return status == 0 ? freeze(jail->builder, err) : status;
}

static int
make_network(struct sbx_jail *jail, struct hearth_err *err)
{
    cleanup_close int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

    if (own < 0 || unshare(CLONE_NEWNET) != 0)
        return err_set(err, errno, "wall \"network\": make an empty network namespace");
    jail->netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (jail->netns < 0 || setns(own, CLONE_NEWNET) != 0)
        return err_set(err, errno, "wall \"network\": keep an empty network namespace");
    return 0;
}

int
sbx_jail_make(const char *state, const char *prefix, struct sbx_jail *jail, struct hearth_err *err)
{
    struct stat st;
    int status;

    (void)snprintf(jail->base, sizeof jail->base, "%s/jail", state);
    (void)snprintf(jail->worker, sizeof jail->worker, "%s/worker", jail->base);
    (void)snprintf(jail->builder, sizeof jail->builder, "%s/builder", jail->base);
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        return err_set(err, errno, "wall \"mount\": unshare the mounts");
    if (mkdir(jail->base, 0700) != 0 && errno != EEXIST)
        return err_set(err, errno, "wall \"mount\": make %s", jail->base);
    if (lstat(jail->base, &st) != 0 || !S_ISDIR(st.st_mode) || st.st_uid != 0)
        return err_set(err, EPERM, "wall \"mount\": %s is not a folder of root's", jail->base);
    if (mount("tmpfs", jail->base, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=1m") != 0)
        return err_set(err, errno, "wall \"mount\": mount a tmpfs on %s", jail->base);
    status = make_worker_root(jail, err);
    if (status == 0)
        status = make_builder_root(jail, prefix, err);
    if (status < 0)
        return err_prefix(err, "wall \"mount\"");
    return make_network(jail, err);
}

/* ---- in the child ---- */

static int
enter_root(const char *root, struct hearth_err *err)
{
    if (chdir(root) != 0 || syscall(SYS_pivot_root, ".", ".") != 0 ||
        umount2(".", MNT_DETACH) != 0 || chdir("/") != 0)
        return err_set(err, errno, "wall \"mount\": make %s the root", root);
    if (sethostname("hearth", 6) != 0)
        return err_set(err, errno, "wall \"uts\": set the host name");
    return 0;
}

static int
join_network(const struct sbx_jail *jail, struct hearth_err *err)
{
    if (setns(jail->netns, CLONE_NEWNET) != 0)
        return err_set(err, errno, "wall \"network\": join the empty network namespace");
    return 0;
}

/* A file of it costs a page at least, and a folder next to nothing: so many of both
 * together that its size is what bounds it. */
static int
mount_tmp(const char *root, uint64_t bytes, uid_t uid, mode_t mode, unsigned long flags,
          struct hearth_err *err)
{
    char to[300], options[128];

    (void)snprintf(to, sizeof to, "%s/tmp", root);
    (void)snprintf(options, sizeof options, "mode=%o,uid=%u,gid=%u,size=%llu,nr_inodes=%llu",
                   (unsigned)mode, (unsigned)uid, (unsigned)uid, (unsigned long long)bytes,
                   (unsigned long long)(bytes / 4096 + 16));
    if (mount("tmpfs", to, "tmpfs", MS_NOSUID | MS_NODEV | flags, options) != 0)
        return err_set(err, errno, "wall \"mount\": mount a /tmp of %llu bytes",
                       (unsigned long long)bytes);
    return 0;
}

int
sbx_jail_enter_worker(const struct sbx_jail *jail, uint64_t tmp_bytes, uid_t uid,
                      struct hearth_err *err)
{
    char proc[300], from[320], to[300];
    int status = join_network(jail, err);

    if (status == 0 && tmp_bytes > 0)
        status = mount_tmp(jail->worker, tmp_bytes, uid, 0700, MS_NOEXEC, err);

    if (status < 0)
        return status;
    (void)snprintf(proc, sizeof proc, "%s/proc", jail->worker);
    (void)snprintf(from, sizeof from, "%s/%d/fd", proc, (int)getpid());
    (void)snprintf(to, sizeof to, "%s/fd", jail->worker);
    if (mount("proc", proc, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) != 0 ||
        mount(from, to, NULL, MS_BIND, NULL) != 0 || umount2(proc, MNT_DETACH) != 0)
        return err_set(err, errno, "wall \"mount\": show a worker its own descriptors");
    return enter_root(jail->worker, err);
}

int
sbx_jail_enter_builder(const struct sbx_jail *jail, uint64_t tmp_bytes, struct hearth_err *err)
{
    char to[300];
    int status = join_network(jail, err);

    if (status < 0)
        return status;
    (void)snprintf(to, sizeof to, "%s/src", jail->builder);
    status = bind_read_only(".", to, err);
    if (status < 0)
        return err_prefix(err, "wall \"mount\"");
    status = mount_tmp(jail->builder, tmp_bytes, 0, 01777, 0, err);
    if (status < 0)
        return status;
    return enter_root(jail->builder, err);
}

int
sbx_jail_leave_out(const struct sbx_jail *jail, struct hearth_err *err)
{
    if (unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS) != 0 ||
        umount2(jail->base, MNT_DETACH) != 0)
        return err_set(err, errno, "wall \"mount\": hide the jails from the gateway");
    return join_network(jail, err);
}
