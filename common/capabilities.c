/* capabilities.c: see capabilities.h. */
#include "capabilities.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int
capabilities_bound(struct hearth_err *err)
{
    for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0 && errno != EINVAL)
            return err_set(err, errno, "layer \"capabilities\": drop %d", cap);
    return 0;
}

int
capabilities_clear(struct hearth_err *err)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {{0}, {0}};

    if (syscall(SYS_capset, &head, none) != 0)
        return err_set(err, errno, "layer \"capabilities\": give them up");
    return 0;
}
