/* landlock.c: Landlock by its system calls: the C library has no functions for them, and the
 * headers of older kernels lack some rights. The numbers are those of linux/landlock.h. */
#include "landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"

#define CREATE_VERSION 1u /* landlock_create_ruleset: return the ABI */
#define RULE_BENEATH   1u

/* rights to files, by their bits */
#define FS_EXECUTE   (UINT64_C(1) << 0)
#define FS_WRITE     (UINT64_C(1) << 1)
#define FS_READ      (UINT64_C(1) << 2)
#define FS_LIST      (UINT64_C(1) << 3)
#define FS_RMDIR     (UINT64_C(1) << 4)
#define FS_UNLINK    (UINT64_C(1) << 5)
#define FS_MKDIR     (UINT64_C(1) << 7)
#define FS_MAKE      (UINT64_C(1) << 8) /* a regular file */
#define FS_REFER     (UINT64_C(1) << 13)
#define FS_TRUNCATE  (UINT64_C(1) << 14)
#define FS_IOCTL_DEV (UINT64_C(1) << 15)
#define FS_OF_FILES  (FS_EXECUTE | FS_WRITE | FS_READ | FS_TRUNCATE | FS_IOCTL_DEV)

struct ruleset {
    uint64_t files;
    uint64_t network; /* ABI 4: 1 bind, 2 connect, of TCP */
    uint64_t scoped;  /* ABI 6: 1 abstract unix sockets, 2 signals */
};

struct beneath {
    uint64_t allowed;
    int32_t parent;
} __attribute__((packed));

static long
create(const struct ruleset *set, size_t size, uint32_t flags)
{
    return syscall(SYS_landlock_create_ruleset, set, size, flags);
}

int
sbx_landlock_abi(void)
{
    long abi = create(NULL, 0, CREATE_VERSION);

    return abi > 0 ? (int)abi : 0;
}

/* All rights to files that an ABI knows. */
static uint64_t
known_rights(int abi)
{
    static const int bits[] = {0, 13, 14, 15, 15}; /* of ABI 1 to 4 */

    return (UINT64_C(1) << (abi < 5 ? bits[abi] : 16)) - 1;
}

int
sbx_landlock_begin(int *rules, struct hearth_err *err)
{
    int abi = sbx_landlock_abi();
    struct ruleset set = {.files = abi > 0 ? known_rights(abi) : 0, .network = 3, .scoped = 3};
    size_t size = abi < 4 ? sizeof set.files : (abi < 6 ? 2 * sizeof set.files : sizeof set);

    *rules = -1;
    if (abi == 0)
        return 0;
    *rules = (int)create(&set, size, 0);
    return *rules < 0 ? err_set(err, errno, "layer \"landlock\": make a set of rules") : 0;
}

int
sbx_landlock_signals(void)
{
    const struct ruleset set = {.scoped = 2};

    return sbx_landlock_abi() >= 6 ? (int)create(&set, sizeof set, 0) : -1;
}

static int
allow(int rules, int fd, uint64_t rights, int abi, struct hearth_err *err)
{
    struct beneath rule = {.allowed = rights, .parent = fd};
    struct stat st;

    if (fstat(fd, &st) != 0)
        return err_set(err, errno, "layer \"landlock\": look at a path");
    if (!S_ISDIR(st.st_mode))
        rule.allowed &= FS_OF_FILES;
    rule.allowed &= known_rights(abi);
    if (syscall(SYS_landlock_add_rule, rules, RULE_BENEATH, &rule, 0) != 0)
        return err_set(err, errno, "layer \"landlock\": add a rule");
    return 0;
}

static const uint64_t rights_of[] = {
    [SBX_LANDLOCK_READ] = FS_READ,
    [SBX_LANDLOCK_LIST] = FS_READ | FS_LIST,
    [SBX_LANDLOCK_WRITE] = FS_READ | FS_WRITE,
    [SBX_LANDLOCK_EXECUTE] = FS_READ | FS_LIST | FS_EXECUTE,
    [SBX_LANDLOCK_CHANGE] = FS_READ | FS_LIST | FS_WRITE | FS_RMDIR | FS_UNLINK | FS_MKDIR |
                            FS_MAKE | FS_REFER | FS_TRUNCATE,
};

int
sbx_landlock_allow(int rules, const char *path, enum sbx_landlock_access access,
                   struct hearth_err *err)
{
    cleanup_close int fd = -1;

    if (rules < 0)
        return 0;
    fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : err_set(err, errno, "layer \"landlock\": open %s", path);
    return allow(rules, fd, rights_of[access], sbx_landlock_abi(), err);
}

int
sbx_landlock_allow_fd(int rules, int fd, enum sbx_landlock_access access, struct hearth_err *err)
{
    return rules >= 0 ? allow(rules, fd, rights_of[access], 1, err) : 0;
}

int
sbx_landlock_enforce(int rules, struct hearth_err *err)
{
    if (rules < 0)
        return 0;
    if (syscall(SYS_landlock_restrict_self, rules, 0) != 0)
        return err_set(err, errno, "layer \"landlock\": enforce the rules");
    (void)close(rules);
    return 0;
}
