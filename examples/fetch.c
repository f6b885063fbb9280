/* fetch.c: passes on what an HTTP server answers. The handle of libcurl is kept from call to call,
 * and with it the connection and its TLS session.
 *
 *   hearth deploy fetch.c --libs curl --network example.com:443 \
 *     --env '{"URL":"https://example.com/"}'
 *   hearth call fetch
 */
#include <curl/curl.h>
#include <hearth.h>

static CURL *curl;

int
hearth_init(void)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
        return 1;
    curl = curl_easy_init();
    return curl == NULL;
}

static size_t
on_bytes(char *bytes, size_t size, size_t n, void *call)
{
    return hearth_write(call, bytes, size * n) == 0 ? size * n : 0;
}

int
hearth_handle(hearth_call *call)
{
    const char *url = hearth_env("URL"), *authorities = hearth_env("CA");
    char error[CURL_ERROR_SIZE] = "";
    CURLcode code;

    curl_easy_reset(curl); /* the options; connections stay */
    curl_easy_setopt(curl, CURLOPT_URL, url != NULL ? url : "https://example.com/");
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)hearth_deadline_ms(call) * 7 / 8);
    if (authorities != NULL) { /* certificates to trust, as text */
        struct curl_blob blob = {.data = (void *)authorities, .len = __builtin_strlen(authorities)};

        curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &blob);
    }
    code = curl_easy_perform(curl);
    if (code == CURLE_OK)
        return 0;
    (void)hearth_log(call, HEARTH_ERROR, "%s: %s", curl_easy_strerror(code), error);
    if (hearth_status(call, 502) != 0)
        return 1; /* a part was sent already */
    return hearth_printf(call, "the other server does not answer\n");
}
