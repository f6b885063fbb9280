/* magick.c: ImageMagick's core: draws, blurs, resizes, and writes and reads a picture in
 * memory. Its coders are modules that it loads.
 *
 * package: libmagickwand-6.q16-dev
 * libs: MagickWand-6.Q16 MagickCore-6.Q16
 * pkgconfig: MagickWand
 * settings: memory=256M tmp=16M threads=4 timeout=20s
 */
#include <hearth.h>
#include <stdlib.h>
#include <wand/MagickWand.h>

int
hearth_init(void)
{
    MagickWandGenesis();
    return 0;
}

void
hearth_fini(void)
{
    MagickWandTerminus();
}

static int
say_error(hearth_call *call, MagickWand *w, const char *what)
{
    ExceptionType severity;
    char *text = MagickGetException(w, &severity);
    int bad = hearth_printf(call, "%s: %d %s\n", what, (int)severity, text);

    MagickRelinquishMemory(text);
    return bad;
}

int
hearth_handle(hearth_call *call)
{
    size_t n, len = 0;
    const unsigned char *body = hearth_body(call, &n);
    MagickWand *w = NewMagickWand(), *again = NewMagickWand();
    unsigned char *pixels = hearth_alloc(call, 200 * 100 * 3), *bytes = NULL;
    char *signature;
    int bad = 0;

    if (w == NULL || again == NULL || pixels == NULL || n == 0)
        return 1;
    for (size_t i = 0; i < 200 * 100 * 3; i++)
        pixels[i] = (unsigned char)(body[i / 600 % n] + i % 600 / 3);
    if (!MagickConstituteImage(w, 200, 100, "RGB", CharPixel, pixels) ||
        !MagickGaussianBlurImage(w, 0, 1.5) || !MagickResizeImage(w, 64, 32, LanczosFilter, 1) ||
        !MagickNegateImage(w, MagickFalse))
        bad |= say_error(call, w, "work");
    signature = MagickGetImageSignature(w);
    bad |= hearth_printf(call, "%zu x %zu %s\n", MagickGetImageWidth(w), MagickGetImageHeight(w),
                         signature);
    MagickRelinquishMemory(signature);
    if (!MagickSetImageFormat(w, "PPM") || (bytes = MagickGetImageBlob(w, &len)) == NULL)
        bad |= say_error(call, w, "write");
    else if (!MagickReadImageBlob(again, bytes, len))
        bad |= say_error(call, again, "read");
    else
        bad |= hearth_printf(call, "%zu bytes, again %zu x %zu\n", len, MagickGetImageWidth(again),
                             MagickGetImageHeight(again));
    MagickRelinquishMemory(bytes);
    if (!MagickReadImage(again, "/missing/file.png"))
        bad |= hearth_printf(call, "missing: %d\n", (int)MagickGetExceptionType(again));
    DestroyMagickWand(again);
    DestroyMagickWand(w);
    return bad;
}
