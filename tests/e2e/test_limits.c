/* test_limits.c: memory while it runs: a limit that changes under load ends no call; free heap goes
 * back; a function is asked to drop its caches before its instance is retired. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "run.h"

#define MB (1024 * 1024)

/* Uses 5 MiB for a moment. */
static const char user[] = "#include <hearth.h>\n#include <stdlib.h>\n#include <string.h>\n"
                           "int hearth_handle(hearth_call *c) {\n"
                           "  char *p = malloc(5 << 20); if (!p) return 1; memset(p, 1, 5 << 20);\n"
                           "  __asm__ volatile(\"\" ::\"r\"(p) : \"memory\"); free(p);\n"
                           "  return hearth_printf(c, \"used\"); }\n";

struct load {
    const struct daemon *d;
    atomic_bool stop;
    atomic_int calls, lost;
    char first[256];
};

static void *
keep_calling(void *arg)
{
    static const char request[] = "GET /function/user HTTP/1.1\r\nHost: x\r\n\r\n";
    struct load *load = arg;
    int fd = raw_connect(load->d);

    while (!atomic_load(&load->stop)) {
        char *got;

        raw_send(fd, request, sizeof request - 1);
        got = raw_receive(fd, "\r\n\r\nused");
        if (strstr(got, " 200 OK") == NULL && atomic_fetch_add(&load->lost, 1) == 0)
            (void)snprintf(load->first, sizeof load->first, "%s", got);
        if (strstr(got, " 200 OK") == NULL) {
            (void)close(fd);
            fd = raw_connect(load->d);
        }
        free(got);
        (void)atomic_fetch_add(&load->calls, 1);
    }
    (void)close(fd);
    return NULL;
}

/* The settings and what has become of the instances agree in the end. */
static bool
all_have_limit(void *arg)
{
    const struct daemon *d = arg;
    struct reply r = get(d, "/v1/functions/user/instances");
    json_t *list = json_object_get(r.json, "instances"), *one;
    bool all = true;
    size_t i;

    json_array_foreach (list, i, one)
        all = all && json_integer_value(json_object_get(one, "memory_limit")) == 10 * MB;
    reply_free(&r);
    return all;
}

static void
test_no_call_is_lost_to_a_limit_that_changes_under_load(void **state)
{
    enum { CALLERS = 4, CHANGES = 1000 };
    static const char *const limits[] = {"{\"memory\": \"32M\"}", "{\"memory\": \"10M\"}",
                                         "{\"memory\": \"64M\"}", "{\"memory\": \"8M\"}",
                                         "{\"memory\": \"24M\"}"};
    struct daemon *d = *state;
    struct load load = {.d = d};
    pthread_t threads[CALLERS];
    struct reply r;

    deploy_ok(d, "user", "memory=64M&max=3&queue_timeout=30s", user);
    for (int i = 0; i < CALLERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, keep_calling, &load), 0);
    for (int i = 0; i < CHANGES; i++) {
        r = patch(d, "/v1/functions/user", limits[i % (sizeof limits / sizeof limits[0])]);
        if (r.status != 200)
            fail_msg("change %d: %ld %s", i, r.status, r.body);
        reply_free(&r);
    }
    r = patch(d, "/v1/functions/user", "{\"memory\": \"10M\"}");
    assert_int_equal(r.status, 200);
    reply_free(&r);
    wait_for("the last limit", all_have_limit, d);
    atomic_store(&load.stop, true);
    for (int i = 0; i < CALLERS; i++)
        (void)pthread_join(threads[i], NULL);
    print_message("# %d calls during %d changes\n", atomic_load(&load.calls), CHANGES);
    if (atomic_load(&load.lost) > 0)
        fail_msg("%d of %d calls lost; the first: %s", atomic_load(&load.lost),
                 atomic_load(&load.calls), load.first);
    assert_true(atomic_load(&load.calls) > 100);
}

static bool
has_ended_for_the_limit(void *arg)
{
    struct reply r = get(arg, "/v1/functions/sleeper/memory");
    json_t *ends = json_object_get(r.json, "ends");
    bool has = json_integer_value(json_object_get(ends, "limit_changed")) == 1;

    reply_free(&r);
    return has;
}

/* What happened to each instance is in the answer. */
static void
test_a_change_says_what_became_of_each_instance(void **state)
{
    struct daemon *d = *state;
    const char *how;
    struct reply r;
    json_t *each;
    int fd;

    deploy_ok(d, "sleeper", "memory=32M&max=1&timeout=30s",
              "#include <hearth.h>\n#include <stdlib.h>\n#include <string.h>\n#include <time.h>\n"
              "char *volatile kept;\n"
              "int hearth_handle(hearth_call *c) { struct timespec t = {2, 0};\n"
              "  if (hearth_query(c, \"keep\")) { kept = malloc(12 << 20); memset(kept, 1, 12 << "
              "20); }\n"
              "  if (hearth_query(c, \"sleep\")) nanosleep(&t, 0); return 0; }\n");
    fd = raw_connect(d);
    raw_send(fd, "GET /function/sleeper?sleep HTTP/1.1\r\nHost: x\r\n\r\n", 50);
    wait_for_figure(d, "sleeper", "instances", "busy", 1);
    r = patch(d, "/v1/functions/sleeper", "{\"memory\": \"16M\"}");
    each = json_object_get(json_object_get(json_object_get(r.json, "applied"), "memory"), "each");
    how = json_string_value(json_object_get(json_array_get(each, 0), "limit"));
    if (how == NULL || strcmp(how, "after its call") != 0)
        fail_msg("%s", r.body);
    reply_free(&r);
    free(raw_receive(fd, "\r\n\r\n"));
    (void)close(fd);
    r = get(d, "/function/sleeper?keep");
    assert_int_equal(r.status, 200);
    reply_free(&r);
    r = patch(d, "/v1/functions/sleeper", "{\"memory\": \"8M\"}"); /* it keeps 12 */
    each = json_object_get(json_object_get(json_object_get(r.json, "applied"), "memory"), "each");
    how = json_string_value(json_object_get(json_array_get(each, 0), "limit"));
    if (how == NULL || strcmp(how, "replaced") != 0)
        fail_msg("%s", r.body);
    reply_free(&r);
    wait_for("an end for the limit", has_ended_for_the_limit, d);
}

/* A heap with a small piece in use at its top: free() gives nothing back by itself. */
static const char hoarder[] =
    "#include <hearth.h>\n#include <stdlib.h>\n#include <string.h>\n#include <malloc.h>\n"
    "char *volatile last;\n"
    "int hearth_init(void) { return mallopt(M_TRIM_THRESHOLD, 1 << 30) == 1 ? 0 : 1; }\n"
    "int hearth_handle(hearth_call *c) { enum { N = 100 }; static char *p[N];\n"
    "  for (int i = 0; i < N; i++) { p[i] = malloc(100000); if (!p[i]) return 1; memset(p[i], 1, "
    "100000); }\n"
    "  if (!last) last = malloc(100); for (int i = 0; i < N; i++) free(p[i]);\n"
    "  return hearth_printf(c, \"used\"); }\n";

static json_int_t
memory_figure(const struct daemon *d, const char *path, const char *name)
{
    struct reply r = get(d, path);
    json_int_t value = json_integer_value(json_object_get(r.json, name));

    reply_free(&r);
    return value;
}

static bool
has_given_back(void *arg)
{
    return memory_figure(arg, "/v1/functions/hoarder/memory", "reclaimed") > 6 * MB;
}

static void
test_free_heap_goes_back_after_a_burst(void **state)
{
    struct daemon *d = *state;
    struct reply r;

    deploy_ok(d, "hoarder", "memory=32M&max=1", hoarder);
    for (int i = 0; i < 20; i++) {
        r = get(d, "/function/hoarder");
        assert_int_equal(r.status, 200);
        reply_free(&r);
    }
    wait_for("memory given back", has_given_back, d);
    assert_true(memory_figure(d, "/v1/functions/hoarder/memory", "now") < 4 * MB);
    r = get(d, "/v1/functions/hoarder/memory"); /* by the same instance */
    assert_int_equal(json_object_size(json_object_get(r.json, "ends")), 0);
    reply_free(&r);
}

/* Caches 1 MiB per call. With hearth_memory_low it drops all; the instance lives on. */
static void
cacher(char *source, size_t n, bool drops)
{
    (void)snprintf(
        source, n,
        "#include <hearth.h>\n#include <stdlib.h>\n#include <string.h>\n"
        "struct piece { struct piece *next; char bytes[300000]; } *cache;\n"
        "static int calls;\n"
        "%s\n"
        "int hearth_handle(hearth_call *c) { struct piece *p = malloc(sizeof *p);\n"
        "  if (!p) return 1; memset(p, 1, sizeof *p); p->next = cache; cache = p;\n"
        "  return hearth_printf(c, \"%%d\", ++calls); }\n",
        drops ? "void hearth_memory_low(void) { while (cache) { struct piece *p = cache; cache = "
                "p->next; free(p); } }"
              : "");
}

static int
last_count(struct daemon *d, int calls)
{
    int count = 0;

    for (int i = 0; i < calls; i++) {
        struct reply r = get(d, "/function/cacher");

        if (r.status != 200)
            fail_msg("call %d: %ld %s", i, r.status, r.body);
        count = atoi(r.body);
        reply_free(&r);
    }
    return count;
}

static void
test_a_function_may_drop_its_caches_and_live(void **state)
{
    enum { CALLS = 300 };
    struct daemon *d = *state;
    char source[2048];

    cacher(source, sizeof source, false);
    deploy_ok(d, "cacher", "memory=16M&max=1", source);
    assert_true(last_count(d, CALLS) < CALLS / 2); /* it was replaced */
    cacher(source, sizeof source, true);
    deploy_ok(d, "cacher", "memory=16M&max=1", source);
    assert_int_equal(last_count(d, CALLS), CALLS);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_call_is_lost_to_a_limit_that_changes_under_load),
        cmocka_unit_test(test_a_change_says_what_became_of_each_instance),
        cmocka_unit_test(test_free_heap_goes_back_after_a_burst),
        cmocka_unit_test(test_a_function_may_drop_its_caches_and_live),
    };

    return RUN_TESTS("limits", tests, group_start, group_stop);
}
