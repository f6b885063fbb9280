/* output.c: moves what an instance prints and logs into the journal of its function. Most output
 * comes through the channel's memory; the owner of the channel, or the main loop, takes it with the
 * lock held. Output that a library writes to a descriptor comes through a socket, on the main loop.
 */
#include "instance.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "container.h"
#include "function.h"
#include "journal.h"
#include "output.h"

/* how much a worker may print before its socket is not read for LOG_PAUSE_MS */
#define LOG_BYTES_AT_ONCE (128 * 1024)
#define LOG_LINE_COST     64 /* bytes charged per line in addition */
#define LOG_PAUSE_MS      20

static void on_log(uv_poll_t *poll, int status, int events);

static void
take_line(struct gw_instance *inst, const char *line, size_t n)
{
    struct output_line text = {.level = 1, .stream = OUTPUT_STDOUT, .text = line, .text_len = n};

    gw_journal_add(inst->function, inst->id, &text);
    inst->log_bytes += LOG_LINE_COST;
}

/* Splits the bytes into lines. Keeps an unfinished line up to its bound. */
static void
take_output(struct gw_instance *inst, const char *bytes, size_t n)
{
    while (n > 0) {
        const char *end = memchr(bytes, '\n', n);
        size_t part = end != NULL ? (size_t)(end - bytes) : n;

        if (inst->log_len == 0 && end != NULL) {
            take_line(inst, bytes, part);
        } else {
            size_t room = LIMIT_LOG_LINE - inst->log_len, kept = part < room ? part : room;

            if (inst->log_line == NULL && (inst->log_line = malloc(LIMIT_LOG_LINE)) == NULL)
                return;
            memcpy(inst->log_line + inst->log_len, bytes, kept);
            inst->log_len += (uint32_t)kept;
            if (end != NULL || inst->log_len == LIMIT_LOG_LINE) {
                take_line(inst, inst->log_line, inst->log_len);
                inst->log_len = 0;
            }
        }
        part += end != NULL;
        bytes += part;
        n -= part;
    }
}

void
gw_instance_read_log(struct gw_instance *inst)
{
    char bytes[4096];
    ssize_t got;

    for (int i = 0; inst->open && i < 32; i++) {
        if ((got = read(inst->log_fd, bytes, sizeof bytes)) <= 0)
            return;
        take_output(inst, bytes, (size_t)got);
    }
}

void
gw_function_take_output(struct gw_function *f)
{
    for (struct gw_instance *inst = f->instances; inst != NULL; inst = inst->next) {
        gw_instance_take_output(inst);
        gw_instance_read_log(inst);
    }
}

static void
on_log_pause_over(struct gw_timer *timer)
{
    struct gw_instance *inst = container_of(timer, struct gw_instance, log_pause);

    inst->log_bytes = 0;
    if (!inst->log_watched) {
        inst->log.data = inst;
        if (uv_poll_init(gw_main_loop(inst->gw)->uv, &inst->log, inst->log_fd) < 0)
            return;             /* its output is read when it ends */
        gw_instance_hold(inst); /* until the handle is closed */
        inst->log_watched = true;
    }
    (void)uv_poll_start(&inst->log, UV_READABLE, on_log);
}

static void
on_log(uv_poll_t *poll, int status, int events)
{
    struct gw_instance *inst = poll->data;
    char bytes[4096];
    ssize_t got = read(inst->log_fd, bytes, sizeof bytes);

    (void)status;
    (void)events;
    if (got > 0) {
        take_output(inst, bytes, (size_t)got);
        inst->log_bytes += (uint32_t)got;
        if (inst->log_bytes > LOG_BYTES_AT_ONCE) {
            (void)uv_poll_stop(poll);
            gw_timer_set(gw_main_loop(inst->gw), &inst->log_pause, LOG_PAUSE_MS, on_log_pause_over);
        }
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR))
        (void)uv_poll_stop(poll);
}

static void
report_lost(struct gw_instance *inst)
{
    uint64_t lines, bytes;
    char text[160];
    struct output_line line = {.level = 2, .stream = OUTPUT_LOG, .text = text};

    if (!output_take_lost(&inst->chan.output, &lines, &bytes))
        return;
    line.text_len =
        (size_t)snprintf(text, sizeof text,
                         "hearth: %llu lines (%llu bytes) of output were lost here: more "
                         "than %d KiB were waiting to be read",
                         (unsigned long long)lines, (unsigned long long)bytes, LIMIT_OUTPUT / 1024);
    gw_journal_add(inst->function, inst->id, &line);
}

void
gw_instance_take_output(struct gw_instance *inst)
{
    static unsigned char records[64 * 1024]; /* guarded by the lock */
    size_t n, taken = 0;

    if (!inst->open || !output_pending(&inst->chan.output))
        return;
    /* no more than the ring holds: a worker could go on for ever */
    while (taken < LIMIT_OUTPUT &&
           (n = output_take(&inst->chan.output, records, sizeof records)) > 0) {
        gw_journal_add_records(inst->function, inst->id, records, n);
        taken += n;
    }
    report_lost(inst);
    inst->partials_taken = false; /* earlier unfinished lines are complete by now */
}

void
gw_instance_take_last_output(struct gw_instance *inst)
{
    char text[LIMIT_CALL_ID + LIMIT_LOG_LINE];
    struct output_line line;

    gw_instance_take_output(inst);
    for (int s = 0; inst->open && !inst->partials_taken && s < OUTPUT_STREAMS; s++)
        if (output_take_partial(&inst->chan.output, (enum output_stream)s, text, &line))
            gw_journal_add(inst->function, inst->id, &line);
    inst->partials_taken = true;
}

/* Reads everything that a dead instance printed, including an unfinished last line. */
void
gw_instance_read_last_log(struct gw_instance *inst)
{
    gw_instance_take_last_output(inst);
    gw_instance_read_log(inst);
    if (inst->log_len > 0)
        take_line(inst, inst->log_line, inst->log_len);
    inst->log_len = 0;
}

void
gw_instance_read_log_later(struct gw_instance *inst)
{
    gw_timer_set(gw_main_loop(inst->gw), &inst->log_pause, LOG_PAUSE_MS, on_log_pause_over);
}

static void
on_log_closed(uv_handle_t *handle)
{
    gw_instance_let_go(handle->data);
}

void
gw_instance_stop_log(struct gw_instance *inst)
{
    gw_timer_unset(gw_main_loop(inst->gw), &inst->log_pause);
    if (inst->log_watched)
        uv_close((uv_handle_t *)&inst->log, on_log_closed);
    inst->log_watched = false;
}

void
gw_instances_tick(struct gw_loop *loop)
{
    for (struct gw_link *link = loop->instances->busy; link != NULL; link = link->next) {
        if (!output_pending(&link->inst->chan.output))
            continue;
        gw_locked struct gw *held = gw_lock(loop->gw);

        gw_instance_take_output(link->inst);
    }
}
