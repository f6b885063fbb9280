/* test_profile.c: what a worker sends of its allocations, and what tools read of it: folded stacks
 * and pprof's protobuf, which a decoder of this test reads back. Nothing that a worker or an object
 * says is trusted. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "elf_symbols.h"
#include "profile_data.h"
#include "run.h"

static const char sent[] = "f 1010 function.so 1010 ?\n"
                           "f 1200 function.so 1200 hearth_handle\n"
                           "f 7f00 libc.so.6 300 strdup\n"
                           "f 5500 hearth-worker 5500 ?\n"
                           "f 1010 function.so 1010 again\n"
                           "s 3 300 1 100 1010 1200 5500\n"
                           "s 2 20 0 0 7f00 1200\n"
                           "d 7\n";

static char *
print(void (*how)(const struct profile *, FILE *), const struct profile *profile, size_t *len)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, len);

    assert_non_null(out);
    how(profile, out);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void
allocated(const struct profile *profile, FILE *out)
{
    profile_print_folded(profile, false, out);
}

static void
live(const struct profile *profile, FILE *out)
{
    profile_print_folded(profile, true, out);
}

static void
pprof(const struct profile *profile, FILE *out)
{
    profile_print_pprof(profile, 1000, 2000, out);
}

static void
expect(const struct profile *profile, void (*how)(const struct profile *, FILE *),
       const char *wanted)
{
    size_t len;
    char *text = print(how, profile, &len);

    assert_string_equal(text, wanted);
    free(text);
}

static void
read_sent(struct profile *profile, const char *text)
{
    char *copy = strdup(text);

    assert_int_equal(profile_read(profile, copy), 0);
    free(copy);
}

static void
test_stacks_are_folded_from_the_function_on(void **state)
{
    struct elf_symbol symbol = {.from = 0x1000, .size = 0x20, .name = "a static;one"};
    struct elf_symbols symbols = {.list = &symbol, .count = 1};
    struct profile profile;

    (void)state;
    read_sent(&profile, sent);
    assert_int_equal(profile.dropped, 7);
    expect(&profile, allocated, "hearth_handle;strdup 20\nhearth_handle;function.so+0x1010 300\n");
    expect(&profile, live, "hearth_handle;function.so+0x1010 100\n");
    profile_name(&profile, &symbols);
    expect(&profile, live, "hearth_handle;a_static,one 100\n");
    profile_clear(&profile);
}

/* ---- a decoder for the message of pprof ---- */

struct reader {
    const unsigned char *at, *end;
};

static uint64_t
varint(struct reader *r)
{
    uint64_t n = 0;

    for (unsigned shift = 0;; shift += 7) {
        assert_true(r->at < r->end && shift < 64);
        n |= (uint64_t)(*r->at & 127) << shift;
        if ((*r->at++ & 128) == 0)
            return n;
    }
}

/* The next field: its number; *n is its value, or *part its bytes. 0: there is none. */
static unsigned
next_field(struct reader *r, uint64_t *n, struct reader *part)
{
    uint64_t key;

    if (r->at == r->end)
        return 0;
    key = varint(r);
    *n = varint(r);
    if ((key & 7) == 2) {
        assert_true(*n <= (uint64_t)(r->end - r->at));
        *part = (struct reader){r->at, r->at + *n};
        r->at += *n;
    } else {
        assert_int_equal(key & 7, 0);
    }
    return (unsigned)(key >> 3);
}

static void
test_pprof_reads_the_same_stacks(void **state)
{
    enum { STRINGS = 32 };
    struct profile profile;
    struct reader r, part = {0}, strings[STRINGS] = {{0}};
    uint64_t n, names[16] = {0}, values[2][4] = {{0}}, locations[2][4] = {{0}};
    struct reader none = {0};
    unsigned field, strings_count = 0, types = 0, samples = 0;
    size_t len;
    char *bytes;

    (void)state;
    read_sent(&profile, sent);
    bytes = print(pprof, &profile, &len);
    r = (struct reader){(const unsigned char *)bytes, (const unsigned char *)bytes + len};
    while ((field = next_field(&r, &n, &part)) != 0) {
        unsigned inner, k = 0, v = 0;

        if (field == 6) {
            assert_true(strings_count < STRINGS);
            strings[strings_count++] = part;
        } else if (field == 1) {
            types++;
        } else if (field == 5) { /* function: id, name */
            assert_int_equal(next_field(&part, &n, &none), 1);
            assert_int_equal(next_field(&part, &names[n], &none), 2);
        } else if (field == 2) {
            while ((inner = next_field(&part, &n, &none)) != 0) {
                if (inner == 1)
                    locations[samples][k++] = n;
                else
                    values[samples][v++] = n;
            }
            samples++;
        }
    }
    assert_int_equal(types, 4);
    assert_int_equal(samples, 2);
    assert_int_equal(values[0][0], 2);
    assert_int_equal(values[0][1], 20);
    assert_int_equal(values[1][1], 300);
    assert_int_equal(values[1][3], 100);
    /* the second sample: innermost first, and not the worker's frame */
    assert_int_equal(locations[1][2], 0);
    for (int i = 0; i < 2; i++) {
        static const char *const wanted[] = {"function.so+0x1010", "hearth_handle"};
        struct reader name = strings[names[locations[1][i]]];

        assert_int_equal(name.end - name.at, strlen(wanted[i]));
        assert_memory_equal(name.at, wanted[i], strlen(wanted[i]));
    }
    free(bytes);
    profile_clear(&profile);
}

/* Any bytes are either read, or refused; either can be printed and cleared. */
static void
test_what_a_worker_sends_is_not_trusted(void **state)
{
    static const char alphabet[] = "fsd 0123456789abcdef.;?\n\x01\xff";
    uint64_t seed = run_seed();

    (void)state;
    for (int round = 0; round < 3000; round++) {
        char text[400];
        size_t n = 0, len;
        struct profile profile;

        for (; n < sizeof text - 1; n++) {
            seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            text[n] = alphabet[(seed >> 33) % (sizeof alphabet - 1)];
            if ((seed >> 50) % 200 == 0)
                break;
        }
        text[n] = '\0';
        if (round % 2 == 0) /* begins as it should */
            memcpy(text, sent, sizeof sent - 1 < n ? sizeof sent - 1 : n);
        if (profile_read(&profile, text) == 0) {
            free(print(allocated, &profile, &len));
            free(print(pprof, &profile, &len));
        }
        profile_clear(&profile);
    }
}

/* A few bytes must not become much memory, or much work. */
static void
test_a_profile_has_so_many_stacks_and_frames(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++) {
        struct profile profile;
        char *text = NULL;
        size_t len;
        FILE *out = open_memstream(&text, &len);

        for (unsigned i = 1; i <= PROFILE_FRAMES + 1; i++)
            if (k == 0)
                (void)fputs("s \n", out);
            else
                (void)fprintf(out, "f %x a 1 b\n", i);
        assert_int_equal(fclose(out), 0);
        assert_int_equal(profile_read(&profile, text), -EINVAL);
        profile_clear(&profile);
        free(text);
    }
}

/* ---- symbols ---- */

static unsigned char *
own_bytes(size_t *len)
{
    FILE *file = fopen("/proc/self/exe", "re");
    unsigned char *bytes = malloc(8 << 20);

    assert_non_null(file);
    assert_non_null(bytes);
    *len = fread(bytes, 1, 8 << 20, file);
    (void)fclose(file);
    return bytes;
}

static void
test_static_functions_are_found_by_their_offset(void **state)
{
    struct elf_symbols symbols;
    size_t len;
    unsigned char *bytes = own_bytes(&len);
    bool found = false;

    (void)state;
    assert_int_equal(elf_symbols_read(&symbols, bytes, len), 0);
    for (size_t i = 0; i < symbols.count; i++)
        if (strcmp(symbols.list[i].name, "own_bytes") == 0) {
            found = true;
            assert_string_equal(elf_symbols_find(&symbols, symbols.list[i].from + 1), "own_bytes");
        }
    assert_true(found);
    assert_null(elf_symbols_find(&symbols, 0));
    assert_null(elf_symbols_find(&symbols, UINT64_MAX));
    elf_symbols_clear(&symbols);
    free(bytes);
}

static void
test_a_damaged_object_is_not_trusted(void **state)
{
    uint64_t seed = run_seed();
    size_t len;
    unsigned char *bytes = own_bytes(&len), *copy = malloc(len);

    (void)state;
    for (int round = 0; round < 300; round++) {
        struct elf_symbols symbols;
        size_t cut = len;

        memcpy(copy, bytes, len);
        for (int i = 0; i < 4; i++) { /* in the head, or in the table of sections */
            uint64_t shoff;
            size_t at;

            memcpy(&shoff, bytes + 40, sizeof shoff);
            seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            at = (seed >> 20) % 3 == 0 ? (seed >> 33) % 64 : shoff + (seed >> 33) % (len - shoff);
            copy[at] = (unsigned char)(seed >> 40);
        }
        if (round % 5 == 0)
            cut = (size_t)(seed >> 30) % len;
        if (elf_symbols_read(&symbols, copy, cut) == 0)
            for (uint64_t at = 0; at < len; at += 97) {
                const char *name = elf_symbols_find(&symbols, at);

                if (name != NULL)
                    assert_true(strlen(name) < cut);
            }
        elf_symbols_clear(&symbols);
    }
    free(copy);
    free(bytes);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stacks_are_folded_from_the_function_on),
        cmocka_unit_test(test_pprof_reads_the_same_stacks),
        cmocka_unit_test(test_what_a_worker_sends_is_not_trusted),
        cmocka_unit_test(test_a_profile_has_so_many_stacks_and_frames),
        cmocka_unit_test(test_static_functions_are_found_by_their_offset),
        cmocka_unit_test(test_a_damaged_object_is_not_trusted),
    };

    return RUN_TESTS("profile", tests, NULL, NULL);
}
