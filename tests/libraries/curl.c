/* curl.c: libcurl where there is no network: a name does not resolve, an address is not
 * reached, each with an error of libcurl; what needs no network works.
 *
 * package: libcurl4-openssl-dev
 * libs: curl
 * pkgconfig: libcurl
 * expect: name: 6 Couldn't resolve host name
 * expect: address: 7 Couldn't connect to server
 */
#include <curl/curl.h>
#include <hearth.h>
#include <string.h>

static size_t
on_bytes(char *bytes, size_t size, size_t n, void *user)
{
    (void)bytes;
    *(size_t *)user += size * n;
    return size * n;
}

/* A transfer of a URL; how it ended. */
static int
fetch(hearth_call *call, const char *name, const char *url)
{
    CURL *c = curl_easy_init();
    size_t got = 0;
    CURLcode code;

    if (c == NULL)
        return hearth_printf(call, "%s: no handle\n", name);
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, &got);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, 2000L);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    code = curl_easy_perform(c);
    curl_easy_cleanup(c);
    return hearth_printf(call, "%s: %d %s\n", name, code, curl_easy_strerror(code));
}

int
hearth_handle(hearth_call *call)
{
    size_t n;
    const char *body = hearth_body(call, &n);
    CURL *c = curl_easy_init();
    CURLU *url = curl_url();
    char *text, *part = NULL;
    int bad;

    if (c == NULL || url == NULL)
        return 1;
    text = curl_easy_escape(c, body, (int)n);
    bad = hearth_printf(call, "escaped: %s\n", text);
    curl_url_set(url, CURLUPART_URL, "https://user@example.com:8443/a/../b?q=1#f", 0);
    curl_url_get(url, CURLUPART_PATH, &part, 0);
    bad |= hearth_printf(call, "path: %s\n", part);
    curl_free(part);
    curl_free(text);
    curl_url_cleanup(url);
    curl_easy_cleanup(c);
    bad |= hearth_printf(call, "tls: %d\n",
                         (curl_version_info(CURLVERSION_NOW)->features & CURL_VERSION_SSL) != 0);
    bad |= fetch(call, "name", "https://hearth.invalid/");
    bad |= fetch(call, "address", "http://127.0.0.1:9/");
    bad |= fetch(call, "file", "file:///missing/file");
    return bad | fetch(call, "scheme", "nothing://x/");
}
