/* logs.c: see logs.h. The work with files is done in the thread pool, one job after another, so
 * that a log's chunks stay in order. All else is on the main loop.
 */
#include "logs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "container.h"
#include "function.h"
#include "journal.h"
#include "log.h"
#include "log_files.h"

#define EVERY_MS 500
#define RETRY_MS 5000 /* after a failure, which may last: all that waits is copied for each try */

/* Chunks of one function on their way to the disk. */
struct piece {
    struct piece *next;
    char name[LIMIT_NAME + 1];
    void *bytes; /* owned; NULL: its log is to be made smaller instead */
    size_t len;
    uint64_t to; /* see gw_journal_unsaved */
    int status;
    int64_t disk; /* bytes afterwards */
};

struct job {
    struct job *prev, *next;
    uv_work_t work;
    struct gw *gw;
    struct piece *pieces;
    struct gw_logs_read *read; /* or NULL */
    char *text;
    size_t len;
    uint64_t
        to; /* what is not in the text, and was not at its begin, has this number or a higher */
};

static struct {
    int64_t most, budget;
    uv_timer_t timer;
    struct job *jobs; /* the first one is being worked on */
    int64_t next_ms;  /* not before that time */
    bool stuck;       /* the last log that was to be made smaller did not become so */
} logs;

/* ---- in the thread pool ---- */

static void
run_pieces(struct job *job)
{
    for (struct piece *piece = job->pieces; piece != NULL; piece = piece->next) {
        if (piece->bytes != NULL)
            piece->status = log_files_append(piece->name, piece->bytes, piece->len, logs.most);
        else
            log_files_shrink(piece->name);
        piece->disk = log_files_size(piece->name);
    }
}

static void
run_job(uv_work_t *work)
{
    struct job *job = container_of(work, struct job, work);

    run_pieces(job);
    if (job->read != NULL)
        job->text =
            log_files_read(job->read->name, &job->read->filter, job->read->lines, &job->len);
}

/* ---- on the main loop, with the lock held ---- */

static void
add_piece(struct job *job, const struct gw_function *f, void *bytes, size_t len, uint64_t to)
{
    struct piece *piece = calloc(1, sizeof *piece);

    if (piece == NULL) {
        free(bytes); /* it is tried again later */
        return;
    }
    memcpy(piece->name, f->name, sizeof piece->name);
    piece->bytes = bytes;
    piece->len = len;
    piece->to = to;
    LL_PREPEND(job->pieces, piece);
}

static void
add_unsaved(struct job *job, const struct gw_function *f)
{
    size_t len;
    uint64_t to;
    void *bytes =
        logs.most > 0 && f->live > 0 && !f->deleting ? gw_journal_unsaved(f, &len, &to) : NULL;

    if (bytes != NULL)
        add_piece(job, f, bytes, len, to);
}

/* The function with the largest log. */
static struct gw_function *
largest(struct gw *gw)
{
    struct gw_function *f, *next, *most = NULL;

    HASH_ITER (hh, gw->functions->table, f, next)
        if (f->log_disk > (most != NULL ? most->log_disk : 0))
            most = f;
    return most;
}

static void
settle_pieces(struct gw *gw, struct job *job)
{
    for (struct piece *piece = job->pieces, *next; piece != NULL; piece = next) {
        struct gw_function *f = gw_function_find(gw, piece->name, strlen(piece->name));

        next = piece->next;
        if (f != NULL && piece->bytes == NULL && piece->disk >= f->log_disk) {
            logs.stuck = true;
            gw_function_warn(gw, f, "its log cannot be removed");
        }
        if (f != NULL) {
            gw->functions->log_used += piece->disk - f->log_disk;
            f->log_disk = piece->disk;
        }
        if (f != NULL && piece->bytes != NULL && piece->status == 0) {
            gw_journal_saved(f, piece->to);
            logs.stuck = false;
        } else if (f != NULL && piece->status < 0 && piece->status != -ENOENT) {
            gw_function_warn(gw, f, "its log cannot be written: %s", strerror(-piece->status));
            gw_journal_retry();
            logs.next_ms = gw_now_ms() + RETRY_MS;
        }
        free(piece->bytes);
        free(piece);
    }
    job->pieces = NULL;
}

/* What could not be written is appended from memory. */
static void
add_rest(const struct gw_function *f, struct job *job)
{
    uint64_t from = logs.most > 0 ? gw_journal_unsaved_from(f) : 0;
    size_t len = 0;
    char *rest = gw_journal_text(f, &job->read->filter, from, &len), *all;

    all = rest != NULL && len > 0 ? realloc(job->text, job->len + len + 1) : NULL;
    if (all != NULL) {
        memcpy(all + job->len, rest, len + 1);
        job->text = all;
        job->len += len;
        job->to = gw_journal_next();
    }
    free(rest);
}

/* No more than the last lines. */
static void
cut_lines(struct job *job)
{
    size_t lines = job->read->lines, at = job->len;

    while (at > 0 && (job->text[at - 1] != '\n' || at == job->len || lines-- > 1))
        at--;
    if (job->read->lines == 0)
        at = job->len;
    memmove(job->text, job->text + at, job->len - at + 1);
    job->len -= at;
}

static void
answer(struct gw *gw, struct job *job)
{
    struct gw_function *f = gw_function_find(gw, job->read->name, strlen(job->read->name));

    if (f == NULL) {
        free(job->text);
        job->text = NULL;
    } else if (job->text != NULL) {
        if (logs.most == 0 || gw_journal_unsaved_from(f) < job->to)
            add_rest(f, job);
        cut_lines(job);
    }
    job->read->done(job->read, job->text, job->len, job->to);
}

static void begin_first(struct gw *gw);

static void
add_job(struct gw *gw, struct job *job)
{
    job->gw = gw;
    DL_APPEND(logs.jobs, job);
    if (logs.jobs == job)
        begin_first(gw);
}

/* Over the budget, the largest log loses its older half. */
static void
keep_budget(struct gw *gw)
{
    bool over = gw->functions->log_used > logs.budget && !logs.stuck && !gw->draining;
    struct gw_function *f = over ? largest(gw) : NULL;
    struct job *job = f != NULL ? calloc(1, sizeof *job) : NULL;

    if (job == NULL)
        return;
    add_piece(job, f, NULL, 0, 0);
    add_job(gw, job);
}

static void
on_job_done(uv_work_t *work, int status)
{
    struct job *job = container_of(work, struct job, work);
    struct gw *gw = job->gw;
    gw_locked struct gw *held = gw_lock(gw);

    (void)status;
    settle_pieces(gw, job);
    if (job->read != NULL)
        answer(gw, job);
    DL_DELETE(logs.jobs, job);
    free(job);
    if (logs.jobs != NULL)
        begin_first(gw);
    else
        keep_budget(gw);
}

static void
begin_first(struct gw *gw)
{
    (void)uv_queue_work(gw_main_loop(gw)->uv, &logs.jobs->work, run_job, on_job_done);
}

void
gw_logs_read(struct gw *gw, struct gw_logs_read *read)
{
    struct gw_function *f = gw_function_find(gw, read->name, strlen(read->name));
    struct job *job = calloc(1, sizeof *job);

    if (job == NULL) {
        read->done(read, NULL, 0, 0);
        return;
    }
    if (f != NULL)
        add_unsaved(job, f);
    job->read = read;
    job->to = gw_journal_next();
    add_job(gw, job);
}

static struct job *
collect(struct gw *gw)
{
    struct job *job = calloc(1, sizeof *job);
    struct gw_function *f, *next;

    if (job == NULL)
        return NULL;
    gw_journal_clean();
    HASH_ITER (hh, gw->functions->table, f, next)
        add_unsaved(job, f);
    return job;
}

static void
on_time(uv_timer_t *timer)
{
    struct gw *gw = timer->data;
    gw_locked struct gw *held = gw_lock(gw);

    if (logs.jobs == NULL && gw_journal_is_dirty() && gw_now_ms() >= logs.next_ms) {
        struct job *job = collect(gw);

        if (job != NULL)
            add_job(gw, job);
    }
}

void
gw_logs_start(struct gw *gw, int64_t most, int64_t budget)
{
    struct gw_function *f, *next;

    if (most > budget / 2)
        log_warning("log_bytes is more than half of log_budget: a log has %lld bytes",
                    (long long)budget / 2);
    /* one log, of which the half is lost at a time, must not be over the budget by itself */
    logs.most = most > budget / 2 ? budget / 2 : most;
    logs.budget = budget;
    HASH_ITER (hh, gw->functions->table, f, next) {
        f->log_disk = logs.most > 0 ? log_files_size(f->name) : 0;
        gw->functions->log_used += f->log_disk;
    }
    if (logs.most == 0)
        return;
    gw_journal_keep();
    logs.timer.data = gw;
    (void)uv_timer_init(gw_main_loop(gw)->uv, &logs.timer);
    (void)uv_timer_start(&logs.timer, on_time, EVERY_MS, EVERY_MS);
}

void
gw_logs_last(struct gw *gw)
{
    struct job *job;

    while (logs.jobs != NULL)
        (void)uv_run(gw_main_loop(gw)->uv, UV_RUN_ONCE);
    gw_locked struct gw *held = gw_lock(gw);

    job = collect(gw);
    if (job == NULL)
        return;
    run_pieces(job);
    settle_pieces(gw, job);
    free(job);
}
