/* balance.c: decides how many loops accept connections. One loop is most efficient as long as it
 * keeps up: its batches are large, and it takes no core from others. Another loop joins when all
 * active loops are busy and a core is idle. It then gets its share of the connections; each is
 * moved between two requests. The last loop is retired when the remaining ones suffice. With
 * `spread` all loops are active from the start.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http.h"
#include "log.h"

#define WINDOW_MS    100
#define BUSY_PERCENT 90 /* of a window, to count as busy */
#define IDLE_CORES   0.5
#define JOIN_AFTER   10  /* consecutive windows */
#define SLACK        0.6 /* busy share, of the loops that would remain */
#define LEAVE_AFTER  30

static struct {
    int cpu_fd; /* /proc/stat */
    uv_timer_t timer;
    uint64_t slept_ns[LIMIT_THREADS];
    uint64_t idle_ticks;
    int64_t at_ns;
    unsigned crowded, slack; /* consecutive windows */
} balance = {.cpu_fd = -1};

int
gw_balance_prepare(struct hearth_err *err)
{
    balance.cpu_fd = open("/proc/stat", O_RDONLY | O_CLOEXEC);
    return balance.cpu_fd < 0 ? err_set(err, errno, "open /proc/stat") : 0;
}

/* Makes the kernel distribute new connections over the active loops: a BPF program that returns a
 * random index below `active`. */
static void
steer(struct gw *gw)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_RANDOM)),
        BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, gw->http->active),
        BPF_STMT(BPF_RET | BPF_A, 0),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof code[0], .filter = code};

    if (setsockopt(gw_main_loop(gw)->http->listeners[0].fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF,
                   &program, sizeof program) != 0)
        log_warning("cannot distribute connections over %u loops: %s", gw->http->active,
                    strerror(errno));
}

static void
set_active(struct gw *gw, uint32_t active)
{
    uint32_t before = gw->http->active;

    gw->http->active = active;
    for (uint32_t i = 0; i < before && active > before; i++)
        gw->loops[i]->http->to_move = gw->loops[i]->http->conns_count / active;
    if (!gw->http->one_listener)
        steer(gw);
    balance.crowded = balance.slack = 0;
}

/* The one with the fewest connections, if it has clearly fewer. */
static struct gw_loop *
emptier_loop(struct gw_loop *loop)
{
    struct gw *gw = loop->gw;
    struct gw_loop *least = loop;

    for (uint32_t i = 0; i < gw->http->active; i++)
        if (gw->loops[i]->http->conns_count < least->http->conns_count)
            least = gw->loops[i];
    return least->http->conns_count + 1 < loop->http->conns_count ? least : NULL;
}

struct gw_loop *
gw_balance_better_loop(struct gw_loop *loop)
{
    struct gw *gw = loop->gw;
    uint32_t active = gw->http->active;

    if (gw->draining)
        return NULL;
    if (loop->lane >= active)
        return gw->loops[loop->http->moved++ % active];
    if (gw->http->one_listener && loop->lane == 0)
        return emptier_loop(loop);
    if (loop->http->to_move == 0)
        return NULL;
    loop->http->to_move--;
    return gw->loops[active - 1] != loop ? gw->loops[active - 1] : NULL;
}

/* How many cores have been idle, on average, since the last call. */
static double
idle_cores(int64_t elapsed_ns)
{
    unsigned long long user, nice, system, idle = 0, before = balance.idle_ticks;
    char text[256];
    ssize_t got = pread(balance.cpu_fd, text, sizeof text - 1, 0);

    if (got <= 0)
        return 0;
    text[got] = '\0';
    if (sscanf(text, "cpu %llu %llu %llu %llu", &user, &nice, &system, &idle) != 4)
        return 0;
    balance.idle_ticks = idle;
    if (before == 0)
        return 0;
    return (double)(idle - before) / (double)sysconf(_SC_CLK_TCK) / ((double)elapsed_ns / 1e9);
}

static void
on_window(uv_timer_t *timer)
{
    struct gw *gw = timer->data;
    int64_t now = gw_now_ns(), elapsed = now - balance.at_ns;
    bool all_busy = true;
    double busy = 0;

    for (uint32_t i = 0; i < gw->loops_count; i++) {
        uint64_t slept = uv_metrics_idle_time(gw->loops[i]->uv), was = balance.slept_ns[i];
        double share = 1 - (double)(slept - was) / (double)elapsed;

        balance.slept_ns[i] = slept;
        if (i >= gw->http->active)
            continue;
        busy += share > 0 ? share : 0;
        all_busy = all_busy && share * 100 >= BUSY_PERCENT;
    }
    balance.at_ns = now;
    if (all_busy && gw->http->active < gw->loops_count && idle_cores(elapsed) >= IDLE_CORES)
        balance.crowded++;
    else
        balance.crowded = 0;
    balance.slack = busy < SLACK * (gw->http->active - 1) ? balance.slack + 1 : 0;
    if (balance.crowded >= JOIN_AFTER)
        set_active(gw, gw->http->active + 1);
    else if (balance.slack >= LEAVE_AFTER && gw->http->active > 1)
        set_active(gw, gw->http->active - 1);
}

void
gw_balance_start(struct gw *gw)
{
    gw->http->active = 1;
    if (gw->loops_count == 1)
        return;
    set_active(gw, gw->http->spread ? gw->loops_count : 1);
    if (gw->http->spread)
        return;
    balance.at_ns = gw_now_ns();
    balance.timer.data = gw;
    (void)uv_timer_init(gw_main_loop(gw)->uv, &balance.timer);
    (void)uv_timer_start(&balance.timer, on_window, WINDOW_MS, WINDOW_MS);
}
