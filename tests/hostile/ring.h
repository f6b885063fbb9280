/* ring.h: for functions that find the channel of their worker, which is in their own memory, and
 * write into it. The platform's channel.h and channel.c are part of the bundle. */
#ifndef RING_H
#define RING_H

#include "attack.h"
#include "channel.h"

/* The worker's channel: struct hearth_call begins with a pointer to it. */
static inline struct chan *
channel_of(hearth_call *call)
{
    return *(struct chan **)(void *)call;
}

/* The same without a call: the worker's main has it on the stack, at a higher address. */
static inline struct chan *
channel_on_stack(void)
{
    uintptr_t *at = (uintptr_t *)__builtin_frame_address(0);

    for (; is_readable(at); at++) {
        struct chan *chan = (struct chan *)(void *)at;

        if (*at % 4096 == 0 && *at > 0x100000 && is_readable((void *)*at) &&
            *(uint32_t *)*at == 0x48727468u && chan->side == CHAN_WORKER)
            return chan;
    }
    return NULL;
}

/* Sends a complete response. */
static inline void
respond(struct chan *chan, uint64_t serial, const char *text)
{
    struct frame_response head = {.status = 200, .declared = -1};
    unsigned char *payload = chan_reserve(chan, sizeof head + strlen(text));

    if (payload == NULL)
        return;
    memcpy(payload, &head, sizeof head);
    memcpy(payload + sizeof head, text, strlen(text));
    (void)chan_commit(chan, FRAME_RESPONSE, FRAME_END, serial, sizeof head + strlen(text));
}

/* The serial of the current call: the last request in the ring. */
static inline uint64_t
serial_of(struct chan *chan)
{
    struct frame_header header;

    memcpy(&header, chan->in_bytes + chan->in_head % (256 * 1024), sizeof header);
    return header.serial;
}

static inline void
ring_bells(void)
{
    uint64_t one = 1;

    for (int fd = 64; fd < 64 + 64; fd++)
        if (write(fd, &one, sizeof one) != (ssize_t)sizeof one)
            return;
}

/* Reports ready and serves all calls from here on, so that the filter for running is never
 * installed. */
static inline void
serve_alone(struct chan *chan, const char *text)
{
    if (chan_reserve(chan, 0) == NULL)
        return;
    (void)chan_commit(chan, FRAME_READY, FRAME_END, 0, 0);
    ring_bells();
    for (;;) {
        struct frame frame;

        chan_worker_wait(chan, 0, 0);
        while (chan_peek(chan, &frame) == 1) {
            if (frame.header.type == FRAME_REQUEST && chan_claim(chan))
                respond(chan, frame.header.serial, text);
            chan_consume(chan, &frame);
        }
        ring_bells();
    }
}

#endif
