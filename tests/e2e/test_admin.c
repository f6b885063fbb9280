/* test_admin.c: hostile clients of the administration: tokens, origins, names, archives, JSON. A
 * refused request changes nothing, and the daemon keeps running. */
#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "bundle.h"
#include "harness.h"
#include "run.h"

#define HELLO                                                                                      \
    "#include <hearth.h>\n"                                                                        \
    "int hearth_handle(hearth_call *call) { return hearth_printf(call, \"hello\"); }\n"

static void
expect_code(struct reply r, long status, const char *code, const char *what)
{
    if (r.status != status || r.json == NULL || strcmp(reply_text(&r, "code"), code) != 0)
        fail_msg("%.80s: want %ld %s, got %ld %.300s", what, status, code, r.status, r.body);
    reply_free(&r);
}

static double
now_s(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- tokens ---- */

static struct reply
with_field(const struct daemon *d, const char *path, const char *field)
{
    const char *const fields[] = {field, NULL};

    return http(d, &(struct request){.path = path, .fields = fields, .no_token = true});
}

static void
test_tokens_that_are_not_the_token_are_refused_after_a_delay(void **state)
{
    const struct daemon *d = *state;
    char wrong[12][256], *overlong = calloc(1, 20001);
    size_t n = 0;
    double began;

    (void)snprintf(wrong[n++], 256, "Authorization: Bearer ");
    (void)snprintf(wrong[n++], 256, "Authorization: %s", d->token);
    (void)snprintf(wrong[n++], 256, "Authorization: Basic %s", d->token);
    (void)snprintf(wrong[n++], 256, "Authorization: Bearer %.*s", (int)strlen(d->token) - 1,
                   d->token);
    (void)snprintf(wrong[n++], 256, "Authorization: Bearer %sx", d->token);
    (void)snprintf(wrong[n++], 256, "Authorization: Bearer %s %s", d->token, d->token);
    (void)snprintf(wrong[n++], 256, "Authorization: Bearer %s,", d->token);
    (void)snprintf(wrong[n], 256, "Authorization: Bearer %s", d->token);
    wrong[n][strlen(wrong[n]) - 1] ^= 1; /* the last character differs */
    n++;
    (void)snprintf(wrong[n], 256, "Authorization: Bearer %s", d->token);
    wrong[n][strlen("Authorization: Bearer ")] ^= 1; /* the first one differs */
    n++;
    (void)snprintf(wrong[n++], 256, "X-Other: nothing");
    for (size_t i = 0; i < n; i++) {
        began = now_s();
        expect_code(with_field(d, "/v1/functions", wrong[i]), 401, "unauthorized", wrong[i]);
        assert_true(now_s() - began > 0.3);
    }
    (void)sprintf(overlong, "Authorization: Bearer ");
    memset(overlong + strlen(overlong), 'a', 19000);
    expect_code(with_field(d, "/v1/functions", overlong), 401, "unauthorized", "overlong");
    free(overlong);
}

static void
test_who_waits_for_a_refusal_holds_up_nobody(void **state)
{
    const struct daemon *d = *state;
    int fds[32];
    double began = now_s();

    for (int i = 0; i < 32; i++) {
        static const char text[] =
            "GET /v1/functions HTTP/1.1\r\nHost: x.localhost\r\nAuthorization: Bearer no\r\n\r\n";

        fds[i] = raw_connect(d);
        raw_send(fds[i], text, sizeof text - 1);
    }
    for (int i = 0; i < 20; i++) {
        struct reply r = get(d, "/v1/functions");

        assert_int_equal(r.status, 200);
        reply_free(&r);
    }
    assert_true(now_s() - began < 5);
    for (int i = 0; i < 32; i++) {
        char *answer = raw_receive(fds[i], "\r\n\r\n");

        assert_non_null(strstr(answer, "401"));
        free(answer);
        (void)close(fds[i]);
    }
}

/* ---- origins ---- */

static struct reply
from(const struct daemon *d, const char *host, const char *origin, const char *site)
{
    const char *fields[4] = {host};
    int n = host != NULL;

    if (origin != NULL)
        fields[n++] = origin;
    if (site != NULL)
        fields[n++] = site;
    fields[n] = NULL;
    return http(d, &(struct request){.path = "/v1/functions", .fields = fields});
}

static void
test_a_name_that_was_rebound_to_this_host_is_refused(void **state)
{
    static const char *const strange[] = {"Host: evil.example", "Host: evil.example:8080",
                                          "Host: localhost.evil.example", "Host: not.local.host",
                                          "Host: 127.0.0.1.evil.example"};
    static const char *const known[] = {
        "Host: 127.0.0.1",   "Host: 10.1.2.3:99", "Host: [::1]:8080", "Host: localhost",
        "Host: LOCALHOST:1", "Host: a.localhost", "Host: localhost.", "Host: hearth:8080"};
    char own[80] = "", field[100];

    for (size_t i = 0; i < sizeof strange / sizeof strange[0]; i++)
        expect_code(from(*state, strange[i], NULL, NULL), 403, "forbidden", strange[i]);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        struct reply r = from(*state, known[i], NULL, NULL);

        if (r.status != 200)
            fail_msg("%s: %ld %s", known[i], r.status, r.body);
        reply_free(&r);
    }
    assert_int_equal(gethostname(own, sizeof own - 1), 0);
    (void)snprintf(field, sizeof field, "Host: %s:8080", own);
    {
        struct reply r = from(*state, field, NULL, NULL);

        assert_int_equal(r.status, 200);
        reply_free(&r);
    }
    /* functions may be called by any host name */
    expect_code(with_field(*state, "/function/none", "Host: evil.example"), 404,
                "function_not_found", "a call by another name");
}

static void
test_a_page_of_another_site_is_refused(void **state)
{
    const struct daemon *d = *state;
    char host[64], own[64], other[64];
    struct reply r;

    (void)snprintf(host, sizeof host, "Host: 127.0.0.1:%d", d->port);
    (void)snprintf(own, sizeof own, "Origin: http://127.0.0.1:%d", d->port);
    (void)snprintf(other, sizeof other, "Origin: http://127.0.0.1:%d", d->port + 1);
    expect_code(from(d, host, "Origin: http://evil.example", NULL), 403, "forbidden", "Origin");
    expect_code(from(d, host, "Origin: null", NULL), 403, "forbidden", "Origin: null");
    expect_code(from(d, host, other, NULL), 403, "forbidden", "another port");
    expect_code(from(d, host, NULL, "Sec-Fetch-Site: cross-site"), 403, "forbidden", "a fetch");
    r = from(d, host, own, "Sec-Fetch-Site: same-origin");
    assert_int_equal(r.status, 200);
    reply_free(&r);
    r = http(d, &(struct request){.method = "OPTIONS", .path = "/v1/functions/x"});
    assert_int_equal(r.status, 405); /* no preflight request is granted */
    assert_null(strstr(r.fields, "Access-Control"));
    reply_free(&r);
}

static void
test_names_of_the_option_admin_hosts_are_taken(void **state)
{
    const char *options[] = {"--admin-hosts", "faas.example, other.example", NULL};
    struct daemon d = {0};
    struct reply r;

    (void)state;
    daemon_start_with(&d, options);
    r = from(&d, "Host: FaaS.example:8080", "Origin: https://faas.example:8080", NULL);
    assert_int_equal(r.status, 200);
    reply_free(&r);
    expect_code(from(&d, "Host: a.faas.example", NULL, NULL), 403, "forbidden", "below a name");
    daemon_remove(&d);
}

/* If one listener serves both, pages of functions have the daemon's own origin. */
static void
test_without_a_token_a_page_of_a_function_is_refused_too(void **state)
{
    const char *options[] = {"--no-auth", NULL};
    struct daemon d = {0};
    char host[64], own[64];
    struct reply r;

    (void)state;
    daemon_start_with(&d, options);
    (void)snprintf(host, sizeof host, "Host: 127.0.0.1:%d", d.port);
    (void)snprintf(own, sizeof own, "Origin: http://127.0.0.1:%d", d.port);
    expect_code(from(&d, host, own, NULL), 403, "forbidden", "its own origin");
    expect_code(from(&d, host, NULL, "Sec-Fetch-Site: same-origin"), 403, "forbidden", "a fetch");
    r = from(&d, host, NULL, "Sec-Fetch-Site: none");
    assert_int_equal(r.status, 200);
    reply_free(&r);
    daemon_remove(&d);
}

static const char *
worker_allowed(const struct daemon *d, char *buf, size_t n)
{
    struct reply r;
    const char *value;

    deploy_ok(d, "worker", "memory=16M",
              "#include <hearth.h>\nint hearth_handle(hearth_call *c) {\n"
              "  hearth_set_header(c, \"service-worker-allowed\", \"/\");\n"
              "  hearth_set_header(c, \"X-Other\", \"1\");\n"
              "  return hearth_printf(c, \"self.onfetch = e => e;\"); }\n");
    r = get(d, "/function/worker/sw.js");
    assert_int_equal(r.status, 200);
    assert_non_null(reply_field(&r, "X-Other", buf, n));
    value = reply_field(&r, "Service-Worker-Allowed", buf, n);
    reply_free(&r);
    return value;
}

/* A service worker of a function with the scope "/" would answer for the dashboard. */
static void
test_a_function_s_service_worker_cannot_serve_the_dashboard(void **state)
{
    char buf[32];
    struct reply r;

    assert_null(worker_allowed(*state, buf, sizeof buf));
    r = http(*state, &(struct request){.method = "DELETE", .path = "/v1/functions/worker"});
    assert_int_equal(r.status, 204);
    reply_free(&r);
}

static void
test_two_hosts_are_a_bad_request(void **state)
{
    static const char text[] = "GET /v1/functions HTTP/1.1\r\nHost: localhost\r\nHost: a\r\n\r\n";
    int fd = raw_connect(*state);
    char *answer;

    raw_send(fd, text, sizeof text - 1);
    answer = raw_receive(fd, NULL);
    assert_non_null(strstr(answer, "400 Bad Request"));
    assert_non_null(strstr(answer, "bad_request"));
    free(answer);
    (void)close(fd);
}

/* ---- names ---- */

static void
test_names_with_tricks_are_refused(void **state)
{
    static const char *const names[] = {"..",     ".",          "a..b", "%2e%2e", "a%2fb", "a%00b",
                                        "-a",     "a-",         "A",    "a_b",    "a.b",   "a%20b",
                                        "%c3%a4", "tmp-1/../x", "a;b",  "a\\b"};
    char path[512], longest[80];
    struct reply r;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)snprintf(path, sizeof path, "/v1/functions/%s", names[i]);
        r = put(*state, path, "text/x-c", HELLO, strlen(HELLO));
        if (r.status != 400 && r.status != 404)
            fail_msg("%s: %ld %s", names[i], r.status, r.body);
        reply_free(&r);
        (void)snprintf(path, sizeof path, "/function/%s", names[i]);
        r = get(*state, path);
        if (r.status != 404 && (r.status != 400 || strstr(names[i], "%00") == NULL))
            fail_msg("calling %s: %ld %s", names[i], r.status, r.body);
        reply_free(&r);
    }
    memset(longest, 'a', 64);
    longest[64] = '\0';
    expect_code(deploy(*state, longest, "", HELLO), 400, "bad_name", "64 letters");
    longest[63] = '\0';
    deploy_ok(*state, longest, "memory=16M", HELLO);
    r = get(*state, "/v1/functions");
    assert_int_equal(json_array_size(json_object_get(r.json, "functions")), 1);
    reply_free(&r);
}

/* ---- archives ---- */

static struct reply
deploy_bytes(const struct daemon *d, const char *type, const void *bytes, size_t n)
{
    return put(d, "/v1/functions/archive?memory=16M", type, bytes, n);
}

/* Deploys an archive with one odd entry and a valid source. */
static struct reply
deploy_entry(const struct daemon *d, const char *path, unsigned type, const char *link,
             const char *hardlink)
{
    static char bytes[65536];
    size_t len;
    struct archive *a = archive_write_new();
    struct archive_entry *e = archive_entry_new();

    archive_write_set_format_pax_restricted(a);
    assert_int_equal(archive_write_open_memory(a, bytes, sizeof bytes, &len), 0);
    archive_entry_set_pathname(e, "good.c");
    archive_entry_set_filetype(e, AE_IFREG);
    archive_entry_set_size(e, (la_int64_t)strlen(HELLO));
    assert_int_equal(archive_write_header(a, e), 0);
    (void)archive_write_data(a, HELLO, strlen(HELLO));
    archive_entry_clear(e);
    archive_entry_set_pathname(e, path);
    archive_entry_set_filetype(e, type);
    if (link != NULL)
        archive_entry_set_symlink(e, link);
    if (hardlink != NULL)
        archive_entry_set_hardlink(e, hardlink);
    archive_entry_set_size(e, 0);
    assert_true(archive_write_header(a, e) >= ARCHIVE_WARN); /* not all have a name */
    archive_entry_free(e);
    assert_int_equal(archive_write_free(a), 0);
    return deploy_bytes(d, "application/x-tar", bytes, len);
}

static void
test_archives_with_paths_out_links_and_devices_are_refused(void **state)
{
    static const char *const paths[] = {
        "/etc/cron.d/x", "../x.c",
        "a/../../x.c",   "a/./../x",
        ".a/../../x",    "a//b.c",
        "x\x01.c",       "a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s/t/u/v/w/x/y/z.c"};

    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        expect_code(deploy_entry(*state, paths[i], AE_IFREG, NULL, NULL), 400, "bad_bundle",
                    paths[i]);
    expect_code(deploy_entry(*state, "l.c", AE_IFLNK, "/etc/passwd", NULL), 400, "bad_bundle",
                "a link");
    expect_code(deploy_entry(*state, "h.c", AE_IFREG, NULL, "good.c"), 400, "bad_bundle",
                "a hard link");
    expect_code(deploy_entry(*state, "f.c", AE_IFIFO, NULL, NULL), 400, "bad_bundle", "a pipe");
    expect_code(deploy_entry(*state, "d.c", AE_IFCHR, NULL, NULL), 400, "bad_bundle", "a device");
}

/* A tar file that declares a sparse file of one terabyte without data, as GNU tar writes it. */
static void
test_a_sparse_giant_is_refused(void **state)
{
    static char bytes[65536];
    size_t len;
    struct archive *a = archive_write_new();
    struct archive_entry *e = archive_entry_new();

    archive_write_set_format_pax(a);
    assert_int_equal(archive_write_open_memory(a, bytes, sizeof bytes, &len), 0);
    archive_entry_set_pathname(e, "giant.c");
    archive_entry_set_filetype(e, AE_IFREG);
    archive_entry_set_size(e, (la_int64_t)1 << 40);
    archive_entry_sparse_add_entry(e, 0, 16);
    archive_entry_sparse_add_entry(e, ((la_int64_t)1 << 40) - 16, 16);
    assert_int_equal(archive_write_header(a, e), 0);
    (void)archive_write_data(a, "0123456789abcdef0123456789abcdef", 32);
    archive_entry_free(e);
    (void)archive_write_free(a);
    expect_code(deploy_bytes(*state, "application/x-tar", bytes, len), 400, "bad_bundle",
                "a sparse terabyte");
}

/* Compresses the piece, repeated `repeat` times. */
static unsigned char *
zipped(const void *piece, size_t n, size_t repeat, size_t *len)
{
    z_stream z = {0};
    size_t room = 64 << 20;
    unsigned char *out = malloc(room);

    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_out = out;
    z.avail_out = (unsigned)room;
    for (size_t i = 0; i < repeat; i++) {
        z.next_in = (unsigned char *)(uintptr_t)piece;
        z.avail_in = (unsigned)n;
        assert_int_equal(deflate(&z, i + 1 == repeat ? Z_FINISH : Z_NO_FLUSH),
                         i + 1 == repeat ? Z_STREAM_END : Z_OK);
    }
    *len = z.total_out;
    (void)deflateEnd(&z);
    return out;
}

static void
expect_bomb_refused(const struct daemon *d, const unsigned char *bytes, size_t len,
                    const char *what)
{
    char before[64], after[64];
    pid_t gateway = find_process(d->pid, "hearth-gateway");
    double began = now_s();

    (void)proc_status(gateway, "VmRSS", before, sizeof before);
    expect_code(deploy_bytes(d, "application/gzip", bytes, len), 400, "bad_bundle", what);
    (void)proc_status(gateway, "VmRSS", after, sizeof after);
    if (strtol(after, NULL, 10) > strtol(before, NULL, 10) + 400 * 1024)
        fail_msg("%s: the gateway grew from %s to %s", what, before, after);
    if (getenv("HEARTH_PATIENCE") == NULL)
        assert_true(now_s() - began < 20);
}

static void
test_gzip_bombs_are_refused(void **state)
{
    static char block[65536];
    size_t len, len2;
    unsigned char *bomb, *nested;
    struct archive *a = archive_write_new();
    struct archive_entry *e = archive_entry_new();

    /* zeros, which are not an archive; the same compressed twice; very many folders */
    bomb = zipped(block, sizeof block, 8192, &len);
    expect_bomb_refused(*state, bomb, len, "half a gigabyte of zeros");
    nested = zipped(bomb, len, 1, &len2);
    expect_bomb_refused(*state, nested, len2, "packed twice");
    free(bomb);
    free(nested);
    archive_write_set_format_ustar(a);
    assert_int_equal(archive_write_open_memory(a, block, sizeof block, &len), 0);
    archive_entry_set_pathname(e, "dir");
    archive_entry_set_filetype(e, AE_IFDIR);
    archive_entry_set_perm(e, 0755);
    assert_int_equal(archive_write_header(a, e), 0);
    archive_entry_free(e);
    (void)archive_write_free(a);
    bomb = zipped(block, 512, 2000000, &len);
    expect_bomb_refused(*state, bomb, len, "two million folders");
    free(bomb);
}

static void
test_damaged_archives_are_refused(void **state)
{
    struct bundle *b = calloc(1, sizeof *b);
    struct reply r;

    bundle_open(b, true);
    bundle_add(b, "a.c", HELLO, NULL);
    bundle_close(b);
    for (size_t cut = 1; cut < b->len; cut += b->len / 7) {
        r = deploy_bytes(*state, "application/gzip", b->bytes, cut);
        if (r.status != 400)
            fail_msg("cut at %zu of %zu: %ld %s", cut, b->len, r.status, r.body);
        reply_free(&r);
    }
    fill_random(b->bytes, 4096);
    expect_code(deploy_bytes(*state, "application/x-tar", b->bytes, 4096), 400, "bad_bundle",
                "noise");
    free(b);
}

/* ---- JSON ---- */

static struct reply
settings_of_bundle(const struct daemon *d, const char *json)
{
    struct bundle *b = calloc(1, sizeof *b);
    struct reply r;

    bundle_open(b, false);
    bundle_add(b, "a.c", HELLO, NULL);
    bundle_add(b, "function.json", json, NULL);
    bundle_close(b);
    r = deploy_bytes(d, "application/x-tar", b->bytes, b->len);
    free(b);
    return r;
}

static void
test_json_that_is_a_trap_is_refused(void **state)
{
    static const char *const bodies[] = {"{\"timeout\": 1, \"timeout\": 2}",
                                         "{\"env\": {\"A\": \"\xff\xfe\"}}",
                                         "{\"timeout\": 1e400}",
                                         "{\"timeout\": 99999999999999999999}",
                                         "[1, 2]",
                                         "\"text\"",
                                         "{\"timeout\": \"5s\"} x",
                                         "{\"env\": {\"A\": \"b\\u0000c\"}}",
                                         "{\"timeout\": 5.5}",
                                         "{\"timeout\": NaN}",
                                         "{'timeout': 1}",
                                         "",
                                         "{\"timeout\": {\"a\": 1}}",
                                         "{\"syscalls\": \"ptrace\"}",
                                         "{\"syscalls\": [1]}",
                                         "{\"tmp\": -1}"};
    size_t deep = 100000;
    char *nested = malloc(2 * deep + 64), *at = nested, before[4096];
    struct reply r;

    deploy_ok(*state, "json", "memory=16M", HELLO);
    r = get(*state, "/v1/functions/json");
    (void)snprintf(before, sizeof before, "%s", json_dumps(json_object_get(r.json, "settings"), 0));
    reply_free(&r);
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        r = patch(*state, "/v1/functions/json", bodies[i]);
        if (r.status != 400)
            fail_msg("%s: %ld %s", bodies[i], r.status, r.body);
        reply_free(&r);
        r = settings_of_bundle(*state, bodies[i]);
        if (r.status != 400)
            fail_msg("function.json %s: %ld %s", bodies[i], r.status, r.body);
        reply_free(&r);
    }
    at += sprintf(at, "{\"env\": ");
    memset(at, '[', deep);
    memset(at + deep, ']', deep);
    (void)strcpy(at + 2 * deep, "}");
    expect_code(patch(*state, "/v1/functions/json", nested), 400, "bad_json", "nested deeply");
    expect_code(settings_of_bundle(*state, nested), 400, "bad_setting", "nested deeply");
    nested = realloc(nested, 300 * 1024 + 1);
    memset(nested, ' ', 300 * 1024);
    nested[300 * 1024] = '\0';
    expect_code(patch(*state, "/v1/functions/json", nested), 413, "body_too_large", "300 KiB");
    expect_code(settings_of_bundle(*state, nested), 400, "bad_bundle", "300 KiB");
    free(nested);
    r = get(*state, "/v1/functions/json");
    assert_string_equal(json_dumps(json_object_get(r.json, "settings"), 0), before);
    reply_free(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens_that_are_not_the_token_are_refused_after_a_delay),
        cmocka_unit_test(test_who_waits_for_a_refusal_holds_up_nobody),
        cmocka_unit_test(test_a_name_that_was_rebound_to_this_host_is_refused),
        cmocka_unit_test(test_a_page_of_another_site_is_refused),
        cmocka_unit_test(test_names_of_the_option_admin_hosts_are_taken),
        cmocka_unit_test(test_without_a_token_a_page_of_a_function_is_refused_too),
        cmocka_unit_test(test_a_function_s_service_worker_cannot_serve_the_dashboard),
        cmocka_unit_test(test_two_hosts_are_a_bad_request),
        cmocka_unit_test(test_names_with_tricks_are_refused),
        cmocka_unit_test(test_archives_with_paths_out_links_and_devices_are_refused),
        cmocka_unit_test(test_a_sparse_giant_is_refused),
        cmocka_unit_test(test_gzip_bombs_are_refused),
        cmocka_unit_test(test_damaged_archives_are_refused),
        cmocka_unit_test(test_json_that_is_a_trap_is_refused),
    };

    return RUN_TESTS("admin", tests, group_start, group_stop);
}
