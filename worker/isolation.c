/* isolation.c: the isolation layers that the worker sets up itself: two filters and Landlock; and
 * signal handlers that note in the channel why the process dies.
 *
 * This process is the first of its pid namespace. The kernel ignores signals that such a process
 * sends itself without a handler: abort() would not end it. On a real fault the handler returns,
 * it is removed (SA_RESETHAND), and the fault happens again and kills the process. Signals from
 * outside the namespace are meant for the launcher and must not end a call: ^C of a terminal and
 * SIGTERM of systemd go to all processes of the daemon.
 */
#include "isolation.h"

#include <assert.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "filter.h"
#include "landlock.h"
#include "python_paths.h"
#include "refusals.h"

static int rules = -1; /* of Landlock, until the object is known */
static int scope = -1; /* the same, of forks: no signals to others */
static struct chan *noted_in;
static uintptr_t stack_top; /* of the first thread, nearly */
static _Alignas(16) unsigned char signal_stack[16384];

#define STACK_NEAR  65536
#define STACK_GUARD (4u << 20) /* the kernel's guard of 1 MiB, and frames that reach past it */

static _Noreturn void
note_and_end(int sig)
{
    atomic_store(&noted_in->shared->trapped, CHAN_NOTED_SIGNAL + (uint32_t)sig);
    _exit(128 + sig);
}

/* Whether a fault is one of a stack that has no more room: near the stack pointer, or in the
 * guard below the first thread's stack, into which a large frame reaches. */
static bool
is_below_stack(const void *address, const void *context)
{
    uintptr_t at = (uintptr_t)address, sp = wrk_stack_pointer(context), least;
    struct rlimit limit;

    if (at + STACK_NEAR >= sp && at <= sp + STACK_NEAR)
        return true;
    if (getrlimit(RLIMIT_STACK, &limit) != 0 || limit.rlim_cur > stack_top)
        return false;
    least = stack_top - limit.rlim_cur;
    return at < least + STACK_NEAR && at + STACK_GUARD >= least;
}

static void
on_fault(int sig, siginfo_t *info, void *context)
{
    if (info->si_code > 0) { /* a real fault: it comes again, to the default action */
        if (sig == SIGSEGV && is_below_stack(info->si_addr, context))
            atomic_store(&noted_in->shared->trapped, CHAN_NOTED_STACK);
        return;
    }
    note_and_end(sig);
}

static void
on_deadly_signal(int sig, siginfo_t *info, void *context)
{
    (void)context;
    if (info->si_code > 0 || info->si_pid == 0)
        return; /* from the kernel, for a terminal; or from outside the pid namespace */
    note_and_end(sig);
}

static int
handle(const int *sigs, size_t n, const struct sigaction *action, struct hearth_err *err)
{
    for (size_t i = 0; i < n; i++)
        if (sigaction(sigs[i], action, NULL) != 0)
            return err_set(err, errno, "set the handler of signal %d", sigs[i]);
    return 0;
}

static int
set_handlers(struct hearth_err *err)
{
    static const int faults[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
    static const int deadly[] = {SIGTERM, SIGINT,  SIGQUIT, SIGHUP, SIGALRM, SIGVTALRM, SIGPROF,
                                 SIGUSR1, SIGUSR2, SIGXCPU, SIGIO,  SIGPWR,  SIGSTKFLT};
    /* the system call fails with an errno instead: output that nobody reads is lost, and a file
     * larger than /tmp is EFBIG */
    static const int ignored[] = {SIGPIPE, SIGXFSZ};
    stack_t stack = {.ss_sp = signal_stack, .ss_size = sizeof signal_stack};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_ONSTACK | (int)SA_RESETHAND};
    struct sigaction lasting = {.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
    int status;

    if (sigaltstack(&stack, NULL) != 0)
        return err_set(err, errno, "set the signal stack");
    (void)sigfillset(&action.sa_mask);
    (void)sigfillset(&lasting.sa_mask);
    action.sa_sigaction = on_fault;
    lasting.sa_sigaction = on_deadly_signal;
    status = handle(faults, sizeof faults / sizeof faults[0], &action, err);
    if (status == 0)
        status = handle(deadly, sizeof deadly / sizeof deadly[0], &lasting, err);
    if (status == 0)
        status = handle(ignored, sizeof ignored / sizeof ignored[0], &ignore, err);
    return status == 0 ? wrk_refusals_install(noted_in, err) : status;
}

/* At a fixed address, where no function can change them: see filter.h. */
static int
map_filters(int fd, struct hearth_err *err)
{
    void *at = mmap((void *)SBX_FILTER_AT, SBX_FILTER_END - SBX_FILTER_AT, PROT_READ,
                    MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);

    if (at != (void *)SBX_FILTER_AT)
        return err_set(err, at == MAP_FAILED ? errno : EEXIST,
                       "layer \"seccomp\": map the filters at %#x (vm.mmap_min_addr must not be "
                       "above that)",
                       SBX_FILTER_AT);
    return 0;
}

/* The files of the jail. The object is added later. */
static int
prepare_landlock(struct hearth_err *err)
{
    static const char *const read[] = {"/usr", "/lib",         "/lib64",
                                       "/etc", "/dev/urandom", "/dev/random"};
    static const char *const list[] = {
        "/usr/lib/locale", "/usr/share/zoneinfo", PYTHON_LIB,
        PYTHON_PACKAGES,   PYTHON_LOCAL_PACKAGES, PYTHON_HEARTH,
    };
    static const char *const write[] = {"/dev/null", "/dev/full", "/dev/zero"};
    /* a shared mapping of /dev/zero would be memory that forks share */
    size_t writable = ((const struct sbx_filter_file *)SBX_FILTER_AT)->forks != 0 ? 2 : 3;
    int status = sbx_landlock_begin(&rules, err);

    for (size_t i = 0; i < sizeof read / sizeof read[0] && status == 0; i++)
        status = sbx_landlock_allow(rules, read[i], SBX_LANDLOCK_READ, err);
    for (size_t i = 0; i < sizeof list / sizeof list[0] && status == 0; i++)
        status = sbx_landlock_allow(rules, list[i], SBX_LANDLOCK_LIST, err);
    if (status == 0 && writable < 3)
        status = sbx_landlock_allow(rules, "/dev/zero", SBX_LANDLOCK_READ, err);
    for (size_t i = 0; i < writable && status == 0; i++)
        status = sbx_landlock_allow(rules, write[i], SBX_LANDLOCK_WRITE, err);
    return status == 0 ? sbx_landlock_allow(rules, "/tmp", SBX_LANDLOCK_CHANGE, err) : status;
}

int
wrk_isolation_prepare(int fd, struct chan *chan, struct hearth_err *err)
{
    int status = map_filters(fd, err);

    noted_in = chan;
    stack_top = (uintptr_t)__builtin_frame_address(0);
    if (status == 0)
        status = prepare_landlock(err);
    if (((const struct sbx_filter_file *)SBX_FILTER_AT)->forks != 0)
        scope = sbx_landlock_signals();
    return status == 0 ? set_handlers(err) : status;
}

void
wrk_isolation_scope(void)
{
    /* what is shared stays as it is; what it changes or adds comes in small pages */
    (void)prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
    if (scope >= 0)
        (void)syscall(SYS_landlock_restrict_self, scope, 0);
    if (scope >= 0)
        (void)close(scope);
}

int
wrk_isolation_allow_folder(int fd, struct hearth_err *err)
{
    return sbx_landlock_allow_fd(rules, fd, SBX_LANDLOCK_LIST, err);
}

int
wrk_isolation_close_files(int object, struct hearth_err *err)
{
    int status = sbx_landlock_allow_fd(rules, object, SBX_LANDLOCK_READ, err);

    return status == 0 ? sbx_landlock_enforce(rules, err) : status;
}

static int
apply(const struct sbx_filter_program *program, unsigned flags, const char *which,
      struct hearth_err *err)
{
    static_assert(sizeof *program == sizeof(struct sock_fprog), "the kernel reads it as it is");
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, program) != 0)
        return err_set(err, errno, "layer \"seccomp\": load the filter for %s", which);
    return 0;
}

int
wrk_isolation_load(struct hearth_err *err)
{
    return apply(&((const struct sbx_filter_file *)SBX_FILTER_AT)->load, 0, "loading", err);
}

int
wrk_isolation_narrow(struct hearth_err *err)
{
    return apply(&((const struct sbx_filter_file *)SBX_FILTER_AT)->run, SECCOMP_FILTER_FLAG_TSYNC,
                 "running", err);
}
