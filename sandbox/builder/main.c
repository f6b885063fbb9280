/* main.c: hearth-builder, the first process in the compiler's jail. It compiles the sources
 * under /src by the plan that the gateway wrote, links them, and hands the object over through
 * an open file. It is as unprivileged as the compiler; what it alone holds is that file, the
 * plan and the cache.
 *
 *   hearth-builder JOBS [LIB …]    exit 0: built; 1: the compiler said no; 2: the kernel
 *                                  ended a part of it for memory;
 *                                  125: the jail is broken, with a text on 3
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "builder/builder.h"
#include "cleanup.h"
#include "filter.h"
#include "landlock.h"
#include "name.h"
#include "python_paths.h"

#define JOBS_MAX    64
#define LINKER_SAID "/tmp/linker"

_Noreturn void
bld_broken(const struct hearth_err *err)
{
    (void)!write(FD_CONTROL, err->text, strlen(err->text));
    _exit(EXIT_BROKEN);
}

void *
bld_alloc(size_t n)
{
    void *p = calloc(1, n);
    struct hearth_err err = {0};

    if (p == NULL) {
        (void)err_set(&err, ENOMEM, "build");
        bld_broken(&err);
    }
    return p;
}

void
bld_add(struct args *args, const char *word)
{
    if (args->n + 2 > args->room) {
        size_t room = 2 * args->room + 64;
        char **wider = bld_alloc(room * sizeof *wider);

        if (args->n > 0)
            memcpy(wider, args->v, args->n * sizeof *wider);
        free(args->v);
        args->v = wider;
        args->room = room;
    }
    args->v[args->n] = bld_alloc(strlen(word) + 1);
    memcpy(args->v[args->n], word, strlen(word));
    args->v[++args->n] = NULL;
}

void
bld_addf(struct args *args, const char *fmt, ...)
{
    char word[PATH_MAX + 16];
    va_list list;

    va_start(list, fmt);
    (void)vsnprintf(word, sizeof word, fmt, list);
    va_end(list);
    bld_add(args, word);
}

void
bld_args_free(struct args *args)
{
    for (size_t i = 0; i < args->n; i++)
        free(args->v[i]);
    free(args->v);
    *args = (struct args){0};
}

char *
bld_read(const char *path, size_t most, size_t *len)
{
    cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    off_t size = fd >= 0 ? lseek(fd, 0, SEEK_END) : -1;
    cleanup_free char *bytes = NULL;
    size_t used = 0;
    ssize_t got = 0;

    if (size < 0)
        return NULL;
    if ((size_t)size > most)
        size = (off_t)most;
    bytes = malloc((size_t)size + 1);
    while (bytes != NULL && used < (size_t)size &&
           (got = pread(fd, bytes + used, (size_t)size - used, (off_t)used)) > 0)
        used += (size_t)got;
    if (bytes == NULL || got < 0)
        return NULL;
    bytes[used] = '\0';
    *len = used;
    return take_ptr(bytes);
}

pid_t
bld_start(const struct args *args, const char *out)
{
    static char *const env[] = {(char *)"PATH=/usr/bin", (char *)"TMPDIR=/tmp", (char *)"LC_ALL=C",
                                (char *)"COLUMNS=120", NULL};
    struct hearth_err err = {0};
    pid_t pid = fork();

    if (pid == 0) {
        int fd = open(out, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);

        (void)signal(SIGXFSZ, SIG_DFL); /* the driver names it: diagnostics.c */
        if (fd >= 0 && dup2(fd, 1) == 1 && dup2(fd, 2) == 2)
            (void)execve(args->v[0], args->v, env);
        _exit(EXIT_BROKEN);
    }
    if (pid < 0) {
        (void)err_set(&err, errno, "start %s", args->v[0]);
        bld_broken(&err);
    }
    return pid;
}

const char *
bld_lib_folder(void)
{
    static char folder[PATH_MAX];
    struct hearth_err err = {0};
    Dl_info info;

    if (folder[0] != '\0')
        return folder;
    if (dladdr((void *)(uintptr_t)&fopen, &info) == 0 || realpath(info.dli_fname, folder) == NULL ||
        strrchr(folder, '/') == folder) {
        (void)err_set(&err, ENOENT, "find the C library's folder");
        bld_broken(&err);
    }
    *strrchr(folder, '/') = '\0';
    return folder;
}

/* ---- linking ---- */

static bool
has_cxx(const struct bld_plan *plan)
{
    for (unsigned i = 0; i < plan->sources_count; i++)
        if (plan->sources[i].language == BUILD_CXX)
            return true;
    return false;
}

static void
say_linker(const char *said, size_t len)
{
    for (size_t at = 0; at < len;) {
        ssize_t put = write(1, said + at, len - at);

        if (put <= 0)
            return;
        at += (size_t)put;
    }
}

/* EXIT_BUILT where the object came to be. What the linker said is told in any case. */
static int
link_all(const struct bld_plan *plan, const struct bld_job *jobs, const struct args *libs)
{
    struct args args = {0};
    cleanup_free char *said = NULL;
    size_t len = 0;
    int status;
    pid_t pid;

    bld_add(&args, has_cxx(plan) ? GXX : GCC);
    bld_add(&args, "-shared");
    /* objects with LTO sections would bring options of their own for the compiler */
    bld_add(&args, "-fno-lto");
    bld_add(&args, "-fno-use-linker-plugin");
    bld_add(&args, "-Wl,--no-undefined,-z,relro,-z,now,-z,noexecstack");
    bld_add(&args, "-o");
    bld_add(&args, OUTPUT);
    for (unsigned i = 0; i < plan->sources_count; i++)
        bld_add(&args, jobs[i].object);
    bld_add(&args, "-L/hearth/lib");
    bld_add(&args, "-lhearth");
    for (size_t i = 0; i < libs->n; i++)
        bld_add(&args, libs->v[i]);
    bld_add(&args, "-Wl,--push-state,--as-needed");
    bld_add(&args, "-lm");
    bld_add(&args, "-Wl,--pop-state");
    pid = bld_start(&args, LINKER_SAID);
    if (waitpid(pid, &status, 0) != pid)
        status = -1;
    bld_args_free(&args);
    said = bld_read(LINKER_SAID, LIMIT_DIAGNOSTICS / 2, &len);
    if (said == NULL)
        return status == 0 ? EXIT_BUILT : EXIT_REFUSED;
    say_linker(said, len);
    if (status == 0)
        return EXIT_BUILT;
    bld_symbols_hint(said);
    return strstr(said, "terminated with signal 9") != NULL ? EXIT_NO_MEMORY : EXIT_REFUSED;
}

/* ---- all of it ---- */

static void
add_options(const struct bld_plan *plan, struct args *options)
{
    bool gnu_source = false;

    for (unsigned i = 0; i < plan->define_count; i++) {
        gnu_source = gnu_source || strcmp(plan->define[i], "_GNU_SOURCE") == 0 ||
                     strncmp(plan->define[i], "_GNU_SOURCE=", 12) == 0;
        bld_addf(options, "-D%s", plan->define[i]);
    }
    if (!gnu_source)
        bld_add(options, "-D_GNU_SOURCE");
    bld_add(options, "-I/hearth/include");
    bld_add(options, "-I.");
    for (unsigned i = 0; i < plan->include_count; i++)
        bld_addf(options, "-I./%s", plan->include[i]);
}

static int
result_of(const struct bld_job *jobs, unsigned count)
{
    int result = EXIT_BUILT;

    for (unsigned i = 0; i < count && result != EXIT_NO_MEMORY; i++)
        if (jobs[i].failed)
            result = bld_job_was_killed(&jobs[i]) ? EXIT_NO_MEMORY : EXIT_REFUSED;
    return result;
}

/* The compiler of worker/python: it writes the object, and errors as compilers do. */
static int
build_python(const char *handler, struct hearth_err *err)
{
    static const char *const line[] = {PYTHON_PROGRAM, "-I", "-S", "-B", "/hearth/lib/compile.py"};
    cleanup_free char *said = NULL;
    struct args args = {0};
    size_t len = 0;
    int status;
    pid_t pid;

    if (access(PYTHON_PROGRAM, X_OK) != 0 || access(line[4], R_OK) != 0) {
        (void)dprintf(1, "function.json:0: error: Python cannot be compiled here: Hearth was built "
                         "without it, or " PYTHON_PROGRAM " is not installed\n");
        return EXIT_REFUSED;
    }
    for (size_t i = 0; i < sizeof line / sizeof line[0]; i++)
        bld_add(&args, line[i]);
    bld_add(&args, handler);
    bld_add(&args, OUTPUT);
    pid = bld_start(&args, LINKER_SAID);
    if (waitpid(pid, &status, 0) != pid)
        status = -1;
    bld_args_free(&args);
    said = bld_read(LINKER_SAID, LIMIT_DIAGNOSTICS, &len);
    if (said != NULL)
        say_linker(said, len);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        return EXIT_NO_MEMORY;
    if (status == 0 && bld_object_hand_over(OUTPUT, FD_OBJECT, err) < 0)
        bld_broken(err);
    return status == 0 ? EXIT_BUILT : EXIT_REFUSED;
}

static int
build(unsigned parallel, char *const *libs, int count, struct hearth_err *err)
{
    struct bld_plan plan = {0};
    struct args options = {0}, link = {0};
    struct bld_job *jobs;
    int result;

    if (bld_plan_read(FD_PLAN, &plan, err) < 0)
        bld_broken(err);
    if (plan.python != NULL)
        return build_python(plan.python, err);
    add_options(&plan, &options);
    bld_packages(libs, count, &options, &link);
    bld_cache_open(FD_CACHE);
    jobs = bld_jobs_run(&plan, &options, parallel);
    bld_jobs_report(jobs, plan.sources_count);
    result = result_of(jobs, plan.sources_count);
    bld_cache_write(FD_KEPT, jobs, plan.sources_count); /* before the linker can change a thing */
    if (result == EXIT_BUILT)
        result = link_all(&plan, jobs, &link);
    if (result == EXIT_BUILT && !bld_object_ok(OUTPUT))
        result = EXIT_REFUSED;
    if (result == EXIT_BUILT && bld_object_hand_over(OUTPUT, FD_OBJECT, err) < 0)
        bld_broken(err);
    return result; /* what is not freed goes with the process */
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

/* What the jail's root holds, and besides it the folders that change. */
static int
raise_walls(struct hearth_err *err)
{
    static const char *const read[] = {GCC,
                                       GXX,
                                       "/usr/bin/as",
                                       "/usr/bin/ld",
                                       "/usr/lib/gcc",
                                       "/usr/libexec/gcc",
                                       "/usr/lib64",
                                       "/lib64",
                                       "/usr/include",
                                       "/hearth",
                                       "/src",
                                       "/etc/alternatives",
                                       PYTHON_PROGRAM,
                                       PYTHON_LIB,
                                       NULL};
    static const char *const changed[] = {"/tmp", "/dev/null"};
    int rules, status = sbx_landlock_begin(&rules, err);

    if (status < 0)
        return status;
    status = sbx_landlock_allow(rules, bld_lib_folder(), SBX_LANDLOCK_EXECUTE, err);
    for (size_t i = 0; read[i] != NULL && status == 0; i++)
        status = sbx_landlock_allow(rules, read[i], SBX_LANDLOCK_EXECUTE, err);
    for (size_t i = 0; i < sizeof changed / sizeof changed[0] && status == 0; i++)
        status = sbx_landlock_allow(rules, changed[i], SBX_LANDLOCK_CHANGE, err);
    if (status == 0)
        status = sbx_landlock_enforce(rules, err);
    return status == 0 ? sbx_filter_apply(SBX_PROFILE_BUILD, err) : status;
}

static unsigned
take_arguments(int argc, char **argv, struct hearth_err *err)
{
    int parallel = argc > 1 ? atoi(argv[1]) : 0;

    if (parallel < 1 || parallel > JOBS_MAX) {
        (void)err_set(err, EINVAL, "build with %d jobs", parallel);
        bld_broken(err);
    }
    for (int i = 2; i < argc; i++)
        if (!name_lib_ok(argv[i], strlen(argv[i]))) {
            (void)err_set(err, EINVAL, "link a library of a wrong name");
            bld_broken(err);
        }
    return (unsigned)parallel;
}

int
main(int argc, char **argv)
{
    struct hearth_err err = {0};
    unsigned parallel = take_arguments(argc, argv, &err);

    /* of this process; what it executes has its limit of cores alone (launcher/spawn.c) */
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
        (void)err_set(&err, errno, "layer \"cores\": may not be dumped");
        bld_broken(&err);
    }
    (void)prctl(PR_SET_NAME, "hearth-builder", 0, 0, 0);
    ignore_signals();
    for (int fd = FD_CONTROL; fd <= FD_KEPT; fd++) /* not the compiler's to use */
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    if (chdir("/src") != 0) {
        (void)err_set(&err, errno, "enter /src");
        bld_broken(&err);
    }
    if (raise_walls(&err) < 0)
        bld_broken(&err);
    return build(parallel, argv + 2, argc > 2 ? argc - 2 : 0, &err);
}
