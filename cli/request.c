/* request.c: requests to the API, through libcurl. */
#include <curl/curl.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

static int
say(const char *fmt, va_list ap, int status)
{
    (void)fflush(stdout);
    (void)fputs("hearth: ", stderr);
    (void)vfprintf(stderr, fmt, ap);
    (void)fputc('\n', stderr);
    return status;
}

int
cli_usage(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)say(fmt, ap, CLI_USAGE);
    va_end(ap);
    return CLI_USAGE;
}

int
cli_fail(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)say(fmt, ap, CLI_REFUSED);
    va_end(ap);
    return CLI_REFUSED;
}

/* ---- the transfer ---- */

struct transfer {
    const struct cli_request *request;
    FILE *out;  /* the body */
    char *line; /* the line that has begun */
    size_t line_len;
    bool is_problem;
    CURL *curl;
};

static bool
take_line_bytes(struct transfer *t, const char *bytes, size_t n)
{
    char *grown = realloc(t->line, t->line_len + n + 1);

    if (grown == NULL)
        return false;
    t->line = grown;
    memcpy(t->line + t->line_len, bytes, n);
    t->line_len += n;
    t->line[t->line_len] = '\0';
    return true;
}

static size_t
on_lines(struct transfer *t, const char *bytes, size_t n)
{
    size_t left = n;

    while (left > 0) {
        const char *end = memchr(bytes, '\n', left);
        size_t part = end != NULL ? (size_t)(end - bytes) : left;

        if (!take_line_bytes(t, bytes, part))
            return 0;
        if (end == NULL)
            break;
        if (t->request->line(t->request->user, t->line) != 0)
            return 0;
        t->line_len = 0;
        bytes += part + 1;
        left -= part + 1;
    }
    return n;
}

static size_t
on_body(char *bytes, size_t size, size_t count, void *user)
{
    struct transfer *t = user;
    long status = 0;

    (void)curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
    if (t->request->line != NULL && status >= 200 && status < 300)
        return on_lines(t, bytes, size * count);
    return fwrite(bytes, size, count, t->out);
}

static struct curl_slist *
add_field(struct curl_slist *fields, const char *name, const char *value)
{
    char field[512];

    if (value == NULL)
        return fields;
    (void)snprintf(field, sizeof field, "%s: %s", name, value);
    return curl_slist_append(fields, field);
}

static void
set_options(CURL *curl, const struct cli *cli, const struct cli_request *request,
            const struct curl_slist *fields, struct transfer *t)
{
    char url[4096];

    if (strncmp(cli->url, "unix:", 5) == 0) {
        (void)curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, cli->url + 5);
        (void)snprintf(url, sizeof url, "http://localhost%s", request->path);
    } else {
        (void)snprintf(url, sizeof url, "%s%s", cli->url, request->path);
    }
    (void)curl_easy_setopt(curl, CURLOPT_URL, url);
    (void)curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST,
                           request->method != NULL ? request->method : "GET");
    if (request->body != NULL) {
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->len);
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body);
    }
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, fields);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, t);
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 10L);
    if (getenv("HEARTH_CACERT") != NULL)
        (void)curl_easy_setopt(curl, CURLOPT_CAINFO, getenv("HEARTH_CACERT"));
}

bool
cli_reaches(const struct cli *cli)
{
    struct cli_request request = {.path = "/healthz"};
    struct transfer t = {.request = &request};
    CURL *curl = curl_easy_init();
    bool ok;

    if (curl == NULL)
        return false;
    set_options(curl, cli, &request, NULL, &t);
    (void)curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, NULL);
    ok = curl_easy_perform(curl) == CURLE_OK;
    curl_easy_cleanup(curl);
    return ok;
}

bool
cli_ask(const struct cli *cli, const struct cli_request *request, struct cli_reply *reply)
{
    struct transfer t = {.request = request};
    char error[CURL_ERROR_SIZE] = "", bearer[256];
    struct curl_slist *fields = NULL;
    CURLcode code;

    memset(reply, 0, sizeof *reply);
    t.curl = curl_easy_init();
    t.out = open_memstream(&reply->body, &reply->len);
    if (t.curl == NULL || t.out == NULL) {
        (void)cli_fail("out of memory");
        return false;
    }
    if (cli->token != NULL) {
        (void)snprintf(bearer, sizeof bearer, "Bearer %s", cli->token);
        fields = add_field(fields, "Authorization", bearer);
    }
    fields = add_field(fields, "Content-Type", request->type != NULL ? request->type : "");
    fields = add_field(fields, "Accept", request->accept);
    fields = curl_slist_append(fields, "Expect:");
    set_options(t.curl, cli, request, fields, &t);
    (void)curl_easy_setopt(t.curl, CURLOPT_ERRORBUFFER, error);
    code = curl_easy_perform(t.curl);
    (void)curl_easy_getinfo(t.curl, CURLINFO_RESPONSE_CODE, &reply->status);
    (void)fclose(t.out);
    free(t.line);
    curl_slist_free_all(fields);
    curl_easy_cleanup(t.curl);
    if (code != CURLE_OK && !(code == CURLE_WRITE_ERROR && request->line != NULL)) {
        (void)cli_fail("%s %s%s: %s\n  Is hearthd running there? Name another with --url URL or "
                       "HEARTH_URL.",
                       request->method != NULL ? request->method : "GET", cli->url, request->path,
                       error[0] != '\0' ? error : curl_easy_strerror(code));
        reply->status = 0;
        return false;
    }
    reply->json = json_loadb(reply->body, reply->len, 0, NULL);
    return reply->status >= 200 && reply->status < 300;
}

/* What to do next, if that is plain. */
static const char *
advice(const struct cli *cli, long status)
{
    static char text[256];

    if (status == 401 || status == 403) {
        (void)snprintf(text, sizeof text,
                       "\n  %s: %s. Name another with --token-file FILE or "
                       "HEARTH_TOKEN.",
                       cli->token != NULL ? "The token is from" : "There is no token",
                       cli->token_from);
        return text;
    }
    return "";
}

void
cli_say_problem(const struct cli *cli, const struct cli_reply *reply)
{
    const char *code = cli_text(reply->json, "code"), *setting = cli_text(reply->json, "setting");
    const char *allowed = cli_text(reply->json, "allowed");

    if (reply->status == 0)
        return; /* said before */
    if (code[0] == '\0')
        (void)cli_fail("the answer is %ld: %.300s%s", reply->status, reply->body,
                       advice(cli, reply->status));
    else if (setting[0] != '\0')
        (void)cli_fail("%s: %s may be: %s", code, setting, allowed);
    else
        (void)cli_fail("%s: %s%s", code, cli_text(reply->json, "detail"),
                       advice(cli, reply->status));
}

bool
cli_call(const struct cli *cli, const struct cli_request *request, struct cli_reply *reply)
{
    if (cli_ask(cli, request, reply))
        return true;
    if (cli->json && reply->json != NULL)
        cli_print_json(reply->json);
    cli_say_problem(cli, reply);
    return false;
}

bool
cli_send(const struct cli *cli, const char *method, const char *path, const char *json,
         struct cli_reply *reply)
{
    return cli_call(cli,
                    &(struct cli_request){.method = method,
                                          .path = path,
                                          .type = "application/json",
                                          .body = json,
                                          .len = strlen(json)},
                    reply);
}

void
cli_reply_free(struct cli_reply *reply)
{
    json_decref(reply->json);
    free(reply->body);
}

void
cli_add_query(char *path, size_t n, const char *name, const char *value)
{
    char *encoded = curl_easy_escape(NULL, value, 0);
    size_t used = strlen(path);

    (void)snprintf(path + used, n - used, "%c%s=%s", strchr(path, '?') != NULL ? '&' : '?', name,
                   encoded != NULL ? encoded : "");
    curl_free(encoded);
}
