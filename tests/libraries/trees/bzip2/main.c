/* main.c: bzip2's library from its source tree, beside its programs, which are not built. */
#include "bzlib.h"

#include <hearth.h>
#include <stdlib.h>
#include <string.h>

int
hearth_handle(hearth_call *call)
{
    enum { N = 300000 };
    size_t n;
    const char *body = hearth_body(call, &n);
    unsigned int packed = N + N / 100 + 600, back = N, sum = 0;
    char *text = hearth_alloc(call, N), *bytes = hearth_alloc(call, packed);
    char *again = hearth_alloc(call, N);
    int bad, status;

    if (text == NULL || bytes == NULL || again == NULL || n == 0)
        return 1;
    for (size_t i = 0; i < N; i++)
        text[i] = (char)(body[i % n] + i / 1000);
    status = BZ2_bzBuffToBuffCompress(bytes, &packed, text, N, 9, 0, 0);
    for (unsigned int i = 0; i < packed; i++)
        sum = sum * 31 + (unsigned char)bytes[i];
    bad = hearth_printf(call, "%s: %d, %u bytes %08x\n", BZ2_bzlibVersion(), status, packed, sum);
    status = BZ2_bzBuffToBuffDecompress(again, &back, bytes, packed, 0, 0);
    bad |= hearth_printf(call, "back: %d same: %d\n", status, memcmp(text, again, N) == 0);
    return bad | hearth_printf(call, "cut: %d\n",
                               BZ2_bzBuffToBuffDecompress(again, &back, bytes, packed / 2, 0, 0));
}
