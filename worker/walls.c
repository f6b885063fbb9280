/* walls.c: the worker's own part of its walls: the two filters, Landlock, and handlers
 * that note in the channel why the process dies.
 *
 * This process is the first of its pid namespace, and the kernel ignores signals
 * that such a process sends itself unless it handles them; without the handlers
 * abort() would not end it by SIGABRT. A fault of the kernel's making is left to
 * kill it for real: the handler is gone on return and the fault comes again.
 * What comes from outside the namespace is for the launcher, and ends no call: a
 * terminal's ^C and systemd's SIGTERM go to every process of the daemon.
 */
#include <assert.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "filter.h"
#include "landlock.h"
#include "worker.h"

#ifndef SYS_SECCOMP
#define SYS_SECCOMP 1 /* asm-generic/siginfo.h; the C library has no name for it */
#endif

static int rules = -1; /* Landlock's, until the object is known */
static struct chan *noted_in;
static _Alignas(16) unsigned char signal_stack[16384];

/* The kernel refuses the call that brought us here, and SIGSYS has its default
 * action again (SA_RESETHAND): the next refused call ends the process for good. */
static void
on_forbidden_call(int sig, siginfo_t *info, void *context)
{
    (void)context;
    if (info->si_code != SYS_SECCOMP) { /* it sent the signal itself */
        atomic_store(&noted_in->shared->trapped, CHAN_NOTED_SIGNAL + (uint32_t)sig);
        _exit(128 + sig);
    }
    atomic_store(&noted_in->shared->trapped, (uint32_t)info->si_syscall + 1);
    for (;;)
        (void)syscall(SYS_ptrace, -1L, 0L, 0L, 0L);
}

static _Noreturn void
note_and_end(int sig)
{
    atomic_store(&noted_in->shared->trapped, CHAN_NOTED_SIGNAL + (uint32_t)sig);
    _exit(128 + sig);
}

static void
on_fault(int sig, siginfo_t *info, void *context)
{
    (void)context;
    if (info->si_code > 0)
        return; /* a real fault: it comes again, to the default action */
    note_and_end(sig);
}

static void
on_deadly_signal(int sig, siginfo_t *info, void *context)
{
    (void)context;
    if (info->si_code > 0 || info->si_pid == 0)
        return; /* the kernel's, for a terminal; or from outside, where no pid of ours is */
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
    /* where the call that sent them has an errno: output that nobody reads is lost, and a file
     * that would be larger than /tmp may be is EFBIG */
    static const int ignored[] = {SIGPIPE, SIGXFSZ};
    static const int forbidden[] = {SIGSYS};
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
    action.sa_sigaction = on_forbidden_call;
    return status == 0 ? handle(forbidden, 1, &action, err) : status;
}

/* At their fixed place, where no function can change them: see filter.h. */
static int
map_filters(int fd, struct hearth_err *err)
{
    void *at = mmap((void *)SBX_FILTER_AT, SBX_FILTER_END - SBX_FILTER_AT, PROT_READ,
                    MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);

    if (at != (void *)SBX_FILTER_AT)
        return err_set(err, at == MAP_FAILED ? errno : EEXIST,
                       "wall \"seccomp\": map the filters at %#x (vm.mmap_min_addr must not be "
                       "above that)",
                       SBX_FILTER_AT);
    return 0;
}

/* What there is in the jail; the object follows. */
static int
prepare_landlock(struct hearth_err *err)
{
    static const char *const libraries[] = {"/usr", "/lib", "/lib64", "/etc/ld.so.cache"};
    int status = sbx_landlock_begin(&rules, err);

    for (size_t i = 0; i < sizeof libraries / sizeof libraries[0] && status == 0; i++)
        status = sbx_landlock_allow(rules, libraries[i], SBX_LANDLOCK_READ, err);
    return status == 0 ? sbx_landlock_allow(rules, "/tmp", SBX_LANDLOCK_CHANGE, err) : status;
}

int
wrk_walls_prepare(int fd, struct chan *chan, struct hearth_err *err)
{
    int status = map_filters(fd, err);

    noted_in = chan;
    if (status == 0)
        status = prepare_landlock(err);
    return status == 0 ? set_handlers(err) : status;
}

int
wrk_walls_close_files(int object, struct hearth_err *err)
{
    int status = sbx_landlock_allow_file(rules, object, err);

    return status == 0 ? sbx_landlock_enforce(rules, err) : status;
}

static int
apply(const struct sbx_filter_program *program, const char *which, struct hearth_err *err)
{
    static_assert(sizeof *program == sizeof(struct sock_fprog), "the kernel reads it as it is");
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, program) != 0)
        return err_set(err, errno, "wall \"seccomp\": load the filter for %s", which);
    return 0;
}

int
wrk_walls_load(struct hearth_err *err)
{
    return apply(&((const struct sbx_filter_file *)SBX_FILTER_AT)->load, "loading", err);
}

int
wrk_walls_narrow(struct hearth_err *err)
{
    return apply(&((const struct sbx_filter_file *)SBX_FILTER_AT)->run, "running", err);
}
