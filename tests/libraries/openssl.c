/* openssl.c: OpenSSL's HMAC, AES-256-GCM, PBKDF2, an Ed25519 signature, and random bytes.
 *
 * package: libssl-dev
 * libs: crypto
 * pkgconfig: libcrypto
 */
#include <hearth.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <string.h>

static int
print_hex(hearth_call *call, const char *name, const unsigned char *bytes, size_t n)
{
    int bad = hearth_printf(call, "%s: ", name);

    for (size_t i = 0; i < n; i++)
        bad |= hearth_printf(call, "%02x", bytes[i]);
    return bad | hearth_printf(call, "\n");
}

/* Encrypts in place, decrypts again, and decrypts once with a wrong tag. */
static int
seal(hearth_call *call, const unsigned char *text, int n)
{
    static const unsigned char key[32] = "0123456789abcdef0123456789abcde", iv[12] = "hearth nonc";
    unsigned char *sealed = hearth_alloc(call, (size_t)n + 16), *plain, tag[16];
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    int got, ok, forged, bad;

    plain = hearth_alloc(call, (size_t)n + 16);
    EVP_EncryptInit_ex(c, EVP_aes_256_gcm(), NULL, key, iv);
    EVP_EncryptUpdate(c, sealed, &got, text, n);
    EVP_EncryptFinal_ex(c, sealed + got, &got);
    EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, sizeof tag, tag);
    bad = print_hex(call, "gcm", sealed, (size_t)n) | print_hex(call, "tag", tag, sizeof tag);
    EVP_DecryptInit_ex(c, EVP_aes_256_gcm(), NULL, key, iv);
    EVP_DecryptUpdate(c, plain, &got, sealed, n);
    EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, sizeof tag, tag);
    ok = EVP_DecryptFinal_ex(c, plain + got, &got) == 1 && memcmp(plain, text, (size_t)n) == 0;
    tag[0] ^= 1;
    EVP_DecryptInit_ex(c, EVP_aes_256_gcm(), NULL, key, iv);
    EVP_DecryptUpdate(c, plain, &got, sealed, n);
    EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, sizeof tag, tag);
    forged = EVP_DecryptFinal_ex(c, plain + got, &got) == 1;
    EVP_CIPHER_CTX_free(c);
    return bad | hearth_printf(call, "opened: %d forged: %d\n", ok, forged);
}

static int
sign(hearth_call *call, const unsigned char *text, size_t n)
{
    static const unsigned char seed[32] = "hearth hearth hearth hearth 1234";
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof seed);
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    unsigned char signature[64];
    size_t len = sizeof signature;
    int bad;

    EVP_DigestSignInit(c, NULL, NULL, NULL, key);
    EVP_DigestSign(c, signature, &len, text, n);
    bad = print_hex(call, "ed25519", signature, len);
    EVP_MD_CTX_reset(c);
    EVP_DigestVerifyInit(c, NULL, NULL, NULL, key);
    bad |= hearth_printf(call, "verified: %d\n", EVP_DigestVerify(c, signature, len, text, n));
    EVP_MD_CTX_free(c);
    EVP_PKEY_free(key);
    return bad;
}

int
hearth_handle(hearth_call *call)
{
    size_t n;
    const unsigned char *body = hearth_body(call, &n);
    unsigned char mac[EVP_MAX_MD_SIZE], derived[32], a[16], b[16];
    unsigned int mac_len = 0;
    int bad;

    if (body == NULL)
        return 1;
    HMAC(EVP_sha256(), "key", 3, body, n, mac, &mac_len);
    bad = print_hex(call, "hmac", mac, mac_len);
    bad |= seal(call, body, (int)n);
    PKCS5_PBKDF2_HMAC((const char *)body, (int)n, (const unsigned char *)"salt", 4, 1000,
                      EVP_sha512(), sizeof derived, derived);
    bad |= print_hex(call, "pbkdf2", derived, sizeof derived);
    bad |= sign(call, body, n);
    bad |= hearth_printf(call, "random: %d %d differ: %d\n", RAND_bytes(a, sizeof a),
                         RAND_bytes(b, sizeof b), memcmp(a, b, sizeof a) != 0);
    return bad;
}
