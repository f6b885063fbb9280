/* test_request.c: the parts of a request that a function gets: they are terminated, there is no
 * data of another call around them, and reading them takes no memory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness.h"
#include "run.h"

#define MEASURE                                                                                    \
    "#include <hearth.h>\n#include <string.h>\n"                                                   \
    "int hearth_handle(hearth_call *c) { size_t n; const char *b = hearth_body(c, &n);\n"          \
    "  return b == NULL ? 1 : hearth_printf(c, \"%zu %zu\", n, strlen(b)); }\n"

/* Copies everything it can of a call with the marker. With ?scan it searches the memory around
 * everything that it gets. The marker is stored here with every letter shifted by one. */
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

/* Gathers the body twice, then reads on. The next call reports the results, because this client may
 * have disconnected. */
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

/* Looks up everything, a million times in total, and reports the memory that this took. */
#define LOOKUPS                                                                                    \
    "#include <hearth.h>\n#include <string.h>\n"                                                   \
    "static int same(const char *a, const char *b) { return a && b && strcmp(a, b) == 0; }\n"      \
    "int hearth_handle(hearth_call *c) { size_t before = hearth_memory_used(), after;\n"           \
    "  for (int i = 0; i < 100000; i++) {\n"                                                       \
    "    if (!same(hearth_query(c, \"last\"), \"a b&\")) return 1;\n"                              \
    "    if (!same(hearth_query(c, \"bare\"), \"\")) return 2;\n"                                  \
    "    if (hearth_query(c, \"none\")) return 3;\n"                                               \
    "    if (!same(hearth_header(c, \"X-Thing\"), \"one, two, three\")) return 4;\n"               \
    "    if (!same(hearth_header(c, \"cookie\"), \"a=1; b=2\")) return 5;\n"                       \
    "    if (hearth_header(c, \"X-None\")) return 6;\n"                                            \
    "    if (!same(hearth_path(c), \"/p q\")) return 7;\n"                                         \
    "    if (!hearth_call_id(c) || !hearth_query_string(c)) return 8;\n"                           \
    "    if (!same(hearth_env(\"KEY\"), \"value\") || hearth_env(\"K\")) return 9;\n"              \
    "    if (!same(hearth_method(c), \"GET\") || !hearth_body(c, NULL)) return 10;\n"              \
    "    hearth_status(c, 200); hearth_deadline_ms(c); hearth_memory_limit(); }\n"                 \
    "  after = hearth_memory_used();\n"                                                            \
    "  return after > before + (512 << 10) ? hearth_printf(c, \"%zu\", after - before)\n"          \
    "                                      : hearth_printf(c, \"fine\"); }\n"

#define TWENTY                                                                                     \
    "#include <hearth.h>\nint hearth_handle(hearth_call *c) { char n[] = \"k0\"; int found = 0;\n" \
    "  for (int i = 0; i < 20; i++) { n[1] = (char)('a' + i); found += hearth_query(c, n) != "     \
    "NULL;"                                                                                        \
    " }\n"                                                                                         \
    "  return hearth_printf(c, \"%d\", found); }\n"

/* Prints texts of n bytes with hearth_printf, `times` times, after one of `first` bytes. */
#define PRINTS                                                                                     \
    "#include <hearth.h>\n#include <stdlib.h>\n"                                                   \
    "static int number(hearth_call *c, const char *k) {\n"                                         \
    "  const char *v = hearth_query(c, k); return v ? atoi(v) : 0; }\n"                            \
    "int hearth_handle(hearth_call *c) { int n = number(c, \"n\"), times = number(c, "             \
    "\"times\");\n"                                                                                \
    "  if (hearth_query(c, \"first\") && hearth_printf(c, \"%*s\", number(c, \"first\"), "         \
    "\"f\"))\n"                                                                                    \
    "    return 2;\n"                                                                              \
    "  for (int i = 0; i < times; i++) if (hearth_printf(c, \"%*d\", n, i)) return 1;\n"           \
    "  return 0; }\n"

/* Prints the values of the names a, b and "a b" in the query, and of a header field. */
#define SHOW                                                                                       \
    "#include <hearth.h>\n"                                                                        \
    "static const char *s(const char *v) { return v ? v : \"(none)\"; }\n"                         \
    "int hearth_handle(hearth_call *c) { return hearth_printf(c, \"%s|%s|%s|%s\",\n"               \
    "  s(hearth_query(c, \"a\")), s(hearth_query(c, \"b\")), s(hearth_query(c, \"a b\")),\n"       \
    "  s(hearth_header(c, \"x-thing\"))); }\n"

static int
start(void **state)
{
    int status = group_start(state);

    deploy_ok(*state, "measure", "memory=16M&max=1&max_body=8M", MEASURE);
    deploy_ok(*state, "scan", "memory=16M&max=1&max_body=8M&stream=true", SCAN);
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

/* Sends a POST with n bytes 'x' to `measure`. */
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

/* Expects both responses. */
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

/* A body that is never complete, and one that the function does not read. */
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

    deploy_ok(*state, "twice", "memory=16M&max=1&max_body=64M&stream=true", TWICE);
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

    deploy_ok(*state, "large", "memory=16M&max=1&max_body=2M&stream=true", TWICE);
    reply_free(&(struct reply[]){http(*state, &(struct request){.method = "POST",
                                                                .path = "/function/large",
                                                                .body = bytes,
                                                                .len = 3 << 20,
                                                                .chunked = true})}[0]);
    expect(get(*state, "/function/large?told"),
           "Message too long, Message too long, Message too long ", "over max_body");
    free(bytes);
}

/* ---- the cost of lookups ---- */

static void
test_a_million_lookups_take_no_memory(void **state)
{
    static const char *const fields[] = {
        "X-Thing: one",   "Cookie: a=1", "X-Other: x", "x-thing: two",
        "X-THING: three", "cookie: b=2", NULL};

    deploy_ok(*state, "lookups", "memory=4M&max=1&timeout=60s&env=%7B%22KEY%22%3A%22value%22%7D",
              LOOKUPS);
    for (int i = 0; i < 3; i++)
        expect(http(*state, &(struct request){.path = "/function/lookups/p%20q?one=1&bare&"
                                                      "two=2&last=a+b%26&last=not",
                                              .fields = fields}),
               "fine", "a million lookups");
}

static void
test_a_long_query_costs_its_length_once(void **state)
{
    static char path[31000] = "/function/twenty?ka=1";
    size_t at = strlen(path);

    for (int i = 0; at < 30000; i++)
        at += (size_t)sprintf(path + at, i % 2 ? "&x%d=%%41" : "&%d", i);
    (void)strcpy(path + at, "&kt");
    deploy_ok(*state, "twenty", "memory=4M&max=1", TWENTY);
    for (int i = 0; i < 100; i++)
        expect(get(*state, path), "2", "30 KB of names");
    memset(path + 17, '&', at - 17);
    expect(get(*state, path), "1", "30 KB of separators");
    memset(path + 17, 'a', at - 17);
    expect(get(*state, path), "1", "one name of 30 KB");
}

static void
test_many_repeated_fields_are_joined_in_order(void **state)
{
    static char text[100][24], joined[4000];
    const char *fields[96];
    size_t at = 0;

    for (int i = 0; i < 95; i++) {
        (void)sprintf(text[i], "%s: v%d", i % 2 ? "X-Thing" : "x-thing", i);
        fields[i] = text[i];
        at += (size_t)sprintf(joined + at, "%sv%d", i > 0 ? ", " : "(none)|(none)|(none)|", i);
    }
    fields[95] = NULL;
    deploy_ok(*state, "show", "memory=4M&max=1", SHOW);
    expect(http(*state, &(struct request){.path = "/function/show", .fields = fields}), joined,
           "95 fields");
}

static void
test_queries_are_taken_apart(void **state)
{
    static const char *const rows[][2] = {
        {"", "(none)|(none)|(none)"},
        {"?", "(none)|(none)|(none)"},
        {"?a", "|(none)|(none)"},
        {"?a=", "|(none)|(none)"},
        {"?a=1&a=2", "1|(none)|(none)"},
        {"?&&b=x&", "(none)|x|(none)"},
        {"?b&a=1", "1||(none)"},
        {"?a==&b=a=b", "=|a=b|(none)"},
        {"?%61=1", "1|(none)|(none)"},
        {"?a+b=c+d", "(none)|(none)|c d"},
        {"?a%20b=%26%3D", "(none)|(none)|&="},
        {"?a=%00%zz%4&b=%", "%00%zz%4|%|(none)"},
        {"?ab=1&b", "(none)||(none)"},
        {"?a%00=1", "(none)|(none)|(none)"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char path[64], wanted[64];

        (void)snprintf(path, sizeof path, "/function/show%s", rows[i][0]);
        (void)snprintf(wanted, sizeof wanted, "%s|(none)", rows[i][1]);
        expect(get(*state, path), wanted, path);
    }
}

static void
expect_printed(void **state, int first, int n, int times, bool whole)
{
    struct reply r;
    char path[96], value[32];
    size_t len = (size_t)first + (size_t)n * (size_t)times;

    (void)snprintf(path, sizeof path, "/function/prints?n=%d&times=%d&%s=%d", n, times,
                   first > 0 ? "first" : "x", first);
    r = get(*state, path);
    if (r.status != 200 || r.error != 0 || r.len != len ||
        (reply_field(&r, "Content-Length", value, sizeof value) != NULL) != whole)
        fail_msg("%s: %ld, %zu bytes, curl %d", path, r.status, r.len, r.error);
    for (int i = 0; i < times; i++)
        if (atoi(r.body + first + (size_t)n * (size_t)i + (size_t)n - 9) != i % 1000000000)
            fail_msg("%s: text %d is another", path, i);
    reply_free(&r);
}

static void
test_printf_streams_more_than_the_memory(void **state)
{
    deploy_ok(*state, "prints", "memory=4M&max=1&timeout=60s", PRINTS);
    expect_printed(state, 0, 8000, 8400, false);    /* 64 MB */
    expect_printed(state, 0, 200000, 40, false);    /* each is larger than a frame */
    expect_printed(state, 60000, 40000, 20, false); /* each is the second in its frame */
}

static void
test_printf_fills_a_frame_to_its_last_byte(void **state)
{
    expect_printed(state, 0, 65536, 1, true);
    expect_printed(state, 0, 65535, 1, true);
    expect_printed(state, 0, 65537, 1, false);
    expect_printed(state, 65500, 36, 1, true);
    expect_printed(state, 65500, 37, 1, false);
    expect_printed(state, 65536, 65536, 1, false);
    expect_printed(state, 10, 65536, 3, false);
    expect_printed(state, 10, 65537, 3, false);
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
        cmocka_unit_test(test_a_million_lookups_take_no_memory),
        cmocka_unit_test(test_a_long_query_costs_its_length_once),
        cmocka_unit_test(test_many_repeated_fields_are_joined_in_order),
        cmocka_unit_test(test_queries_are_taken_apart),
        cmocka_unit_test(test_printf_streams_more_than_the_memory),
        cmocka_unit_test(test_printf_fills_a_frame_to_its_last_byte),
    };

    return RUN_TESTS("request", tests, start, group_stop);
}
