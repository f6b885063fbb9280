/* filter.c: turns the table into programs. Default deny: a call without a row
 * ends a worker or the gateway, a foreign architecture ends anyone.
 *
 * Workers get SIGSYS delivered rather than being killed at once, so that the
 * handler that the worker set before can note the number for the error's text;
 * it then dies of SIGSYS for good. A function cannot take that handler away:
 * rt_sigaction and blocking masks are refused.
 */
#include "filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cleanup.h"
#include "filter_table.h"

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
    case SBX_PROFILE_RUN:
        return SCMP_ACT_TRAP;
    case SBX_PROFILE_BUILD:
        return SCMP_ACT_ERRNO(ENOSYS);
    default:
        return SCMP_ACT_KILL_PROCESS;
    }
}

/* mmap while loading: the address is the kernel's choice, or not the filters'. */
static int
add_map_code(scmp_filter_ctx ctx, uint32_t action, int nr)
{
    const struct {
        struct scmp_arg_cmp place, flags;
    } places[] = {
        {SCMP_A0(SCMP_CMP_EQ, 0), /* and not at 0, where vm.mmap_min_addr is 0 */
         SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_HUGETLB | MAP_FIXED | MAP_FIXED_NOREPLACE, 0)},
        {SCMP_A0(SCMP_CMP_GE, SBX_FILTER_END), SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_HUGETLB, 0)}};
    const struct scmp_arg_cmp access[] = {
        SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
        SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC | PROT_WRITE, PROT_EXEC)};
    int status = 0;

    for (size_t i = 0; i < 4 && status == 0; i++)
        status = seccomp_rule_add(ctx, action, nr, 3, places[i / 2].place, access[i % 2],
                                  places[i / 2].flags);
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

/* Adds the row's conditions with the action; each line is one alternative. */
static int
add_conditions(scmp_filter_ctx ctx, uint32_t action, int nr, enum sbx_when when)
{
    static const int stream[] = {FIONBIO, FIONREAD, FIOCLEX};
    static const int plain[] = {F_GETFD, F_SETFD, F_GETFL};
    static const int file[] = {F_GETFD, F_SETFD,         F_GETFL,    F_SETFL,
                               F_DUPFD, F_DUPFD_CLOEXEC, F_GET_SEALS};
    static const int lock[] = {F_SETLK};
    int status = 0;

    switch (when) {
    case SBX_ALWAYS:
        return seccomp_rule_add(ctx, action, nr, 0);
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
    case SBX_MAP_CODE:
        return add_map_code(ctx, action, nr);
    case SBX_PLAIN_CLONE:
        return seccomp_rule_add(ctx, action, nr, 1,
                                SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_NAMESPACES, 0));
    case SBX_THREAD:
        return seccomp_rule_add(ctx, action, nr, 1,
                                SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
    case SBX_STREAM_IOCTL:
        return add_commands(ctx, action, nr, stream, sizeof stream / sizeof stream[0]);
    case SBX_PLAIN_FCNTL:
        return add_commands(ctx, action, nr, plain, sizeof plain / sizeof plain[0]);
    case SBX_FILE_FCNTL:
        return add_commands(ctx, action, nr, file, sizeof file / sizeof file[0]);
    case SBX_LOCK_FCNTL:
        return add_commands(ctx, action, nr, lock, sizeof lock / sizeof lock[0]);
    case SBX_OWN_LIMITS:
        return seccomp_rule_add(ctx, action, nr, 2, SCMP_A0(SCMP_CMP_EQ, 0),
                                SCMP_A2(SCMP_CMP_EQ, 0));
    case SBX_STACK_LIMIT:
        return seccomp_rule_add(ctx, action, nr, 1, SCMP_A0(SCMP_CMP_EQ, RLIMIT_STACK));
    case SBX_SET_NAME:
        return seccomp_rule_add(ctx, action, nr, 1, SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME));
    case SBX_OWN_AFFINITY:
        return seccomp_rule_add(ctx, action, nr, 1, SCMP_A0(SCMP_CMP_EQ, 0));
    case SBX_NARROW:
        return seccomp_rule_add(ctx, action, nr, 3, SCMP_A0(SCMP_CMP_EQ, SECCOMP_SET_MODE_FILTER),
                                SCMP_A1(SCMP_CMP_EQ, 0), SCMP_A2(SCMP_CMP_EQ, RUN_AT, 0));
    }
    return -EINVAL;
}

/* The rest of a conditioned call that has an errno: refuse without ending. */
static int
add_refusal(scmp_filter_ctx ctx, int nr, const struct sbx_rule *rule)
{
    uint32_t refuse = SCMP_ACT_ERRNO((unsigned)rule->error), otherwise = 0;

    /* what the profile does anyway is no rule to libseccomp */
    if (seccomp_attr_get(ctx, SCMP_FLTATR_ACT_DEFAULT, &otherwise) == 0 && otherwise == refuse)
        return 0;
    if (rule->when == SBX_ALWAYS)
        return seccomp_rule_add(ctx, refuse, nr, 0);
    /* SBX_UNBLOCK: the complement of its two alternatives */
    return seccomp_rule_add(ctx, refuse, nr, 2, SCMP_A0(SCMP_CMP_NE, SIG_UNBLOCK),
                            SCMP_A1(SCMP_CMP_NE, 0));
}

static int
add_rule(scmp_filter_ctx ctx, const struct sbx_rule *rule)
{
    int nr = seccomp_syscall_resolve_name(rule->call);
    int status = 0;

    if (nr == __NR_SCMP_ERROR)
        return -ENOSYS;
    if (nr < 0) /* this architecture has no such call */
        return 0;
    if (rule->error == SBX_PRETEND)
        return add_conditions(ctx, SCMP_ACT_ERRNO(0), nr, rule->when);
    if (rule->error == 0 || rule->when != SBX_ALWAYS)
        status = add_conditions(ctx, SCMP_ACT_ALLOW, nr, rule->when);
    if (status == 0 && rule->error != 0)
        status = add_refusal(ctx, nr, rule);
    return status;
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
    enum sbx_profile profile = (enum sbx_profile)(profiles & ~(unsigned)SBX_PROFILE_FILES);
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
        if ((sbx_rules[i].profiles & profiles) == 0)
            continue;
        status = add_rule(ctx, &sbx_rules[i]);
        if (status < 0)
            return err_set(err, -status, "add %s to a system-call filter", sbx_rules[i].call);
    }
    for (unsigned i = 0; i < sbx_extras_count; i++) {
        struct sbx_rule rule = {.call = sbx_extras[i].call, .when = sbx_extras[i].when};

        status = (extras >> i & 1) != 0 ? add_rule(ctx, &rule) : 0;
        if (status < 0)
            return err_set(err, -status, "add %s to a system-call filter", rule.call);
    }
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

int
sbx_filter_worker_file(const struct sbx_wider *wider, int *fd, struct hearth_err *err)
{
    cleanup_close int made = memfd_create("hearth-filters", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    unsigned files = wider->files ? SBX_PROFILE_FILES : 0;
    struct sbx_filter_file head = {0};
    int status;

    if (made < 0 || pwrite(made, &head, sizeof head, 0) != (ssize_t)sizeof head)
        return err_set(err, errno, "make the file of system-call filters");
    status = append(made, SBX_PROFILE_LOAD | files, wider->calls, &head.load, err);
    if (status == 0)
        status = append(made, SBX_PROFILE_RUN | files, wider->calls, &head.run, err);
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
        return err_set(err, -status, "wall \"seccomp\": load the filter");
    return 0;
}

const char *
sbx_filter_syscall_name(int number, char *buf, size_t n)
{
    cleanup_free char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);

    (void)snprintf(buf, n, "%s", name != NULL ? name : "unknown");
    return buf;
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

const char *
sbx_extra_name(unsigned n)
{
    return n < sbx_extras_count ? sbx_extras[n].call : NULL;
}
