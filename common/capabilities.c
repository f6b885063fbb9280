/* capabilities.c: see capabilities.h. */
#include "capabilities.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* No program that is executed from now on can gain one. */
static int
bound(struct hearth_err *err)
{
    for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0 && errno != EINVAL)
            return err_set(err, errno, "layer \"capabilities\": drop %d", cap);
    return 0;
}

/* Those that this process has, and those that a program would inherit. A change of user takes the
 * former too, but neither where there is only one user. */
static int
clear(struct hearth_err *err)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {{0}, {0}};

    if (syscall(SYS_capset, &head, none) != 0)
        return err_set(err, errno, "layer \"capabilities\": give them up");
    return 0;
}

int
capabilities_drop(uid_t uid, gid_t gid, struct hearth_err *err)
{
    int status = bound(err);

    if (status < 0)
        return status;
    if (uid != 0 &&
        (setgroups(0, NULL) != 0 || setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0))
        return err_set(err, errno, "layer \"user\": become user %u", (unsigned)uid);
    status = clear(err);
    if (status < 0)
        return status;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return err_set(err, errno, "layer \"no-new-privs\"");
    return 0;
}
