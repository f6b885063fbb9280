/* hearth.h: all that a function sees of Hearth.
 *
 * A function is a C file that defines hearth_handle:
 *
 *     #include <hearth.h>
 *
 *     int hearth_handle(hearth_call *call)
 *     {
 *         return hearth_printf(call, "hello, %s\n", "world");
 *     }
 *
 * An instance runs one call at a time. Besides computing, a function may read its small root
 * folder and the files of its bundle (/function), write to /tmp (setting tmp), and make threads
 * (setting threads). It has no network and no child processes. README.md and SECURITY.md have the
 * details.
 */
#ifndef HEARTH_H
#define HEARTH_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Changes with every change of this header that old objects would not survive. */
#define HEARTH_ABI 1

#define HEARTH_EXPORT __attribute__((visibility("default")))

/* Stamps the object with the number it was built for; read before any call. The
 * attributes stand at the declaration: g++ looks at those of a definition before it knows that
 * this constant is not the file's own, as others are in C++. */
#ifndef HEARTH_NO_STAMP
HEARTH_EXPORT __attribute__((weak)) extern const uint32_t hearth_abi;
const uint32_t hearth_abi = HEARTH_ABI;
#endif

typedef struct hearth_call hearth_call;

/* ---- what a function defines ---- */

/* Required: serves one call. 0 is success; anything else, returned before the
 * response began to be sent, is answered as function_failed. */
HEARTH_EXPORT int hearth_handle(hearth_call *call);
/* Optional: once per instance, before its first call. Not 0 is init_failed. */
HEARTH_EXPORT int hearth_init(void);
/* Optional: in each instance that was forked from a template, which has run hearth_init for all of
 * them (setting template): opens what must not be shared, such as files. Not 0: it cannot start. */
HEARTH_EXPORT int hearth_fork(void);
/* Optional: once per instance, when it is retired between two calls. What was given to atexit,
 * and destructors, run after it. */
HEARTH_EXPORT void hearth_fini(void);
/* Optional: between two calls, when the instance uses more than the setting recycle_memory allows.
 * It should free what it can do without, such as a cache. If the instance uses too much even then,
 * it is retired. */
HEARTH_EXPORT void hearth_memory_low(void);

/* ---- the request ---- */

/* Strings stay valid until the handler returns; NULL where there is none.
 *
 * Memory: what a call takes of the limit for itself is said of each function; where
 * nothing is said it takes none. All of it is released at the call's end, and asking
 * again takes nothing. */

const char *hearth_method(hearth_call *call);
/* What follows the function's name, "/" at least, percent-decoded once. An
 * encoded NUL stays encoded. Memory: the path once; NULL with ENOMEM. */
const char *hearth_path(hearth_call *call);
/* The first value of that name, decoded ('+' is a space); "" for a bare name. Memory:
 * the query once, 1.5 times at the most, whatever is asked for; NULL with ENOMEM. */
const char *hearth_query(hearth_call *call, const char *name);
/* As it came, without the '?'; NULL where the target has no '?'. */
const char *hearth_query_string(hearth_call *call);
/* Any case; repeated fields are joined by ", ", those named Cookie by "; ". Memory: the
 * joined value once, and 40 bytes; NULL with ENOMEM. A field that came once: none. */
const char *hearth_header(hearth_call *call, const char *name);
const char *hearth_call_id(hearth_call *call);
/* The client's address, such as "192.0.2.7" or "2001:db8::7": that of the connection, or, if it
 * comes from one of the daemon's trusted_proxies, what that proxy says; "unix" for a client of a
 * unix socket of whom nothing more is known. */
const char *hearth_client(hearth_call *call);

/* The whole body, 16-byte aligned, valid until the handler returns; *len is its
 * length, and the pointer is not NULL for an empty one. One NUL follows it, which
 * *len does not count. NULL with errno where it cannot be gathered: ENOMEM (it does
 * not fit the memory limit), EPIPE (the client has gone), EMSGSIZE (it grew over
 * max_body), EALREADY (hearth_read took a part of it); the same errno each time it is
 * asked for again. len may be NULL. Memory: none for a body of up to 64 KiB, else its
 * length once; with the setting stream up to three times for a chunked one. */
const void *hearth_body(hearth_call *call, size_t *len);
/* The body as a stream: bytes, 0 at the end, -1 with errno: EPIPE, EMSGSIZE, or that
 * of a hearth_body that failed when it had taken a part. No NUL follows the bytes. */
ssize_t hearth_read(hearth_call *call, void *buf, size_t n);

/* ---- the response: 200, text/plain; charset=utf-8, empty, unless told otherwise ---- */

/* 0, or -1 with EINVAL after the first write or where it is not legal HTTP; a
 * status is 200 to 599. */
int hearth_status(hearth_call *call, int code);
/* Adds a field; Content-Type and Date replace the default ones, and may be set once;
 * Content-Length is kept to: writing more or less is an error. Connection, TE,
 * Transfer-Encoding, X-Call-Id, Server-Timing and the like belong to the platform
 * (EINVAL). ENOSPC after 100 fields or 16 KiB of them. */
int hearth_set_header(hearth_call *call, const char *name, const char *value);
/* What is written leaves when 64 KiB have gathered, when the handler returns or waits in
 * hearth_read, by hearth_flush, and after each write of a text/event-stream. A slow client is
 * waited for only past the setting max_response, or with the setting stream. -1 with EPIPE when
 * the client has gone. */
int hearth_write(hearth_call *call, const void *buf, size_t n);
/* The same. Memory: a text of more than 64 KiB while it is written; ENOMEM. */
int hearth_printf(hearth_call *call, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* What was written, and the head, is on its way to the client. -1 with EPIPE when it has gone. */
int hearth_flush(hearth_call *call);

/* ---- around it ---- */

/* Memory: n bytes of this call, zero, 16-byte aligned; wiped and released at its end. NULL
 * with ENOMEM. */
void *hearth_alloc(hearth_call *call, size_t n);

enum hearth_level {
    HEARTH_DEBUG,
    HEARTH_INFO,
    HEARTH_WARNING,
    HEARTH_ERROR,
};

/* One line to the function's log, cut at 2 KiB. call may be NULL in init and
 * fini. Standard output and standard error go there too. 0, or -1 with errno:
 * EAGAIN where the log is not read fast enough and the line is lost. */
int hearth_log(hearth_call *call, enum hearth_level level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* A value of the function's `env` setting; NULL where there is none. */
const char *hearth_env(const char *name);
/* A file of the function's bundle that is no source or header, by its name in the bundle
 * ("data/words.txt"), mapped read-only. It stays until the instance ends, and a file is mapped
 * once however often this is called. *len: its bytes; len may be NULL. Instances share its memory:
 * it counts to the one that read it first. The file is also at /function/NAME. NULL with errno:
 * ENOENT where there is none, EINVAL for a name that begins with "/" or has a part "..". */
const void *hearth_file(const char *name, size_t *len);
/* What is left of the timeout. The instance is killed when it reaches 0. */
int64_t hearth_deadline_ms(hearth_call *call);
/* This instance's memory limit now, and the bytes that it uses of it. */
size_t hearth_memory_limit(void);
size_t hearth_memory_used(void);

#ifdef __cplusplus
}
#endif

#endif
