/* loop.c: the event loops, their lock and timers, and the messages between them. */
#include <errno.h>
#include <stdlib.h>

#include "clock.h"
#include "loop.h"

#define STOOD_STILL_MS 500 /* between two ticks: the process was stopped, or the host was busy */

/* ---- time ---- */

int64_t
gw_now_ns(void)
{
    return clock_ns();
}

static void
on_tick(uv_timer_t *ticker)
{
    struct gw_loop *loop = ticker->data;
    int64_t now_ms = gw_now_ms();
    bool stood_still = now_ms - loop->ticked_ms > STOOD_STILL_MS;

    loop->ticked_ms = now_ms;
    if (stood_still)
        return; /* what has come meanwhile goes before what has run out meanwhile */
    gw_wheel_run(&loop->wheel, now_ms);
    loop->gw->on_tick(loop);
    if (loop->wheel.armed == 0 && !loop->gw->draining) {
        (void)uv_timer_stop(&loop->ticker);
        loop->ticking = false;
    }
}

void
gw_keep_ticking(struct gw_loop *loop)
{
    if (loop->ticking)
        return;
    loop->ticking = true;
    loop->ticked_ms = gw_now_ms();
    (void)uv_timer_start(&loop->ticker, on_tick, GW_WHEEL_TICK_MS, GW_WHEEL_TICK_MS);
}

void
gw_timer_set(struct gw_loop *loop, struct gw_timer *timer, int64_t after_ms,
             void (*fire)(struct gw_timer *))
{
    gw_wheel_set(&loop->wheel, timer, gw_now_ms() + after_ms, fire);
    gw_keep_ticking(loop);
}

void
gw_timer_unset(struct gw_loop *loop, struct gw_timer *timer)
{
    gw_wheel_unset(&loop->wheel, timer);
}

/* ---- mail ---- */

void
gw_wake_loop(struct gw_loop *loop)
{
    (void)uv_async_send(&loop->inbox);
}

void
gw_post(struct gw_loop *loop, struct gw_mail *mail,
        void (*deliver)(struct gw_loop *loop, struct gw_mail *mail))
{
    mail->next = NULL;
    mail->deliver = deliver;
    (void)pthread_mutex_lock(&loop->inbox_lock);
    *loop->inbox_last = mail;
    loop->inbox_last = &mail->next;
    (void)pthread_mutex_unlock(&loop->inbox_lock);
    gw_wake_loop(loop);
}

static struct gw_mail *
take_all(struct gw_loop *loop)
{
    struct gw_mail *first;

    (void)pthread_mutex_lock(&loop->inbox_lock);
    first = loop->inbox_first;
    loop->inbox_first = NULL;
    loop->inbox_last = &loop->inbox_first;
    (void)pthread_mutex_unlock(&loop->inbox_lock);
    return first;
}

static void
on_inbox(uv_async_t *inbox)
{
    struct gw_loop *loop = inbox->data;

    for (struct gw_mail *mail = take_all(loop), *next; mail != NULL; mail = next) {
        next = mail->next;
        mail->deliver(loop, mail);
    }
    if (loop->gw->draining)
        gw_keep_ticking(loop);
}

/* ---- loops ---- */

static int
init_lock(pthread_mutex_t *lock)
{
    pthread_mutexattr_t attr;
    int status = pthread_mutexattr_init(&attr);

    if (status != 0)
        return -status;
    (void)pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    status = pthread_mutex_init(lock, &attr);
    (void)pthread_mutexattr_destroy(&attr);
    return -status;
}

static int
open_loop(struct gw *gw, uint32_t lane, bool idle_time)
{
    struct gw_loop *loop = calloc(1, sizeof *loop);
    int status = UV_ENOMEM;

    if (loop == NULL)
        return status;
    loop->gw = gw;
    loop->lane = (uint8_t)lane;
    loop->inbox_last = &loop->inbox_first;
    loop->uv = lane == 0 ? uv_default_loop() : malloc(sizeof *loop->uv);
    if (loop->uv != NULL)
        status = lane == 0 ? 0 : uv_loop_init(loop->uv);
    if (status == 0 && idle_time)
        status = uv_loop_configure(loop->uv, UV_METRICS_IDLE_TIME);
    if (status == 0)
        status = pthread_mutex_init(&loop->inbox_lock, NULL);
    if (status == 0)
        status = uv_async_init(loop->uv, &loop->inbox, on_inbox);
    if (status != 0) {
        free(loop);
        return status;
    }
    loop->inbox.data = loop;
    gw_wheel_init(&loop->wheel, gw_now_ms());
    (void)uv_timer_init(loop->uv, &loop->ticker);
    loop->ticker.data = loop;
    status = gw->on_open(loop);
    gw->loops[gw->loops_count++] = loop;
    return status;
}

int
gw_loops_open(struct gw *gw, uint32_t count, bool idle_time, struct hearth_err *err)
{
    int status = init_lock(&gw->lock);

    for (uint32_t i = 0; i < count && status == 0; i++)
        status = open_loop(gw, i, idle_time);
    return status == 0 ? 0 : err_set(err, -status, "make the event loops");
}

static void *
run_loop(void *arg)
{
    struct gw_loop *loop = arg;

    (void)uv_run(loop->uv, UV_RUN_DEFAULT);
    return NULL;
}

int
gw_loops_start(struct gw *gw, struct hearth_err *err)
{
    for (uint32_t i = 1; i < gw->loops_count; i++) {
        int status = pthread_create(&gw->loops[i]->thread, NULL, run_loop, gw->loops[i]);

        if (status != 0)
            return err_set(err, status, "start event loop %u", i);
    }
    return 0;
}
