/* codes.h: the codes of the problems (RFC 9457). */
#ifndef GATEWAY_CODES_H
#define GATEWAY_CODES_H

/* Code, status, title and additional members of every problem. The names of the error counters are
 * derived from this list. init_failed is listed twice: it is 502 for a call and 422 for a deploy.
 */
#define GW_CODES(X)                                                                                \
    X(FUNCTION_NOT_FOUND, "function_not_found", 404, "no such function", "")                       \
    X(BAD_REQUEST, "bad_request", 400, "malformed HTTP request", "")                               \
    X(BODY_TOO_LARGE, "body_too_large", 413, "the body is too large", "limit")                     \
    X(HEADERS_TOO_LARGE, "headers_too_large", 431, "the header fields are too large",              \
      "limit, fields")                                                                             \
    X(URI_TOO_LONG, "uri_too_long", 414, "the target is too long", "")                             \
    X(EXPECTATION_FAILED, "expectation_failed", 417, "the expectation cannot be met", "")          \
    X(OVERLOADED, "overloaded", 503, "too many calls are waiting", "queue, instances")             \
    X(TIMEOUT, "timeout", 504, "the function ran too long", "timeout_ms")                          \
    X(FUNCTION_FAILED, "function_failed", 500, "the function failed", "returned, exception")       \
    X(FUNCTION_CRASHED, "function_crashed", 502, "the function crashed", "signal or exit, reason") \
    X(MEMORY_EXCEEDED, "memory_exceeded", 502, "the instance was killed for memory",               \
      "limit, peak, advice, killer, raised")                                                       \
    X(FORBIDDEN_SYSCALL, "forbidden_syscall", 502, "the function made a forbidden system call",    \
      "syscall")                                                                                   \
    X(INIT_FAILED, "init_failed", 502, "the function could not be started", "")                    \
    X(VERSION_UNFIT, "init_failed", 422, "the version could not be started",                       \
      "output, diagnostics")                                                                       \
    X(REQUEST_TIMEOUT, "request_timeout", 408, "the request was not received in time", "")         \
    X(DRAINING, "draining", 503, "the daemon is stopping", "")                                     \
    X(UNAUTHORIZED, "unauthorized", 401, "the token is missing or wrong", "")                      \
    X(FORBIDDEN, "forbidden", 403, "requests from this origin are not allowed", "")                \
    X(NOT_FOUND, "not_found", 404, "not found", "")                                                \
    X(METHOD_NOT_ALLOWED, "method_not_allowed", 405, "method not allowed", "")                     \
    X(BAD_NAME, "bad_name", 400, "invalid function name", "")                                      \
    X(BAD_SETTING, "bad_setting", 400, "a setting is unknown or out of range", "setting, allowed") \
    X(BAD_BUNDLE, "bad_bundle", 400, "invalid bundle", "")                                         \
    X(BAD_JSON, "bad_json", 400, "invalid JSON body", "")                                          \
    X(UNSUPPORTED_TYPE, "unsupported_media_type", 415, "unsupported media type", "")               \
    X(VERSION_NOT_FOUND, "version_not_found", 404, "no such version", "")                          \
    X(VERSION_EXISTS, "version_exists", 409, "there is a version of that number", "")              \
    X(BUILD_FAILED, "build_failed", 422, "the function could not be built",                        \
      "diagnostics, ignored")                                                                      \
    X(TUNE_FAILED, "tune_failed", 409, "the function could not be tuned", "")                      \
    X(PROFILE_FAILED, "profile_failed", 409, "there is no profile", "")                            \
    X(STORAGE_FULL, "storage_full", 507, "there is no disk space for it", "")                      \
    X(STORAGE_FAILED, "storage_failed", 500, "the state folder could not be written", "")          \
    X(INTERNAL, "internal", 500, "internal error", "")

enum gw_code {
#define X(name, text, status, title, facts) GW_##name,
    GW_CODES(X)
#undef X
        GW_CODE_COUNT
};

const char *gw_code_name(enum gw_code code);
int gw_code_status(enum gw_code code);
const char *gw_code_title(enum gw_code code);
const char *gw_code_facts(enum gw_code code); /* "a, b"; "": none */

#endif
