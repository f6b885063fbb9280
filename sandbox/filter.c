/* filter.c: turns the table into programs. Default deny: a call without a row does nothing. It
 * kills the gateway; a foreign architecture kills any process.
 *
 * In a worker such a call delivers SIGSYS. The handler that the worker installed before
 * (worker/refusals.c) answers it with the errno of sbx_answers, or notes its number and dies. A
 * function cannot take that handler away: no other one of SIGSYS can be set, and SIGSYS is never
 * blocked. It can spoil the handler's memory, since that is its own: then an error code or a
 * report is wrong, but the call is not made.
 */
#include "filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"
#include "filter_table.h"
#include "inherit.h"

#define CLONE_NAMESPACES                                                                           \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |  \
     CLONE_NEWNET)

/* the only program that a worker may load once LOAD is up */
#define RUN_AT (SBX_FILTER_AT + offsetof(struct sbx_filter_file, run))

static uint32_t
default_action(enum sbx_profile profile)
{
    switch (profile) {
    case SBX_PROFILE_LOAD:
        return SCMP_ACT_TRAP;
    case SBX_PROFILE_RUN: /* LOAD is in force too */
        return SCMP_ACT_ALLOW;
    case SBX_PROFILE_BUILD:
    case SBX_PROFILE_BROKER:
        return SCMP_ACT_ERRNO(ENOSYS);
    default:
        return SCMP_ACT_KILL_PROCESS;
    }
}

/* mmap while loading: the address is the kernel's choice, or not the filters'. own: no memory that
 * a fork would share, with no file behind it. */
static int
add_map_code(scmp_filter_ctx ctx, uint32_t action, int nr, bool own)
{
    struct kind {
        scmp_datum_t mask, value;
    };
    static const struct kind any[] = {{0, 0}},
                             private[] = {{MAP_ANONYMOUS, 0}, {MAP_TYPE, MAP_PRIVATE}};
    const struct kind *kinds = own ? private : any;
    const struct scmp_arg_cmp access[] = {
        SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
        SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC | PROT_WRITE, PROT_EXEC)};
    const scmp_datum_t fixed = MAP_FIXED | MAP_FIXED_NOREPLACE;
    int status = 0;

    for (size_t i = 0; i < (own ? 4 : 2) && status == 0; i++) {
        scmp_datum_t mask = MAP_HUGETLB | kinds[i / 2].mask, value = kinds[i / 2].value;

        /* not at 0, where vm.mmap_min_addr is 0 */
        status = seccomp_rule_add(ctx, action, nr, 3, SCMP_A0(SCMP_CMP_EQ, 0), access[i % 2],
                                  SCMP_A3(SCMP_CMP_MASKED_EQ, mask | fixed, value));
        if (status == 0)
            status = seccomp_rule_add(ctx, action, nr, 3, SCMP_A0(SCMP_CMP_GE, SBX_FILTER_END),
                                      access[i % 2], SCMP_A3(SCMP_CMP_MASKED_EQ, mask, value));
    }
    return status;
}

/* One alternative for each of these values of the second argument. */
static int
add_commands(scmp_filter_ctx ctx, uint32_t action, int nr, const int *commands, size_t n)
{
    int status = 0;

    for (size_t i = 0; i < n && status == 0; i++)
        status =
            seccomp_rule_add(ctx, action, nr, 1, SCMP_A1(SCMP_CMP_EQ, (scmp_datum_t)commands[i]));
    return status;
}

/* A descriptor below those whose open files the gateway shares. The kernel looks at the lower half
 * of the register alone. */
#define OWN_DESCRIPTOR                                                                             \
    SCMP_A0(SCMP_CMP_MASKED_EQ, UINT64_C(0xffffffff) & ~((uint64_t)INHERIT_WORKER_BELLS - 1), 0)

/* The same for a call whose first argument is a descriptor, which must be the worker's own. */
static int
add_own_commands(scmp_filter_ctx ctx, uint32_t action, int nr, const int *commands, size_t n)
{
    int status = 0;

    for (size_t i = 0; i < n && status == 0; i++)
        status = seccomp_rule_add(ctx, action, nr, 2, OWN_DESCRIPTOR,
                                  SCMP_A1(SCMP_CMP_EQ, (scmp_datum_t)commands[i]));
    return status;
}

struct option {
    int level, name;
};

static int
add_options(scmp_filter_ctx ctx, uint32_t action, int nr, const struct option *options, size_t n)
{
    int status = 0;

    for (size_t i = 0; i < n && status == 0; i++)
        status = seccomp_rule_add(ctx, action, nr, 2,
                                  SCMP_A1(SCMP_CMP_EQ, (scmp_datum_t)options[i].level),
                                  SCMP_A2(SCMP_CMP_EQ, (scmp_datum_t)options[i].name));
    return status;
}

/* What libpq, hiredis, libcurl and the like set. None gives a socket another address or way; nor
 * SO_LINGER, by which the last one to close it would wait, which may be the broker. */
static const struct option settable[] = {
    {SOL_SOCKET, SO_KEEPALIVE},       {SOL_SOCKET, SO_RCVTIMEO},    {SOL_SOCKET, SO_SNDTIMEO},
    {SOL_SOCKET, SO_RCVBUF},          {SOL_SOCKET, SO_SNDBUF},      {SOL_SOCKET, SO_REUSEADDR},
    {SOL_SOCKET, SO_OOBINLINE},       {SOL_SOCKET, SO_RCVLOWAT},    {IPPROTO_TCP, TCP_NODELAY},
    {IPPROTO_TCP, TCP_KEEPIDLE},      {IPPROTO_TCP, TCP_KEEPINTVL}, {IPPROTO_TCP, TCP_KEEPCNT},
    {IPPROTO_TCP, TCP_USER_TIMEOUT},  {IPPROTO_TCP, TCP_QUICKACK},  {IPPROTO_TCP, TCP_CORK},
    {IPPROTO_TCP, TCP_NOTSENT_LOWAT}, {IPPROTO_IP, IP_TOS},         {IPPROTO_IPV6, IPV6_TCLASS},
    {IPPROTO_IPV6, IPV6_V6ONLY},
};

/* What can be asked besides. Nothing that gives a descriptor (SO_PEERPIDFD), memory
 * (TCP_ZEROCOPY_RECEIVE) or more than the socket's own state. */
static const struct option askable[] = {
    {SOL_SOCKET, SO_ERROR},
    {SOL_SOCKET, SO_TYPE},
    {SOL_SOCKET, SO_DOMAIN},
    {SOL_SOCKET, SO_PROTOCOL},
    {SOL_SOCKET, SO_ACCEPTCONN},
    {SOL_SOCKET, SO_PEERCRED},
    {IPPROTO_TCP, TCP_INFO},
    {IPPROTO_TCP, TCP_MAXSEG},
    {IPPROTO_TCP, TCP_CONGESTION},
    {IPPROTO_IP, IP_MTU},
    {IPPROTO_IP, IP_TTL},
    {IPPROTO_IPV6, IPV6_MTU},
    {IPPROTO_IPV6, IPV6_UNICAST_HOPS},
};

static int
add_network_conditions(scmp_filter_ctx ctx, uint32_t action, int nr, enum sbx_when when)
{
    int status;

    switch (when) {
    case SBX_TO_BROKER:
        return seccomp_rule_add(
            ctx, action, nr, 1,
            SCMP_A0(SCMP_CMP_MASKED_EQ, UINT64_C(0xffffffff), INHERIT_WORKER_BROKER));
    case SBX_NO_ADDRESS:
        return seccomp_rule_add(ctx, action, nr, 2, SCMP_A3(SCMP_CMP_MASKED_EQ, MSG_FASTOPEN, 0),
                                SCMP_A4(SCMP_CMP_EQ, 0));
    case SBX_SOCKET_OPTION:
        return add_options(ctx, action, nr, settable, sizeof settable / sizeof settable[0]);
    case SBX_SOCKET_QUESTION:
        status = add_options(ctx, action, nr, settable, sizeof settable / sizeof settable[0]);
        return status == 0
                   ? add_options(ctx, action, nr, askable, sizeof askable / sizeof askable[0])
                   : status;
    default:
        return -EINVAL;
    }
}

/* Calls of a worker on descriptors, advice and options. */
static int
add_worker_conditions(scmp_filter_ctx ctx, uint32_t action, int nr, enum sbx_when when)
{
    static const int any_fcntl[] = {F_GETFD, F_SETFD, F_GETFL};
    static const int own_fcntl[] = {F_DUPFD, F_DUPFD_CLOEXEC, F_SETFL};
    static const int any_ioctl[] = {TCGETS, TIOCGWINSZ, FIONREAD, FIOCLEX, FIONCLEX};
    static const int own_ioctl[] = {FIONBIO};
    static const int advice[] = {MADV_NORMAL,   MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED,
                                 MADV_DONTNEED, MADV_FREE,   MADV_HUGEPAGE,   MADV_NOHUGEPAGE,
                                 MADV_DONTDUMP, MADV_DODUMP};
    static const int options[] = {PR_SET_NAME,       PR_GET_NAME,         PR_GET_DUMPABLE,
                                  PR_GET_TIMERSLACK, PR_GET_NO_NEW_PRIVS, PR_GET_PDEATHSIG,
                                  PR_CAPBSET_READ};
    int status = 0;

    switch (when) {
    case SBX_OWN_FCNTL:
        status = add_commands(ctx, action, nr, any_fcntl, sizeof any_fcntl / sizeof any_fcntl[0]);
        return status == 0 ? add_own_commands(ctx, action, nr, own_fcntl,
                                              sizeof own_fcntl / sizeof own_fcntl[0])
                           : status;
    case SBX_OWN_IOCTL:
        status = add_commands(ctx, action, nr, any_ioctl, sizeof any_ioctl / sizeof any_ioctl[0]);
        return status == 0 ? add_own_commands(ctx, action, nr, own_ioctl, 1) : status;
    case SBX_OWN_COPY:
        return seccomp_rule_add(ctx, action, nr, 1, OWN_DESCRIPTOR);
    case SBX_ADVICE:
        for (size_t i = 0; i < sizeof advice / sizeof advice[0] && status == 0; i++)
            status =
                seccomp_rule_add(ctx, action, nr, 1, SCMP_A2(SCMP_CMP_EQ, (scmp_datum_t)advice[i]));
        return status;
    case SBX_OWN_PRCTL:
        for (size_t i = 0; i < sizeof options / sizeof options[0] && status == 0; i++)
            status = seccomp_rule_add(ctx, action, nr, 1,
                                      SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)options[i]));
        return status;
    case SBX_OWN_HANDLER:
        return seccomp_rule_add(ctx, action, nr, 1, SCMP_A0(SCMP_CMP_NE, SIGSYS));
    case SBX_UNIX_PAIR:
        return seccomp_rule_add(ctx, action, nr, 1, SCMP_A0(SCMP_CMP_EQ, AF_UNIX));
    default:
        return add_network_conditions(ctx, action, nr, when);
    }
}

/* Adds the row's conditions with the action; each line is one alternative. */
static int
add_conditions(scmp_filter_ctx ctx, uint32_t action, int nr, enum sbx_when when)
{
    static const int stream[] = {FIONBIO, FIONREAD, FIOCLEX};
    static const int file[] = {F_GETFD, F_SETFD,         F_GETFL,    F_SETFL,
                               F_DUPFD, F_DUPFD_CLOEXEC, F_GET_SEALS};
    static const int lock[] = {F_SETLK, F_SETLKW, F_OFD_SETLK, F_OFD_SETLKW};
    int status = 0;

    switch (when) {
    case SBX_ALWAYS:
        return seccomp_rule_add(ctx, action, nr, 0);
    case SBX_EXEC:
        return seccomp_rule_add(ctx, action, nr, 1,
                                SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC));
    case SBX_NOT_EXEC:
        return seccomp_rule_add(ctx, action, nr, 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    case SBX_NOT_WX:
        status = seccomp_rule_add(ctx, action, nr, 2, SCMP_A0(SCMP_CMP_GE, SBX_FILTER_END),
                                  SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
        if (status == 0)
            status =
                seccomp_rule_add(ctx, action, nr, 2, SCMP_A0(SCMP_CMP_GE, SBX_FILTER_END),
                                 SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC | PROT_WRITE, PROT_EXEC));
        return status;
    case SBX_NOT_FILTERS:
        return seccomp_rule_add(ctx, action, nr, 1, SCMP_A0(SCMP_CMP_GE, SBX_FILTER_END));
    case SBX_GROW:
        return seccomp_rule_add(ctx, action, nr, 3, SCMP_A0(SCMP_CMP_GE, SBX_FILTER_END),
                                SCMP_A1(SCMP_CMP_NE, 0),
                                SCMP_A3(SCMP_CMP_MASKED_EQ, (scmp_datum_t)~MREMAP_MAYMOVE, 0));
    case SBX_UNBLOCK:
        status = seccomp_rule_add(ctx, action, nr, 1, SCMP_A0(SCMP_CMP_EQ, SIG_UNBLOCK));
        if (status == 0)
            status = seccomp_rule_add(ctx, action, nr, 2, SCMP_A0(SCMP_CMP_NE, SIG_UNBLOCK),
                                      SCMP_A1(SCMP_CMP_EQ, 0));
        return status;
    case SBX_MAP_DATA:
        return seccomp_rule_add(ctx, action, nr, 2, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
                                SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_HUGETLB, 0));
    case SBX_CODE_WITHOUT_FILE:
        return seccomp_rule_add(ctx, action, nr, 2,
                                SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC),
                                SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, MAP_ANONYMOUS));
    case SBX_MAP_CODE:
        return add_map_code(ctx, action, nr, false);
    case SBX_MAP_OWN:
        return add_map_code(ctx, action, nr, true);
    case SBX_PLAIN_CLONE:
        return seccomp_rule_add(ctx, action, nr, 1,
                                SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_NAMESPACES, 0));
    case SBX_THREAD:
        return seccomp_rule_add(
            ctx, action, nr, 1,
            SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD | CLONE_FILES, CLONE_THREAD | CLONE_FILES));
    case SBX_FORK:
        return seccomp_rule_add(ctx, action, nr, 2, SCMP_A0(SCMP_CMP_EQ, SBX_FORK_FLAGS),
                                SCMP_A1(SCMP_CMP_EQ, 0));
    case SBX_STREAM_IOCTL:
        return add_commands(ctx, action, nr, stream, sizeof stream / sizeof stream[0]);
    case SBX_FILE_FCNTL:
        return add_commands(ctx, action, nr, file, sizeof file / sizeof file[0]);
    case SBX_LOCK_FCNTL:
        return add_commands(ctx, action, nr, lock, sizeof lock / sizeof lock[0]);
    case SBX_SEALS_FCNTL:
        return seccomp_rule_add(ctx, action, nr, 1, SCMP_A1(SCMP_CMP_EQ, F_GET_SEALS));
    case SBX_OWN_LIMITS:
        return seccomp_rule_add(ctx, action, nr, 2, SCMP_A0(SCMP_CMP_EQ, 0),
                                SCMP_A2(SCMP_CMP_EQ, 0));
    case SBX_FILES_LIMIT:
        return seccomp_rule_add(ctx, action, nr, 1, SCMP_A0(SCMP_CMP_EQ, RLIMIT_NOFILE));
    case SBX_STACK_LIMIT:
        return seccomp_rule_add(ctx, action, nr, 1, SCMP_A0(SCMP_CMP_EQ, RLIMIT_STACK));
    case SBX_COLLAPSE:
        return seccomp_rule_add(ctx, action, nr, 1, SCMP_A2(SCMP_CMP_EQ, SBX_ADVICE_COLLAPSE));
    case SBX_SMALL_PAGES:
        return seccomp_rule_add(ctx, action, nr, 1, SCMP_A0(SCMP_CMP_EQ, PR_SET_THP_DISABLE));
    case SBX_SET_NAME:
        return seccomp_rule_add(ctx, action, nr, 1, SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME));
    case SBX_OWN_AFFINITY:
        return seccomp_rule_add(ctx, action, nr, 1, SCMP_A0(SCMP_CMP_EQ, 0));
    case SBX_NARROW:
        return seccomp_rule_add(ctx, action, nr, 3, SCMP_A0(SCMP_CMP_EQ, SECCOMP_SET_MODE_FILTER),
                                SCMP_A1(SCMP_CMP_EQ, SECCOMP_FILTER_FLAG_TSYNC),
                                SCMP_A2(SCMP_CMP_EQ, RUN_AT, 0));
    default:
        return add_worker_conditions(ctx, action, nr, when);
    }
}

static int
add_rule(scmp_filter_ctx ctx, const struct sbx_rule *rule)
{
    int nr = seccomp_syscall_resolve_name(rule->call);
    uint32_t refuse = SCMP_ACT_ERRNO((unsigned)(rule->error == SBX_PRETEND ? 0 : rule->error));
    uint32_t otherwise = 0;

    if (nr == __NR_SCMP_ERROR)
        return -ENOSYS;
    if (nr < 0) /* this architecture has no such call */
        return 0;
    if (rule->error == 0)
        return add_conditions(ctx, SCMP_ACT_ALLOW, nr, rule->when);
    if (rule->error == SBX_TAKEN)
        return add_conditions(ctx, SCMP_ACT_TRAP, nr, rule->when);
    /* what the profile does anyway is no rule to libseccomp */
    if (seccomp_attr_get(ctx, SCMP_FLTATR_ACT_DEFAULT, &otherwise) == 0 && otherwise == refuse)
        return 0;
    return add_conditions(ctx, refuse, nr, rule->when);
}

/* How a worker dies of its own will: uncaught. */
static int
add_doom(scmp_filter_ctx ctx)
{
    return seccomp_rule_add(ctx, SCMP_ACT_KILL_PROCESS, SBX_DOOM_SYSCALL, 1,
                            SCMP_A0(SCMP_CMP_EQ, SBX_DOOM_ARGUMENT));
}

static void
release(scmp_filter_ctx *ctx)
{
    if (*ctx != NULL)
        seccomp_release(*ctx);
}

/* profiles: bits; the default is that of the first of them. */
static int
make(unsigned profiles, uint64_t extras, scmp_filter_ctx *out, struct hearth_err *err)
{
    const unsigned additional = SBX_PROFILE_FILES | SBX_PROFILE_THREADS | SBX_PROFILE_NETWORK |
                                SBX_PROFILE_TEMPLATE | SBX_PROFILE_PYTHON | SBX_PROFILE_PAIRS;
    enum sbx_profile profile = (enum sbx_profile)(profiles & ~additional);
    __attribute__((cleanup(release))) scmp_filter_ctx ctx = seccomp_init(default_action(profile));
    int status;

    if (ctx == NULL)
        return err_set(err, ENOMEM, "make a system-call filter");
    status = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (status == 0)
        status = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (status < 0)
        return err_set(err, -status, "set up a system-call filter");
    for (unsigned i = 0; i < sbx_rules_count; i++) {
        struct sbx_rule rule;

        if ((sbx_rules[i].profiles & profiles) == 0)
            continue;
        rule = sbx_rules[i];
        if ((profiles & SBX_PROFILE_TEMPLATE) != 0 && rule.when == SBX_MAP_CODE)
            rule.when = SBX_MAP_OWN;
        status = add_rule(ctx, &rule);
        if (status < 0)
            return err_set(err, -status, "add %s to a system-call filter", rule.call);
    }
    for (unsigned i = 0; i < sbx_extras_count; i++) {
        struct sbx_rule rule = {.call = sbx_extras[i].call, .when = sbx_extras[i].when};

        status = (extras >> i & 1) != 0 && !sbx_extras[i].usual ? add_rule(ctx, &rule) : 0;
        if (status < 0)
            return err_set(err, -status, "add %s to a system-call filter", rule.call);
    }
    if (default_action(profile) == SCMP_ACT_TRAP && (status = add_doom(ctx)) < 0)
        return err_set(err, -status, "add an end to a system-call filter");
    *out = take_ptr(ctx);
    return 0;
}

/* Appends a profile's program to the file, and says where it will be mapped. */
static int
append(int fd, unsigned profiles, uint64_t extras, struct sbx_filter_program *program,
       struct hearth_err *err)
{
    __attribute__((cleanup(release))) scmp_filter_ctx ctx = NULL;
    off_t from = lseek(fd, 0, SEEK_END), to;
    int status = make(profiles, extras, &ctx, err);

    if (status < 0)
        return status;
    status = seccomp_export_bpf(ctx, fd);
    if (status < 0)
        return err_set(err, -status, "export a system-call filter");
    to = lseek(fd, 0, SEEK_END);
    if (from < 0 || to < from || to > SBX_FILTER_END - SBX_FILTER_AT)
        return err_set(err, EFBIG, "export a system-call filter");
    program->len = (uint16_t)((to - from) / 8);
    program->at = SBX_FILTER_AT + (uint64_t)from;
    return 0;
}

/* Anew: only a descriptor that cannot write gives a mapping that never can, and before
 * Linux 6.7 a sealed file is not mapped by another one at all. */
static int
open_read_only(int made, int *fd, struct hearth_err *err)
{
    char path[32];
    int opened;

    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", made);
    opened = open(path, O_RDONLY | O_CLOEXEC);
    if (opened < 0)
        return err_set(err, errno, "open the file of system-call filters");
    *fd = opened;
    return 0;
}

static void
fill_answers(const struct sbx_wider *wider, uint8_t answers[SBX_SYSCALLS])
{
    memset(answers, ENOSYS, SBX_SYSCALLS);
    for (unsigned i = 0; i < sbx_answers_count; i++) {
        const struct sbx_answer *answer = &sbx_answers[i];
        int nr = seccomp_syscall_resolve_name(answer->call);

        if (nr >= 0 && nr < SBX_SYSCALLS)
            answers[nr] = (uint8_t)answer->error;
    }
    if (wider->network)
        answers[SYS_setsockopt] = answers[SYS_getsockopt] = ENOPROTOOPT;
    if (wider->network)
        answers[SYS_socket] = answers[SYS_connect] = SBX_EMULATED;
    if (wider->forks)
        answers[SYS_clone] = SBX_EMULATED;
    for (int nr = 0; nr < SBX_SYSCALLS && wider->strict; nr++)
        if (answers[nr] != SBX_EMULATED)
            answers[nr] = SBX_DEADLY;
}

int
sbx_filter_worker_file(const struct sbx_wider *wider, int *fd, struct hearth_err *err)
{
    cleanup_close int made = memfd_create("hearth-filters", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    unsigned also =
        (wider->files ? SBX_PROFILE_FILES : 0) | (wider->threads > 0 ? SBX_PROFILE_THREADS : 0) |
        (wider->network ? SBX_PROFILE_NETWORK : 0) | (wider->forks ? SBX_PROFILE_TEMPLATE : 0) |
        (wider->python ? SBX_PROFILE_PAIRS : 0);
    struct sbx_filter_file head = {.threads = wider->threads + 1,
                                   .strict = wider->strict,
                                   .network = wider->network,
                                   .forks = wider->forks};
    int status;

    fill_answers(wider, head.answers);
    if (made < 0 || pwrite(made, &head, sizeof head, 0) != (ssize_t)sizeof head)
        return err_set(err, errno, "make the file of system-call filters");
    status = append(made, SBX_PROFILE_LOAD | also, wider->calls, &head.load, err);
    if (status == 0)
        status = append(made, SBX_PROFILE_RUN | (wider->python ? SBX_PROFILE_PYTHON : 0), 0,
                        &head.run, err);
    if (status < 0)
        return status;
    if (pwrite(made, &head, sizeof head, 0) != (ssize_t)sizeof head ||
        fcntl(made, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0)
        return err_set(err, errno, "seal the file of system-call filters");
    return open_read_only(made, fd, err);
}

int
sbx_filter_apply(enum sbx_profile profile, struct hearth_err *err)
{
    __attribute__((cleanup(release))) scmp_filter_ctx ctx = NULL;
    int status = make(profile, 0, &ctx, err);

    if (status < 0)
        return status;
    (void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0);
    status = seccomp_load(ctx);
    if (status < 0)
        return err_set(err, -status, "layer \"seccomp\": load the filter");
    return 0;
}

const char *
sbx_filter_syscall_name(int number, char *buf, size_t n)
{
    cleanup_free char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);

    (void)snprintf(buf, n, "%s", name != NULL ? name : "unknown");
    return buf;
}

int
sbx_filter_refusal(int number, const char **setting)
{
    char name[32];
    int error = ENOSYS;

    (void)sbx_filter_syscall_name(number, name, sizeof name);
    for (unsigned i = 0; i < sbx_answers_count; i++)
        if (strcmp(sbx_answers[i].call, name) == 0)
            error = sbx_answers[i].error;
    if (error == SBX_DEADLY || error == SBX_EMULATED)
        error = 0;
    *setting = NULL;
    if (error == EROFS)
        *setting = "tmp";
    else if (strcmp(name, "clone") == 0)
        *setting = "threads";
    else if (strcmp(name, "socket") == 0 || strcmp(name, "connect") == 0)
        *setting = "network";
    else if ((sbx_extra_bit(name, strlen(name)) & sbx_extra_unusual()) != 0)
        *setting = "syscalls";
    return error;
}

/* ---- what an operator may allow ---- */

uint64_t
sbx_extra_bit(const char *name, size_t len)
{
    for (unsigned i = 0; i < sbx_extras_count; i++)
        if (strlen(sbx_extras[i].call) == len && memcmp(sbx_extras[i].call, name, len) == 0)
            return UINT64_C(1) << i;
    return 0;
}

uint64_t
sbx_extra_all(void)
{
    return (UINT64_C(1) << sbx_extras_count) - 1;
}

uint64_t
sbx_extra_unusual(void)
{
    uint64_t bits = 0;

    for (unsigned i = 0; i < sbx_extras_count; i++)
        bits |= sbx_extras[i].usual ? 0 : UINT64_C(1) << i;
    return bits;
}

const char *
sbx_extra_name(unsigned n)
{
    return n < sbx_extras_count ? sbx_extras[n].call : NULL;
}
