/* test_profile.c: POST …/profile: which call stacks of a function allocate, and what is still in
 * use, without a rebuild. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "run.h"

/* Per call: 100 blocks of 1,000 bytes that are freed, one of 2,000 that is kept. */
static const char allocator[] =
    "#include <hearth.h>\n#include <stdlib.h>\n#include <string.h>\n"
    "static void *kept[100000]; static int n;\n"
    "static __attribute__((noinline)) void *take(size_t size) {\n"
    "  void *p = malloc(size); if (p) memset(p, 1, size); return p; }\n"
    "static __attribute__((noinline)) void churn(void) {\n"
    "  for (int i = 0; i < 100; i++) free(take(1000)); __asm__ volatile(\"\"); }\n"
    "static __attribute__((noinline)) void keep(void) {\n"
    "  kept[n++ % 100000] = take(2000); __asm__ volatile(\"\"); }\n"
    "int hearth_handle(hearth_call *c) { churn(); keep(); return hearth_printf(c, \"%d\", n); }\n";

struct load {
    const struct daemon *d;
    atomic_bool stop;
    atomic_int good, bad;
};

static void *
keep_calling(void *arg)
{
    struct load *load = arg;

    while (!atomic_load(&load->stop)) {
        struct reply r = get(load->d, "/function/f");

        (void)atomic_fetch_add(r.status == 200 ? &load->good : &load->bad, 1);
        reply_free(&r);
    }
    return NULL;
}

static struct reply
profile(const struct daemon *d, const char *body, const char *accept)
{
    const char *fields[] = {accept, NULL};

    return http(d, &(struct request){.method = "POST",
                                     .path = "/v1/functions/f/profile",
                                     .fields = fields,
                                     .body = body,
                                     .len = strlen(body)});
}

/* Bytes of the line that ends with this stack. */
static double
bytes_of(const char *folded, const char *stack)
{
    double sum = 0;
    const char *at = folded;

    while ((at = strstr(at, stack)) != NULL) {
        at += strlen(stack);
        sum += *at == ' ' ? strtod(at, NULL) : 0;
    }
    return sum;
}

static void
test_stacks_have_their_bytes_by_name(void **state)
{
    struct daemon *d = *state;
    struct load load = {.d = d};
    double churned, kept;
    struct reply r;
    pthread_t thread;

    /* with room for all that a fast machine keeps: 2,000 bytes a call, 100,000 times */
    deploy_ok(d, "f", "memory=512M&max=1&recycle_memory=100", allocator);
    assert_int_equal(pthread_create(&thread, NULL, keep_calling, &load), 0);
    r = profile(d, "{\"seconds\": 2}", NULL);
    if (r.status != 200)
        fail_msg("%ld %s", r.status, r.body);
    churned = bytes_of(r.body, "hearth_handle;churn;take");
    kept = bytes_of(r.body, "hearth_handle;keep;take");
    /* 100,000 to 2,000 bytes; what is kept has few samples */
    if (churned < 1e6 || kept < churned / 50 / 3 || kept > churned / 50 * 3)
        fail_msg("churned %.0f, kept %.0f: %s", churned, kept, r.body);
    reply_free(&r);
    r = profile(d, "{\"seconds\": 2, \"value\": \"live\"}", NULL);
    if (r.status != 200)
        fail_msg("%ld %s", r.status, r.body);
    kept = bytes_of(r.body, "hearth_handle;keep;take");
    if (kept < 2000 || bytes_of(r.body, "hearth_handle;churn;take") > kept / 5)
        fail_msg("live: %s", r.body);
    reply_free(&r);
    r = profile(d, "{\"seconds\": 1}", "Accept: application/vnd.google.protobuf");
    assert_int_equal(r.status, 200);
    assert_true(r.len > 100 && memcmp(r.body,
                                      "\x32\x00\x32\x0d"
                                      "alloc_objects",
                                      17) == 0);
    reply_free(&r);
    atomic_store(&load.stop, true);
    (void)pthread_join(thread, NULL);
    assert_int_equal(atomic_load(&load.bad), 0);
    r = get(d, "/v1/functions/f/memory"); /* all by one instance */
    assert_int_equal(json_object_size(json_object_get(r.json, "ends")), 0);
    reply_free(&r);
}

/* Many deep stacks: each is another way through a tree. */
static const char deep[] =
    "#include <hearth.h>\n#include <stdlib.h>\n"
    "static __attribute__((noinline)) void go(unsigned way, int depth) {\n"
    "  if (depth == 0) { void *volatile p = malloc(70000); free(p); return; }\n"
    "  if (way & 1) { go(way >> 1, depth - 1); __asm__ volatile(\"nop\"); }\n"
    "  else { go(way >> 1, depth - 1); __asm__ volatile(\"nop;nop\"); } }\n"
    "int hearth_handle(hearth_call *c) { static unsigned way;\n"
    "  for (int i = 0; i < 1000; i++) go(way++ * 2654435761u, 30); return 0; }\n";

static void
test_many_deep_stacks_harm_nobody(void **state)
{
    struct daemon *d = *state;
    struct load load = {.d = d};
    struct reply r;
    pthread_t thread;

    deploy_ok(d, "f", "memory=64M&max=1", deep);
    assert_int_equal(pthread_create(&thread, NULL, keep_calling, &load), 0);
    r = profile(d, "{\"seconds\": 2}", NULL);
    atomic_store(&load.stop, true);
    (void)pthread_join(thread, NULL);
    if (r.status != 200)
        fail_msg("%ld %s", r.status, r.body);
    assert_non_null(strstr(r.body, "hearth_handle;go;go;go"));
    reply_free(&r);
    assert_int_equal(atomic_load(&load.bad), 0);
}

static void
test_what_cannot_be_profiled_says_why(void **state)
{
    static const struct {
        const char *body;
        long status;
        const char *code;
    } rows[] = {
        {"{\"seconds\": 0}", 400, "bad_setting"},
        {"{\"seconds\": \"2\"}", 400, "bad_setting"},
        {"{\"seconds\": 301}", 400, "bad_setting"},
        {"{\"second\": 1}", 400, "bad_setting"},
        {"{\"value\": \"all\"}", 400, "bad_setting"},
        {"[]", 400, "bad_json"},
        {"{", 400, "bad_json"},
        {"{\"seconds\": 1}", 409, "profile_failed"},
    };
    struct daemon *d = *state;
    struct reply r;

    r = http(d, &(struct request){.method = "DELETE", .path = "/v1/functions/f"});
    reply_free(&r);
    deploy_ok(d, "f", "memory=16M&max=1", allocator);
    wait_for_figure(d, "f", "instances", "total", 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        r = profile(d, rows[i].body, NULL);
        if (r.status != rows[i].status || strcmp(reply_text(&r, "code"), rows[i].code) != 0)
            fail_msg("%s: %ld %s", rows[i].body, r.status, r.body);
        reply_free(&r);
    }
    r = http(d, &(struct request){.method = "POST", .path = "/v1/functions/nobody/profile"});
    assert_int_equal(r.status, 404);
    reply_free(&r);
}

/* The instance is retired while it samples. */
static void
test_an_instance_that_ends_meanwhile_is_said(void **state)
{
    struct daemon *d = *state;
    struct reply r;

    deploy_ok(d, "f", "memory=16M&min=1&max=1&recycle_calls=5", allocator);
    wait_for_figure(d, "f", "instances", "idle", 1);
    {
        struct load load = {.d = d};
        pthread_t thread;

        assert_int_equal(pthread_create(&thread, NULL, keep_calling, &load), 0);
        r = profile(d, "{\"seconds\": 30}", NULL);
        atomic_store(&load.stop, true);
        (void)pthread_join(thread, NULL);
    }
    if (r.status != 409 || strcmp(reply_text(&r, "code"), "profile_failed") != 0)
        fail_msg("%ld %s", r.status, r.body);
    reply_free(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stacks_have_their_bytes_by_name),
        cmocka_unit_test(test_many_deep_stacks_harm_nobody),
        cmocka_unit_test(test_what_cannot_be_profiled_says_why),
        cmocka_unit_test(test_an_instance_that_ends_meanwhile_is_said),
    };

    return RUN_TESTS("profile", tests, group_start, group_stop);
}
