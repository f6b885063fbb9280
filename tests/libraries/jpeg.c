/* jpeg.c: writes a JPEG picture into memory by libjpeg, and reads it again.
 *
 * package: libjpeg-dev
 * libs: jpeg
 * pkgconfig: libjpeg
 */
#include <stdio.h>

#include <hearth.h>
#include <jpeglib.h>
#include <setjmp.h>
#include <stdlib.h>

enum { WIDTH = 320, HEIGHT = 200 };

struct errors {
    struct jpeg_error_mgr base;
    jmp_buf out;
};

static void
on_error(j_common_ptr c)
{
    longjmp(((struct errors *)c->err)->out, 1);
}

static void
encode(unsigned char *pixels, int quality, unsigned char **bytes, unsigned long *n)
{
    struct jpeg_compress_struct c;
    struct errors e;

    c.err = jpeg_std_error(&e.base);
    e.base.error_exit = on_error;
    if (setjmp(e.out))
        return;
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, bytes, n);
    c.image_width = WIDTH;
    c.image_height = HEIGHT;
    c.input_components = 3;
    c.in_color_space = JCS_RGB;
    jpeg_set_defaults(&c);
    jpeg_set_quality(&c, quality, TRUE);
    jpeg_simple_progression(&c);
    jpeg_start_compress(&c, TRUE);
    while (c.next_scanline < c.image_height) {
        JSAMPROW row = pixels + 3 * WIDTH * c.next_scanline;

        jpeg_write_scanlines(&c, &row, 1);
    }
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
}

/* The sum of the absolute differences to the pixels; -1 where it is no picture. */
static long
decode(const unsigned char *bytes, unsigned long n, const unsigned char *pixels)
{
    struct jpeg_decompress_struct d;
    unsigned char line[3 * WIDTH], *row = line;
    volatile long difference = 0;
    struct errors e;

    d.err = jpeg_std_error(&e.base);
    e.base.error_exit = on_error;
    jpeg_create_decompress(&d);
    if (setjmp(e.out)) {
        jpeg_destroy_decompress(&d);
        return -1;
    }
    jpeg_mem_src(&d, bytes, n);
    jpeg_read_header(&d, TRUE);
    jpeg_start_decompress(&d);
    while (d.output_scanline < d.output_height) {
        const unsigned char *want = pixels + 3 * WIDTH * d.output_scanline;

        jpeg_read_scanlines(&d, &row, 1);
        for (int i = 0; i < 3 * WIDTH; i++)
            difference += abs(line[i] - want[i]);
    }
    jpeg_finish_decompress(&d);
    jpeg_destroy_decompress(&d);
    return difference;
}

int
hearth_handle(hearth_call *call)
{
    size_t n;
    const unsigned char *body = hearth_body(call, &n);
    unsigned char *pixels = hearth_alloc(call, 3UL * WIDTH * HEIGHT);
    int bad = 0;

    if (pixels == NULL || n == 0)
        return 1;
    for (size_t i = 0; i < 3UL * WIDTH * HEIGHT; i++)
        pixels[i] = (unsigned char)(body[i / 9600 % n] / 2 + i % 960 / 8);
    for (int quality = 25; quality <= 100; quality += 25) {
        unsigned char *bytes = NULL;
        unsigned long len = 0;

        encode(pixels, quality, &bytes, &len);
        bad |= hearth_printf(call, "quality %d: %lu bytes, off by %ld\n", quality, len,
                             decode(bytes, len, pixels));
        free(bytes);
    }
    return bad | hearth_printf(call, "no picture: %ld\n", decode(body, n, pixels));
}
