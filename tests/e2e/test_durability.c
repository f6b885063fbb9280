/* test_durability.c: what is left of the state folder when all processes are killed, when the power
 * fails, and when the disk is full, at any call that changes it. See state_faults.h. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bundle.h"
#include "harness.h"
#include "run.h"
#include "state_faults.h"
#include "state_model.h"
#include "store.h"

#define KILLS  200
#define STARTS 16

static struct faults *faults;

/* ---- a daemon with the library in its gateway ---- */

static void
preload(void)
{
    preload_library("HEARTH_STATE_FAULTS");
}

static int
map_faults(void **state)
{
    char path[] = "/tmp/hearth-faults-XXXXXX";
    int fd = mkstemp(path);

    (void)state;
    if (fd < 0 || getenv("HEARTH_STATE_FAULTS") == NULL || ftruncate(fd, sizeof *faults) != 0)
        return -1;
    faults = mmap(NULL, sizeof *faults, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    (void)close(fd);
    return faults != MAP_FAILED && setenv("HEARTH_FAULTS", path, 1) == 0 ? 0 : -1;
}

static int
unmap_faults(void **state)
{
    const char *path = getenv("HEARTH_FAULTS");

    (void)state;
    return path != NULL ? unlink(path) : 0;
}

static void
reset_faults(void)
{
    faults->record = faults->held = false;
    faults->count = faults->hold_at = faults->full_from = 0;
    faults->lock = 0;
    faults->used = 0;
}

static void
start(struct daemon *d)
{
    d->prepare = preload;
    daemon_start(d);
}

/* ---- what an operator does ---- */

/* A function that answers with its number, and has it as its timeout too. */
static long
put_number(const struct daemon *d, const char *name, int number)
{
    char source[300], settings[64];
    struct reply r;
    long status;

    (void)snprintf(source, sizeof source,
                   "#include <hearth.h>\nint hearth_handle(hearth_call *c) { return "
                   "hearth_printf(c, \"%d\"); }\n",
                   number);
    (void)snprintf(settings, sizeof settings, "memory=16M&timeout=%dms", 5000 + number);
    r = deploy(d, name, settings, source);
    status = r.error == 0 ? r.status : 0;
    reply_free(&r);
    return status;
}

static long
put_bundle(const struct daemon *d, const char *name, const char *text)
{
    static struct bundle b;
    char path[80];
    struct reply r;
    long status;

    bundle_open(&b, false);
    bundle_add(&b, "main.c", "#include \"other.h\"\n", NULL);
    bundle_add(&b, "other.h",
               "#include <hearth.h>\nint hearth_handle(hearth_call *c) { size_t n; const void *p = "
               "hearth_file(\"data/text\", &n); return hearth_write(c, p, n); }\n",
               NULL);
    bundle_add(&b, "data/text", text, NULL);
    bundle_add(&b, "function.json", "{\"timeout\": \"3s\"}", NULL);
    bundle_close(&b);
    (void)snprintf(path, sizeof path, "/v1/functions/%s?memory=16M", name);
    r = put(d, path, "application/x-tar", b.bytes, b.len);
    status = r.error == 0 ? r.status : 0;
    reply_free(&r);
    return status;
}

static long
ask(const struct daemon *d, const char *method, const char *path, const char *body)
{
    struct reply r = http(d, &(struct request){.method = method,
                                               .path = path,
                                               .body = body,
                                               .len = body != NULL ? strlen(body) : 0});
    long status = r.error == 0 ? r.status : 0;

    reply_free(&r);
    return status;
}

/* Everything that changes the state folder. Returns the status, or -1 after the last step. */
static long
step(const struct daemon *d, int i)
{
    switch (i) {
    case 0:
        return put_number(d, "a", 1);
    case 1:
        return put_bundle(d, "b", "first");
    case 2:
        return put_number(d, "a", 2);
    case 3:
        return ask(d, "PATCH", "/v1/functions/a", "{\"timeout\": \"7s\", \"env\": {\"A\": \"b\"}}");
    case 4:
        return ask(d, "POST", "/v1/functions/a/rollback", "{\"version\": 1}");
    case 5:
        return put_number(d, "a", 3);
    case 6:
        return ask(d, "PATCH", "/v1/functions/b", "{\"max\": 3}");
    case 7:
        return ask(d, "DELETE", "/v1/functions/a", NULL);
    case 8:
        return put_number(d, "a", 4);
    case 9:
        return put_bundle(d, "b", "second");
    case 10:
        return ask(d, "POST", "/v1/functions/b/rollback", "{\"version\": 1}");
    case 11: /* the oldest versions are removed from here on */
    case 12:
    case 13:
    case 14:
    case 15:
        return put_number(d, "a", i - 6);
    case 16:
        return ask(d, "DELETE", "/v1/functions/b", NULL);
    default:
        return -1;
    }
}

#define STEPS 17

/* ---- a power cut ---- */

static void
mark(int step_done)
{
    struct faults_record *r;

    while (atomic_exchange(&faults->lock, 1) != 0)
        (void)poll(NULL, 0, 1);
    r = faults_at(faults, faults->used);
    *r = (struct faults_record){.op = FAULTS_MARK, .at = step_done};
    faults->used += faults_size(r);
    faults->lock = 0;
}

/* Records all steps. Returns the owner of the files. */
static uid_t
record_steps(void)
{
    struct daemon d = {0};
    char path[200];
    struct stat st;
    long status;

    reset_faults();
    faults->record = true;
    start(&d);
    mark(0);
    for (int i = 0; (status = step(&d, i)) != -1; i++) {
        if (status / 100 != 2)
            fail_msg("step %d: %ld", i, status);
        mark(i + 1);
    }
    faults->record = false;
    (void)snprintf(path, sizeof path, "%s/functions", d.state);
    assert_int_equal(stat(path, &st), 0);
    daemon_remove(&d);
    return st.st_uid;
}

static void
remove_tree(const char *path)
{
    char command[300];

    (void)snprintf(command, sizeof command, "rm -rf '%s'", path);
    assert_int_equal(system(command), 0);
}

/* The cleaning of a start, in a process of its own. */
static void
clean(const char *path)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        struct hearth_err err = {0};
        unsigned cleaned = 0;

        if (store_open(path, &cleaned, &err) == 0)
            _exit(0);
        (void)dprintf(2, "%s\n", err.text);
        _exit(1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void
look_after(const struct model *m, uid_t owner, struct state_view *view)
{
    uint64_t none = 1;

    remove_tree("/tmp/hearth-cut");
    model_write(m, MODEL_ALL, &none, "/tmp/hearth-cut", owner);
    state_look("/tmp/hearth-cut", view);
}

static void
find_truths(struct state_view *truths, uid_t owner)
{
    struct model *m = model_new();

    for (uint64_t at = 0; at < faults->used; at += faults_size(faults_at(faults, at))) {
        const struct faults_record *r = faults_at(faults, at);

        model_apply(m, r);
        if (r->op == FAULTS_MARK)
            look_after(m, owner, &truths[r->at]);
    }
    model_free(m);
}

static const char *const cut_names[] = {"all", "synced", "names", "random"};

/* A daemon starts with what is left, and serves what it says it has. */
static void
serve_what_is_left(int step_now)
{
    struct daemon d = {0};
    struct reply r;
    json_t *all;
    size_t i;
    json_t *f;

    (void)snprintf(d.state, sizeof d.state, "/tmp/hearth-cut");
    daemon_start(&d);
    r = get(&d, "/v1/functions");
    assert_int_equal(r.status, 200);
    all = json_is_array(r.json) ? r.json : json_object_get(r.json, "functions");
    json_array_foreach (all, i, f) {
        char path[96];

        (void)snprintf(path, sizeof path, "/function/%s",
                       json_string_value(json_object_get(f, "name")));
        if (ask(&d, "GET", path, NULL) != 200)
            fail_msg("in step %d: %s is not served", step_now, path);
    }
    reply_free(&r);
    daemon_remove(&d);
}

static void
test_a_power_cut_at_any_call_leaves_each_function_old_or_new(void **state)
{
    static struct state_view truths[STEPS + 1], now;
    uint64_t random = run_seed();
    uid_t owner = record_steps();
    struct model *m = model_new();
    int done = -1, n = 0;

    (void)state;
    find_truths(truths, owner);
    for (uint64_t at = 0; at < faults->used; at += faults_size(faults_at(faults, at))) {
        const struct faults_record *r = faults_at(faults, at);

        model_apply(m, r);
        if (r->op == FAULTS_MARK)
            done = (int)r->at;
        if (done < 0) /* the first start: there is nothing to lose yet */
            continue;
        for (int cut = 0; cut < MODEL_CUTS; cut++, n++) {
            const struct state_view *next = &truths[done < STEPS ? done + 1 : done];
            const char *bad;

            remove_tree("/tmp/hearth-cut");
            model_write(m, (enum model_cut)cut, &random, "/tmp/hearth-cut", owner);
            clean("/tmp/hearth-cut");
            state_look("/tmp/hearth-cut", &now);
            bad = state_compare(&now, &truths[done], next);
            if (bad[0] != '\0')
                fail_msg("in step %d, after call %d of kind %d (%s), of a disk with %s: %s",
                         done + 1, n / MODEL_CUTS, (int)r->op, r->name, cut_names[cut], bad);
        }
    }
    print_message("# %d states of the disk\n", n);
    model_free(m);
    remove_tree("/tmp/hearth-cut");
}

static void
test_a_daemon_starts_after_a_power_cut(void **state)
{
    uint64_t random = run_seed();
    uid_t owner = record_steps();
    uint64_t calls = 0;

    (void)state;
    for (uint64_t at = 0; at < faults->used; at += faults_size(faults_at(faults, at)))
        calls++;
    for (int i = 0; i < STARTS; i++) {
        struct model *m = model_new();
        uint64_t left = 1 + calls * (uint64_t)(i + 1) / STARTS;
        int step_now = 0;

        for (uint64_t at = 0; at < faults->used && left-- > 0;
             at += faults_size(faults_at(faults, at))) {
            model_apply(m, faults_at(faults, at));
            if (faults_at(faults, at)->op == FAULTS_MARK)
                step_now = (int)faults_at(faults, at)->at + 1;
        }
        remove_tree("/tmp/hearth-cut");
        model_write(m, (enum model_cut)(i % MODEL_CUTS), &random, "/tmp/hearth-cut", owner);
        model_free(m);
        serve_what_is_left(step_now);
    }
}

/* ---- all processes are killed ---- */

static uint64_t seed;

static int
draw(int below)
{
    seed ^= seed << 13; /* xorshift64, Marsaglia 2003 */
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (int)(seed % (uint64_t)below);
}

/* A function as its clients see it. */
struct known {
    bool exists;
    int number, timeout_ms;
    int numbers[1000]; /* of its versions */
    int version;
};

enum kind { DEPLOY, PATCH, ROLLBACK, DELETE };

struct act {
    const struct daemon *d;
    enum kind kind;
    const char *name;
    int number; /* of a deploy, a patch; the version of a rollback */
    long status;
    _Atomic bool done;
};

static void *
do_act(void *user)
{
    struct act *act = user;
    char path[96], body[64];

    (void)snprintf(path, sizeof path, "/v1/functions/%s%s", act->name,
                   act->kind == ROLLBACK ? "/rollback" : "");
    if (act->kind == PATCH)
        (void)snprintf(body, sizeof body, "{\"timeout\": %d}", 5000 + act->number);
    else
        (void)snprintf(body, sizeof body, "{\"version\": %d}", act->number);
    if (act->kind == DEPLOY)
        act->status = put_number(act->d, act->name, act->number);
    else if (act->kind == DELETE)
        act->status = ask(act->d, "DELETE", path, NULL);
    else
        act->status = ask(act->d, act->kind == PATCH ? "PATCH" : "POST", path, body);
    act->done = true;
    return NULL;
}

/* What the function is once that is done. */
static struct known
known_after(const struct known *before, const struct act *act)
{
    struct known after = *before;

    switch (act->kind) {
    case DEPLOY:
        if (!before->exists)
            after = (struct known){.exists = true};
        after.number = act->number;
        after.timeout_ms = 5000 + act->number;
        break;
    case PATCH:
        after.timeout_ms = 5000 + act->number;
        break;
    case ROLLBACK:
        after.number = before->numbers[act->number];
        break;
    case DELETE:
        after = (struct known){.exists = false};
        break;
    }
    return after;
}

static struct known
ask_known(const struct daemon *d, const char *name)
{
    struct known now = {0};
    char path[96];
    struct reply r;

    (void)snprintf(path, sizeof path, "/v1/functions/%s", name);
    r = get(d, path);
    if (r.status == 200) {
        now.exists = true;
        now.version = (int)reply_number(&r, "version");
        now.timeout_ms = (int)json_integer_value(
            json_object_get(json_object_get(r.json, "settings"), "timeout"));
    } else if (r.status != 404) {
        fail_msg("%s: %ld %s", path, r.status, r.body);
    }
    reply_free(&r);
    if (now.exists) {
        (void)snprintf(path, sizeof path, "/function/%s", name);
        r = get(d, path);
        if (r.status != 200)
            fail_msg("%s: %ld %s", path, r.status, r.body);
        now.number = atoi(r.body);
        reply_free(&r);
    }
    return now;
}

static bool
is_known(const struct known *now, const struct known *as)
{
    return now->exists == as->exists &&
           (!now->exists || (now->number == as->number && now->timeout_ms == as->timeout_ms));
}

static struct act
choose(const struct daemon *d, const struct known *known, const char *name, int number)
{
    struct act act = {.d = d, .kind = DEPLOY, .name = name, .number = number};
    int dice = draw(10);

    if (!known->exists || dice < 4)
        return act;
    act.kind = dice < 7 ? PATCH : dice < 9 ? ROLLBACK : DELETE;
    if (act.kind == ROLLBACK) {
        act.number = known->version > 1 ? known->version - draw(2) : 1;
        if (known->numbers[act.number] == 0)
            act.kind = PATCH;
    }
    return act;
}

static bool
held_or_done(void *user)
{
    struct act *act = user;

    return faults->held || act->done;
}

/* Half of them stand before a certain call, half of them come at any time. */
static void
kill_in(struct daemon *d, struct act *act)
{
    pthread_t thread;
    bool exact = draw(2) == 0;
    pid_t gateway = find_process(d->pid, "hearth-gateway");

    reset_faults();
    if (exact)
        faults->hold_at = 1 + draw(act->kind == DEPLOY ? 40 : 9);
    assert_int_equal(pthread_create(&thread, NULL, do_act, act), 0);
    if (exact)
        wait_for("a call that changes the state", held_or_done, act);
    else
        (void)poll(NULL, 0, draw(act->kind == DEPLOY ? 70 : 8));
    (void)kill(gateway, SIGKILL);
    (void)kill(d->pid, SIGKILL);
    (void)waitpid(d->pid, NULL, 0);
    d->pid = 0;
    (void)pthread_join(thread, NULL);
}

static void
test_two_hundred_kills_leave_each_function_old_or_new(void **state)
{
    static const char *const names[] = {"x", "y", "z"};
    static struct known known[3];
    static struct state_view view;
    struct daemon d = {0};
    int made = 0, lost = 0;

    (void)state;
    seed = run_seed() | 1;
    reset_faults();
    start(&d);
    for (int i = 0; i < KILLS; i++) {
        struct known *k = &known[i % 3], after, now;
        struct act act = choose(&d, k, names[i % 3], i + 1);
        bool answered;

        kill_in(&d, &act);
        answered = act.status / 100 == 2;
        reset_faults();
        start(&d);
        state_look(d.state, &view);
        if (view.left[0] != '\0')
            fail_msg("kill %d, %d of %s: left behind: %s", i, act.kind, act.name, view.left);
        after = known_after(k, &act);
        now = ask_known(&d, act.name);
        if (!is_known(&now, &after) && (answered || !is_known(&now, k)))
            fail_msg("kill %d, %d of %s, answered %ld: it is %d %d %d, was %d %d %d, would be %d "
                     "%d %d",
                     i, act.kind, act.name, act.status, now.exists, now.number, now.timeout_ms,
                     k->exists, k->number, k->timeout_ms, after.exists, after.number,
                     after.timeout_ms);
        made += is_known(&now, &after);
        lost += !is_known(&now, &after);
        if (is_known(&now, &after))
            *k = after;
        k->version = now.version;
        k->numbers[now.version] = now.number;
    }
    print_message("# %d kills: %d changes were made, %d were not\n", KILLS, made, lost);
    daemon_remove(&d);
}

/* ---- a full disk ---- */

/* Does a step with a disk that is full from its n-th call on. Returns the status. */
static long
do_on_full_disk(const struct daemon *d, int which, int n)
{
    long status;

    faults->full_from = faults->count + n;
    status = step(d, which);
    faults->full_from = 0;
    return status;
}

static void
test_a_full_disk_at_any_call_loses_nothing(void **state)
{
    struct daemon d = {0};
    int refused = 0;

    (void)state;
    reset_faults();
    start(&d);
    for (int i = 0; i <= 7; i++) {
        for (int n = 1;; n++) {
            long status;
            struct known before = ask_known(&d, "a"), now;

            status = do_on_full_disk(&d, i, n);
            if (status / 100 != 2 && status != 507)
                fail_msg("step %d with a disk full at call %d: %ld", i, n, status);
            if (status / 100 == 2)
                break; /* all is written, or what failed is of no account, such as a cache */
            refused++;
            now = ask_known(&d, "a");
            if (!is_known(&now, &before))
                fail_msg("step %d refused with a disk full at call %d changed a", i, n);
        }
    }
    print_message("# %d changes were refused\n", refused);
    assert_true(refused > 30);
    daemon_remove(&d);
}

static bool
log_has(const struct daemon *d, const char *text)
{
    struct reply r = get(d, "/v1/functions/talk/logs?lines=1000");
    bool found = r.status == 200 && strstr(r.body, text) != NULL;

    reply_free(&r);
    return found;
}

struct wanted {
    const struct daemon *d;
    const char *text;
};

static bool
has_wanted(void *user)
{
    struct wanted *w = user;

    return log_has(w->d, w->text);
}

static void
test_a_full_disk_stops_no_call_and_the_log_goes_on_later(void **state)
{
    struct daemon d = {0};

    (void)state;
    reset_faults();
    start(&d);
    deploy_ok(&d, "talk", "memory=16M",
              "#include <hearth.h>\nint hearth_handle(hearth_call *c) { hearth_log(c, HEARTH_INFO, "
              "\"said %s\", hearth_query_string(c)); return hearth_printf(c, \"ok\"); }\n");
    expect_body(&d, "/function/talk?before", "ok");
    wait_for("a log on disk", has_wanted, &(struct wanted){&d, "said before"});
    faults->full_from = 1;
    expect_body(&d, "/function/talk?while", "ok");
    wait_for_log(&d, "No space left on device");
    faults->full_from = 0;
    expect_body(&d, "/function/talk?after", "ok");
    wait_for("a log that goes on", has_wanted, &(struct wanted){&d, "said after"});
    assert_true(log_has(&d, "said before"));
    daemon_remove(&d);
}

static void
test_a_start_on_a_full_disk_serves_or_says_why_not(void **state)
{
    struct daemon d = {0}, fresh = {0};
    char *log;
    size_t len;

    (void)state;
    reset_faults();
    faults->full_from = 1;
    fresh.prepare = preload;
    assert_int_equal(daemon_start_failing(&fresh, NULL), 1);
    log = read_whole(fresh.log, &len);
    if (strstr(log, "No space left on device") == NULL)
        fail_msg("no reason: %s", log);
    free(log);
    faults->full_from = 0;
    start(&fresh); /* there is room again */
    daemon_remove(&fresh);

    reset_faults();
    start(&d);
    assert_int_equal(put_number(&d, "a", 1), 201);
    assert_int_equal(daemon_stop(&d), 0);
    faults->full_from = 1;
    start(&d);
    expect_body(&d, "/function/a", "1");
    assert_int_equal(put_number(&d, "a", 2), 507);
    expect_body(&d, "/function/a", "1");
    faults->full_from = 0;
    assert_int_equal(put_number(&d, "a", 3), 200);
    expect_body(&d, "/function/a", "3");
    daemon_remove(&d);
}

/* ---- a gateway that hangs ---- */

static bool
is_held(void *user)
{
    (void)user;
    return faults->held;
}

/* It is asked every 2 s, and killed after 15 times. */
static void
test_a_gateway_that_hangs_in_its_start_is_killed(void **state)
{
    struct daemon d = {0};
    char path[200];
    int64_t until;

    (void)state;
    reset_faults();
    start(&d);
    assert_int_equal(put_number(&d, "a", 1), 201);
    (void)snprintf(path, sizeof path, "%s/format", d.state);
    assert_int_equal(unlink(path), 0); /* so the next start writes something */
    reset_faults();
    faults->hold_at = 1;
    (void)kill(find_process(d.pid, "hearth-gateway"), SIGKILL);
    wait_for("a gateway that hangs", is_held, NULL);
    faults->hold_at = 0;
    until = harness_now_ms() + (int64_t)60000 * harness_patience();
    while (!daemon_said(&d, "the gateway has not answered for 30 s: killing it")) {
        if (harness_now_ms() > until)
            fail_msg("it was not killed");
        (void)poll(NULL, 0, 50);
    }
    expect_body(&d, "/function/a", "1");
    daemon_remove(&d);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_power_cut_at_any_call_leaves_each_function_old_or_new),
        cmocka_unit_test(test_a_daemon_starts_after_a_power_cut),
        cmocka_unit_test(test_two_hundred_kills_leave_each_function_old_or_new),
        cmocka_unit_test(test_a_full_disk_at_any_call_loses_nothing),
        cmocka_unit_test(test_a_full_disk_stops_no_call_and_the_log_goes_on_later),
        cmocka_unit_test(test_a_start_on_a_full_disk_serves_or_says_why_not),
        cmocka_unit_test(test_a_gateway_that_hangs_in_its_start_is_killed),
    };

    return RUN_TESTS("durability", tests, map_faults, unmap_faults);
}
