/* walls.c: the worker's own part of its walls: the two filters, and handlers
 * that note in the channel why the process dies.
 *
 * This process is the first of its pid namespace, and the kernel ignores signals
 * that such a process sends itself unless it handles them; without the handlers
 * abort() would not end it by SIGABRT. A fault of the kernel's making is left to
 * kill it for real: the handler is gone on return and the fault comes again.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"
#include "filter.h"
#include "worker.h"

#define INSTRUCTIONS_MAX 2048
#ifndef SYS_SECCOMP
#define SYS_SECCOMP 1 /* asm-generic/siginfo.h; the C library has no name for it */
#endif

static struct {
    struct sock_filter *load, *run;
    uint32_t load_len, run_len;
} filters;

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

static void
on_deadly_signal(int sig, siginfo_t *info, void *context)
{
    (void)context;
    if (info->si_code > 0)
        return; /* a real fault: it comes again, to the default action */
    atomic_store(&noted_in->shared->trapped, CHAN_NOTED_SIGNAL + (uint32_t)sig);
    _exit(128 + sig);
}

static int
set_handlers(struct hearth_err *err)
{
    static const int deadly[] = {SIGABRT, SIGSEGV, SIGBUS,  SIGFPE,  SIGILL,    SIGTRAP, SIGTERM,
                                 SIGINT,  SIGQUIT, SIGHUP,  SIGALRM, SIGVTALRM, SIGPROF, SIGUSR1,
                                 SIGUSR2, SIGXCPU, SIGXFSZ, SIGIO,   SIGPWR};
    stack_t stack = {.ss_sp = signal_stack, .ss_size = sizeof signal_stack};
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_ONSTACK | (int)SA_RESETHAND};

    if (sigaltstack(&stack, NULL) != 0)
        return err_set(err, errno, "set the signal stack");
    (void)sigfillset(&action.sa_mask);
    action.sa_sigaction = on_deadly_signal;
    for (size_t i = 0; i < sizeof deadly / sizeof deadly[0]; i++)
        if (sigaction(deadly[i], &action, NULL) != 0)
            return err_set(err, errno, "set the handler of signal %d", deadly[i]);
    (void)signal(SIGPIPE, SIG_IGN); /* output that nobody reads is lost, no more */
    action.sa_sigaction = on_forbidden_call;
    if (sigaction(SIGSYS, &action, NULL) != 0)
        return err_set(err, errno, "set the handler of SIGSYS");
    return 0;
}

/* By pread: all workers share one open file, and so its position. */
static int
read_program(int fd, off_t at, uint32_t len, struct sock_filter **program, struct hearth_err *err)
{
    size_t bytes = len * sizeof **program;
    cleanup_free struct sock_filter *made = NULL;

    if (len == 0 || len > INSTRUCTIONS_MAX || (made = malloc(bytes)) == NULL)
        return err_set(err, EPROTO, "wall \"seccomp\": %u instructions", len);
    if (pread(fd, made, bytes, at) != (ssize_t)bytes)
        return err_set(err, EPROTO, "wall \"seccomp\": read the filter");
    *program = take_ptr(made);
    return 0;
}

int
wrk_walls_prepare(int fd, struct chan *chan, struct hearth_err *err)
{
    struct sbx_filter_file head;
    int status;

    noted_in = chan;
    if (pread(fd, &head, sizeof head, 0) != (ssize_t)sizeof head)
        return err_set(err, EPROTO, "wall \"seccomp\": read the filters");
    status = read_program(fd, sizeof head, head.load_len, &filters.load, err);
    if (status == 0)
        status = read_program(fd, (off_t)(sizeof head + head.load_len * sizeof *filters.load),
                              head.run_len, &filters.run, err);
    filters.load_len = head.load_len;
    filters.run_len = head.run_len;
    return status == 0 ? set_handlers(err) : status;
}

static int
apply(struct sock_filter *program, uint32_t len, const char *which, struct hearth_err *err)
{
    struct sock_fprog prog = {.len = (unsigned short)len, .filter = program};

    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) != 0)
        return err_set(err, errno, "wall \"seccomp\": load the filter for %s", which);
    return 0;
}

int
wrk_walls_load(struct hearth_err *err)
{
    return apply(filters.load, filters.load_len, "loading", err);
}

int
wrk_walls_narrow(struct hearth_err *err)
{
    int status = apply(filters.run, filters.run_len, "running", err);

    free(filters.load);
    free(filters.run);
    filters.load = filters.run = NULL;
    return status;
}
