/* err.c: the error record. No heap: the caller owns the record. */
#include "err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int
err_set(struct hearth_err *err, int errno_code, const char *fmt, ...)
{
    int code = errno_code != 0 ? -errno_code : -EINVAL;
    size_t used;
    va_list ap;

    if (err == NULL)
        return code;
    err->code = code;
    va_start(ap, fmt);
    (void)vsnprintf(err->text, sizeof err->text, fmt, ap);
    va_end(ap);
    used = strlen(err->text);
    if (errno_code != 0)
        (void)snprintf(err->text + used, sizeof err->text - used, ": %s", strerror(errno_code));
    return code;
}

int
err_prefix(struct hearth_err *err, const char *fmt, ...)
{
    char was[sizeof err->text];
    size_t used;
    va_list ap;

    memcpy(was, err->text, sizeof was);
    va_start(ap, fmt);
    (void)vsnprintf(err->text, sizeof err->text, fmt, ap);
    va_end(ap);
    used = strlen(err->text);
    (void)snprintf(err->text + used, sizeof err->text - used, ": %s", was);
    return err->code;
}
