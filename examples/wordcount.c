/* wordcount.c: lines, words and bytes of the body, as `wc < FILE` prints them.
 * Reads the body as a stream: one of any size passes in a few KiB of memory.
 *
 *   curl --data-binary @FILE localhost:8080/function/wordcount
 */
#include <hearth.h>
#include <stdbool.h>
#include <stdio.h>

struct count {
    unsigned long long lines, words, bytes;
    bool in_word;
};

/* As wc in the C locale: white space ends a word, a printable byte begins one. */
static void
count_bytes(struct count *count, const unsigned char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = bytes[i];

        if (c == '\n')
            count->lines++;
        if (c == ' ' || (c >= '\t' && c <= '\r')) {
            count->words += count->in_word;
            count->in_word = false;
        } else if (c > ' ' && c < 0x7f) {
            count->in_word = true;
        }
    }
    count->bytes += n;
}

int
hearth_handle(hearth_call *call)
{
    struct count count = {0};
    unsigned char bytes[16384];
    ssize_t n;
    int width;

    while ((n = hearth_read(call, bytes, sizeof bytes)) > 0)
        count_bytes(&count, bytes, (size_t)n);
    if (n < 0)
        return 1;
    count.words += count.in_word;
    width = snprintf(NULL, 0, "%llu", count.bytes);
    return hearth_printf(call, "%*llu %*llu %*llu\n", width, count.lines, width, count.words, width,
                         count.bytes);
}
