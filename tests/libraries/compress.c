/* compress.c: bzip2, LZ4, Zstandard and Brotli: there and back, and damaged input.
 *
 * package: libbz2-dev liblz4-dev libzstd-dev libbrotli-dev
 * libs: bz2 lz4 zstd brotlienc brotlidec
 * pkgconfig: liblz4 libzstd libbrotlienc libbrotlidec
 * settings: memory=128M
 */
#include <brotli/decode.h>
#include <brotli/encode.h>
#include <bzlib.h>
#include <hearth.h>
#include <lz4.h>
#include <lz4hc.h>
#include <stdbool.h>
#include <string.h>
#include <zstd.h>

struct room {
    char *text, *packed, *again;
    size_t n, packed_room;
};

static int
say(hearth_call *call, const char *name, const struct room *r, size_t packed, bool back)
{
    return hearth_printf(call, "%s: %zu of %zu bytes, same %d\n", name, packed, r->n,
                         back && memcmp(r->text, r->again, r->n) == 0);
}

static int
use_bzip2(hearth_call *call, struct room *r)
{
    unsigned int packed = (unsigned int)r->packed_room, n = (unsigned int)r->n;
    bool ok = BZ2_bzBuffToBuffCompress(r->packed, &packed, r->text, n, 9, 0, 0) == BZ_OK &&
              BZ2_bzBuffToBuffDecompress(r->again, &n, r->packed, packed, 0, 0) == BZ_OK;
    int bad = say(call, "bzip2", r, packed, ok);

    r->packed[packed / 2] ^= 0x55;
    n = (unsigned int)r->n;
    return bad | hearth_printf(call, "damaged: %d\n",
                               BZ2_bzBuffToBuffDecompress(r->again, &n, r->packed, packed, 0, 0) !=
                                   BZ_OK);
}

static int
use_lz4(hearth_call *call, struct room *r)
{
    int n = LZ4_compress_default(r->text, r->packed, (int)r->n, (int)r->packed_room);
    int bad = say(call, "lz4", r, (size_t)n,
                  LZ4_decompress_safe(r->packed, r->again, n, (int)r->n) == (int)r->n);

    n = LZ4_compress_HC(r->text, r->packed, (int)r->n, (int)r->packed_room, 9);
    bad |= say(call, "lz4hc", r, (size_t)n,
               LZ4_decompress_safe(r->packed, r->again, n, (int)r->n) == (int)r->n);
    return bad | hearth_printf(call, "cut: %d\n",
                               LZ4_decompress_safe(r->packed, r->again, n / 2, (int)r->n) < 0);
}

static int
use_zstd(hearth_call *call, struct room *r)
{
    int bad = 0;

    for (int level = 1; level <= 19; level += 9) {
        size_t n = ZSTD_compress(r->packed, r->packed_room, r->text, r->n, level);

        if (ZSTD_isError(n))
            return bad | hearth_printf(call, "zstd: %s\n", ZSTD_getErrorName(n));
        bad |= say(call, "zstd", r, n, ZSTD_decompress(r->again, r->n, r->packed, n) == r->n);
        bad |= hearth_printf(call, "cut: %s\n",
                             ZSTD_getErrorName(ZSTD_decompress(r->again, r->n, r->packed, n / 2)));
    }
    return bad;
}

static int
use_brotli(hearth_call *call, struct room *r)
{
    size_t packed = r->packed_room, n = r->n;
    bool ok = BrotliEncoderCompress(5, BROTLI_DEFAULT_WINDOW, BROTLI_MODE_TEXT, r->n,
                                    (const uint8_t *)r->text, &packed, (uint8_t *)r->packed) &&
              BrotliDecoderDecompress(packed, (const uint8_t *)r->packed, &n,
                                      (uint8_t *)r->again) == BROTLI_DECODER_RESULT_SUCCESS;

    return say(call, "brotli", r, packed, ok && n == r->n);
}

int
hearth_handle(hearth_call *call)
{
    size_t n;
    const char *body = hearth_body(call, &n);
    struct room r = {.n = 200000, .packed_room = 250000};

    r.text = hearth_alloc(call, r.n);
    r.packed = hearth_alloc(call, r.packed_room);
    r.again = hearth_alloc(call, r.n);
    if (r.text == NULL || r.packed == NULL || r.again == NULL || n == 0)
        return 1;
    for (size_t i = 0; i < r.n; i++)
        r.text[i] = (char)(body[i % n] ^ (i % 97 == 0 ? i / 97 : 0));
    return use_bzip2(call, &r) | use_lz4(call, &r) | use_zstd(call, &r) | use_brotli(call, &r);
}
