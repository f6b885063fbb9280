/* beat.c: see beat.h. The gateway answers once every one of its loops has turned. Beats are
 * counted, not time: after a stop of the whole host nobody is accused. */
#include "launcher/beat.h"

#include <inttypes.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "clock.h"
#include "launcher/gateway.h"
#include "log.h"

#define BEAT_MS      2000
#define BEATS        15   /* without an answer, or without a start, until it is killed */
#define LATE_MS      1000 /* an answer that is worth a word */
#define STOP_GOES_ON "EXTEND_TIMEOUT_USEC=30000000\n"
#define CLOCK_STEP   60000 /* ms; less is what time daemons do all the time */

static int64_t
boot_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_BOOTTIME, &now); /* it goes on while the host is suspended */
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void
launcher_beat_reset(struct launcher *l)
{
    l->beats = 0;
    l->beat_ns = clock_ns();
    l->clocks_apart_ms = clock_wall_ms() - boot_ms();
}

/* Everything that lasts is measured by the monotonic clock: only what is printed changes. */
static void
compare_clocks(struct launcher *l)
{
    int64_t apart_ms = clock_wall_ms() - boot_ms(), step_ms = apart_ms - l->clocks_apart_ms;

    if (llabs(step_ms) > CLOCK_STEP)
        log_warning("the wall clock was set %s by %" PRId64 " s", step_ms > 0 ? "forward" : "back",
                    ((int64_t)llabs(step_ms) + 500) / 1000);
    l->clocks_apart_ms = apart_ms;
}

static void
tell_status(const struct launcher *l)
{
    uint32_t instances = 0;

    for (uint32_t i = 0; i < l->workers_top; i++)
        instances += l->children[i].kind == LAUNCHER_WORKER;
    (void)sd_notifyf(0,
                     "WATCHDOG=1\n%sSTATUS=%s%" PRIu32 " functions, %" PRIu32 " instances, %" PRIu32
                     " calls wait; %" PRIu32 " builds; the gateway was started again %u times",
                     l->stopping ? STOP_GOES_ON : "", l->stopping ? "stopping: " : "",
                     l->alive.functions, instances, l->alive.waiting, l->builds,
                     l->gateway_restarts);
}

uint64_t
launcher_ask(struct launcher *l)
{
    struct launch_message msg = {.type = LAUNCH_BEAT, .id = ++l->beat};

    l->beats = 1;
    l->asked_ns = clock_ns();
    launcher_send(l, &msg, NULL, 0);
    return msg.id;
}

int
launcher_beat(struct launcher *l)
{
    int64_t now = clock_ns(), passed_ms = (now - l->beat_ns) / 1000000;

    if (passed_ms < BEAT_MS)
        return (int)(BEAT_MS - passed_ms);
    compare_clocks(l);
    l->beat_ns = now;
    if (l->beats >= BEATS) {
        log_error("the gateway has not answered for %d s: killing it", BEATS * BEAT_MS / 1000);
        launcher_gateway_kill(l);
        l->beats = 0;
    } else if (l->beats > 0 || (!l->gateway_up && l->notified)) {
        l->beats++; /* what was asked is still to be answered, or it has not started yet */
    } else if (l->gateway_up) {
        launcher_ask(l);
    }
    tell_status(l);
    return BEAT_MS;
}

void
launcher_on_alive(struct launcher *l, const struct launch_message *msg)
{
    int64_t took_ms = (clock_ns() - l->asked_ns) / 1000000;

    if (l->beats == 0 || msg->id != l->beat)
        return;
    l->beats = 0;
    l->alive = msg->u.alive;
    if (l->reloaded_by != 0 && msg->id >= l->reloaded_by) { /* asked after it was told to reload */
        l->reloaded_by = 0;
        (void)sd_notify(0, "READY=1");
    }
    if (took_ms >= LATE_MS)
        log_warning("the gateway stood still for %" PRId64
                    " ms: it was stopped, or the host is overloaded",
                    took_ms);
}
