/* gmp.c: numbers of any size: a factorial, a power modulo a prime, and primes by GMP.
 *
 * package: libgmp-dev
 * libs: gmp
 * pkgconfig: gmp
 */
#include <stdio.h>

#include <gmp.h>
#include <hearth.h>
#include <stdlib.h>
#include <string.h>

static int
print(hearth_call *call, const char *name, const mpz_t n)
{
    char *text = mpz_get_str(NULL, 16, n);
    int bad = hearth_printf(call, "%s: %zu digits %s\n", name, strlen(text), text);

    free(text);
    return bad;
}

int
hearth_handle(hearth_call *call)
{
    size_t n;
    const void *body = hearth_body(call, &n);
    mpz_t a, p, r;
    mpf_t root;
    char line[128];
    int bad;

    mpz_inits(a, p, r, NULL);
    mpz_import(a, n, 1, 1, 0, 0, body);
    mpz_ui_pow_ui(p, 2, 521);
    mpz_sub_ui(p, p, 1);
    bad = hearth_printf(call, "prime: %d\n", mpz_probab_prime_p(p, 25) > 0);
    mpz_powm(r, a, a, p);
    bad |= print(call, "power", r);
    bad |= hearth_printf(call, "inverse: %d\n", mpz_invert(r, r, p) != 0);
    bad |= print(call, "inverse", r);
    mpz_fac_ui(r, 1000);
    bad |= print(call, "1000!", r);
    mpz_nextprime(r, a);
    bad |= print(call, "next prime", r);
    mpf_init2(root, 256);
    mpf_sqrt_ui(root, 2);
    gmp_snprintf(line, sizeof line, "%.60Ff", root);
    bad |= hearth_printf(call, "root of 2: %s\n", line);
    mpf_clear(root);
    mpz_clears(a, p, r, NULL);
    return bad;
}
