/* test_hostile.c: functions that attack from inside. Each file of this folder tries one thing; the
 * table here has its expected end. After every attack the test checks the host, the neighbours and
 * the attacker's next call from outside.
 */
#include <dirent.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "attacks.h"
#include "filter.h"
#include "filter_table.h"
#include "harness.h"
#include "run.h"

#define SECRET "lbrclynt-pi-the-neighbour"

/* The expected end of an attack. */
enum end {
    HELD,    /* it responds that the isolation held */
    SYSCALL, /* forbidden_syscall, with this name */
    CODE,    /* another error with this code */
    REFUSED, /* its version never goes live: init_failed, with this text */
    QUIET,   /* any response except that it escaped */
};

struct attack {
    const char *name;
    enum end end;
    const char *fact;     /* the system call, the code, or text of the detail */
    const char *settings; /* in addition to memory=16M, timeout=2s, max=1 */
    bool ring;            /* include the channel's sources */
};

static struct reply
deploy_attack(const struct daemon *d, const char *function, const struct attack *a)
{
    return attack_deploy(d, function, a->name, a->settings, a->ring);
}

static const struct attack attacks[] = {
    /* other processes */
    {"ptrace", SYSCALL, "ptrace"},
    {"kill_all", HELD},
    {"tgkill_others", HELD},
    {"vm_readv", SYSCALL, "process_vm_readv"},
    {"vm_writev", SYSCALL, "process_vm_writev"},
    {"pidfd_open", SYSCALL, "pidfd_open"},
    {"affinity", HELD},
    /* more processes */
    {"fork_bomb", HELD, NULL, "timeout=20s"}, /* 20,000 refused calls */
    {"vfork", HELD},
    {"clone3", HELD},
    {"thread_bomb", HELD, NULL, "timeout=20s"},
    {"exec", HELD},
    {"init_fork", HELD},
    /* memory */
    {"bomb_malloc", CODE, "memory_exceeded"},
    {"bomb_mmap", CODE, "memory_exceeded"},
    {"bomb_shared", CODE, "memory_exceeded"},
    {"bomb_brk", CODE, "memory_exceeded"},
    {"bomb_stack", CODE, "function_crashed"},
    {"bomb_vmas", QUIET},
    {"page_cache", HELD},
    {"mlock", HELD},
    {"mmap_huge", HELD},
    {"memfd", HELD},
    {"shmget", HELD},
    {"msgget", HELD},
    {"mq_open", HELD},
    {"stale_memory", HELD},
    /* code */
    {"mmap_wx", HELD},
    {"mmap_exec", HELD},
    {"mprotect_exec", HELD},
    {"init_alias", HELD},
    /* scheduling */
    {"spin", CODE, "timeout", "timeout=300ms"},
    {"scheduler", HELD},
    {"setpriority", HELD},
    {"setrlimit", HELD},
    {"clock_settime", HELD},
    {"bomb_descriptors", HELD},
    /* networks */
    {"socket_tcp", HELD},
    {"socket_raw", HELD},
    {"socket_unix", HELD},
    {"socket_netlink", HELD},
    {"socketpair", HELD},
    {"network_listen", HELD, NULL, "network=127.0.0.1:9"},
    {"network_address", HELD, NULL, "network=127.0.0.1:9"},
    {"network_race", HELD, NULL, "network=127.0.0.1:9&threads=4&timeout=20s"},
    {"network_descriptor", HELD, NULL, "network=127.0.0.1:9"},
    {"network_kinds", HELD, NULL, "network=127.0.0.1:9"},
    {"network_messages", HELD, NULL, "network=127.0.0.1:9&timeout=10s"},
    {"network_stall", HELD, NULL, "network=192.0.2.1:9&threads=4&timeout=8s"},
    {"network_options", HELD, NULL, "network=192.0.2.1:9"},
    {"network_flood", HELD, NULL, "network=127.0.0.1:9&timeout=5s"},
    /* files */
    {"open_passwd", HELD},
    {"init_files", HELD},
    {"constructor_files", HELD},
    {"list_jail", HELD},
    {"dirfd_escape", HELD},
    {"fd_reopen", HELD},
    {"fd_links", HELD},
    {"environment", HELD, NULL,
     "env=%7B%22LD_PRELOAD%22:%22/tmp/x.so%22,%22LD_LIBRARY_PATH%22:%22/tmp%22%7D"},
    {"tmp_dotdot", HELD, NULL, "tmp=1M"},
    {"tmp_link", HELD, NULL, "tmp=1M"},
    {"tmp_device", HELD, NULL, "tmp=1M"},
    {"tmp_fill", HELD, NULL, "tmp=1M"},
    {"tmp_inodes", HELD, NULL, "tmp=1M"},
    {"tmp_memory", CODE, "memory_exceeded", "tmp=64M"},
    {"tmp_exec", HELD, NULL, "tmp=1M"},
    {"tmp_locks", HELD, NULL, "tmp=1M"},
    {"tmp_flush", HELD, NULL, "tmp=1M"},
    {"input_write", HELD},
    /* privilege */
    {"setuid", HELD},
    {"capset", HELD},
    {"unshare", SYSCALL, "unshare"},
    {"setns", SYSCALL, "setns"},
    {"mount", SYSCALL, "mount"},
    {"move_mount", SYSCALL, "move_mount"},
    {"chroot", SYSCALL, "chroot"},
    {"prctl", HELD},
    {"personality", HELD},
    {"iopl", SYSCALL, "iopl"},
    {"modify_ldt", SYSCALL, "modify_ldt"},
    /* the kernel */
    {"bpf", SYSCALL, "bpf"},
    {"perf_event", SYSCALL, "perf_event_open"},
    {"keyctl", SYSCALL, "keyctl"},
    {"userfaultfd", SYSCALL, "userfaultfd"},
    {"io_uring", SYSCALL, "io_uring_setup"},
    {"kexec", SYSCALL, "kexec_load"},
    {"init_module", SYSCALL, "init_module"},
    {"reboot", SYSCALL, "reboot"},
    {"sethostname", HELD},
    {"i386", SYSCALL, "unknown"},
    {"x32", SYSCALL, "unknown"},
    /* its own isolation */
    {"prctl_filter", SYSCALL, "prctl"},
    {"thread_before_filter", HELD, NULL, "threads=4"},
    {"sigsys_ignored", HELD},
    {"seccomp_run", SYSCALL, "seccomp"},
    {"landlock", HELD},
    {"constructor_socket", HELD},
    {"constructor_exit", REFUSED, "it exited with status 0"},
    {"constructor_spin", REFUSED, "not ready within"},
    {"constructor_filter", REFUSED, "the forbidden system call seccomp"},
    {"constructor_map_over", HELD},
    {"constructor_map_zero", HELD},
    {"constructor_unmap", HELD},
    {"constructor_move", HELD},
    {"constructor_write", REFUSED, "it was killed by SIGSEGV"},
    {"constructor_ready", REFUSED, "before the filter for running", NULL, true},
    {"ready_twice", REFUSED, "protocol", NULL, true},
    {"fini_socket", HELD},
    {"fini_hang", HELD},
    /* its channel */
    {"response_twice", QUIET, NULL, NULL, true},
    {"response_other", CODE, "function_crashed", NULL, true},
    {"response_smuggled", CODE, "function_crashed", NULL, true},
    {"ring_backwards", CODE, "function_crashed", NULL, true},
    {"ring_truncated", HELD, NULL, NULL, true},
    {"ring_remove", HELD, NULL, NULL, true},
    {"bell_blocking", HELD},
    {"bell_copy", HELD},
    {"bells", CODE, "timeout", "timeout=300ms", true},
    {"close_all", QUIET, NULL, "timeout=300ms"},
    {"dup_over", QUIET, NULL, "timeout=300ms"},
    {"log_flood", HELD},
};

#define ATTACKS (sizeof attacks / sizeof attacks[0])

/* ---- the neighbours and the host ---- */

struct world {
    struct daemon d;
    char neighbour[64]; /* the neighbour's instance and its number of responses */
    time_t passwd_changed;
    off_t passwd_size;
};

static const char neighbour_source[] =
    "#include <hearth.h>\n#include <string.h>\n#include <time.h>\n"
    "static char secret[64]; static long born, calls;\n"
    "int hearth_init(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t);\n"
    "  born = t.tv_nsec; strcpy(secret, hearth_env(\"SECRET\")); return 0; }\n"
    "int hearth_handle(hearth_call *c) { return hearth_printf(c, \"%ld %ld %s\", born, ++calls,\n"
    "  secret); }\n";

/* The same process of the neighbour still answers, and has kept its state. */
static void
expect_neighbour_unharmed(struct world *w, const char *after)
{
    struct reply r = get(&w->d, "/function/neighbour");
    long born = 0, calls = 0, was_born = 0, were_calls = 0;
    char secret[64] = "";

    if (r.status != 200 || sscanf(r.body, "%ld %ld %63s", &born, &calls, secret) != 3)
        fail_msg("after %s the neighbour answers %ld %s", after, r.status, r.body);
    if (w->neighbour[0] != '\0') {
        (void)sscanf(w->neighbour, "%ld %ld", &was_born, &were_calls);
        if (born != was_born || calls != were_calls + 1)
            fail_msg("after %s the neighbour is another process: %s, then %s", after, w->neighbour,
                     r.body);
    }
    assert_string_equal(secret, SECRET);
    (void)snprintf(w->neighbour, sizeof w->neighbour, "%ld %ld", born, calls);
    reply_free(&r);
}

static unsigned long
owner_of(const char *pid)
{
    char path[300];
    struct stat st;

    (void)snprintf(path, sizeof path, "/proc/%s", pid);
    return stat(path, &st) == 0 ? st.st_uid : 0;
}

/* No process of the platform's users exists except workers and builders of the daemon. */
static bool
no_stray_process(void *user)
{
    DIR *dir = opendir("/proc");
    bool none = true;

    (void)user;
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        char path[300], comm[64] = "";
        FILE *file;

        if (e->d_name[0] < '0' || e->d_name[0] > '9' || owner_of(e->d_name) < 1900000000ul ||
            owner_of(e->d_name) > 1900010000ul)
            continue;
        (void)snprintf(path, sizeof path, "/proc/%s/comm", e->d_name);
        file = fopen(path, "re");
        if (file == NULL || fgets(comm, sizeof comm, file) == NULL)
            comm[0] = '\0';
        if (file != NULL)
            (void)fclose(file);
        if (comm[0] != '\0' && strncmp(comm, "hearth-", 7) != 0)
            none = false;
    }
    (void)closedir(dir);
    return none;
}

/* No process of the platform's users holds a lock on any file. */
static void
expect_no_lock(const char *after)
{
    FILE *file = fopen("/proc/locks", "re");
    char line[256];

    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        char pid[16] = "";

        if (sscanf(line, "%*s %*s %*s %*s %15s", pid) == 1 && owner_of(pid) >= 1900000000ul &&
            owner_of(pid) <= 1900010000ul)
            fail_msg("after %s a lock is held: %s", after, line);
    }
    (void)fclose(file);
}

static void
expect_host_unharmed(struct world *w, const char *after)
{
    struct stat st;
    struct reply r = get(&w->d, "/healthz");

    assert_int_equal(r.status, 200);
    reply_free(&r);
    expect_no_lock(after);
    assert_int_equal(stat("/etc/passwd", &st), 0);
    if (st.st_mtime != w->passwd_changed || st.st_size != w->passwd_size)
        fail_msg("after %s the host's files are changed", after);
    wait_for("no process but the platform's own", no_stray_process, NULL);
    assert_int_equal(count_processes(w->d.pid, "hearth-gateway"), 1);
}

/* ---- one attack ---- */

struct wellness {
    const struct daemon *d;
    const char *path;
};

static bool
is_well(void *user)
{
    const struct wellness *w = user;
    struct reply r = get(w->d, w->path);
    bool well = r.status == 200 && strcmp(r.body, "well\n") == 0;

    reply_free(&r);
    return well;
}

static void
expect_end(const struct attack *a, const struct reply *r)
{
    const char *code = json_string_value(json_object_get(r->json, "code"));
    const char *name = json_string_value(json_object_get(r->json, "syscall"));
    bool as_wanted = false;

    if (strstr(r->body, "ESCAPED") != NULL || strstr(r->fields, "ESCAPED") != NULL)
        fail_msg("%s: %s", a->name, r->body);
    if (a->end == HELD)
        as_wanted = r->status == 200 && strcmp(r->body, "held\n") == 0;
    else if (a->end == SYSCALL)
        as_wanted = r->status == 502 && code != NULL && strcmp(code, "forbidden_syscall") == 0 &&
                    name != NULL && strcmp(name, a->fact) == 0;
    else if (a->end == CODE)
        as_wanted = code != NULL && strcmp(code, a->fact) == 0;
    else if (a->end == QUIET)
        as_wanted = r->status == 200 || code != NULL;
    if (!as_wanted)
        fail_msg("%s: want %s, got %ld %s", a->name, a->fact != NULL ? a->fact : "held", r->status,
                 r->body);
}

/* Whether the kernel has the 32-bit entry point at all. Without it the instruction faults, and no
 * filter is involved. */
static bool
has_i386_entry(void)
{
    int status = 0;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        long got;

        (void)signal(SIGSEGV, SIG_DFL); /* the test runner handles it */
        __asm__ volatile("int $0x80" : "=a"(got) : "a"(20L) : "memory"); /* getpid there */
        _exit(got > 0 ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV)
        return false;
    assert_int_equal(status, 0);
    return true;
}

static void
expect_end_of_i386(const struct reply *r)
{
    static const struct attack no_entry = {"i386", CODE, "function_crashed"};

    expect_end(&no_entry, r);
    assert_string_equal(reply_text(r, "signal"), "SIGSEGV");
}

static void
run_attack(struct world *w, const struct attack *a)
{
    char path[128], well[160];
    struct reply r = deploy_attack(&w->d, "attacker", a);

    if (a->end == REFUSED) {
        if (r.status != 422 || strcmp(reply_text(&r, "code"), "init_failed") != 0 ||
            strstr(r.body, a->fact) == NULL)
            fail_msg("%s: want init_failed, %s; got %ld %s", a->name, a->fact, r.status, r.body);
        reply_free(&r);
        return;
    }
    if (r.status != 200 && r.status != 201)
        fail_msg("%s: its deploy: %ld %s", a->name, r.status, r.body);
    reply_free(&r);
    (void)snprintf(path, sizeof path, "/function/attacker");
    r = get(&w->d, path);
    if (strcmp(a->name, "i386") == 0 && !has_i386_entry())
        expect_end_of_i386(&r);
    else
        expect_end(a, &r);
    reply_free(&r);
    (void)snprintf(well, sizeof well, "%s?well", path);
    wait_for("an attacker that answers its next call", is_well, &(struct wellness){&w->d, well});
}

static void
test_every_attack_fails_and_harms_nobody(void **state)
{
    struct world *w = *state;

    for (size_t i = 0; i < ATTACKS; i++) {
        struct reply r;

        run_attack(w, &attacks[i]);
        expect_neighbour_unharmed(w, attacks[i].name);
        expect_host_unharmed(w, attacks[i].name);
        r = http(&w->d, &(struct request){.method = "DELETE", .path = "/v1/functions/attacker"});
        assert_true(r.status == 204 || r.status == 404);
        reply_free(&r);
    }
    print_message("# %zu attacks, none got anywhere\n", ATTACKS);
}

/* The filters of every instance are verified before it serves, not only those of the first. */
static void
test_a_constructor_that_behaves_once_serves_never_without_its_filter(void **state)
{
    static const char json[] = "{\"memory\": \"32M\"}";
    struct world *w = *state;
    struct reply r = attack_deploy(&w->d, "later", "constructor_later", "idle_timeout=1ms", true);

    assert_int_equal(r.status, 201);
    reply_free(&r);
    wait_for_figure(&w->d, "later", "instances", "total", 0);
    r = http(&w->d, &(struct request){.method = "PATCH",
                                      .path = "/v1/functions/later",
                                      .body = json,
                                      .len = sizeof json - 1});
    assert_int_equal(r.status, 200);
    reply_free(&r);
    for (int i = 0; i < 20; i++) {
        r = get(&w->d, "/function/later");
        if (r.status != 502 || strcmp(reply_text(&r, "code"), "init_failed") != 0)
            fail_msg("it served: %ld %s", r.status, r.body);
        assert_non_null(strstr(r.body, "before the filter for running"));
        reply_free(&r);
    }
    r = http(&w->d, &(struct request){.method = "DELETE", .path = "/v1/functions/later"});
    reply_free(&r);
}

/* Every file of this folder is in the table above. */
static void
test_every_attack_of_the_folder_is_run(void **state)
{
    static const char *const others[] = {
        "attacks.c",    "backdoor.c",       "rogue_worker.c", /* not attacks */
        "any_call.c",   "tmp_of_another.c", "constructor_later.c", "input_offset.c", /* below */
        "burn_after.c", "ready_and_gone.c", /* in test_exhaustion.c */
    };
    char path[512];
    DIR *dir;
    int missing = 0;

    (void)state;
    (void)snprintf(path, sizeof path, "%s/tests/hostile", attack_sources());
    dir = opendir(path);
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        size_t n = strlen(e->d_name);
        bool known =
            n < 3 || strcmp(e->d_name + n - 2, ".c") != 0 || strncmp(e->d_name, "test_", 5) == 0;

        for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
            known = known || strcmp(e->d_name, others[i]) == 0;
        for (size_t i = 0; i < ATTACKS; i++)
            known = known ||
                    (strncmp(e->d_name, attacks[i].name, n - 2) == 0 && !attacks[i].name[n - 2]);
        if (!known) {
            print_error("%s is never run\n", e->d_name);
            missing++;
        }
    }
    (void)closedir(dir);
    assert_int_equal(missing, 0);
    assert_true(ATTACKS >= 40);
}

/* ---- all system calls ---- */

static bool
is_fatal(const char *name)
{
    for (unsigned i = 0; i < sbx_answers_count; i++)
        if (strcmp(sbx_answers[i].call, name) == 0)
            return sbx_answers[i].error == SBX_DEADLY;
    return false;
}

/* Every system call is allowed, refused with an error, or fatal, as the table says. The instance
 * responds, or its end is explained. */
static void
test_every_system_call_has_the_answer_of_the_table(void **state)
{
    /* these do not return, even if they are allowed */
    static const char *const no_return[] = {"exit", "exit_group", "rt_sigreturn", "pause"};
    const struct attack any = {"any_call", HELD, NULL, "timeout=300ms", false};
    struct world *w = *state;
    int alive = 0, deadly = 0;

    struct reply r = deploy_attack(&w->d, "anycall", &any);

    assert_int_equal(r.status, 201);
    reply_free(&r);
    for (int nr = 0; nr < 480; nr++) {
        char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, nr), path[96];
        const char *said;
        bool gone = false;

        if (name == NULL)
            continue;
        for (size_t i = 0; i < sizeof no_return / sizeof no_return[0]; i++)
            gone = gone || strcmp(name, no_return[i]) == 0;
        (void)snprintf(path, sizeof path, "/function/anycall?number=%d", nr);
        r = get(&w->d, path);
        said = json_string_value(json_object_get(r.json, "syscall"));
        if (is_fatal(name)) {
            deadly++;
            if (r.status != 502 || said == NULL || strcmp(said, name) != 0)
                fail_msg("%s is fatal, but: %ld %s", name, r.status, r.body);
        } else {
            alive++;
            if (!gone && r.status != 200)
                fail_msg("%s is not fatal, but: %ld %s", name, r.status, r.body);
        }
        reply_free(&r);
        free(name);
    }
    print_message("# %d system calls go through or get an errno, %d end the instance\n", alive,
                  deadly);
    assert_true(deadly >= 50);
    expect_neighbour_unharmed(w, "every system call");
}

/* With strict, the calls that the table refuses are fatal too. */
static void
test_a_strict_function_dies_of_a_refused_call(void **state)
{
    static const char *const refused[] = {"socket", "clone", "symlink", "getxattr"};
    const struct attack any = {"any_call", HELD, NULL, "strict=true", false};
    struct world *w = *state;
    struct reply r = deploy_attack(&w->d, "strict", &any);

    assert_int_equal(r.status, 201);
    assert_true(json_is_true(json_object_get(json_object_get(r.json, "settings"), "strict")));
    reply_free(&r);
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        char path[96];

        (void)snprintf(path, sizeof path, "/function/strict?number=%d",
                       seccomp_syscall_resolve_name(refused[i]));
        r = get(&w->d, path);
        assert_string_equal(reply_text(&r, "syscall"), refused[i]);
        reply_free(&r);
    }
    r = get(&w->d, "/function/strict?number=39"); /* getpid */
    assert_int_equal(r.status, 200);
    reply_free(&r);
}

/* ---- an extended filter allows only what was asked for ---- */

/* sysinfo: the platform returns the instance's limit, the kernel returns the host's memory. */
static void
test_a_widened_function_may_make_its_calls_and_no_others(void **state)
{
    static const char source[] =
        "#include <hearth.h>\n#include <sys/sysinfo.h>\n"
        "int hearth_handle(hearth_call *c) { struct sysinfo i; if (sysinfo(&i) != 0) return 1;\n"
        "  return hearth_printf(c, \"%llu\", (unsigned long long)i.totalram * i.mem_unit); }\n";
    struct world *w = *state;
    struct reply r;

    deploy_ok(&w->d, "wider", "memory=16M&syscalls=uname", source);
    r = get(&w->d, "/function/wider");
    assert_string_equal(r.body, "16777216");
    reply_free(&r);
    r = patch(&w->d, "/v1/functions/wider", "{\"syscalls\": [\"sysinfo\"]}");
    assert_int_equal(r.status, 200);
    reply_free(&r);
    r = get(&w->d, "/function/wider");
    assert_true(strtoull(r.body, NULL, 10) > 16777216);
    reply_free(&r);
}

static void
test_calls_that_can_never_be_allowed_are_refused_by_name(void **state)
{
    static const char *const never[] = {"ptrace",
                                        "bpf",
                                        "mount",
                                        "keyctl",
                                        "kexec_load",
                                        "userfaultfd",
                                        "io_uring_setup",
                                        "perf_event_open",
                                        "socket",
                                        "clone",
                                        "execve",
                                        "openat",
                                        "prctl",
                                        "seccomp",
                                        "ioctl",
                                        "setns",
                                        "unshare",
                                        "memfd_create",
                                        "process_vm_readv",
                                        "nonsense"};
    struct world *w = *state;

    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++) {
        char settings[96];
        struct reply r;

        (void)snprintf(settings, sizeof settings, "syscalls=uname,%s", never[i]);
        r = deploy(&w->d, "never", settings, neighbour_source);
        if (r.status != 400 || strcmp(reply_text(&r, "code"), "bad_setting") != 0)
            fail_msg("%s: %ld %s", never[i], r.status, r.body);
        assert_string_equal(reply_text(&r, "setting"), "syscalls");
        assert_non_null(strstr(reply_text(&r, "allowed"), "sysinfo"));
        reply_free(&r);
    }
}

static void
test_every_row_has_a_reason_and_none_is_a_call_of_sockets(void **state)
{
    int calls = 0;

    (void)state;
    for (unsigned i = 0; i < sbx_rules_count; i++) {
        const struct sbx_rule *rule = &sbx_rules[i];

        assert_true(strlen(rule->reason) > 0);
        if ((rule->profiles & SBX_PROFILE_RUN) == 0 || rule->error != 0)
            continue;
        calls++;
        if (strstr(rule->call, "sock") != NULL || strstr(rule->call, "msg") != NULL ||
            strcmp(rule->call, "connect") == 0 || strcmp(rule->call, "bind") == 0)
            fail_msg("%s is a socket call", rule->call);
        for (unsigned k = 0; k < sbx_answers_count; k++)
            if (strcmp(sbx_answers[k].call, rule->call) == 0 && sbx_answers[k].error == SBX_DEADLY)
                fail_msg("%s is allowed, but fatal", rule->call);
    }
    print_message("# %d system calls\n", calls);
    for (unsigned i = 0; i < sbx_answers_count; i++)
        assert_true(strlen(sbx_answers[i].reason) > 0);
    for (unsigned i = 0; i < sbx_extras_count; i++)
        assert_true(strlen(sbx_extras[i].reason) > 0);
}

/* ---- /tmp ---- */

static void
test_a_tmp_is_one_instance_s_own(void **state)
{
    const struct attack a = {"tmp_of_another", HELD, NULL, "tmp=1M", false};
    struct world *w = *state;
    struct reply r = deploy_attack(&w->d, "tmp", &a);

    assert_int_equal(r.status, 201);
    reply_free(&r);
    r = get(&w->d, "/function/tmp?leave");
    assert_string_equal(reply_text(&r, "signal"), "SIGABRT");
    reply_free(&r);
    r = get(&w->d, "/function/tmp");
    assert_string_equal(r.body, "held\n");
    reply_free(&r);
}

static void
test_a_tmp_holds_files_as_a_function_expects(void **state)
{
    struct world *w = *state;
    struct reply r;

    deploy_ok(&w->d, "scratch", "tmp=1M&memory=16M",
              "#include <hearth.h>\n#include <stdio.h>\n#include <string.h>\n#include <unistd.h>\n"
              "int hearth_handle(hearth_call *c) { char text[32] = \"\"; FILE *f;\n"
              "  if ((f = fopen(\"/tmp/a\", \"w\")) == NULL) return 1;\n"
              "  fputs(\"kept\", f); if (fclose(f)) return 2;\n"
              "  if (rename(\"/tmp/a\", \"/tmp/b\") || access(\"/tmp/a\", F_OK) == 0) return 3;\n"
              "  if ((f = fopen(\"/tmp/b\", \"r\")) == NULL || !fgets(text, 32, f)) return 4;\n"
              "  fclose(f); if (remove(\"/tmp/b\")) return 5;\n"
              "  return hearth_printf(c, \"%s\", text); }\n");
    r = get(&w->d, "/function/scratch");
    assert_string_equal(r.body, "kept");
    reply_free(&r);
}

/* ---- the group ---- */

static int
start(void **state)
{
    static struct world w;
    struct stat st;

    memset(&w, 0, sizeof w);
    daemon_start(&w.d);
    assert_int_equal(stat("/etc/passwd", &st), 0);
    w.passwd_changed = st.st_mtime;
    w.passwd_size = st.st_size;
    deploy_ok(&w.d, "neighbour", "memory=16M&min=1&max=1&env=%7B%22SECRET%22:%22" SECRET "%22%7D",
              neighbour_source);
    expect_neighbour_unharmed(&w, "nothing");
    *state = &w;
    return 0;
}

static int
stop(void **state)
{
    struct world *w = *state;

    daemon_remove(&w->d);
    return 0;
}

/* Processes that share an open file could pass data in its offset. */
static void
test_no_word_passes_by_the_offset_of_standard_input(void **state)
{
    static const char *const names[] = {"one", "other"};
    struct world *w = *state;

    for (size_t i = 0; i < 2; i++) {
        char path[32];
        struct reply r = attack_deploy(&w->d, names[i], "input_offset", NULL, false);

        assert_int_equal(r.status, 201);
        reply_free(&r);
        (void)snprintf(path, sizeof path, "/function/%s", names[i]);
        r = get(&w->d, path);
        assert_string_equal(r.body, "held\n");
        reply_free(&r);
    }
}

/* As in a container or under systemd's SystemCallFilter, whose filters the kernel counts too. This
 * process keeps the filter, so this is the last test. */
static void
test_a_filter_that_the_daemon_was_started_under_counts_for_none_of_its_own(void **state)
{
    struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {.len = 1, .filter = &allow};
    struct daemon d = {0};
    struct reply r;

    (void)state;
    assert_int_equal(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program), 0);
    daemon_start(&d);
    r = attack_deploy(&d, "attacker", "constructor_ready", NULL, true);
    assert_int_equal(r.status, 422);
    assert_non_null(strstr(r.body, "before the filter for running"));
    reply_free(&r);
    r = attack_deploy(&d, "well", "input_offset", NULL, false);
    assert_int_equal(r.status, 201);
    reply_free(&r);
    r = get(&d, "/function/well");
    assert_string_equal(r.body, "held\n");
    reply_free(&r);
    daemon_remove(&d);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_attack_of_the_folder_is_run),
        cmocka_unit_test(test_every_row_has_a_reason_and_none_is_a_call_of_sockets),
        cmocka_unit_test(test_every_attack_fails_and_harms_nobody),
        cmocka_unit_test(test_a_constructor_that_behaves_once_serves_never_without_its_filter),
        cmocka_unit_test(test_every_system_call_has_the_answer_of_the_table),
        cmocka_unit_test(test_a_strict_function_dies_of_a_refused_call),
        cmocka_unit_test(test_a_widened_function_may_make_its_calls_and_no_others),
        cmocka_unit_test(test_calls_that_can_never_be_allowed_are_refused_by_name),
        cmocka_unit_test(test_a_tmp_is_one_instance_s_own),
        cmocka_unit_test(test_a_tmp_holds_files_as_a_function_expects),
        cmocka_unit_test(test_no_word_passes_by_the_offset_of_standard_input),
        cmocka_unit_test(
            test_a_filter_that_the_daemon_was_started_under_counts_for_none_of_its_own),
    };

    return RUN_TESTS("hostile", tests, start, stop);
}
