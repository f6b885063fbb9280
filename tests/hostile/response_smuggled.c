/* response_smuggled.c: puts line breaks into a header field, to add a forged response to the
 * connection. */
#include "ring.h"

const char *
attack(hearth_call *call)
{
    static const char value[] = "a\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nX: ESCAPED";
    struct chan *chan = channel_of(call);
    uint16_t lens[2] = {1, sizeof value - 1};
    struct frame_response head = {.status = 200,
                                  .fields = 1,
                                  .fields_bytes = sizeof lens + 1 + sizeof value - 1,
                                  .declared = -1};
    unsigned char *payload;

    if (hearth_set_header(call, "X", value) == 0)
        return "the platform accepted the line breaks";
    payload = chan_reserve(chan, sizeof head + head.fields_bytes);
    memcpy(payload, &head, sizeof head);
    memcpy(payload + sizeof head, lens, sizeof lens);
    payload[sizeof head + sizeof lens] = 'X';
    memcpy(payload + sizeof head + sizeof lens + 1, value, sizeof value - 1);
    (void)chan_commit(chan, FRAME_RESPONSE, FRAME_END, serial_of(chan),
                      sizeof head + head.fields_bytes);
    return NULL;
}
