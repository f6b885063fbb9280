/* jobs.c: compiles the sources side by side, the largest first, each into an object of its own,
 * and keeps what the compiler said until all have ended: texts of two would mix. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "builder/builder.h"
#include "cleanup.h"

#define SAID_MOST (LIMIT_DIAGNOSTICS / 2) /* of one source */

/* Errors of the language that old code can do without, and that end in a crash here: an
 * undeclared function returns an int where it should be a pointer; a nested function whose
 * address is taken needs a stack that can be executed. */
static const char *const errors_of_c[] = {
    "-Werror=implicit-function-declaration", "-Werror=implicit-int", "-Werror=int-conversion",
    "-Werror=incompatible-pointer-types",    "-Werror=trampolines",  NULL};

static void
add_all(struct args *args, const char *const *words)
{
    for (; *words != NULL; words++)
        bld_add(args, *words);
}

static void
add_warnings(const struct bld_plan *plan, struct args *args)
{
    const char *level = plan->warnings != NULL ? plan->warnings : "default";

    if (strcmp(level, "none") != 0)
        bld_add(args, "-Wall");
    if (strcmp(level, "extra") == 0)
        bld_add(args, "-Wextra");
}

static void
make_command(const struct bld_plan *plan, const struct args *options, struct bld_job *job)
{
    static const char *const always[] = {"-c",
                                         "-g1",
                                         "-fPIC",
                                         "-pipe",
                                         "-fstack-protector-strong",
                                         "-fdiagnostics-color=never",
                                         "-fmax-errors=50",
                                         NULL};
    const struct bld_source *source = job->source;
    struct args *args = &job->args;

    bld_add(args, source->language == BUILD_CXX ? GXX : GCC);
    add_all(args, always);
    if (source->language == BUILD_C)
        bld_addf(args, "-std=%s", plan->std_c != NULL ? plan->std_c : "gnu17");
    else if (source->language == BUILD_CXX)
        bld_addf(args, "-std=%s", plan->std_cxx != NULL ? plan->std_cxx : "gnu++17");
    bld_addf(args, "-O%s", plan->optimize != NULL ? plan->optimize : "2");
    add_warnings(plan, args);
    if (source->language == BUILD_C)
        add_all(args, errors_of_c);
    for (size_t i = 0; i < options->n; i++)
        bld_add(args, options->v[i]);
    for (unsigned i = 0; i < source->flags_count; i++)
        bld_add(args, source->flags[i]);
    /* "./": no name can be taken for an option */
    bld_addf(args, "./%s", source->path);
    (void)snprintf(job->object, sizeof job->object, OBJECTS "/%s.o", source->path);
    bld_add(args, "-o");
    bld_add(args, job->object);
}

static void
make_folders_of(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(path, 0755); /* what is missing shows when the object is written */
        *slash = '/';
    }
}

/* Files beside the object: what compiler and assembler read, and what they said. */
struct lists {
    char compiler[OBJECT_BYTES + 4], assembler[OBJECT_BYTES + 4], said[OBJECT_BYTES + 4];
};

static void
list_names(const struct bld_job *job, struct lists *lists)
{
    (void)snprintf(lists->compiler, sizeof lists->compiler, "%s.d", job->object);
    (void)snprintf(lists->assembler, sizeof lists->assembler, "%s.a", job->object);
    (void)snprintf(lists->said, sizeof lists->said, "%s.t", job->object);
}

/* Where its files are listed is no part of the cache's key: it is added here. */
static void
start(struct bld_job *job)
{
    struct lists lists;
    struct args args = {0};

    list_names(job, &lists);
    for (size_t i = 0; i < job->args.n; i++)
        bld_add(&args, job->args.v[i]);
    bld_add(&args, "-MD");
    bld_add(&args, "-MF");
    bld_add(&args, lists.compiler);
    /* as by the two options of -Xassembler: a comma in the name would end one of -Wa */
    bld_add(&args, "-Xassembler");
    bld_add(&args, "--MD");
    bld_add(&args, "-Xassembler");
    bld_add(&args, lists.assembler);
    job->pid = bld_start(&args, lists.said);
    bld_args_free(&args);
}

bool
bld_job_was_killed(const struct bld_job *job)
{
    return job->killed ||
           (job->said != NULL && strstr(job->said, "Killed signal terminated program") != NULL);
}

static void
end(struct bld_job *job, int status)
{
    struct lists lists;

    list_names(job, &lists);
    job->pid = 0;
    job->ended = true;
    job->failed = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    job->killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    free(job->said);
    job->said = bld_read(lists.said, SAID_MOST, &job->said_len);
    if (job->said == NULL)
        job->said_len = 0;
    if (!job->failed)
        bld_cache_note(job, lists.compiler, lists.assembler);
    (void)unlink(lists.compiler);
    (void)unlink(lists.assembler);
    (void)unlink(lists.said);
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_BROKEN) {
        struct hearth_err err = {0};

        (void)err_set(&err, ENOENT, "run the compiler %s", job->args.v[0]);
        bld_broken(&err);
    }
}

/* Waits until one of them has ended. As the first process of its namespace, this one also
 * inherits what a compiler that was killed had started. */
static void
wait_for_one(struct bld_job *jobs, unsigned count)
{
    struct hearth_err err = {0};
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, 0)) > 0)
        for (unsigned i = 0; i < count; i++)
            if (jobs[i].pid == pid) {
                end(&jobs[i], status);
                return;
            }
    (void)err_set(&err, errno, "wait for the compiler");
    bld_broken(&err);
}

/* A job by its place in the plan. */
struct turn {
    uint64_t bytes;
    unsigned job;
};

static int
by_size(const void *a, const void *b)
{
    const struct turn *x = a, *y = b;

    return (x->bytes < y->bytes) - (x->bytes > y->bytes);
}

/* Runs those that have not ended. */
static void
run_all(struct bld_job *jobs, unsigned count, const struct turn *order, unsigned parallel)
{
    unsigned running = 0, next = 0;

    while (next < count || running > 0) {
        if (next < count && jobs[order[next].job].ended) {
            next++;
        } else if (next < count && running < parallel) {
            start(&jobs[order[next++].job]);
            running++;
        } else {
            wait_for_one(jobs, count);
            running--;
        }
    }
}

/* Those that were killed for memory may have the room alone that they had not together. */
static bool
take_back_killed(struct bld_job *jobs, unsigned count)
{
    bool any = false;

    for (unsigned i = 0; i < count; i++)
        if (jobs[i].failed && !jobs[i].retried && bld_job_was_killed(&jobs[i])) {
            jobs[i].ended = jobs[i].failed = jobs[i].killed = false;
            jobs[i].retried = any = true;
        }
    return any;
}

static bool
refuse_language(struct bld_job *job)
{
    char text[PATH_MAX + 96];

    if (job->source->language != BUILD_CXX || access(GXX, X_OK) == 0)
        return false;
    (void)snprintf(text, sizeof text,
                   "./%s:0: error: C++ cannot be compiled on this host: g++ is not installed\n",
                   job->source->path);
    job->said = strdup(text);
    job->said_len = job->said != NULL ? strlen(text) : 0;
    job->ended = job->failed = true;
    return true;
}

struct bld_job *
bld_jobs_run(const struct bld_plan *plan, const struct args *options, unsigned parallel)
{
    unsigned count = plan->sources_count;
    struct bld_job *jobs = bld_alloc(count * sizeof *jobs);
    struct turn *order = bld_alloc(count * sizeof *order);

    for (unsigned i = 0; i < count; i++) {
        struct stat st;

        jobs[i].source = &plan->sources[i];
        jobs[i].bytes = lstat(jobs[i].source->path, &st) == 0 ? (uint64_t)st.st_size : 0;
        order[i] = (struct turn){.bytes = jobs[i].bytes, .job = i};
        make_command(plan, options, &jobs[i]);
        make_folders_of(jobs[i].object);
        bld_cache_key(&jobs[i]);
        if (!refuse_language(&jobs[i]))
            jobs[i].ended = bld_cache_find(&jobs[i]);
    }
    qsort(order, count, sizeof *order, by_size);
    run_all(jobs, count, order, parallel);
    if (parallel > 1 && take_back_killed(jobs, count))
        run_all(jobs, count, order, 1);
    free(order);
    return jobs;
}

/* ---- what they said ---- */

static bool
is_error(const char *line, size_t n)
{
    return memmem(line, n, " error: ", 8) != NULL || memmem(line, n, " Error: ", 8) != NULL;
}

/* Writes the text, or of it the errors with the lines that belong to them alone. */
static void
say(const struct bld_job *job, bool errors_only, size_t *room)
{
    const char *at = job->said, *end = at + job->said_len;
    bool of_error = false;

    while (at<end && * room> 0) {
        const char *eol = memchr(at, '\n', (size_t)(end - at));
        size_t n = eol != NULL ? (size_t)(eol - at) + 1 : (size_t)(end - at);

        if (*at != ' ')
            of_error = is_error(at, n);
        if (!errors_only || of_error) {
            n = n < *room ? n : *room;
            (void)!write(1, at, n);
            *room -= n;
        }
        at += n;
    }
}

void
bld_jobs_report(const struct bld_job *jobs, unsigned count)
{
    size_t total = 0, room = LIMIT_DIAGNOSTICS / 2; /* the linker has the rest */

    for (unsigned i = 0; i < count; i++)
        total += jobs[i].said_len;
    for (unsigned i = 0; i < count && total > room; i++)
        say(&jobs[i], true, &room);
    for (unsigned i = 0; i < count; i++)
        say(&jobs[i], false, &room);
}
