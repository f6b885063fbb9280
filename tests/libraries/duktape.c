/* duktape.c: a JavaScript engine: closures, regular expressions, JSON, dates, typed arrays.
 *
 * package: duktape-dev
 * libs: duktape
 * pkgconfig: duktape
 */
#include <duktape.h>
#include <hearth.h>

static const char script[] =
    "function run(body) {"
    " var words = body.match(/[^\\s.]+/g), count = {};"
    " words.forEach(function (w) { count[w.length] = (count[w.length] || 0) + 1; });"
    " var bytes = new Uint8Array(256);"
    " for (var i = 0; i < 1000; i++) bytes[i % 256] += i;"
    " var primes = []; outer: for (var n = 2; primes.length < 50; n++) {"
    "  for (var k = 0; k < primes.length; k++) if (n % primes[k] === 0) continue outer;"
    "  primes.push(n); }"
    " var failed; try { null.x; } catch (e) { failed = e.name; }"
    " return JSON.stringify({words: words.map(function (w) { return w.toUpperCase(); }).sort(),"
    "  count: count, sum: Array.prototype.reduce.call(bytes, function (a, b) { return a + b; }),"
    "  primes: primes.slice(-3), failed: failed, root: Math.sqrt(2), hex: (255).toString(16),"
    "  date: new Date(1700000000000).toISOString(), zone: new Date(0).getTimezoneOffset(),"
    "  now: Date.now() > 1700000000000, random: Math.random() !== Math.random()}, null, 1);"
    "}";

int
hearth_handle(hearth_call *call)
{
    size_t n;
    const char *body = hearth_body(call, &n);
    duk_context *c = duk_create_heap_default();
    int bad;

    if (c == NULL)
        return 1;
    if (duk_peval_string_noresult(c, script) != 0)
        return 1;
    duk_get_global_string(c, "run");
    duk_push_lstring(c, body, n);
    (void)duk_pcall(c, 1);
    bad = hearth_printf(call, "%s\n", duk_safe_to_string(c, -1));
    duk_destroy_heap(c);
    return bad;
}
