/* sodium.c: libsodium's secret box, signature, hash, password hash, and guarded memory, which
 * it locks and protects.
 *
 * package: libsodium-dev
 * libs: sodium
 * pkgconfig: libsodium
 */
#include <hearth.h>
#include <sodium.h>
#include <string.h>

static int
print_hex(hearth_call *call, const char *name, const unsigned char *bytes, size_t n)
{
    char hex[257];

    return hearth_printf(call, "%s: %s\n", name, sodium_bin2hex(hex, sizeof hex, bytes, n));
}

int
hearth_handle(hearth_call *call)
{
    static const unsigned char seed[32] = "hearth", nonce[24] = "nonce", salt[16] = "salt";
    size_t n;
    const unsigned char *body = hearth_body(call, &n);
    unsigned char public_key[32], secret_key[64], signature[64], hash[32], key[32], a[16], b[16];
    unsigned char *box = hearth_alloc(call, n + 16), *guarded;
    int bad;

    if (box == NULL || sodium_init() < 0)
        return 1;
    crypto_generichash(hash, sizeof hash, body, n, NULL, 0);
    bad = print_hex(call, "blake2b", hash, sizeof hash);
    crypto_sign_seed_keypair(public_key, secret_key, seed);
    crypto_sign_detached(signature, NULL, body, n, secret_key);
    bad |= print_hex(call, "signature", signature, sizeof signature);
    bad |= hearth_printf(call, "verified: %d\n",
                         crypto_sign_verify_detached(signature, body, n, public_key));
    bad |= hearth_printf(call, "argon2id: %d\n",
                         crypto_pwhash(key, sizeof key, (const char *)body, n, salt, 1, 8 << 20,
                                       crypto_pwhash_ALG_ARGON2ID13));
    bad |= print_hex(call, "key", key, sizeof key);
    crypto_secretbox_easy(box, body, n, nonce, key);
    bad |= print_hex(call, "box", box, n + 16 < 128 ? n + 16 : 128);
    box[3] ^= 1;
    bad |= hearth_printf(call, "forged: %d\n",
                         crypto_secretbox_open_easy(box, box, n + 16, nonce, key));
    guarded = sodium_malloc(n);
    if (guarded == NULL)
        return hearth_printf(call, "guarded: none\n");
    memcpy(guarded, body, n);
    bad |= hearth_printf(call, "no access: %d\n", sodium_mprotect_noaccess(guarded));
    bad |= hearth_printf(call, "read only: %d\n", sodium_mprotect_readonly(guarded));
    bad |= hearth_printf(call, "guarded: %d\n", memcmp(guarded, body, n));
    sodium_free(guarded);
    randombytes_buf(a, sizeof a);
    randombytes_buf(b, sizeof b);
    return bad | hearth_printf(call, "random: %d\n", memcmp(a, b, sizeof a) != 0);
}
