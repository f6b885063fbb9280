/* chunks.c: see chunks.h. One state per place in the grammar; the numbers are sections of RFC 9112
 * and 9110. */
#include "chunks.h"

#include <stdbool.h>
#include <string.h>

#include "fields.h"
#include "limits.h"

#define DIGITS_MOST 15 /* 2^60 */

enum state {
    SIZE,       /* digits */
    SIZE_SPACE, /* white space before an extension */
    EXT_NAME,   /* after ';' */
    EXT_NAME_SPACE,
    EXT_VALUE, /* after '=' */
    EXT_QUOTED,
    EXT_ESCAPED,
    EXT_VALUE_SPACE,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER, /* at the first byte of a line */
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    LAST_LF,
    ENDED
};

void
gw_chunks_begin(struct gw_chunks *chunks)
{
    memset(chunks, 0, sizeof *chunks);
}

static bool
is_space(unsigned char c)
{
    return c == ' ' || c == '\t';
}

static bool
is_token(unsigned char c)
{
    return field_name_ok((const char *)&c, 1);
}

static bool
is_text(unsigned char c)
{
    return field_value_ok((const char *)&c, 1);
}

static int
digit(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* What may follow the size, an extension's name, or its value. Returns -1 for anything else. */
static int
after_part(unsigned char c, int space)
{
    if (c == ';')
        return EXT_NAME;
    if (c == '\r')
        return SIZE_LF;
    return is_space(c) ? space : -1;
}

static int
after_size(struct gw_chunks *chunks, unsigned char c)
{
    int value = digit(c);

    if (value < 0)
        return chunks->at > 0 ? after_part(c, SIZE_SPACE) : -1;
    if (chunks->left == 0 && value == 0 && chunks->at > 0)
        chunks->overhead++;
    if (chunks->left >> (4 * DIGITS_MOST - 4) != 0)
        return -1;
    chunks->left = chunks->left << 4 | (unsigned)value;
    chunks->at++;
    return SIZE;
}

static int
after_ext_name(struct gw_chunks *chunks, unsigned char c)
{
    if (is_token(c)) {
        chunks->at++;
        return EXT_NAME;
    }
    if (chunks->at == 0)
        return is_space(c) ? EXT_NAME : -1;
    return c == '=' ? EXT_VALUE : after_part(c, EXT_NAME_SPACE);
}

static int
after_ext_value(struct gw_chunks *chunks, unsigned char c)
{
    if (is_token(c)) {
        chunks->at++;
        return EXT_VALUE;
    }
    if (chunks->at == 0)
        return c == '"' ? EXT_QUOTED : (is_space(c) ? EXT_VALUE : -1);
    return after_part(c, EXT_VALUE_SPACE);
}

static int
after_quoted(unsigned char c)
{
    if (c == '"')
        return EXT_VALUE_SPACE;
    if (c == '\\')
        return EXT_ESCAPED;
    return is_text(c) ? EXT_QUOTED : -1;
}

static int
after_trailer_name(struct gw_chunks *chunks, unsigned char c)
{
    if (is_token(c)) {
        chunks->at++;
        return TRAILER_NAME;
    }
    return c == ':' && chunks->at > 0 ? TRAILER_VALUE : -1;
}

/* The state after one byte outside of the data, or -1. */
static int
next_state(struct gw_chunks *chunks, unsigned char c)
{
    switch (chunks->state) {
    case SIZE:
        return after_size(chunks, c);
    case SIZE_SPACE: /* bad white space, which a recipient has to bear before ';' (7.1.1) */
    case EXT_VALUE_SPACE:
        return after_part(c, chunks->state);
    case EXT_NAME:
        return after_ext_name(chunks, c);
    case EXT_NAME_SPACE:
        return c == '=' ? EXT_VALUE : after_part(c, EXT_NAME_SPACE);
    case EXT_VALUE:
        return after_ext_value(chunks, c);
    case EXT_QUOTED:
        return after_quoted(c);
    case EXT_ESCAPED:
        return is_text(c) ? EXT_QUOTED : -1;
    case SIZE_LF:
        return c != '\n' ? -1 : (chunks->left > 0 ? DATA : TRAILER);
    case DATA_CR:
        return c == '\r' ? DATA_LF : -1;
    case DATA_LF:
        return c == '\n' ? SIZE : -1;
    case TRAILER:
        return c == '\r' ? LAST_LF : (is_token(c) ? TRAILER_NAME : -1);
    case TRAILER_NAME:
        return after_trailer_name(chunks, c);
    case TRAILER_VALUE:
        return c == '\r' ? TRAILER_LF : (is_text(c) ? TRAILER_VALUE : -1);
    case TRAILER_LF:
        return c == '\n' ? TRAILER : -1;
    default:
        return c == '\n' ? ENDED : -1; /* LAST_LF */
    }
}

static const char *
why_bad(int state)
{
    if (state <= SIZE_LF)
        return "a chunk's size or extension is malformed (7.1)";
    return state <= DATA_LF ? "a chunk's data does not end where its size says (7.1)"
                            : "a trailer is malformed (7.1.2)";
}

/* Bookkeeping of one step. */
static void
enter(struct gw_chunks *chunks, int state)
{
    int was = chunks->state;

    chunks->state = state;
    if (state == was)
        return;
    if (state == EXT_NAME || state == EXT_VALUE)
        chunks->at = 0;
    if (state == SIZE) {
        chunks->at = 0;
        chunks->left = 0;
    }
    if (state == TRAILER_NAME) {
        chunks->at = 1;
        chunks->fields++;
    }
}

size_t
gw_chunks_take(struct gw_chunks *chunks, const unsigned char *bytes, size_t n,
               enum gw_chunk_event *event, const unsigned char **data, size_t *data_n)
{
    size_t i = 0;

    *event = GW_CHUNK_MORE;
    if (chunks->state == DATA && n > 0) {
        *event = GW_CHUNK_DATA;
        *data = bytes;
        *data_n = chunks->left < n ? (size_t)chunks->left : n;
        chunks->left -= *data_n;
        if (chunks->left == 0)
            chunks->state = DATA_CR;
        return *data_n;
    }
    while (i < n && *event == GW_CHUNK_MORE) {
        int was = chunks->state, state = next_state(chunks, bytes[i]);

        if (state < 0) {
            chunks->why = why_bad(was);
            *event = GW_CHUNK_BAD;
            break;
        }
        i++;
        enter(chunks, state);
        chunks->overhead += (was >= SIZE_SPACE && was < SIZE_LF) || was >= TRAILER;
        if (chunks->overhead > LIMIT_HEAD || chunks->fields > LIMIT_FIELDS)
            *event = GW_CHUNK_TOO_LONG;
        else if (state == DATA)
            *event = GW_CHUNK_SIZE;
        else if (state == ENDED)
            *event = GW_CHUNK_END;
    }
    return i;
}
