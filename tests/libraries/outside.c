/* outside.c: hearth.h without Hearth: runs a function's source as an ordinary program.
 *
 *   cc function.c outside.c …; ./a.out [-q QUERY] BODY …
 *
 * Calls the handler once for each body, in one process, as a warm instance does, and prints
 * each response as a line with its length and then its bytes. What the function logs or prints
 * goes to standard error. Ends with 1 where the handler or a function of hearth.h fails.
 */
#include <errno.h>
#include <hearth.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static FILE *answers; /* standard output */

struct hearth_call {
    const char *body, *query;
    size_t body_len, body_read;
    char *response;
    size_t response_len;
    FILE *out; /* fills the response */
    void *allocated[256];
    size_t allocated_count;
    char *value; /* of the query, asked for last */
};

/* Optional, as in Hearth. */
__attribute__((weak)) int hearth_init(void);
__attribute__((weak)) void hearth_fini(void);

const char *
hearth_method(hearth_call *call)
{
    (void)call;
    return "POST";
}

const char *
hearth_path(hearth_call *call)
{
    (void)call;
    return "/";
}

const char *
hearth_query_string(hearth_call *call)
{
    return call->query;
}

/* Values are taken as they are: no percent-decoding. */
const char *
hearth_query(hearth_call *call, const char *name)
{
    size_t n = strlen(name);

    for (const char *at = call->query; at != NULL && *at != '\0';) {
        const char *end = strchrnul(at, '&');

        if (strncmp(at, name, n) == 0 && (at[n] == '=' || at + n == end)) {
            free(call->value);
            call->value = at + n == end ? strdup("") : strndup(at + n + 1, end - at - n - 1);
            return call->value;
        }
        at = *end == '&' ? end + 1 : end;
    }
    return NULL;
}

const char *
hearth_header(hearth_call *call, const char *name)
{
    (void)call;
    (void)name;
    return NULL;
}

const char *
hearth_call_id(hearth_call *call)
{
    (void)call;
    return "outside";
}

const void *
hearth_body(hearth_call *call, size_t *len)
{
    if (len != NULL)
        *len = call->body_len;
    return call->body;
}

ssize_t
hearth_read(hearth_call *call, void *buf, size_t n)
{
    size_t rest = call->body_len - call->body_read;

    n = n < rest ? n : rest;
    memcpy(buf, call->body + call->body_read, n);
    call->body_read += n;
    return (ssize_t)n;
}

int
hearth_status(hearth_call *call, int code)
{
    (void)call;
    (void)code;
    return 0;
}

int
hearth_set_header(hearth_call *call, const char *name, const char *value)
{
    (void)call;
    (void)name;
    (void)value;
    return 0;
}

int
hearth_write(hearth_call *call, const void *buf, size_t n)
{
    return fwrite(buf, 1, n, call->out) == n ? 0 : -1;
}

int
hearth_printf(hearth_call *call, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vfprintf(call->out, fmt, ap);
    va_end(ap);
    return n >= 0 ? 0 : -1;
}

void *
hearth_alloc(hearth_call *call, size_t n)
{
    void *p;

    if (call->allocated_count == sizeof call->allocated / sizeof call->allocated[0]) {
        errno = ENOMEM;
        return NULL;
    }
    p = calloc(1, n > 0 ? n : 1);
    if (p != NULL)
        call->allocated[call->allocated_count++] = p;
    return p;
}

int
hearth_log(hearth_call *call, enum hearth_level level, const char *fmt, ...)
{
    va_list ap;

    (void)call;
    va_start(ap, fmt);
    fprintf(stderr, "%d ", (int)level);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    return 0;
}

const char *
hearth_env(const char *name)
{
    return getenv(name);
}

int64_t
hearth_deadline_ms(hearth_call *call)
{
    (void)call;
    return 60000;
}

size_t
hearth_memory_limit(void)
{
    return (size_t)1 << 30;
}

size_t
hearth_memory_used(void)
{
    return 0;
}

/* One call; the response is printed where the handler succeeded. */
static int
run(const char *query, const char *body)
{
    struct hearth_call call = {.body = body, .body_len = strlen(body), .query = query};
    int status;

    call.out = open_memstream(&call.response, &call.response_len);
    if (call.out == NULL)
        return -1;
    status = hearth_handle(&call);
    for (size_t i = 0; i < call.allocated_count; i++)
        free(call.allocated[i]);
    free(call.value);
    if (fclose(call.out) != 0 || status != 0) {
        fprintf(stderr, "the handler returned %d after: %s\n", status, call.response);
        free(call.response);
        return -1;
    }
    fprintf(answers, "%zu\n", call.response_len);
    fwrite(call.response, 1, call.response_len, answers);
    free(call.response);
    return fflush(answers);
}

int
main(int argc, char **argv)
{
    const char *query = NULL;
    int at = 1;

    answers = fdopen(dup(STDOUT_FILENO), "w");
    if (answers == NULL || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
        return 1;
    if (argc > 2 && strcmp(argv[1], "-q") == 0) {
        query = argv[2];
        at = 3;
    }
    if (hearth_init != NULL && hearth_init() != 0)
        return 1;
    for (; at < argc; at++)
        if (run(query, argv[at]) != 0)
            return 1;
    if (hearth_fini != NULL)
        hearth_fini();
    return 0;
}
