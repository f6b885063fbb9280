/* chunks.h: takes a chunked body apart (RFC 9112, 7.1). Pure. Extensions and trailers are checked
 * and dropped: nothing in them says anything about framing or the connection. */
#ifndef GATEWAY_CHUNKS_H
#define GATEWAY_CHUNKS_H

#include <stddef.h>
#include <stdint.h>

enum gw_chunk_event {
    GW_CHUNK_MORE, /* all bytes are consumed, and the body has not ended */
    GW_CHUNK_SIZE, /* `left` is the size of the chunk that begins; never 0 */
    GW_CHUNK_DATA,
    GW_CHUNK_END,
    GW_CHUNK_BAD,     /* malformed; `why` */
    GW_CHUNK_TOO_LONG /* extensions and trailers have too many bytes or fields */
};

struct gw_chunks {
    int state;
    uint64_t left;     /* bytes of the current chunk that have not come */
    uint32_t overhead; /* bytes of extensions, trailers, and superfluous zeros */
    uint32_t fields;   /* trailers */
    uint32_t at;       /* letters of the current token, digits of the size */
    const char *why;
};

/* Begins a body. */
void gw_chunks_begin(struct gw_chunks *chunks);
/* Consumes bytes up to the next event. Returns how many. DATA: *data has *data_n bytes, which lie
 * within `bytes`. */
size_t gw_chunks_take(struct gw_chunks *chunks, const unsigned char *bytes, size_t n,
                      enum gw_chunk_event *event, const unsigned char **data, size_t *data_n);

#endif
