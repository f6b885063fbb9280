/* builder_main.c: hearth-builder, the first process in the compiler's jail. It
 * runs gcc on every C file under /src and hands the object over through an open
 * file. It is as unprivileged as the compiler; what it alone holds is that file.
 *
 *   hearth-builder [-lLIB …]       exit 0: built; 1: the compiler said no;
 *                                  125: the jail is broken, with a text on 3
 */
#include <dirent.h>
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "err.h"
#include "filter.h"
#include "landlock.h"
#include "limits.h"

#define FD_CONTROL  3
#define FD_OBJECT   4
#define OUTPUT      "/tmp/function.so"
#define DEPTH_MAX   16
#define FLAGS_MAX   32
#define ARGS_MAX    (FLAGS_MAX + LIMIT_BUNDLE_FILES + LIMIT_LIBS)
#define EXIT_BROKEN 125

struct args {
    char *v[ARGS_MAX + 1];
    int n;
};

static _Noreturn void
broken(const struct hearth_err *err)
{
    (void)!write(FD_CONTROL, err->text, strlen(err->text));
    _exit(EXIT_BROKEN);
}

static void
add(struct args *args, const char *arg)
{
    struct hearth_err err = {0};

    if (args->n == ARGS_MAX || (args->v[args->n] = strdup(arg)) == NULL) {
        (void)err_set(&err, E2BIG, "collect the sources");
        broken(&err);
    }
    args->v[++args->n] = NULL;
}

static bool
ends_in_c(const char *name)
{
    size_t n = strlen(name);

    return n > 2 && strcmp(name + n - 2, ".c") == 0;
}

/* Adds every C file below folder, in a stable order, as "./name": no file's name
 * can be taken for an option. */
static void
add_sources(struct args *args, const char *folder, int depth)
{
    struct dirent **names = NULL;
    int n = depth < DEPTH_MAX ? scandir(folder, &names, NULL, alphasort) : 0;

    for (int i = 0; i < n; i++) {
        char path[PATH_MAX];
        struct stat st;

        (void)snprintf(path, sizeof path, "%s/%s", folder, names[i]->d_name);
        if (names[i]->d_name[0] != '.' && lstat(path, &st) == 0) {
            if (S_ISDIR(st.st_mode))
                add_sources(args, path, depth + 1);
            else if (S_ISREG(st.st_mode) && ends_in_c(names[i]->d_name))
                add(args, path);
        }
        free(names[i]);
    }
    free(names);
}

static void
add_all(struct args *args, const char *const *flags)
{
    for (; *flags != NULL; flags++)
        add(args, *flags);
}

static void
make_command(struct args *args, int argc, char **argv)
{
    static const char *const before[] = {"/usr/bin/gcc",
                                         "-std=gnu17",
                                         "-O2",
                                         "-g1",
                                         "-fPIC",
                                         "-shared",
                                         "-pipe",
                                         "-Wall",
                                         "-fstack-protector-strong",
                                         "-fdiagnostics-color=never",
                                         "-fno-diagnostics-show-caret",
                                         "-fmax-errors=50",
                                         "-I/hearth/include",
                                         "-I.",
                                         "-Wl,--no-undefined,-z,relro,-z,now,-z,noexecstack",
                                         "-o",
                                         OUTPUT,
                                         NULL};
    static const char *const after[] = {"-L/hearth/lib", "-lhearth", NULL};

    add_all(args, before);
    add_sources(args, ".", 0);
    add_all(args, after);
    for (int i = 1; i < argc; i++)
        add(args, argv[i]);
}

static int
run(struct args *args)
{
    static char *const env[] = {(char *)"PATH=/usr/bin:/bin", (char *)"TMPDIR=/tmp",
                                (char *)"LC_ALL=C", NULL};
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        (void)signal(SIGXFSZ, SIG_DFL); /* the driver names it: diagnostics.c */
        (void)execve(args->v[0], args->v, env);
        _exit(EXIT_BROKEN);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return EXIT_BROKEN;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static int
hand_over(struct hearth_err *err)
{
    cleanup_close int from = open(OUTPUT, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    char buf[1 << 16];
    ssize_t got;

    if (from < 0)
        return err_set(err, errno, "open the object");
    while ((got = read(from, buf, sizeof buf)) > 0)
        if (write(FD_OBJECT, buf, (size_t)got) != got)
            return err_set(err, errno, "hand the object over");
    return got < 0 ? err_set(err, errno, "read the object") : 0;
}

/* Bytes of address space that the object takes once it is loaded; 0 where it is no
 * 64-bit ELF file. */
static uint64_t
span_of_object(void)
{
    cleanup_close int fd = open(OUTPUT, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    uint64_t span = 0;
    Elf64_Ehdr head;
    Elf64_Phdr part;

    if (fd < 0 || pread(fd, &head, sizeof head, 0) != (ssize_t)sizeof head ||
        memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_ident[EI_CLASS] != ELFCLASS64)
        return 0;
    for (unsigned i = 0; i < head.e_phnum; i++) {
        off_t at = (off_t)(head.e_phoff + i * sizeof part);

        if (pread(fd, &part, sizeof part, at) != (ssize_t)sizeof part)
            return 0;
        if (part.p_type != PT_LOAD)
            continue;
        /* the sum might not fit a number */
        if (part.p_vaddr > LIMIT_OBJECT_SPAN || part.p_memsz > LIMIT_OBJECT_SPAN)
            return part.p_vaddr > part.p_memsz ? part.p_vaddr : part.p_memsz;
        if (part.p_vaddr + part.p_memsz > span)
            span = part.p_vaddr + part.p_memsz;
    }
    return span;
}

/* An array that no host has room for links well, and would only fail when it is loaded. */
static bool
is_loadable(void)
{
    uint64_t span = span_of_object();

    if (span <= LIMIT_OBJECT_SPAN)
        return true;
    (void)dprintf(
        2, "ld: error: the object would take %llu bytes of address space; allowed are %llu\n",
        (unsigned long long)span, (unsigned long long)LIMIT_OBJECT_SPAN);
    return false;
}

/* The compiler's programs inherit what is ignored. What is sent to the whole daemon, by a
 * terminal or by systemd, is for the launcher: a build may finish while it drains. */
static void
ignore_signals(void)
{
    static const int sigs[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGXFSZ};

    for (size_t i = 0; i < sizeof sigs / sizeof sigs[0]; i++)
        (void)signal(sigs[i], SIG_IGN); /* fails for no signal that there is */
}

/* Of the host's programs, libraries and headers what compiling needs. */
static int
raise_walls(struct hearth_err *err)
{
    static const char *const read[] = {
        "/usr/bin/gcc", "/usr/bin/as", "/usr/bin/ld",  "/usr/lib/gcc", "/usr/libexec/gcc",
        "/usr/lib64",   "/lib64",      "/usr/include", "/etc",         "/hearth",
        "/src",         NULL};
    static const char *const changed[] = {"/tmp", "/dev/null"};
    char libc[PATH_MAX];
    Dl_info info;
    int rules, status = sbx_landlock_begin(&rules, err);

    if (status < 0)
        return status;
    if (dladdr((void *)(uintptr_t)&fopen, &info) == 0 || realpath(info.dli_fname, libc) == NULL)
        return err_set(err, ENOENT, "find the C library's folder");
    *strrchr(libc, '/') = '\0';
    status = sbx_landlock_allow(rules, libc, SBX_LANDLOCK_EXECUTE, err);

    for (size_t i = 0; read[i] != NULL && status == 0; i++)
        status = sbx_landlock_allow(rules, read[i], SBX_LANDLOCK_EXECUTE, err);
    for (size_t i = 0; i < sizeof changed / sizeof changed[0] && status == 0; i++)
        status = sbx_landlock_allow(rules, changed[i], SBX_LANDLOCK_CHANGE, err);
    if (status == 0)
        status = sbx_landlock_enforce(rules, err);
    return status == 0 ? sbx_filter_apply(SBX_PROFILE_BUILD, err) : status;
}

int
main(int argc, char **argv)
{
    static struct args args;
    struct hearth_err err = {0};
    int status;

    /* of this process; what it executes has its limit of cores alone (launcher/spawn.c) */
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
        (void)err_set(&err, errno, "wall \"cores\": may not be dumped");
        broken(&err);
    }
    (void)prctl(PR_SET_NAME, "hearth-builder", 0, 0, 0);
    ignore_signals();
    /* not the compiler's to write to */
    (void)fcntl(FD_CONTROL, F_SETFD, FD_CLOEXEC);
    (void)fcntl(FD_OBJECT, F_SETFD, FD_CLOEXEC);
    if (chdir("/src") != 0) {
        (void)err_set(&err, errno, "enter /src");
        broken(&err);
    }
    if (raise_walls(&err) < 0)
        broken(&err);
    make_command(&args, argc, argv);
    status = run(&args);
    if (status == EXIT_BROKEN) {
        (void)err_set(&err, ENOENT, "run the compiler /usr/bin/gcc");
        broken(&err);
    }
    if (status != 0 || !is_loadable())
        return 1;
    if (hand_over(&err) < 0)
        broken(&err);
    return 0;
}
