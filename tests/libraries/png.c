/* png.c: writes a PNG picture into memory by libpng, reads it again, and compares.
 *
 * package: libpng-dev
 * libs: png16 z
 * pkgconfig: libpng16
 */
#include <hearth.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { WIDTH = 320, HEIGHT = 200 };

struct memory {
    unsigned char *bytes;
    size_t len, at;
};

static void
on_write(png_structp png, png_bytep bytes, size_t n)
{
    struct memory *m = png_get_io_ptr(png);

    m->bytes = realloc(m->bytes, m->len + n);
    if (m->bytes == NULL)
        png_error(png, "no memory");
    memcpy(m->bytes + m->len, bytes, n);
    m->len += n;
}

static void
on_read(png_structp png, png_bytep bytes, size_t n)
{
    struct memory *m = png_get_io_ptr(png);

    if (m->len - m->at < n)
        png_error(png, "truncated");
    memcpy(bytes, m->bytes + m->at, n);
    m->at += n;
}

static void
on_error(png_structp png, png_const_charp text)
{
    (void)text;
    longjmp(png_jmpbuf(png), 1);
}

static void
on_warning(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

static int
encode(struct memory *m, unsigned char **rows)
{
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, on_error, on_warning);
    png_infop info = png_create_info_struct(png);

    if (setjmp(png_jmpbuf(png))) {
        png_destroy_write_struct(&png, &info);
        return -1;
    }
    png_set_write_fn(png, m, on_write, NULL);
    png_set_IHDR(png, info, WIDTH, HEIGHT, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_ADAM7,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_set_rows(png, info, rows);
    png_write_png(png, info, PNG_TRANSFORM_IDENTITY, NULL);
    png_destroy_write_struct(&png, &info);
    return 0;
}

/* The CRC-32 of the pixels; 0 where it is no picture. */
static unsigned long
decode(struct memory *m)
{
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, NULL, on_error, on_warning);
    png_infop info = png_create_info_struct(png);
    unsigned long crc = crc32(0, NULL, 0);

    if (setjmp(png_jmpbuf(png))) {
        png_destroy_read_struct(&png, &info, NULL);
        return 0;
    }
    png_set_read_fn(png, m, on_read);
    png_read_png(png, info, PNG_TRANSFORM_IDENTITY, NULL);
    for (unsigned int y = 0; y < png_get_image_height(png, info); y++)
        crc = crc32(crc, png_get_rows(png, info)[y], 3 * png_get_image_width(png, info));
    png_destroy_read_struct(&png, &info, NULL);
    return crc;
}

int
hearth_handle(hearth_call *call)
{
    size_t n;
    const unsigned char *body = hearth_body(call, &n);
    unsigned char *pixels = hearth_alloc(call, 3UL * WIDTH * HEIGHT), *rows[HEIGHT];
    struct memory m = {0};
    int bad;

    if (pixels == NULL || n == 0)
        return 1;
    for (size_t i = 0; i < 3UL * WIDTH * HEIGHT; i++)
        pixels[i] = (unsigned char)(body[i / 960 % n] + i % 960 / 4);
    for (size_t y = 0; y < HEIGHT; y++)
        rows[y] = pixels + y * 3 * WIDTH;
    if (encode(&m, rows) != 0)
        return 1;
    bad = hearth_printf(call, "encoded: %zu bytes\n", m.len);
    bad |= hearth_printf(call, "pixels: %08lx decoded: %08lx\n",
                         crc32(0, pixels, 3 * WIDTH * HEIGHT), decode(&m));
    m.at = 0;
    m.bytes[m.len / 2] ^= 0x55;
    bad |= hearth_printf(call, "damaged: %08lx\n", decode(&m));
    free(m.bytes);
    return bad;
}
