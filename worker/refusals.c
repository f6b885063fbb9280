/* refusals.c: answers a system call that the filters do not allow: with an error code, by itself,
 * or with the end of the process.
 *
 * The kernel has not made the call; it delivers SIGSYS instead. So nothing here is needed to
 * keep a function in: one that spoils this process's memory spoils its own error codes and the
 * counts that are reported, no more.
 *
 * SIGSYS must never be blocked: the kernel would kill the process at the next such call. So
 * rt_sigprocmask, where it would block signals, is not made either: the mask that the kernel
 * restores at the end of this handler is changed instead, all but SIGSYS.
 */
#include "refusals.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "environment.h"
#include "filter.h"
#include "hearth.h"
#include "network.h"
#include "template.h"

#ifndef SYS_SECCOMP
#define SYS_SECCOMP 1 /* asm-generic/siginfo.h; the C library has no name for it */
#endif

static struct chan *noted_in;

static const struct sbx_filter_file *const file = (const struct sbx_filter_file *)SBX_FILTER_AT;

/* ---- the registers of a call ---- */

#if defined(__x86_64__)
static long
argument(const ucontext_t *uc, int n)
{
    static const int registers[] = {REG_RDI, REG_RSI, REG_RDX, REG_R10};

    return uc->uc_mcontext.gregs[registers[n]];
}

static void
set_result(ucontext_t *uc, long result)
{
    uc->uc_mcontext.gregs[REG_RAX] = result;
}

uintptr_t
wrk_stack_pointer(const void *context)
{
    return (uintptr_t)((const ucontext_t *)context)->uc_mcontext.gregs[REG_RSP];
}
#elif defined(__aarch64__)
static long
argument(const ucontext_t *uc, int n)
{
    return (long)uc->uc_mcontext.regs[n];
}

static void
set_result(ucontext_t *uc, long result)
{
    uc->uc_mcontext.regs[0] = (unsigned long long)result;
}

uintptr_t
wrk_stack_pointer(const void *context)
{
    return (uintptr_t)((const ucontext_t *)context)->uc_mcontext.sp;
}
#else
#error "the registers of a system call: add this architecture"
#endif

/* ---- calls that are answered here ---- */

#define KERNEL_SIGSET 8 /* bytes */

/* The kernel looks at what the caller points to, so that a bad pointer is EFAULT and no fault. */
static bool
is_readable(const void *at)
{
    static const struct timespec at_once = {0};

    return syscall(SYS_futex, at, FUTEX_WAIT_PRIVATE, 0, &at_once, NULL, 0) == 0 || errno != EFAULT;
}

static bool
is_writable(void *at, size_t n)
{
    return syscall(SYS_getrandom, at, n, GRND_NONBLOCK) == (long)n;
}

static long
change_mask(ucontext_t *uc)
{
    const void *set = (const void *)argument(uc, 1);
    void *old = (void *)argument(uc, 2);
    uint64_t mask, change = 0;

    if (argument(uc, 3) != KERNEL_SIGSET)
        return -EINVAL;
    if (set != NULL && !is_readable(set))
        return -EFAULT;
    memcpy(&mask, &uc->uc_sigmask, sizeof mask);
    if (set != NULL)
        memcpy(&change, set, sizeof change);
    if (old != NULL && !is_writable(old, sizeof mask))
        return -EFAULT;
    if (old != NULL)
        memcpy(old, &mask, sizeof mask);
    if (set == NULL)
        return 0;
    switch (argument(uc, 0)) {
    case SIG_BLOCK:
        mask |= change;
        break;
    case SIG_UNBLOCK:
        mask &= ~change;
        break;
    case SIG_SETMASK:
        mask = change;
        break;
    default:
        return -EINVAL;
    }
    mask &= ~(UINT64_C(1) << (SIGSYS - 1));
    memcpy(&uc->uc_sigmask, &mask, sizeof mask);
    return 0;
}

static long
describe_system(struct sysinfo *info)
{
    size_t limit = hearth_memory_limit(), used = hearth_memory_used();
    struct timespec now;

    if (!is_writable(info, sizeof *info))
        return -EFAULT;
    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    memset(info, 0, sizeof *info);
    info->uptime = now.tv_sec;
    info->totalram = limit;
    info->freeram = used < limit ? limit - used : 0;
    info->procs = 1;
    info->mem_unit = 1;
    return 0;
}

/* The first cores, one for each thread that the function may have. */
static long
describe_cores(size_t size, unsigned char *mask)
{
    if (size < sizeof(long) || size % sizeof(long) != 0)
        return -EINVAL;
    if (!is_writable(mask, sizeof(long)))
        return -EFAULT;
    memset(mask, 0, sizeof(long));
    for (uint32_t i = 0; i < file->threads && i < 8 * sizeof(long); i++)
        mask[i / 8] |= (unsigned char)(1u << (i % 8));
    return sizeof(long);
}

static long
describe_lock(long command, struct flock *lock)
{
    if (command != F_GETLK && command != F_OFD_GETLK)
        return -EINVAL;
    if (!is_readable(lock) || !is_writable(&lock->l_type, sizeof lock->l_type))
        return -EFAULT;
    lock->l_type = F_UNLCK;
    return 0;
}

/* The word that it lies in: the kernel looks at no other. */
static const void *
aligned(const void *at)
{
    return (const void *)((uintptr_t)at & ~(uintptr_t)3);
}

static long
connect_to(int fd, const void *address, size_t n)
{
    struct sockaddr_storage copy = {0};

    if (n > sizeof copy)
        return -EINVAL;
    if (n > 0 &&
        (!is_readable(aligned(address)) || !is_readable(aligned((const char *)address + n - 1))))
        return -EFAULT;
    memcpy(&copy, address, n);
    return wrk_network_connect(fd, &copy, (socklen_t)n);
}

static long
emulate(int number, ucontext_t *uc)
{
    switch (number) {
    case SYS_rt_sigprocmask:
        return change_mask(uc);
    case SYS_sysinfo:
        return describe_system((struct sysinfo *)argument(uc, 0));
    case SYS_sched_getaffinity:
        return describe_cores((size_t)argument(uc, 1), (unsigned char *)argument(uc, 2));
    case SYS_socket:
        return wrk_network_socket((int)argument(uc, 0), (int)argument(uc, 1), (int)argument(uc, 2));
    case SYS_connect:
        return connect_to((int)argument(uc, 0), (const void *)argument(uc, 1),
                          (size_t)(socklen_t)argument(uc, 2));
    case SYS_clone:
        return wrk_template_clone((void *)argument(uc, 3));
    case SYS_fcntl:
        return describe_lock(argument(uc, 1), (struct flock *)argument(uc, 2));
    default:
        return -ENOSYS;
    }
}

/* ---- the handler ---- */

static _Noreturn void
note_and_die(uint32_t note)
{
    atomic_store(&noted_in->shared->trapped, note);
    for (;;)
        (void)syscall(SBX_DOOM_SYSCALL, SBX_DOOM_ARGUMENT, 0L, 0L, 0L);
}

/* clone of a worker that may become a template is answered only for the platform's own fork. */
static uint8_t
answer_of(int number)
{
    uint8_t answer = number >= 0 && number < SBX_SYSCALLS ? file->answers[number] : ENOSYS;

    if (number == SYS_clone && answer == SBX_EMULATED && !wrk_template_is_forking())
        return file->strict != 0 ? SBX_DEADLY : EAGAIN;
    return answer;
}

static bool
is_deadly(int number, const ucontext_t *uc)
{
    if (number == SYS_prctl && argument(uc, 0) == PR_SET_SECCOMP)
        return true; /* a filter of its own */
    return answer_of(number) == SBX_DEADLY;
}

static long
refuse(int number)
{
    uint8_t answer = answer_of(number);

    if (number >= 0 && number < CHAN_SYSCALLS)
        atomic_fetch_add(&noted_in->shared->refused[number], 1);
    atomic_fetch_add(&noted_in->shared->refusals, 1);
    return -(long)answer;
}

/* Of a template and its forks, anonymous memory that would be shared: it is private, which is the
 * same to a process that can have no child. */
static bool
wants_shared_memory(int number, const ucontext_t *uc)
{
    long prot = argument(uc, 2), flags = argument(uc, 3);

    return number == SYS_mmap && file->forks != 0 && (prot & PROT_EXEC) == 0 &&
           (flags & MAP_ANONYMOUS) != 0 && (flags & MAP_TYPE) == MAP_SHARED &&
           (flags & MAP_HUGETLB) == 0;
}

static long
map_private(const ucontext_t *uc)
{
    void *at = mmap((void *)argument(uc, 0), (size_t)argument(uc, 1), (int)argument(uc, 2),
                    ((int)argument(uc, 3) & ~MAP_TYPE) | MAP_PRIVATE, -1, 0);

    return at == MAP_FAILED ? -errno : (long)at;
}

static void
on_call(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    int number = info->si_syscall, saved = errno;

    if (info->si_code != SYS_SECCOMP) { /* it sent the signal itself */
        atomic_store(&noted_in->shared->trapped, CHAN_NOTED_SIGNAL + (uint32_t)sig);
        _exit(128 + sig);
    }
    if (is_deadly(number, uc))
        note_and_die((uint32_t)number + 1);
    if (wants_shared_memory(number, uc))
        set_result(uc, map_private(uc));
    else if (answer_of(number) == SBX_EMULATED)
        set_result(uc, emulate(number, uc));
    else
        set_result(uc, refuse(number));
    errno = saved;
}

int
wrk_refusals_install(struct chan *chan, struct hearth_err *err)
{
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_ONSTACK, .sa_sigaction = on_call};

    noted_in = chan;
    (void)sigfillset(&action.sa_mask);
    if (sigaction(SIGSYS, &action, NULL) != 0)
        return err_set(err, errno, "set the handler of SIGSYS");
    return 0;
}
