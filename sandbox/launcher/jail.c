/* jail.c: roots of sandboxed processes.
 *
 * A root is a small tmpfs with read-only bind mounts of the folders that its processes need, at
 * the same paths as on the host (symbolic links such as /lib are copied as links). A worker opens
 * the object of its function as /fd/N: /fd is a bind mount of its own /proc/PID/fd, and no other
 * part of /proc is in the jail.
 */
#include "launcher/jail.h"

#include <assert.h>
#include <dirent.h>
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
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "inherit.h"
#include "launcher/hide.h"
#include "python_paths.h"

/* Makes the folders of path below root. Links of the host are copied as links, and their targets
 * are made too. Leaves the resolved path in real. */
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

/* Mounts a folder of the host at the same path, if the host has it. */
static int
mount_same(const char *root, const char *path, struct hearth_err *err)
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
        return 0; /* already mounted, under another name */
    return bind_read_only(real, place, err);
}

/* Mounts a file or a folder at another path. */
static int
mount_at(const char *from, const char *to, bool folder, struct hearth_err *err)
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

/* The index of libraries: without it, the loader searches the folders each time. */
static int
mount_loader_cache(const char *root, struct hearth_err *err)
{
    char to[PATH_MAX];

    (void)snprintf(to, sizeof to, "%s/etc/ld.so.cache", root);
    if (access("/etc/ld.so.cache", F_OK) != 0)
        return 0;
    return mount_at("/etc/ld.so.cache", to, false, err);
}

/* The folder that the C library was loaded from; other libraries are in the same one. */
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
make_read_only(const char *root, unsigned long more, struct hearth_err *err)
{
    unsigned long flags = MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | more;

    if (mount(NULL, root, NULL, flags, NULL) != 0)
        return err_set(err, errno, "make the jail %s read-only", root);
    return 0;
}

static int
make_root(const char *root, const char *const *folders, struct hearth_err *err)
{
    if (mkdir(root, 0755) != 0 && errno != EEXIST)
        return err_set(err, errno, "make %s", root);
    /* must be a mount point to become a root and to be read-only */
    if (mount(root, root, NULL, MS_BIND, NULL) != 0)
        return err_set(err, errno, "bind %s", root);
    return make_folders(root, folders, err);
}

/* Another name of a mounted folder, for run paths that use it. */
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
write_file(const char *root, const char *path, const char *text, struct hearth_err *err)
{
    char place[PATH_MAX];
    cleanup_close int fd = -1;
    size_t n = strlen(text);

    (void)snprintf(place, sizeof place, "%s%s", root, path);
    fd = open(place, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, text, n) != (ssize_t)n)
        return err_set(err, errno, "write %s", place);
    return 0;
}

static int
link_to(const char *root, const char *path, const char *target, struct hearth_err *err)
{
    char place[PATH_MAX];

    (void)snprintf(place, sizeof place, "%s%s", root, path);
    if (symlink(target, place) != 0 && errno != EEXIST)
        return err_set(err, errno, "make the link %s", place);
    return 0;
}

/* A device: as a node of its own, since each mount costs every process in the jail something; in a
 * container that may make no node, the host's is bound. */
static int
mount_device(const char *root, const char *path, struct hearth_err *err)
{
    char place[PATH_MAX];
    struct stat st;

    if (stat(path, &st) != 0 || !S_ISCHR(st.st_mode))
        return err_set(err, errno, "look at %s", path);
    (void)snprintf(place, sizeof place, "%s%s", root, path);
    if (mknod(place, S_IFCHR | 0666, st.st_rdev) == 0)
        return chmod(place, 0666) == 0 ? 0 : err_set(err, errno, "open %s for all", place);
    if (mknod(place, S_IFREG | 0644, 0) != 0 || mount(path, place, NULL, MS_BIND, NULL) != 0)
        return err_set(err, errno, "make %s in a jail", path);
    return 0;
}

/* A small file of the host, as it is now; one that the host has not is left out. Bound where
 * it cannot be copied: under a limit of file sizes, for one. */
static int
copy_file(const char *root, const char *path, struct hearth_err *err)
{
    char place[PATH_MAX], bytes[4096];
    cleanup_close int from = open(path, O_RDONLY | O_CLOEXEC), to = -1;
    ssize_t got, put = 0;

    if (from < 0)
        return 0;
    (void)snprintf(place, sizeof place, "%s%s", root, path);
    to = open(place, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (to < 0)
        return err_set(err, errno, "make %s", place);
    while ((got = read(from, bytes, sizeof bytes)) > 0 && put == 0)
        put = write(to, bytes, (size_t)got) == got ? 0 : -1;
    return got == 0 && put == 0 ? 0 : bind_read_only(path, place, err);
}

/* Whether a folder holds something. */
static bool
has_entries(const char *path)
{
    DIR *dir = opendir(path);
    int n = 0;

    while (dir != NULL && n < 3 && readdir(dir) != NULL)
        n++; /* "." and ".." among them */
    if (dir != NULL)
        (void)closedir(dir);
    return n > 2;
}

/* What libraries look for at run time: without it some fall back in silence to what is wrong
 * (UTC, the C locale, the time as a random number). All of it is public, and the same on every
 * host with these packages. */
static int
mount_system_files(const char *root, struct hearth_err *err)
{
    static const char *const folders[] = {
        "/usr/share/zoneinfo",        "/usr/lib/locale/C.utf8",           "/etc/ssl/certs",
        "/usr/share/ca-certificates", "/usr/local/share/ca-certificates", "/etc/ImageMagick-6",
        "/usr/share/ImageMagick-6",
    };
    static const char *const files[] = {"/etc/ssl/openssl.cnf", "/etc/services", "/etc/protocols"};
    static const char *const devices[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/urandom",
                                          "/dev/random"};
    int status = 0;

    for (size_t i = 0; i < sizeof folders / sizeof folders[0] && status == 0; i++)
        if (has_entries(folders[i]))
            status = mount_same(root, folders[i], err);
    for (size_t i = 0; i < sizeof files / sizeof files[0] && status == 0; i++)
        status = copy_file(root, files[i], err);
    for (size_t i = 0; i < sizeof devices / sizeof devices[0] && status == 0; i++)
        status = mount_device(root, devices[i], err);
    return status;
}

/* the files of the function's bundle */
static const char files_link[] = "/fd/63";
static_assert(INHERIT_WORKER_FILES == 63, "files_link");

/* What is the same in every instance, and not the host's. */
static int
write_system_files(const char *root, struct hearth_err *err)
{
    int status = write_file(root, "/etc/nsswitch.conf",
                            "passwd: files\ngroup: files\nhosts: files\nservices: files\n"
                            "protocols: files\n",
                            err);

    if (status == 0)
        status = write_file(root, "/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n", err);
    /* OpenSSL's folder */
    if (status == 0)
        status = link_to(root, "/usr/lib/ssl/certs", "/etc/ssl/certs", err);
    if (status == 0)
        status = link_to(root, "/usr/lib/ssl/openssl.cnf", "/etc/ssl/openssl.cnf", err);
    if (status == 0)
        status = link_to(root, "/usr/lib/ssl/cert.pem", "/etc/ssl/certs/ca-certificates.crt", err);
    if (status == 0)
        status = link_to(root, "/etc/localtime", "/usr/share/zoneinfo/UTC", err);
    if (status == 0)
        status = link_to(root, "/function", "/etc/function/files", err);
    if (status == 0)
        status = link_to(root, "/etc/function/files", files_link, err);
    if (status == 0)
        status = link_to(root, "/etc/passwd", "user/passwd", err);
    return status == 0 ? link_to(root, "/etc/group", "user/group", err) : status;
}

/* Links by which the host chooses one of several libraries or headers of a name: those that
 * lead to what is shown, and no other. */
static int
copy_alternatives(const char *root, const char *libs, struct hearth_err *err)
{
    static const char folder[] = "/etc/alternatives";
    const char *const shown[] = {libs, "/usr/include", NULL};
    cleanup_dir DIR *dir = opendir(folder);
    char path[PATH_MAX], link[PATH_MAX], place[2 * PATH_MAX];
    struct dirent *e;

    while (dir != NULL && (e = readdir(dir)) != NULL) {
        ssize_t got;
        bool leads = false;

        (void)snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        got = readlink(path, link, sizeof link - 1);
        link[got > 0 ? got : 0] = '\0';
        for (size_t i = 0; shown[i] != NULL; i++)
            leads = leads || (strncmp(link, shown[i], strlen(shown[i])) == 0 &&
                              link[strlen(shown[i])] == '/');
        (void)snprintf(place, sizeof place, "%s%s", root, path);
        if (leads && symlink(link, place) != 0 && errno != EEXIST)
            return err_set(err, errno, "copy the link %s", path);
    }
    return 0;
}

/* The interpreter's own folders, where Hearth was built with it, and the host's packages, which
 * are to functions what its C libraries are. */
static int
mount_python(const char *root, const char *prefix, struct hearth_err *err)
{
    static const char *const folders[] = {PYTHON_LIB, PYTHON_PACKAGES, PYTHON_LOCAL_PACKAGES};
    char from[PATH_MAX], to[PATH_MAX];
    int status = 0;

    (void)snprintf(from, sizeof from, "%s/libexec/hearth/python", prefix);
    if (access(from, F_OK) != 0)
        return 0;
    (void)snprintf(to, sizeof to, "%s%s", root, PYTHON_HEARTH);
    for (size_t i = 0; i < sizeof folders / sizeof folders[0] && status == 0; i++)
        if (has_entries(folders[i]))
            status = mount_same(root, folders[i], err);
    return status == 0 ? mount_at(from, to, true, err) : status;
}

static int
make_worker_root(const struct sbx_jail *jail, const char *prefix, struct hearth_err *err)
{
    static const char *const folders[] = {
        "fd",  "etc", "etc/ssl", "etc/user",    "etc/function", "etc/alternatives",
        "dev", "usr", "usr/lib", "usr/lib/ssl", "proc",         "tmp",
        NULL};
    char libs[PATH_MAX];
    int status = make_root(jail->worker, folders, err);

    if (status == 0)
        status = libc_folder(libs, sizeof libs, err);
    if (status == 0)
        status = mount_same(jail->worker, libs, err);
    if (status == 0)
        status = mount_same(jail->worker, "/lib64", err);
    if (status == 0)
        status = mount_loader_cache(jail->worker, err);
    if (status == 0)
        status = mount_system_files(jail->worker, err);
    if (status == 0)
        status = write_system_files(jail->worker, err);
    if (status == 0)
        status = mount_python(jail->worker, prefix, err);
    if (status == 0)
        status = copy_link(jail->worker, "/lib", err);
    if (status == 0)
        status = copy_alternatives(jail->worker, libs, err);
    return status == 0 ? make_read_only(jail->worker, 0, err) : status;
}

/* Makes the folders above path below root. */
static int
make_folders_above(const char *root, const char *path, struct hearth_err *err)
{
    char place[2 * PATH_MAX];

    for (const char *p = strchr(path + 1, '/'); p != NULL; p = strchr(p + 1, '/')) {
        (void)snprintf(place, sizeof place, "%s%.*s", root, (int)(p - path), path);
        if (mkdir(place, 0755) != 0 && errno != EEXIST)
            return err_set(err, errno, "make %s", place);
    }
    return 0;
}

/* Shows one program of the host and none beside it: the links that lead to it as links. One
 * that the host has not is left out. */
static int
mount_program(const char *root, const char *program, struct hearth_err *err)
{
    char path[PATH_MAX], link[PATH_MAX], place[2 * PATH_MAX];

    (void)snprintf(path, sizeof path, "%s", program);
    for (int links = 0; links < 8; links++) {
        ssize_t got = readlink(path, link, sizeof link - 1);
        size_t folder;
        int status = make_folders_above(root, path, err);

        if (status < 0)
            return status;
        (void)snprintf(place, sizeof place, "%s%s", root, path);
        if (got < 0)
            return access(path, X_OK) == 0 ? mount_at(path, place, false, err) : 0;
        link[got] = '\0';
        if (symlink(link, place) != 0 && errno != EEXIST)
            return err_set(err, errno, "copy the link %s", path);
        if (link[0] == '/')
            *path = '\0';
        else
            strrchr(path, '/')[1] = '\0';
        folder = strlen(path);
        if (snprintf(path + folder, sizeof path - folder, "%s", link) >=
            (int)(sizeof path - folder))
            return err_set(err, ENAMETOOLONG, "follow the link %s", program);
    }
    return err_set(err, ELOOP, "find %s", program);
}

/* Of the host: the compiler's programs one by one, its own folders, headers, and the folder of
 * the libraries that may be linked. Whatever else the host has is not there. */
static int
mount_toolchain(const char *root, struct hearth_err *err)
{
    static const char *const programs[] = {"/usr/bin/gcc", "/usr/bin/g++", "/usr/bin/as",
                                           "/usr/bin/ld", PYTHON_PROGRAM};
    static const char *const folders[] = {"/usr/lib/gcc", "/usr/libexec/gcc", "/usr/include",
                                          "/lib64", PYTHON_LIB};
    char libs[PATH_MAX];
    int status = libc_folder(libs, sizeof libs, err);

    if (status == 0)
        status = mount_same(root, libs, err);
    for (size_t i = 0; i < sizeof folders / sizeof folders[0] && status == 0; i++)
        status = mount_same(root, folders[i], err);
    for (size_t i = 0; i < sizeof programs / sizeof programs[0] && status == 0; i++)
        status = mount_program(root, programs[i], err);
    if (status == 0)
        status = copy_link(root, "/lib", err);
    return status == 0 ? copy_alternatives(root, libs, err) : status;
}

static int
make_builder_root(const struct sbx_jail *jail, const char *prefix, struct hearth_err *err)
{
    static const char *const folders[] = {"src", "tmp",    "etc",  "etc/alternatives",
                                          "dev", "hearth", "none", NULL};
    char from[PATH_MAX], to[PATH_MAX];
    int status = make_root(jail->builder, folders, err);

    if (status == 0)
        status = mount_toolchain(jail->builder, err);
    (void)snprintf(to, sizeof to, "%s/dev/null", jail->builder);
    if (status == 0) {
        cleanup_close int fd = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

        if (fd < 0 || mount("/dev/null", to, NULL, MS_BIND, NULL) != 0)
            status = err_set(err, errno, "bind /dev/null into the builder's jail");
    }
    (void)snprintf(to, sizeof to, "%s/hearth/include", jail->builder);
    /* only this header, not its folder: with the prefix /usr, others are in it */
    (void)snprintf(from, sizeof from, "%s/include/hearth.h", prefix);
    if (status == 0 && mkdir(to, 0755) != 0 && errno != EEXIST)
        status = err_set(err, errno, "make %s", to);
    (void)snprintf(to, sizeof to, "%s/hearth/include/hearth.h", jail->builder);
    if (status == 0)
        status = mount_at(from, to, false, err);
    (void)snprintf(from, sizeof from, "%s/lib/hearth", prefix);
    (void)snprintf(to, sizeof to, "%s/hearth/lib", jail->builder);
    if (status == 0)
        status = mount_at(from, to, true, err);
    return status == 0 ? make_read_only(jail->builder, MS_NODEV, err) : status;
}

/* The namespace of a child that lives until it has been opened: going there and back is not allowed
 * in a user namespace. */
static int
make_network(struct sbx_jail *jail, struct hearth_err *err)
{
    int made[2], opened[2], status = 0;
    char path[48], byte = 0;
    pid_t pid;

    if (pipe2(made, O_CLOEXEC) != 0 || pipe2(opened, O_CLOEXEC) != 0)
        return err_set(err, errno, "make a pipe");
    jail->netns = -1;
    pid = fork();
    if (pid == 0) {
        (void)close(opened[1]);
        if (unshare(CLONE_NEWNET) != 0 || write(made[1], "", 1) != 1)
            _exit(errno);
        (void)!read(opened[0], &byte, 1); /* until the other end is closed */
        _exit(0);
    }
    (void)close(made[1]);
    (void)close(opened[0]);
    (void)snprintf(path, sizeof path, "/proc/%d/ns/net", (int)pid);
    if (pid > 0 && read(made[0], &byte, 1) == 1)
        jail->netns = open(path, O_RDONLY | O_CLOEXEC);
    (void)close(made[0]);
    (void)close(opened[1]);
    if (pid < 0 || waitpid(pid, &status, 0) != pid || jail->netns < 0)
        return err_set(err,
                       WIFEXITED(status) && WEXITSTATUS(status) != 0 ? WEXITSTATUS(status) : errno,
                       "layer \"network\": make an empty network namespace");
    return 0;
}

int
sbx_jail_make(const char *state, const char *prefix, struct sbx_jail *jail, struct hearth_err *err)
{
    char users[300];
    struct stat st;
    int status;

    (void)snprintf(jail->base, sizeof jail->base, "%s/jail", state);
    (void)snprintf(jail->worker, sizeof jail->worker, "%s/worker", jail->base);
    (void)snprintf(jail->builder, sizeof jail->builder, "%s/builder", jail->base);
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        return err_set(err, errno, "layer \"mount\": unshare the mounts");
    if (mkdir(jail->base, 0700) != 0 && errno != EEXIST)
        return err_set(err, errno, "layer \"mount\": make %s", jail->base);
    if (lstat(jail->base, &st) != 0 || !S_ISDIR(st.st_mode) || st.st_uid != 0)
        return err_set(err, EPERM, "layer \"mount\": %s is not a folder of root's", jail->base);
    if (mount("tmpfs", jail->base, "tmpfs", MS_NOSUID, "mode=755,size=64m") != 0)
        return err_set(err, errno, "layer \"mount\": mount a tmpfs on %s", jail->base);
    (void)snprintf(users, sizeof users, "%s/users", jail->base);
    if (mkdir(users, 0755) != 0)
        return err_set(err, errno, "layer \"mount\": make %s", users);
    status = make_worker_root(jail, prefix, err);
    if (status == 0)
        status = make_builder_root(jail, prefix, err);
    if (status < 0)
        return err_prefix(err, "layer \"mount\"");
    return make_network(jail, err);
}

/* ---- in the child ---- */

static int
enter_root(const char *root, struct hearth_err *err)
{
    if (chdir(root) != 0 || syscall(SYS_pivot_root, ".", ".") != 0 ||
        umount2(".", MNT_DETACH) != 0 || chdir("/") != 0)
        return err_set(err, errno, "layer \"mount\": make %s the root", root);
    if (sethostname("hearth", 6) != 0)
        return err_set(err, errno, "layer \"uts\": set the host name");
    return 0;
}

static int
join_network(const struct sbx_jail *jail, struct hearth_err *err)
{
    if (setns(jail->netns, CLONE_NEWNET) != 0)
        return err_set(err, errno, "layer \"network\": join the empty network namespace");
    return 0;
}

/* A file needs at least a page, a folder almost nothing. nr_inodes is so large that the size is
 * the bound that counts. */
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
        return err_set(err, errno, "layer \"mount\": mount a /tmp of %llu bytes",
                       (unsigned long long)bytes);
    return 0;
}

/* /etc/passwd and /etc/group, with this user alone. They are made once for each user, and stay. */
static int
mount_user(const struct sbx_jail *jail, uid_t uid, struct hearth_err *err)
{
    char folder[300], text[96], to[300];
    int status = 0;

    (void)snprintf(folder, sizeof folder, "%s/users/%u", jail->base, (unsigned)uid);
    (void)snprintf(to, sizeof to, "%s/etc/user", jail->worker);
    if (mkdir(folder, 0755) != 0 && errno != EEXIST)
        return err_set(err, errno, "make %s", folder);
    (void)snprintf(text, sizeof text, "hearth:x:%u:%u::/tmp:/usr/sbin/nologin\n", (unsigned)uid,
                   (unsigned)uid);
    status = write_file(folder, "/passwd", text, err);
    (void)snprintf(text, sizeof text, "hearth:x:%u:\n", (unsigned)uid);
    if (status == 0)
        status = write_file(folder, "/group", text, err);
    return status == 0 ? bind_read_only(folder, to, err) : status;
}

/* Over the folder with the link to a descriptor: one with the files themselves. */
static int
mount_files(const struct sbx_jail *jail, int files, struct hearth_err *err)
{
    char folder[300], place[320];

    (void)snprintf(folder, sizeof folder, "%s/etc/function", jail->worker);
    (void)snprintf(place, sizeof place, "%s/files", folder);
    if (mount("tmpfs", folder, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=4k") != 0 ||
        mkdir(place, 0755) != 0 ||
        syscall(SYS_move_mount, files, "", AT_FDCWD, place, MOVE_MOUNT_F_EMPTY_PATH) != 0 ||
        mount(NULL, folder, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV, NULL) !=
            0)
        return err_set(err, errno, "layer \"mount\": mount the files of a template");
    return 0;
}

int
sbx_jail_enter_worker(const struct sbx_jail *jail, uint64_t tmp_bytes, uid_t uid, int files,
                      struct hearth_err *err)
{
    char proc[300], from[320], to[300];
    int status = join_network(jail, err);

    if (status == 0)
        status = mount_user(jail, uid, err);

    if (status == 0 && tmp_bytes > 0)
        status = mount_tmp(jail->worker, tmp_bytes, uid, 0700, MS_NOEXEC, err);
    if (status == 0 && files >= 0)
        status = mount_files(jail, files, err);
    if (status < 0)
        return status;
    (void)snprintf(proc, sizeof proc, "%s/proc", jail->worker);
    (void)snprintf(from, sizeof from, "%s/%d/fd", proc, (int)getpid());
    (void)snprintf(to, sizeof to, "%s/fd", jail->worker);
    if (mount("proc", proc, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) != 0 ||
        mount(from, to, NULL, MS_BIND, NULL) != 0 || umount2(proc, MNT_DETACH) != 0)
        return err_set(err, errno, "layer \"mount\": mount the descriptors of a worker");
    return enter_root(jail->worker, err);
}

int
sbx_jail_enter_builder(const struct sbx_jail *jail, uint64_t tmp_bytes, struct hearth_err *err)
{
    char to[300], libs[PATH_MAX];
    int status = join_network(jail, err);

    if (status == 0)
        status = libc_folder(libs, sizeof libs, err);
    if (status == 0)
        status = sbx_hide_folders(jail->builder, libs, err);
    if (status < 0)
        return status;
    (void)snprintf(to, sizeof to, "%s/src", jail->builder);
    status = bind_read_only(".", to, err);
    if (status < 0)
        return err_prefix(err, "layer \"mount\"");
    status = mount_tmp(jail->builder, tmp_bytes, 0, 01777, 0, err);
    if (status < 0)
        return status;
    return enter_root(jail->builder, err);
}

int
sbx_jail_hide(const struct sbx_jail *jail, struct hearth_err *err)
{
    if (unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS) != 0 ||
        umount2(jail->base, MNT_DETACH) != 0)
        return err_set(err, errno, "layer \"mount\": hide the jails");
    return 0;
}

int
sbx_jail_leave_out(const struct sbx_jail *jail, struct hearth_err *err)
{
    int status = sbx_jail_hide(jail, err);

    return status == 0 ? join_network(jail, err) : status;
}
