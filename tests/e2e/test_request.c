/* test_request.c: what a function is handed of a request: that it ends where it ends, that
 * nothing of another call lies around it, and that asking for it costs no memory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness.h"

#define MEASURE                                                                                    \
    "#include <hearth.h>\n#include <string.h>\n"                                                   \
    "int hearth_handle(hearth_call *c) { size_t n; const char *b = hearth_body(c, &n);\n"          \
    "  return b == NULL ? 1 : hearth_printf(c, \"%zu %zu\", n, strlen(b)); }\n"

/* Keeps all it can of a call that brings the marker; asked to ?scan, looks for it around
 * everything that it is handed. The marker is spelled one letter off here. */
#define SCAN                                                                                       \
    "#include <hearth.h>\n#include <signal.h>\n#include <stdlib.h>\n#include <string.h>\n"         \
    "#include <sys/syscall.h>\n#include <unistd.h>\n#include <stdio.h>\n"                          \
    "static int readable(const char *p) {\n"                                                       \
    "  return syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, p, NULL, 8) == 0; }\n"                      \
    "static int near(const void *where, size_t reach) {\n"                                         \
    "  char marker[] = \"RDBQDS-\"; const char *from, *to;\n"                                      \
    "  for (char *p = marker; *p != '-'; p++) *p = (char)(*p + 1);\n"                              \
    "  from = to = (const char *)((size_t)where & ~4095ul);\n"                                     \
    "  while (to - from < (long)reach && readable(to)) to += 4096;\n"                              \
    "  for (size_t i = 0; i < reach && readable(from - 4096); i += 4096) from -= 4096;\n"          \
    "  return memmem(from, (size_t)(to - from), marker, 7) != NULL; }\n"                           \
    "static void keep(hearth_call *c) { size_t n = 0; const char *b = hearth_body(c, &n);\n"       \
    "  const char *h = hearth_header(c, \"x-thing\"), *q = hearth_query(c, \"q\"); char *a;\n"     \
    "  for (size_t k = 100; k < 1000000; k *= 3)\n"                                                \
    "    if (b && n >= 100 && (a = hearth_alloc(c, k))) memcpy(a, b, n < k ? n : k);\n"            \
    "  if (h) hearth_set_header(c, \"X-Kept\", h);\n"                                              \
    "  hearth_log(c, HEARTH_INFO, \"%s\", q ? q : \"\");\n"                                        \
    "  hearth_printf(c, \"%s%s%.*s\", hearth_path(c), q ? q : \"\", (int)n, b ? b : \"\"); }\n"    \
    "int hearth_handle(hearth_call *c) { const size_t far = 1 << 20; size_t n;\n"                  \
    "  if (!hearth_query(c, \"scan\")) return keep(c), 0;\n"                                       \
    "  if (near(hearth_body(c, &n), far)) return hearth_printf(c, \"body\");\n"                    \
    "  if (near(hearth_header(c, \"host\"), far)) return hearth_printf(c, \"header\");\n"          \
    "  if (near(hearth_query_string(c), far)) return hearth_printf(c, \"query string\");\n"        \
    "  if (near(hearth_query(c, \"r\"), far)) return hearth_printf(c, \"query\");\n"               \
    "  if (near(hearth_path(c), far)) return hearth_printf(c, \"path\");\n"                        \
    "  if (near(hearth_method(c), far)) return hearth_printf(c, \"method\");\n"                    \
    "  if (near(hearth_call_id(c), far)) return hearth_printf(c, \"id\");\n"                       \
    "  for (size_t k = 16; k < 1000000; k *= 3) { char *a = hearth_alloc(c, k), *m = malloc(k);\n" \
    "    for (size_t i = 0; i < k; i++) if (a[i] != 0) return hearth_printf(c, \"not zero\");\n"   \
    "    if (near(a, far)) return hearth_printf(c, \"alloc of %zu\", k);\n"                        \
    "    if (near(m, far)) return hearth_printf(c, \"malloc of %zu\", k);\n"                       \
    "    free(m); }\n"                                                                             \
    "  if (near((void *)c, 64 << 10)) return hearth_printf(c, \"call\");\n"                        \
    "  return hearth_printf(c, \"clean\"); }\n"

/* Gathers twice, then reads on; tells with the next call, since this one's client may have
 * gone. */
#define TWICE                                                                                      \
    "#include <hearth.h>\n#include <errno.h>\n#include <stdio.h>\n#include <string.h>\n"           \
    "static char told[128] = \"nothing\";\n"                                                       \
    "static int try(hearth_call *c) { errno = 0; return hearth_body(c, NULL) ? 0 : errno; }\n"     \
    "int hearth_handle(hearth_call *c) { char b[64]; int first, again; ssize_t got;\n"             \
    "  if (hearth_query(c, \"told\"))\n"                                                           \
    "    return hearth_printf(c, \"%s %s\", told, hearth_memory_used() < 8 << 20 ? \"\" : "        \
    "\"leak\");\n"                                                                                 \
    "  first = try(c); again = try(c); errno = 0; got = hearth_read(c, b, sizeof b);\n"            \
    "  sprintf(told, \"%s, %s, %s\", strerror(first), strerror(again),\n"                          \
    "          got > 0 ? \"bytes\" : strerror(errno));\n"                                          \
    "  return 0; }\n"

static int
start(void **state)
{
    int status = group_start(state);

    deploy_ok(*state, "measure", "memory=16M&max=1&max_body=8M", MEASURE);
    deploy_ok(*state, "scan", "memory=16M&max=1&max_body=8M", SCAN);
    return status;
}

static void
expect(struct reply r, const char *body, const char *what)
{
    if (r.status != 200 || strcmp(r.body, body) != 0)
        fail_msg("%s: want 200 %s, got %ld %.200s", what, body, r.status, r.body);
    reply_free(&r);
}

/* ---- bodies end with a NUL ---- */

static const size_t sizes[] = {0,    1,     4,     15,    16,    17,     31,     472,   1000,
                               4095, 16384, 65519, 65535, 65536, 131071, 262144, 200000};

static void
test_a_body_is_followed_by_a_nul_whatever_came_before(void **state)
{
    char *bytes = malloc(1 << 20), wanted[64], what[64];

    memset(bytes, 'x', 1 << 20);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (int how = 0; how < 4; how++) {
            size_t n = sizes[i], before = how < 2 ? 200000 : 60000;

            reply_free(&(struct reply[]){post(*state, "/function/measure", bytes, before)}[0]);
            (void)snprintf(wanted, sizeof wanted, "%zu %zu", n, n);
            (void)snprintf(what, sizeof what, "%zu bytes%s after %zu", n,
                           how % 2 ? " in chunks" : "", before);
            expect(http(*state, &(struct request){.method = "POST",
                                                  .path = "/function/measure",
                                                  .body = bytes,
                                                  .len = n,
                                                  .chunked = how % 2}),
                   wanted, what);
        }
    free(bytes);
}

/* Sends a POST of n bytes 'x' to `measure`. */
static void
send_body(int fd, size_t n, const char *fields)
{
    char *all = malloc(n + 256);
    int head = sprintf(all,
                       "POST /function/measure HTTP/1.1\r\nHost: x\r\n%s"
                       "Content-Length: %zu\r\n\r\n",
                       fields, n);

    memset(all + head, 'x', n);
    raw_send(fd, all, (size_t)head + n);
    free(all);
}

/* Both answers. */
static void
expect_measured(int fd, const size_t n[2])
{
    char wanted[64], *got = raw_receive(fd, NULL);

    for (int i = 0; i < 2; i++) {
        (void)snprintf(wanted, sizeof wanted, "\r\n\r\n%zu %zu%s", n[i], n[i],
                       i == 0 ? "HTTP/" : "");
        if (strstr(got, wanted) == NULL)
            fail_msg("want %s, got %s", wanted + 4, got);
    }
    free(got);
    (void)close(fd);
}

static void
test_bodies_that_are_pipelined_or_sent_ahead_end_with_a_nul(void **state)
{
    enum { N = 32 };
    size_t lengths[N][2];
    int fds[N];

    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < N; i++)
            fds[i] = raw_connect(*state);
        for (int i = 0; i < N; i++) {
            lengths[i][0] = (size_t)(N - i) * 16 + (size_t)round;
            lengths[i][1] = (size_t)((i * 37 + round * 11) % 500);
            send_body(fds[i], lengths[i][0], "");
            send_body(fds[i], lengths[i][1], "Connection: close\r\n");
        }
        for (int i = 0; i < N; i++)
            expect_measured(fds[i], lengths[i]);
    }
}

/* ---- nothing of another call ---- */

static void
expect_clean(void **state, const char *after)
{
    expect(get(*state, "/function/scan?scan&r=1"), "clean", after);
    expect(post(*state, "/function/scan/p%20q?scan&r=1", "ab", 2), "clean", after);
    expect(http(*state, &(struct request){.method = "POST",
                                          .path = "/function/scan?scan&r=%31",
                                          .body = "abc",
                                          .len = 3,
                                          .chunked = true}),
           "clean", after);
}

static char *
marked(size_t n)
{
    char *bytes = malloc(n + 1);

    for (size_t i = 0; i < n; i++)
        bytes[i] = "SECRET-"[i % 7];
    bytes[n] = '\0';
    return bytes;
}

static void
test_nothing_of_a_call_is_left_around_the_next_one(void **state)
{
    static const size_t lengths[] = {100, 5000, 60000, 65536, 100000, 200000, 3000000};
    char *bytes = marked(3000000), field[2048] = "X-Thing: ", path[2048] = "/function/scan/";
    const char *fields[] = {field, "X-Thing: SECRET-SECRET-", NULL};

    memcpy(field + 9, bytes, 1001);
    field[1010] = '\0';
    memcpy(path + 15, bytes, 700);
    (void)strcpy(path + 715, "%20?a=SECRET-SECRET-&q=SECRET%2dSECRET-SECRET%2dSECRET-");
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
        for (int chunked = 0; chunked < 2; chunked++) {
            char what[64];
            struct reply r = http(*state, &(struct request){.method = "POST",
                                                            .path = path,
                                                            .fields = fields,
                                                            .body = bytes,
                                                            .len = lengths[i],
                                                            .chunked = chunked});

            assert_int_equal(r.status, 200);
            reply_free(&r);
            (void)snprintf(what, sizeof what, "after %zu bytes%s", lengths[i],
                           chunked ? " in chunks" : "");
            expect_clean(state, what);
        }
    free(bytes);
}

/* A body that is never whole, and one that the function does not ask for. */
static void
test_nothing_of_a_broken_body_is_left(void **state)
{
    char *bytes = marked(50000);

    for (size_t n = 100; n <= 50000; n *= 5) {
        int fd = raw_connect(*state);
        char head[] = "POST /function/scan HTTP/1.1\r\nHost: x\r\nX-Thing: SECRET-\r\n"
                      "Content-Length: 1000000\r\n\r\n";

        raw_send(fd, head, sizeof head - 1);
        raw_send(fd, bytes, n);
        wait_for_figure(*state, "scan", "instances", "busy", 1);
        (void)close(fd);
        wait_for_figure(*state, "scan", "instances", "busy", 0);
        expect_clean(state, "after a broken body");
    }
    free(bytes);
}

/* ---- a body that cannot be gathered ---- */

static void
test_a_gather_that_failed_fails_the_same_again_and_leaks_nothing(void **state)
{
    static const char head[] = "POST /function/twice HTTP/1.1\r\nHost: x\r\n"
                               "Content-Length: 300000\r\n\r\nhalf of it";
    char *bytes = marked(24 << 20);

    deploy_ok(*state, "twice", "memory=16M&max=1&max_body=64M", TWICE);
    for (int i = 0; i < 4; i++) {
        struct request r = {.method = "POST",
                            .path = "/function/twice",
                            .body = bytes,
                            .len = 24 << 20,
                            .chunked = i % 2};
        int fd;

        reply_free(&(struct reply[]){http(*state, &r)}[0]);
        expect(get(*state, "/function/twice?told"),
               i % 2 ? "Cannot allocate memory, Cannot allocate memory, Cannot allocate memory "
                     : "Cannot allocate memory, Cannot allocate memory, bytes ",
               i % 2 ? "in chunks" : "declared");
        fd = raw_connect(*state);
        raw_send(fd, head, sizeof head - 1);
        wait_for_figure(*state, "twice", "instances", "busy", 1);
        (void)close(fd);
        expect(get(*state, "/function/twice?told"), "Broken pipe, Broken pipe, Broken pipe ",
               "a client that went");
    }
    free(bytes);
}

static void
test_a_body_that_grew_too_large_fails_the_same_again(void **state)
{
    char *bytes = marked(3 << 20);

    deploy_ok(*state, "large", "memory=16M&max=1&max_body=2M", TWICE);
    reply_free(&(struct reply[]){http(*state, &(struct request){.method = "POST",
                                                                .path = "/function/large",
                                                                .body = bytes,
                                                                .len = 3 << 20,
                                                                .chunked = true})}[0]);
    expect(get(*state, "/function/large?told"),
           "Message too long, Message too long, Message too long ", "over max_body");
    free(bytes);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_body_is_followed_by_a_nul_whatever_came_before),
        cmocka_unit_test(test_bodies_that_are_pipelined_or_sent_ahead_end_with_a_nul),
        cmocka_unit_test(test_nothing_of_a_call_is_left_around_the_next_one),
        cmocka_unit_test(test_nothing_of_a_broken_body_is_left),
        cmocka_unit_test(test_a_gather_that_failed_fails_the_same_again_and_leaks_nothing),
        cmocka_unit_test(test_a_body_that_grew_too_large_fails_the_same_again),
    };

    return cmocka_run_group_tests_name("request", tests, start, group_stop);
}
