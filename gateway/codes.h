/* codes.h: the codes of RFC 9457 problems, one list of all. */
#ifndef GATEWAY_CODES_H
#define GATEWAY_CODES_H

/* Every code of a problem; one list, and the counters' names come from it. init_failed stands
 * twice: a call hears 502, a deploy 422. */
#define GW_CODES(X)                                                                                \
    X(FUNCTION_NOT_FOUND, "function_not_found", 404, "no such function")                           \
    X(BAD_REQUEST, "bad_request", 400, "the request is not HTTP as it should be")                  \
    X(BODY_TOO_LARGE, "body_too_large", 413, "the body is too large")                              \
    X(HEADERS_TOO_LARGE, "headers_too_large", 431, "the header fields are too large")              \
    X(OVERLOADED, "overloaded", 503, "too many calls wait already")                                \
    X(TIMEOUT, "timeout", 504, "the function ran too long")                                        \
    X(FUNCTION_FAILED, "function_failed", 500, "the function failed")                              \
    X(FUNCTION_CRASHED, "function_crashed", 502, "the function crashed")                           \
    X(MEMORY_EXCEEDED, "memory_exceeded", 502, "the function used more memory than its limit")     \
    X(FORBIDDEN_SYSCALL, "forbidden_syscall", 502, "the function made a forbidden system call")    \
    X(INIT_FAILED, "init_failed", 502, "the function could not be started")                        \
    X(VERSION_UNFIT, "init_failed", 422, "the version could not be started")                       \
    X(REQUEST_TIMEOUT, "request_timeout", 408, "the request did not come in time")                 \
    X(DRAINING, "draining", 503, "the daemon is stopping")                                         \
    X(UNAUTHORIZED, "unauthorized", 401, "the token is missing or wrong")                          \
    X(FORBIDDEN, "forbidden", 403, "the request may not come from there")                          \
    X(NOT_FOUND, "not_found", 404, "nothing is here")                                              \
    X(METHOD_NOT_ALLOWED, "method_not_allowed", 405, "this method is not served here")             \
    X(BAD_NAME, "bad_name", 400, "this is no name of a function")                                  \
    X(BAD_SETTING, "bad_setting", 400, "a setting is unknown or out of range")                     \
    X(BAD_BUNDLE, "bad_bundle", 400, "the bundle cannot be used")                                  \
    X(BAD_JSON, "bad_json", 400, "the body is not the JSON that is wanted")                        \
    X(UNSUPPORTED_TYPE, "unsupported_media_type", 415, "this type of body is not taken")           \
    X(VERSION_NOT_FOUND, "version_not_found", 404, "no such version")                              \
    X(BUILD_FAILED, "build_failed", 422, "the function could not be built")                        \
    X(STORAGE_FAILED, "storage_failed", 507, "the state folder could not be written")              \
    X(INTERNAL, "internal", 500, "something broke in the platform")

enum gw_code {
#define X(name, text, status, title) GW_##name,
    GW_CODES(X)
#undef X
        GW_CODE_COUNT
};

const char *gw_code_name(enum gw_code code);
int gw_code_status(enum gw_code code);
const char *gw_code_title(enum gw_code code);

#endif
