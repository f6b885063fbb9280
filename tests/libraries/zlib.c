/* zlib.c: deflate and inflate at several levels, gzip, and checksums.
 *
 * package: zlib1g-dev
 * libs: z
 * pkgconfig: zlib
 */
#include <hearth.h>
#include <string.h>
#include <zlib.h>

int
hearth_handle(hearth_call *call)
{
    size_t n;
    const unsigned char *body = hearth_body(call, &n);
    size_t large = n * 2000;
    unsigned char *text = hearth_alloc(call, large), *again = hearth_alloc(call, large);
    unsigned char *packed = hearth_alloc(call, compressBound(large));
    int bad = 0;

    if (text == NULL || again == NULL || packed == NULL)
        return 1;
    for (size_t i = 0; i < 2000; i++) {
        memcpy(text + i * n, body, n);
        text[i * n + i % n] = (unsigned char)i;
    }
    for (int level = 1; level <= 9; level += 4) {
        uLongf size = compressBound(large), back = large;
        int ok = compress2(packed, &size, text, large, level) == Z_OK &&
                 uncompress(again, &back, packed, size) == Z_OK && back == large &&
                 memcmp(text, again, large) == 0;

        bad |= hearth_printf(call, "level %d: %lu bytes, same %d\n", level, size, ok);
        packed[size / 2] ^= 0x55;
        back = large;
        bad |= hearth_printf(call, "damaged: %d\n", uncompress(again, &back, packed, size) != Z_OK);
    }
    return bad | hearth_printf(call, "crc32 %08lx adler32 %08lx\n", crc32(0, text, large),
                               adler32(1, text, large));
}
