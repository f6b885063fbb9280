/* channel.c: the rings and the doorbells of one worker.
 * Invariant: 0 <= tail - head <= LIMIT_RING on both rings, or the peer breaks the protocol.
 */
#include "channel.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "limits.h"
#include "output.h"

#define CHAN_MAGIC   0x48727468u /* "Hrth" */
#define CHAN_VERSION 5u
#define CHAN_PAGE    4096u
#define CHAN_FILE    (CHAN_PAGE + 2 * LIMIT_RING + OUTPUT_BYTES)
#define CHAN_GUARD   LIMIT_RING
#define CHAN_OUTPUT  (OUTPUT_HEAD + 2 * LIMIT_OUTPUT)
/* address space: guard, output (its ring twice), control page, responses twice, guard, requests
 * twice, guard */
#define CHAN_SPAN   (CHAN_OUTPUT + CHAN_PAGE + 4 * LIMIT_RING + 3 * CHAN_GUARD)
#define CHAN_SEALS  (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
#define FRAME_ALIGN 16u

enum { CLAIM_NONE, CLAIM_BEGUN, CLAIM_REVOKED };
enum { WORKER_AWAKE, WORKER_WANTS_FRAME, WORKER_WANTS_ROOM }; /* chan_shared.worker_asleep */

static_assert(sizeof(struct chan_shared) <= CHAN_PAGE, "the control page is one page");
static_assert(sizeof(struct frame_header) == FRAME_ALIGN, "payloads stay aligned");
static_assert(LIMIT_RING >= 2 * (LIMIT_FRAME + FRAME_ALIGN), "two largest frames fit a ring");
static_assert(LIMIT_RING % CHAN_PAGE == 0, "a ring can be mapped twice");

static size_t
frame_space(size_t payload)
{
    return (sizeof(struct frame_header) + payload + FRAME_ALIGN - 1) & ~(size_t)(FRAME_ALIGN - 1);
}

int
chan_create(int *fd, struct hearth_err *err)
{
    cleanup_close int made = memfd_create("hearth-channel", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    struct chan_shared first = {.magic = CHAN_MAGIC, .version = CHAN_VERSION};

    if (made < 0)
        return err_set(err, errno, "make a channel");
    if (ftruncate(made, CHAN_FILE) != 0 || fcntl(made, F_ADD_SEALS, CHAN_SEALS) != 0)
        return err_set(err, errno, "size and seal a channel");
    atomic_init(&first.gateway_asleep, 1);
    if (pwrite(made, &first, sizeof first, 0) != (ssize_t)sizeof first)
        return err_set(err, errno, "write a channel's control page");
    *fd = take_fd(&made);
    return 0;
}

static int
check_file(int fd, struct hearth_err *err)
{
    int seals = fcntl(fd, F_GET_SEALS);
    struct stat st;

    if (seals < 0 || fstat(fd, &st) != 0)
        return err_set(err, errno, "look at the channel's file");
    if ((seals & CHAN_SEALS) != CHAN_SEALS)
        return err_set(err, EPROTO, "the channel's file is not sealed");
    if (st.st_size != CHAN_FILE)
        return err_set(err, EPROTO, "the channel's file has %lld bytes", (long long)st.st_size);
    return 0;
}

/* Maps n bytes of the file at a fixed address in our reservation. */
static bool
map_at(unsigned char *at, size_t n, int fd, off_t offset)
{
    return mmap(at, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, offset) == at;
}

/* The control page and both rings. The rest of the reservation stays without access: a read past a
 * request, or past memory below the reservation, is a fault and does not reach a response. */
static bool
map_all(unsigned char *shared, unsigned char *response, unsigned char *request, int fd)
{
    const off_t response_at = CHAN_PAGE, request_at = CHAN_PAGE + LIMIT_RING;
    const off_t output_at = CHAN_PAGE + 2 * LIMIT_RING;
    unsigned char *output = shared - CHAN_OUTPUT, *ring = output + OUTPUT_HEAD;

    return map_at(output, OUTPUT_BYTES, fd, output_at) &&
           map_at(ring + LIMIT_OUTPUT, LIMIT_OUTPUT, fd, output_at + OUTPUT_HEAD) &&
           map_at(shared, CHAN_PAGE, fd, 0) && map_at(response, LIMIT_RING, fd, response_at) &&
           map_at(response + LIMIT_RING, LIMIT_RING, fd, response_at) &&
           map_at(request, LIMIT_RING, fd, request_at) &&
           map_at(request + LIMIT_RING, LIMIT_RING, fd, request_at);
}

int
chan_open(struct chan *chan, enum chan_side side, int fd, struct hearth_err *err)
{
    unsigned char *base, *shared, *request, *response;
    int status = check_file(fd, err);

    if (status < 0)
        return status;
    base = mmap(NULL, CHAN_SPAN, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED)
        return err_set(err, errno, "reserve room for a channel");
    shared = base + CHAN_GUARD + CHAN_OUTPUT;
    response = shared + CHAN_PAGE;
    request = response + 2 * LIMIT_RING + CHAN_GUARD;
    if (!map_all(shared, response, request, fd)) {
        status = err_set(err, errno, "map a channel");
        (void)munmap(base, CHAN_SPAN);
        return status;
    }
    memset(chan, 0, sizeof *chan);
    chan->shared = (struct chan_shared *)(void *)shared;
    chan->side = side;
    chan->output.shared = (struct output_shared *)(void *)(shared - CHAN_OUTPUT);
    chan->output.ring = shared - CHAN_OUTPUT + OUTPUT_HEAD;
    if (chan->shared->magic != CHAN_MAGIC || chan->shared->version != CHAN_VERSION) {
        chan_close(chan);
        return err_set(err, EPROTO, "the channel's control page is of another version");
    }
    chan->out = side == CHAN_GATEWAY ? &chan->shared->request : &chan->shared->response;
    chan->in = side == CHAN_GATEWAY ? &chan->shared->response : &chan->shared->request;
    chan->out_bytes = side == CHAN_GATEWAY ? request : response;
    chan->in_bytes = side == CHAN_GATEWAY ? response : request;
    return 0;
}

void
chan_prefault(struct chan *chan)
{
    for (size_t at = 0; at < OUTPUT_HEAD; at += 4096)
        (void)*((volatile unsigned char *)chan->output.shared + at);
    *(volatile unsigned char *)chan->out_bytes = 0;
}

void
chan_close(struct chan *chan)
{
    if (chan->shared != NULL)
        (void)munmap((unsigned char *)chan->shared - CHAN_OUTPUT - CHAN_GUARD, CHAN_SPAN);
    chan->shared = NULL;
}

/* Bytes that may be written now. Reads the position of the peer only if the known one is not
 * enough. -1 if that position is impossible. */
static int64_t
free_bytes(struct chan *chan, size_t wanted)
{
    uint64_t used = chan->out_tail - chan->out_head;

    if (LIMIT_RING - used < wanted) {
        uint64_t head = atomic_load_explicit(&chan->out->head, memory_order_acquire);

        used = chan->out_tail - head;
        if (used > chan->out_tail - chan->out_head)
            return -1;
        chan->out_head = head;
    }
    return (int64_t)(LIMIT_RING - used);
}

/* An empty ring is used again from its start, so that light traffic stays within a few pages, and
 * in the cache. */
static size_t
padding_to_start(struct chan *chan)
{
    size_t at = chan->out_tail % LIMIT_RING;

    if (at < LIMIT_RING_WARM)
        return 0;
    if (atomic_load_explicit(&chan->out->head, memory_order_acquire) != chan->out_tail)
        return 0;
    chan->out_head = chan->out_tail;
    return LIMIT_RING - at;
}

unsigned char *
chan_reserve(struct chan *chan, size_t n)
{
    size_t wanted = frame_space(n);
    int64_t room;

    assert(n <= LIMIT_FRAME);
    chan->reserved = padding_to_start(chan);
    if (chan->reserved + wanted > LIMIT_RING)
        chan->reserved = 0;
    room = free_bytes(chan, chan->reserved + wanted);
    if (room < (int64_t)(chan->reserved + wanted)) {
        errno = room < 0 ? EPROTO : EAGAIN;
        return NULL;
    }
    return chan->out_bytes + (chan->out_tail + chan->reserved) % LIMIT_RING +
           sizeof(struct frame_header);
}

static void
put_header(struct chan *chan, struct frame_header header)
{
    memcpy(chan->out_bytes + chan->out_tail % LIMIT_RING, &header, sizeof header);
}

uint64_t
chan_commit(struct chan *chan, enum frame_type type, unsigned flags, uint64_t serial, size_t len)
{
    uint64_t position;

    if (chan->reserved > 0) {
        put_header(chan,
                   (struct frame_header){.length = (uint32_t)chan->reserved, .type = FRAME_PAD});
        chan->out_tail += chan->reserved;
        chan->reserved = 0;
    }
    position = chan->out_tail;
    put_header(chan, (struct frame_header){
                         .length = (uint32_t)(sizeof(struct frame_header) + len),
                         .type = (uint8_t)type,
                         .flags = (uint8_t)flags,
                         .serial = serial,
                     });
    chan->out_tail += frame_space(len);
    atomic_store_explicit(&chan->out->tail, chan->out_tail, memory_order_release);
    return position;
}

size_t
chan_room(struct chan *chan)
{
    int64_t room = free_bytes(chan, frame_space(LIMIT_FRAME));

    if (room <= (int64_t)sizeof(struct frame_header))
        return 0;
    room -= (int64_t)sizeof(struct frame_header);
    return room > LIMIT_FRAME ? LIMIT_FRAME : (size_t)room;
}

bool
chan_ready(struct chan *chan)
{
    return atomic_load_explicit(&chan->in->tail, memory_order_acquire) != chan->in_head;
}

/* Bytes that the peer has published and we have not consumed, or -EPROTO. */
static int64_t
available(struct chan *chan)
{
    uint64_t known = chan->in_tail - chan->in_head;
    uint64_t tail;

    if (known > 0)
        return (int64_t)known;
    tail = atomic_load_explicit(&chan->in->tail, memory_order_acquire);
    if (tail - chan->in_head > LIMIT_RING || tail % FRAME_ALIGN != 0)
        return -EPROTO;
    chan->in_tail = tail;
    return (int64_t)(tail - chan->in_head);
}

/* A padding frame is valid only where chan_reserve makes one: past LIMIT_RING_WARM, and up to the
 * end of the ring. So two cannot follow each other, and a peer cannot keep us here with padding. */
static int
check_header(const struct frame_header *header, int64_t there, size_t at)
{
    if (header->length < sizeof *header || header->type >= FRAME_TYPES)
        return -EPROTO;
    if ((int64_t)frame_space(header->length - sizeof *header) > there)
        return -EPROTO;
    if (header->type == FRAME_PAD)
        return at >= LIMIT_RING_WARM && at + header->length == LIMIT_RING ? 1 : -EPROTO;
    return header->length <= sizeof *header + LIMIT_FRAME ? 1 : -EPROTO;
}

int
chan_peek(struct chan *chan, struct frame *frame)
{
    for (;;) {
        int64_t there = available(chan);
        size_t at = chan->in_head % LIMIT_RING;

        if (there <= 0)
            return (int)there;
        memcpy(&frame->header, chan->in_bytes + at, sizeof frame->header);
        if (check_header(&frame->header, there, at) < 0)
            return -EPROTO;
        frame->payload = chan->in_bytes + at + sizeof frame->header;
        frame->len = frame->header.length - sizeof frame->header;
        if (frame->header.type != FRAME_PAD)
            return 1;
        chan_consume(chan, frame);
    }
}

/* Wipes a request from the ring. The header stays: its claim word must not allow the request to be
 * recalled again. Padding needs no wiping: requests there were wiped. */
static void
wipe(const struct frame *frame)
{
    if (frame->header.type != FRAME_PAD)
        memset((void *)(uintptr_t)frame->payload, 0,
               frame_space(frame->len) - sizeof frame->header);
}

void
chan_consume(struct chan *chan, const struct frame *frame)
{
    if (chan->side == CHAN_WORKER)
        wipe(frame);
    chan->in_head += frame_space(frame->len);
    atomic_store_explicit(&chan->in->head, chan->in_head, memory_order_release);
}

/* The claim word of the frame at a position, in the ring itself. */
static _Atomic uint16_t *
claim_at(unsigned char *ring, uint64_t position)
{
    return (_Atomic uint16_t *)(void *)(ring + position % LIMIT_RING +
                                        offsetof(struct frame_header, claim));
}

bool
chan_claim(struct chan *chan)
{
    uint16_t none = CLAIM_NONE;

    return atomic_compare_exchange_strong(claim_at(chan->in_bytes, chan->in_head), &none,
                                          CLAIM_BEGUN);
}

/* If it was consumed, its bytes may belong to another frame. A worker with a false position damages
 * only its own ring. */
static bool
is_in_ring(struct chan *chan, uint64_t position)
{
    uint64_t head = atomic_load_explicit(&chan->out->head, memory_order_acquire);

    return head <= position && chan->out_tail - head <= LIMIT_RING;
}

const unsigned char *
chan_sent(struct chan *chan, uint64_t position)
{
    return is_in_ring(chan, position)
               ? chan->out_bytes + position % LIMIT_RING + sizeof(struct frame_header)
               : NULL;
}

bool
chan_begun(struct chan *chan, uint64_t position)
{
    return !is_in_ring(chan, position) ||
           atomic_load(claim_at(chan->out_bytes, position)) == CLAIM_BEGUN;
}

bool
chan_revoke(struct chan *chan, uint64_t position)
{
    uint16_t none = CLAIM_NONE;

    if (!is_in_ring(chan, position))
        return false;
    return atomic_compare_exchange_strong(claim_at(chan->out_bytes, position), &none,
                                          CLAIM_REVOKED);
}

static void
futex(_Atomic uint32_t *word, int op, uint32_t value)
{
    (void)syscall(SYS_futex, word, op, value, NULL, NULL, 0);
}

static void
wake_worker_from(struct chan *chan, uint32_t least)
{
    struct chan_shared *shared = chan->shared;

    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&shared->worker_asleep, memory_order_relaxed) < least)
        return;
    if (atomic_exchange(&shared->worker_asleep, WORKER_AWAKE) == WORKER_AWAKE)
        return;
    atomic_fetch_add(&shared->worker_bell, 1);
    futex(&shared->worker_bell, FUTEX_WAKE, 1);
}

void
chan_wake_worker(struct chan *chan)
{
    wake_worker_from(chan, WORKER_WANTS_FRAME);
}

void
chan_wake_worker_for_room(struct chan *chan)
{
    wake_worker_from(chan, WORKER_WANTS_ROOM);
}

void
chan_gateway_sleeps(struct chan *chan, uint32_t bell)
{
    atomic_store(&chan->shared->gateway_asleep, bell);
}

void
chan_hint_core(struct chan *chan, uint32_t core)
{
    if (core != atomic_load_explicit(&chan->shared->core, memory_order_relaxed))
        atomic_store_explicit(&chan->shared->core, core, memory_order_relaxed);
}

uint32_t
chan_hinted_core(const struct chan *chan)
{
    return atomic_load_explicit(&chan->shared->core, memory_order_relaxed);
}

uint32_t
chan_gateway_wants_bell(struct chan *chan)
{
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&chan->shared->gateway_asleep, memory_order_relaxed) == 0)
        return 0;
    return atomic_exchange(&chan->shared->gateway_asleep, 0);
}

static bool
worker_may_go_on(struct chan *chan, size_t want_room, uint64_t serial)
{
    if (want_room == 0 && chan_ready(chan))
        return true;
    if (want_room > 0 && chan_room(chan) >= want_room)
        return true;
    return serial != 0 && atomic_load(&chan->shared->cancelled) == serial;
}

/* The gateway wakes the worker with the next frame: FRAME_RETIRE. */
bool
chan_worker_wait_revoked(struct chan *chan)
{
    struct chan_shared *shared = chan->shared;
    struct frame frame;
    _Atomic uint16_t *claim;

    if (chan_peek(chan, &frame) != 1 || frame.header.type != FRAME_REQUEST)
        return false;
    claim = claim_at(chan->in_bytes, chan->in_head);
    while (atomic_load(claim) == CLAIM_NONE) {
        uint32_t bell = atomic_load(&shared->worker_bell);

        atomic_store(&shared->worker_asleep, WORKER_WANTS_FRAME);
        atomic_thread_fence(memory_order_seq_cst);
        if (atomic_load(claim) == CLAIM_NONE)
            futex(&shared->worker_bell, FUTEX_WAIT, bell);
        atomic_store_explicit(&shared->worker_asleep, WORKER_AWAKE, memory_order_relaxed);
    }
    return true;
}

/* Until the gateway rings, or for so long; NULL: for ever. The word is read before the caller may
 * have to sleep, so that no ring in between is lost. */
static void
sleep_once(struct chan *chan, size_t want_room, uint64_t serial, const struct timespec *most)
{
    struct chan_shared *shared = chan->shared;
    uint32_t bell = atomic_load(&shared->worker_bell);

    atomic_store(&shared->worker_asleep, want_room > 0 ? WORKER_WANTS_ROOM : WORKER_WANTS_FRAME);
    atomic_thread_fence(memory_order_seq_cst);
    if (!worker_may_go_on(chan, want_room, serial))
        (void)syscall(SYS_futex, &shared->worker_bell, FUTEX_WAIT, bell, most, NULL, 0);
    atomic_store_explicit(&shared->worker_asleep, WORKER_AWAKE, memory_order_relaxed);
}

bool
chan_worker_wait_frame(struct chan *chan, int64_t most_ms)
{
    struct timespec most = {.tv_sec = most_ms / 1000, .tv_nsec = most_ms % 1000 * 1000000};

    if (!worker_may_go_on(chan, 0, 0))
        sleep_once(chan, 0, 0, &most);
    return worker_may_go_on(chan, 0, 0);
}

void
chan_worker_wait(struct chan *chan, size_t want_room, uint64_t serial)
{
    while (!worker_may_go_on(chan, want_room, serial))
        sleep_once(chan, want_room, serial, NULL);
}
