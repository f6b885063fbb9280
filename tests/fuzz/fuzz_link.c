/* fuzz_link.c: the gateway's side of a channel (common/channel.c, gateway/instances/link.c,
 * gateway/calls/running.c and response.c as they are) against a worker that is made of fuzzed
 * bytes. What surrounds it, connections, scheduler and calls, is stood in for here, and checks what
 * must be so: a call is answered once, a client's bytes are readable memory, a connection
 * that has gone is written to no more.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "answer.h"
#include "call.h"
#include "connection.h"
#include "dispatch.h"
#include "function.h"
#include "instance.h"
#include "log.h"
#include "output.h"
#include "probe.h"
#include "running.h"
#include "scheduler.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CALLS 4

static struct gw_http http;
static struct gw_functions functions;
static struct gw_instances instances = {.events = &gw_call_events};
static struct gw gw = {.http = &http, .functions = &functions, .instances = &instances};
static struct gw_http_loop loop_http;
static struct gw_instances_loop loop_instances;
static struct gw_loop loop = {.http = &loop_http, .instances = &loop_instances};
static struct gw_function function;
static struct sch_slot slot;
static struct gw_instance *inst;
static struct chan worker;
static struct gw_conn conns[CALLS];
static bool answered[CALLS];
static uint32_t in_flight;
static uint64_t written, serials;
static volatile unsigned char sink;

/* ---- bytes to decisions ---- */

static const uint8_t *at, *end;

static uint8_t
byte(void)
{
    return at < end ? *at++ : 0;
}

static uint64_t
number(void)
{
    uint64_t n = 0;
    unsigned bytes = byte() % 9;

    for (unsigned i = 0; i < bytes; i++)
        n = n << 8 | byte();
    return n;
}

/* ---- what stands in for the rest of the gateway ---- */

static size_t
index_of(const struct gw_conn *conn)
{
    size_t i = (size_t)(conn - conns);

    assert(i < CALLS);
    return i;
}

void
gw_conn_write(struct gw_conn *conn, uv_buf_t *pieces, unsigned n)
{
    assert(!answered[index_of(conn)] && conn->life != GW_CONN_CLOSING);
    for (unsigned i = 0; i < n; i++)
        for (size_t k = 0; k < pieces[i].len; k++)
            sink = (unsigned char)pieces[i].base[k];
    for (unsigned i = 0; i < n; i++)
        written += pieces[i].len;
    conn->out_full = written % 3 == 0;
}

void
gw_conn_bound(struct gw_conn *conn, int64_t bytes)
{
    conn->out_most = bytes;
}

bool
gw_conn_is_full(const struct gw_conn *conn)
{
    return conn->out_full;
}

void
sch_slot_doom(struct sch *sch, struct sch_slot *s, enum sch_end why, int64_t now_ns)
{
    (void)sch;
    (void)why;
    (void)now_ns;
    s->doomed = true;
}

void
gw_function_warn(struct gw *g, struct gw_function *f, const char *fmt, ...)
{
    (void)g;
    (void)f;
    (void)fmt;
}

const char *
gw_connection_fields(struct gw_conn *conn, const char **more)
{
    *more = "";
    return conn->close_after ? "Connection: close\r\n" : "";
}

static void
end_of(struct gw_conn *conn)
{
    assert(!answered[index_of(conn)]);
    answered[index_of(conn)] = true;
}

void
gw_conn_responded(struct gw_conn *conn)
{
    end_of(conn);
}

void
gw_conn_cut(struct gw_conn *conn)
{
    end_of(conn);
    conn->life = GW_CONN_CLOSING;
}

void
gw_call_problem(struct gw_call *call, enum gw_code code, json_t *facts, const char *fmt, ...)
{
    struct gw_conn *conn = call->conn;

    (void)code;
    (void)fmt;
    json_decref(facts);
    if (conn == NULL)
        return;
    end_of(conn);
    call->conn = NULL;
    conn->exchange = NULL;
    call->end_sent = true;
}

void
gw_call_detach(struct gw_call *call, int why)
{
    (void)why;
    call->conn = NULL;
    call->end_sent = true;
}

void
gw_call_free(struct gw_call *call)
{
    assert(in_flight > 0);
    in_flight--;
    if (call->conn != NULL)
        call->conn->exchange = NULL;
    free(call);
}

void
gw_call_unsend(struct gw_call *call)
{
    if (call->conn != NULL)
        end_of(call->conn); /* another instance runs it: not looked at here */
    gw_call_free(call);
}

void
gw_call_pump(struct gw_call *call)
{
    call->end_sent = true;
}

bool
gw_call_recover(struct gw_call *call)
{
    return !call->in_pieces;
}

static void
take_from_slot(struct sch_call *call)
{
    (void)call;
    assert(slot.runs.count > 0);
    slot.runs.count--;
    slot.state = slot.runs.count > 0 ? SCH_SLOT_BUSY : SCH_SLOT_IDLE;
}

void
sch_call_done(struct sch *sch, struct sch_call *call, int64_t now_ns)
{
    (void)sch;
    (void)now_ns;
    take_from_slot(call);
}

void
sch_call_lost(struct sch *sch, struct sch_call *call)
{
    (void)sch;
    take_from_slot(call);
}

void
sch_slot_gone(struct sch *sch, struct sch_slot *gone, bool could_not_start, int64_t now_ns)
{
    (void)sch;
    (void)could_not_start;
    (void)now_ns;
    assert(gone == &slot);
    slot.state = SCH_SLOT_IDLE;
}

void
gw_instance_kill(struct gw_instance *i, enum sch_end why)
{
    (void)why;
    i->phase = GW_INSTANCE_KILLED;
}

int
gw_instance_trimmed(struct gw_instance *i)
{
    (void)i;
    return -EPROTO; /* nobody asked for it */
}

int
gw_instance_profiled(struct gw_instance *i, const struct frame *frame)
{
    (void)i;
    (void)frame;
    return -EPROTO; /* nobody asked for it */
}

int
gw_instance_probe_frame(struct gw_instance *i, const struct frame *frame)
{
    (void)i;
    (void)frame;
    return -EPROTO; /* nobody asked for it */
}

int
gw_instance_start_frame(struct gw_instance *i, const struct frame *frame)
{
    for (size_t k = 0; k < frame->len; k++)
        sink = frame->payload[k];
    if (i->phase != GW_INSTANCE_LOADING)
        return -EPROTO;
    i->phase = GW_INSTANCE_READY;
    return 1;
}

void
gw_instance_calls_ended(struct gw_instance *i)
{
    assert(i->links[0].first == NULL);
    i->open = false;
}

void
gw_instance_take_output(struct gw_instance *i)
{
    unsigned char records[OUTPUT_RECORD_MOST];
    struct output_line line;

    for (size_t n; (n = output_take(&i->chan.output, records, sizeof records)) > 0;)
        for (size_t done = 0; done < n;) {
            size_t space = output_parse(records + done, n - done, &line);

            assert(space > 0 && line.text_len <= LIMIT_LOG_LINE);
            done += space;
        }
}

void
gw_instance_take_last_output(struct gw_instance *i)
{
    gw_instance_take_output(i);
}

void
gw_instance_report_refusals(struct gw_instance *i, const char *call_id)
{
    (void)call_id;
    i->refusals_seen = atomic_load(&i->chan.shared->refusals);
}

void
gw_instance_hold(struct gw_instance *i)
{
    (void)i;
}

void
gw_instance_let_go(struct gw_instance *i)
{
    (void)i;
}

int64_t
gw_instance_read(int fd)
{
    (void)fd;
    return 0;
}

int64_t
gw_instance_peak_now(const struct gw_instance *i)
{
    (void)i;
    return 0;
}

int64_t
gw_instance_advice(const struct gw_instance *i)
{
    (void)i;
    return 0;
}

void
gw_instance_measure(struct gw_loop *l, struct gw_instance *i, int64_t body, int64_t now_ns)
{
    (void)l;
    (void)i;
    (void)body;
    (void)now_ns;
}

void
gw_instance_note_refused_memory(struct gw_loop *l, struct gw_instance *i)
{
    (void)l;
    (void)i;
}

void
gw_function_count_error(struct gw *g, struct gw_function *f, enum gw_code code)
{
    (void)g;
    (void)f;
    (void)code;
}

void
gw_dispatch(struct gw_loop *l)
{
    (void)l;
}

void
gw_timer_set(struct gw_loop *l, struct gw_timer *timer, int64_t after_ms,
             void (*fire)(struct gw_timer *))
{
    (void)l;
    (void)timer;
    (void)after_ms;
    (void)fire;
}

void
gw_timer_unset(struct gw_loop *l, struct gw_timer *timer)
{
    (void)l;
    (void)timer;
}

int64_t
gw_now_ns(void)
{
    return 1000000000;
}

const char *
gw_date(struct gw_loop *l)
{
    (void)snprintf(l->http->date, sizeof l->http->date, "Date: today\r\n");
    return l->http->date;
}

const char *
gw_status_text(int status)
{
    assert(status >= 200 && status < 600);
    return "Text";
}

/* ---- the world of one input ---- */

static void
once(void)
{
    if (inst != NULL)
        return;
    inst = calloc(1, sizeof *inst + sizeof inst->links[0]);
    gw.loops_count = 1;
    gw.loops[0] = &loop;
    loop.gw = &gw;
    (void)snprintf(function.name, sizeof function.name, "fuzzed");
    log_open("fuzz", LOG_LEVEL_ERROR);
}

static void
begin(void)
{
    struct hearth_err err = {0};
    int fd, status = chan_create(&fd, &err);

    memset(inst, 0, sizeof *inst + sizeof inst->links[0]);
    status = status < 0 ? status : chan_open(&inst->chan, CHAN_GATEWAY, fd, &err);
    status = status < 0 ? status : chan_open(&worker, CHAN_WORKER, fd, &err);
    (void)close(fd);
    if (status < 0)
        abort();
    inst->gw = &gw;
    inst->function = &function;
    inst->slot = &slot;
    inst->open = true;
    inst->phase = GW_INSTANCE_LOADING;
    inst->bell_fds[0] = -1;
    inst->links[0].inst = inst;
    inst->links[0].loop = &loop;
    inst->links[0].watched = true;
    memset(&slot, 0, sizeof slot);
    slot.state = SCH_SLOT_IDLE;
    memset(conns, 0, sizeof conns);
    memset(answered, 0, sizeof answered);
    loop_instances.busy = NULL;
    in_flight = 0;
    written = serials = 0;
}

static void
finish(void)
{
    struct gw_link *link = &inst->links[0];

    if (link->mine && inst->open) { /* it dies, whatever it was doing */
        link->blocked = false;
        inst->drained = true;
        gw_link_poll(link);
    }
    while (link->first != NULL) {
        struct gw_call *call = link->first;

        gw_running_remove(link, call);
        free(call);
    }
    chan_close(&inst->chan);
    chan_close(&worker);
}

static void
new_call(void)
{
    struct gw_call *call;
    struct gw_conn *conn;
    unsigned char *payload;
    uint8_t how = byte();

    if (serials == CALLS || inst->phase == GW_INSTANCE_KILLED || inst->drained || !inst->open ||
        (payload = chan_reserve(&inst->chan, 64)) == NULL)
        return;
    conn = &conns[serials++];
    call = calloc(1, sizeof *call);
    conn->loop = &loop;
    conn->exchange = call;
    conn->head_only = (how & 1) != 0;
    conn->http10 = (how & 2) != 0;
    call->conn = (how & 4) != 0 ? NULL : conn;
    call->loop = &loop;
    call->function = &function;
    call->serial = serials;
    call->head_sent = (how & 8) == 0;
    call->end_sent = (how & 16) == 0;
    call->in_pieces = (how & 32) == 0;
    memset(payload, 0, 64);
    call->position = chan_commit(&inst->chan, FRAME_REQUEST, FRAME_END, call->serial, 64);
    in_flight++;
    slot.runs.count++;
    slot.state = SCH_SLOT_BUSY;
    gw_running_add(&inst->links[0], call);
}

/* A frame as a worker that knows the rules would make it, with fuzzed contents. */
static void
good_frame(void)
{
    static const uint8_t types[] = {FRAME_RESPONSE, FRAME_BODY,  FRAME_FAILED,
                                    FRAME_READY,    FRAME_UNFIT, FRAME_REQUEST};
    uint8_t type = types[byte() % sizeof types], flags = byte() % 4;
    uint64_t serial = byte() % (CALLS + 2);
    struct frame_response head = {.status = 200, .declared = -1};
    size_t n = byte(), whole = n;
    unsigned char *payload;

    if (type == FRAME_RESPONSE) {
        uint8_t odd = byte();

        if (odd & 1)
            head.status = (uint16_t)number();
        if (odd & 2)
            head.fields = (uint16_t)number();
        if (odd & 4)
            head.fields_bytes = (uint32_t)number();
        if (odd & 8)
            head.declared = (int64_t)number();
        whole += sizeof head;
    }
    payload = chan_reserve(&worker, whole);
    if (payload == NULL)
        return;
    if (type == FRAME_RESPONSE)
        memcpy(payload, &head, sizeof head);
    for (size_t i = whole - n; i < whole; i++)
        payload[i] = byte();
    (void)chan_commit(&worker, (enum frame_type)type, flags, serial, whole);
}

static void
raw_bytes(void)
{
    uint64_t place = number() % LIMIT_RING;
    unsigned n = byte();

    for (unsigned i = 0; i < n; i++)
        worker.out_bytes[(place + i) % LIMIT_RING] = byte();
}

static void
words(void)
{
    struct chan_shared *shared = worker.shared;

    switch (byte() % 9) {
    case 0:
        worker.out_tail = number();
        atomic_store(&shared->response.tail, worker.out_tail);
        break;
    case 1:
        worker.out_tail += number();
        atomic_store(&shared->response.tail, worker.out_tail);
        break;
    case 2:
        atomic_store(&shared->response.head, number());
        break;
    case 3:
        atomic_store(&shared->request.head, number());
        break;
    case 4:
        atomic_store(&shared->request.tail, number());
        break;
    case 5:
        atomic_store(&shared->worker_asleep, (uint32_t)number());
        break;
    case 6:
        atomic_store(&shared->gateway_asleep, (uint32_t)number());
        break;
    case 7:
        worker.in_bytes[number() % LIMIT_RING] = byte(); /* claims, among others */
        break;
    default:
        atomic_store(&shared->trapped, (uint32_t)number());
        break;
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gw_link *link;

    once();
    begin();
    link = &inst->links[0];
    at = data;
    end = data + size;
    while (at < end && inst->open) {
        switch (byte() % 8) {
        case 0:
            new_call();
            break;
        case 1:
        case 2:
            good_frame();
            break;
        case 3:
            raw_bytes();
            break;
        case 4:
            words();
            break;
        case 5:
            link->blocked = false; /* its client has taken what there was */
            break;
        case 6:
            if (link->first != NULL && link->first->conn != NULL) { /* its client has gone */
                link->first->conn->life = GW_CONN_CLOSING;
                answered[index_of(link->first->conn)] = true;
                link->first->conn->exchange = NULL;
                gw_call_detach(link->first, EPIPE);
            }
            break;
        default:
            gw_link_poll(link);
            gw_link_wake(link);
            break;
        }
    }
    finish();
    return 0;
}
