/* gzip.c: compresses what it is sent, of any length, in constant memory.
 *
 *     curl -X PUT … --data-binary @gzip.c '…/v1/functions/gzip?libs=z&stream=true&max_body=0'
 *     curl -T - http://localhost:8080/function/gzip <large >large.gz
 */
#include <hearth.h>
#include <string.h>
#include <zlib.h>

/* Writes what the compressor has made of its input so far; with Z_FINISH, all of it. */
static int
compress_on(hearth_call *call, z_stream *z, int how)
{
    unsigned char out[16384];

    do {
        z->next_out = out;
        z->avail_out = sizeof out;
        if (deflate(z, how) == Z_STREAM_ERROR)
            return -1;
        if (sizeof out > z->avail_out && hearth_write(call, out, sizeof out - z->avail_out) < 0)
            return -1;
    } while (z->avail_out == 0);
    return 0;
}

int
hearth_handle(hearth_call *call)
{
    unsigned char in[16384];
    z_stream z;
    ssize_t n;
    int status = 0;

    memset(&z, 0, sizeof z);
    if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return 1;
    hearth_set_header(call, "Content-Type", "application/gzip");
    while (status == 0 && (n = hearth_read(call, in, sizeof in)) > 0) {
        z.next_in = in;
        z.avail_in = (unsigned)n;
        status = compress_on(call, &z, Z_NO_FLUSH);
    }
    if (status == 0 && n == 0)
        status = compress_on(call, &z, Z_FINISH);
    deflateEnd(&z);
    return status != 0 || n < 0;
}
