/* main.c: Argon2, as the npm package of its name carries it, with its file for AVX2, in two
 * threads. */
#include <argon2.h>
#include <hearth.h>
#include <string.h>

int
hearth_handle(hearth_call *call)
{
    size_t n;
    const char *body = hearth_body(call, &n);
    unsigned char hash[32];
    char text[256];
    int bad, status;

    if (!__builtin_cpu_supports("avx2"))
        return hearth_printf(call, "no AVX2\n");
    status = argon2id_hash_raw(2, 8192, 2, body, n, "hearth's salt", 13, hash, sizeof hash);
    bad = hearth_printf(call, "raw: %s ", argon2_error_message(status));
    for (size_t i = 0; i < sizeof hash; i++)
        bad |= hearth_printf(call, "%02x", hash[i]);
    status = argon2i_hash_encoded(2, 4096, 1, body, n, "hearth's salt", 13, 24, text, sizeof text);
    bad |= hearth_printf(call, "\nencoded: %s %s\n", argon2_error_message(status), text);
    bad |= hearth_printf(call, "right: %s\n", argon2_error_message(argon2i_verify(text, body, n)));
    bad |= hearth_printf(call, "wrong: %s\n", argon2_error_message(argon2i_verify(text, "x", 1)));
    return bad;
}
