/* main.c: hearth-exporter: takes traced calls from the gateway and sends them to a collector, in
 * batches (OTLP over HTTP). The launcher starts it if the option otlp is set. It is the only
 * process that talks to other hosts; it runs as a user of its own, and knows nothing but what it is
 * sent.
 *
 *   hearth-exporter URL [--log_format=...]
 *
 * While a batch is on its way, records wait in the socket; when that is full the gateway drops.
 */
#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "inherit.h"
#include "log.h"
#include "otlp.h"

#define BATCH_SPANS 512
#define BATCH_MS    1000
#define POST_MS     10000L
#define TRIES       3
#define SAY_MS      60000

static struct exporter {
    CURL *curl;
    struct otlp batch;
    char host[256];
    uint64_t dropped; /* spans, since it was said last */
    int64_t said_ms;
} exporter;

static size_t
ignore(char *bytes, size_t size, size_t n, void *user)
{
    (void)bytes;
    (void)user;
    return size * n;
}

static int
open_curl(const char *url)
{
    static char whole[1100];
    struct curl_slist *fields = curl_slist_append(NULL, "Content-Type: application/x-protobuf");
    const char *path = strstr(url, "://");
    CURL *curl = curl_easy_init();

    if (curl == NULL || fields == NULL)
        return -1;
    fields = curl_slist_append(fields, "Expect:");
    /* the path of the protocol, unless there is one */
    path = path != NULL ? strchr(path + 3, '/') : NULL;
    (void)snprintf(whole, sizeof whole, "%s%s", url,
                   path == NULL ? "/v1/traces" : (path[1] == '\0' ? "v1/traces" : ""));
    (void)curl_easy_setopt(curl, CURLOPT_URL, whole);
    (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, fields);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, ignore);
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, POST_MS);
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    exporter.curl = curl;
    return 0;
}

static void
say_dropped(unsigned spans, const char *why)
{
    int64_t now = clock_ms();

    exporter.dropped += spans;
    if (exporter.said_ms != 0 && now - exporter.said_ms < SAY_MS)
        return;
    log_warning("traces: %llu calls were dropped: %s", (unsigned long long)exporter.dropped, why);
    exporter.dropped = 0;
    exporter.said_ms = now;
}

/* Returns NULL if the collector took it, or why not. *again: another try may help. */
static const char *
post(const unsigned char *bytes, size_t n, bool *again)
{
    static char why[128];
    long status = 0;
    CURLcode code;

    (void)curl_easy_setopt(exporter.curl, CURLOPT_POSTFIELDS, bytes);
    (void)curl_easy_setopt(exporter.curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)n);
    code = curl_easy_perform(exporter.curl);
    *again = true;
    if (code != CURLE_OK)
        return curl_easy_strerror(code);
    (void)curl_easy_getinfo(exporter.curl, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 200 && status < 300)
        return NULL;
    *again = status == 429 || status == 502 || status == 503 || status == 504; /* OTLP */
    (void)snprintf(why, sizeof why, "the collector answered %ld", status);
    return why;
}

/* Sends the batch, or drops it after some tries. */
static void
send_batch(void)
{
    size_t n = 0;
    unsigned char *bytes = otlp_request(&exporter.batch, exporter.host, &n);
    const char *why = bytes == NULL ? "no memory" : NULL;
    bool again = bytes != NULL;

    for (int try = 0; again && try < TRIES; try++) {
        if (try > 0)
            (void)poll(NULL, 0, 200 << try);
        why = post(bytes, n, &again);
        again = again && why != NULL;
    }
    if (why != NULL)
        say_dropped(exporter.batch.spans, why);
    free(bytes);
    otlp_clear(&exporter.batch);
}

/* Takes one message. Returns false at the end of the socket. */
static bool
take_message(void)
{
    static struct trace_record records[TRACE_RECORDS];
    ssize_t got = recv(INHERIT_EXPORTER_RECORDS, records, sizeof records, 0);

    if (got < 0)
        return errno == EINTR || errno == EAGAIN;
    if (got == 0)
        return false;
    for (size_t i = 0; i < (size_t)got / sizeof records[0]; i++)
        if (!otlp_add(&exporter.batch, &records[i]))
            say_dropped(1, "no memory");
    return true;
}

int
main(int argc, char **argv)
{
    struct pollfd p = {.fd = INHERIT_EXPORTER_RECORDS, .events = POLLIN};
    int64_t due_ms = 0;

    log_open("hearth-exporter", LOG_LEVEL_INFO);
    log_take_form(argc, argv);
    if (argc < 2 || curl_global_init(CURL_GLOBAL_ALL) != 0 || open_curl(argv[1]) < 0) {
        log_error("hearth-exporter is started by hearthd, not by hand");
        return 2;
    }
    (void)gethostname(exporter.host, sizeof exporter.host - 1);
    for (;;) {
        int64_t now = clock_ms();
        int wait = exporter.batch.spans == 0 ? -1 : (due_ms > now ? (int)(due_ms - now) : 0);
        bool was_empty = exporter.batch.spans == 0;

        if (poll(&p, 1, wait) > 0 && !take_message())
            break;
        if (was_empty && exporter.batch.spans > 0)
            due_ms = clock_ms() + BATCH_MS;
        if (exporter.batch.spans >= BATCH_SPANS ||
            (exporter.batch.spans > 0 && clock_ms() >= due_ms))
            send_batch();
    }
    if (exporter.batch.spans > 0)
        send_batch();
    return 0;
}
