/* call.c: hearth call: one call, streamed both ways. */
#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

struct call {
    const char *method, *target, *data;
    struct curl_slist *fields;
    bool time, head;
    FILE *in; /* the body, if it is a file or standard input */
    bool has_body;
    bool open_line; /* what was printed last does not end with a newline */
};

static size_t
on_wanted(char *buf, size_t size, size_t count, void *user)
{
    return fread(buf, size, count, user);
}

static size_t
on_body(char *bytes, size_t size, size_t count, void *user)
{
    struct call *call = user;
    size_t n = fwrite(bytes, size, count, stdout);

    if (size * count > 0)
        call->open_line = bytes[size * count - 1] != '\n';
    (void)fflush(stdout);
    return n;
}

static size_t
on_field(char *bytes, size_t size, size_t count, void *user)
{
    const struct call *call = user;

    if (call->head)
        (void)fwrite(bytes, size, count, stderr);
    else if (call->time && size * count > 14 && strncasecmp(bytes, "Server-Timing:", 14) == 0)
        (void)fprintf(stderr, "%.*s", (int)(size * count), bytes);
    return size * count;
}

static int
parse(struct call *call, int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;

        if (strcmp(argv[i], "--time") == 0) {
            call->time = true;
        } else if (strcmp(argv[i], "-i") == 0) {
            call->head = true;
        } else if (argv[i][0] == '-' && argv[i][1] != '\0' && strchr("XdH", argv[i][1]) != NULL &&
                   argv[i][2] == '\0') {
            if (value == NULL)
                return cli_usage("%s needs a value", argv[i]);
            if (argv[i][1] == 'X')
                call->method = value;
            else if (argv[i][1] == 'd')
                call->data = value;
            else
                call->fields = curl_slist_append(call->fields, value);
            i++;
        } else if (argv[i][0] == '-' && argv[i][1] != '\0') {
            return cli_usage("call: unknown option %s; it takes -X METHOD, -d DATA|@FILE|-, "
                             "-H \"Name: value\", -i and --time",
                             argv[i]);
        } else if (call->target == NULL) {
            call->target = argv[i];
        } else {
            return cli_usage("call takes one NAME[/path][?query]; \"%s\" is another one", argv[i]);
        }
    }
    return call->target != NULL ? CLI_OK
                                : cli_usage("usage: hearth call NAME[/path][?query] [-X METHOD] "
                                            "[-d DATA|@FILE|-] [-H \"Name: value\"] [-i] [--time]");
}

static int
set_body(CURL *curl, struct call *call)
{
    if (call->data == NULL)
        return CLI_OK;
    call->has_body = true;
    if (strcmp(call->data, "-") != 0 && call->data[0] != '@') {
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, call->data);
        return CLI_OK;
    }
    call->in = call->data[0] == '@' ? fopen(call->data + 1, "re") : stdin;
    if (call->in == NULL)
        return cli_fail("cannot read %s: %s", call->data + 1, strerror(errno));
    (void)curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_wanted);
    (void)curl_easy_setopt(curl, CURLOPT_READDATA, call->in);
    return CLI_OK;
}

static void
print_time(CURL *curl, double total)
{
    double first = 0;
    char a[24], b[24];

    (void)curl_easy_getinfo(curl, CURLINFO_STARTTRANSFER_TIME, &first);
    (void)fprintf(stderr, "first byte after %s, all after %s\n", cli_ms(first * 1000, a, sizeof a),
                  cli_ms(total * 1000, b, sizeof b));
}

int
cmd_call(const struct cli *cli, int argc, char **argv)
{
    struct call call = {0};
    int status = parse(&call, argc, argv);
    char url[8192], error[CURL_ERROR_SIZE] = "";
    CURL *curl = curl_easy_init();
    CURLcode code = CURLE_OK;
    long got = 0;
    double total = 0;

    if (status == CLI_OK)
        status = set_body(curl, &call);
    if (status != CLI_OK)
        return status;
    if (strncmp(cli->url, "unix:", 5) == 0)
        (void)curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, cli->url + 5);
    (void)snprintf(url, sizeof url, "%s/function/%s",
                   strncmp(cli->url, "unix:", 5) == 0 ? "http://localhost" : cli->url, call.target);
    call.fields = curl_slist_append(call.fields, "Expect:");
    (void)curl_easy_setopt(curl, CURLOPT_URL, url);
    if (call.method != NULL && strcmp(call.method, "HEAD") == 0)
        (void)curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    else
        (void)curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST,
                               call.method != NULL ? call.method
                                                   : (call.has_body ? "POST" : "GET"));
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, call.fields);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, &call);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_field);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERDATA, &call);
    (void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
    if (getenv("HEARTH_CACERT") != NULL)
        (void)curl_easy_setopt(curl, CURLOPT_CAINFO, getenv("HEARTH_CACERT"));
    code = curl_easy_perform(curl);
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &got);
    (void)curl_easy_getinfo(curl, CURLINFO_TOTAL_TIME, &total);
    if (call.time)
        print_time(curl, total);
    curl_slist_free_all(call.fields);
    curl_easy_cleanup(curl);
    if (code != CURLE_OK)
        return cli_fail("calling %s: %s", url, error[0] != '\0' ? error : curl_easy_strerror(code));
    if (got >= 400 && call.open_line)
        (void)fputc('\n', stderr);
    return got < 400 ? CLI_OK : cli_fail("the answer is %ld", got);
}
