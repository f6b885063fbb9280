/* print.c: what the function prints and logs. stdout and stderr are streams without a buffer, whose
 * bytes go into the channel's memory (common/output.h): a line costs no system call, and what was
 * printed before a crash is there. What a library writes to the descriptors 1 and 2 goes to the
 * gateway by a socket.
 */
#include "print.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <string.h>
#include <sys/types.h>

#include "api.h"

static struct output *out;
static const char *call_id = "";
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* a function may have threads */

static ssize_t
print(enum output_stream stream, const char *bytes, size_t n)
{
    (void)pthread_mutex_lock(&lock);
    output_print(out, stream, call_id, bytes, n);
    (void)pthread_mutex_unlock(&lock);
    return (ssize_t)n;
}

static ssize_t
print_out(void *cookie, const char *bytes, size_t n)
{
    (void)cookie;
    return print(OUTPUT_STDOUT, bytes, n);
}

static ssize_t
print_err(void *cookie, const char *bytes, size_t n)
{
    (void)cookie;
    return print(OUTPUT_STDERR, bytes, n);
}

int
wrk_output_open(struct chan *chan, struct hearth_err *err)
{
    FILE *to_out = fopencookie(NULL, "w", (cookie_io_functions_t){.write = print_out});
    FILE *to_err = fopencookie(NULL, "w", (cookie_io_functions_t){.write = print_err});

    if (to_out == NULL || to_err == NULL)
        return err_set(err, ENOMEM, "make the standard streams");
    (void)setvbuf(to_out, NULL, _IONBF, 0);
    (void)setvbuf(to_err, NULL, _IONBF, 0);
    out = &chan->output;
    stdout = to_out;
    stderr = to_err;
    return 0;
}

static void
set_call(const char *id)
{
    if (__fpending(stdout) > 0) /* it has given it a buffer */
        (void)fflush(stdout);
    (void)pthread_mutex_lock(&lock);
    output_end_lines(out);
    call_id = id;
    (void)pthread_mutex_unlock(&lock);
}

void
wrk_output_begin_call(const char *id)
{
    call_id = id;
}

void
wrk_output_end_call(void)
{
    set_call("");
}

int
hearth_log(hearth_call *call, enum hearth_level level, const char *fmt, ...)
{
    char text[LIMIT_LOG_LINE];
    const char *id = call != NULL ? hearth_call_id(call) : "";
    struct output_line line = {.level = (int)level, .stream = OUTPUT_LOG, .id = id, .text = text};
    bool taken;
    int n;
    va_list ap;

    if (level < HEARTH_DEBUG || level > HEARTH_ERROR) {
        errno = EINVAL;
        return -1;
    }
    va_start(ap, fmt);
    n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (n < 0)
        return -1;
    line.id_len = strnlen(id, LIMIT_CALL_ID);
    line.text_len = strlen(text);
    for (size_t i = 0; i < line.text_len; i++)
        if (text[i] == '\n')
            text[i] = ' ';
    (void)pthread_mutex_lock(&lock);
    taken = output_write(out, &line);
    (void)pthread_mutex_unlock(&lock);
    if (!taken)
        errno = ENOBUFS;
    return taken ? 0 : -1;
}
