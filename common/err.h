/* err.h: the error record that a failing call fills, for people to read. */
#ifndef COMMON_ERR_H
#define COMMON_ERR_H

struct hearth_err {
    int code;       /* negative errno; 0 while nothing failed */
    char text[192]; /* one sentence, no newline */
};

/* Fills the record with the sentence and, if errno_code is not 0, the text of the errno. Returns
 * -errno_code (-EINVAL for 0), so that a failing function ends with `return err_set(…)`. err may be
 * NULL. */
int err_set(struct hearth_err *err, int errno_code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "context: " before the text of the record. Returns err->code. */
int err_prefix(struct hearth_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
