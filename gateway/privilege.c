/* privilege.c: the gateway drops all privileges that it was started with. The order matters: later
 * steps remove what earlier ones need. */
#include "privilege.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "capabilities.h"
#include "filter.h"
#include "landlock.h"
#include "log.h"

/* Landlock: only the state folder, which is the root directory by now; nothing in it may be
 * executed. */
static int
close_files(struct hearth_err *err)
{
    int rules, status = sbx_landlock_begin(&rules, err);

    if (status == 0)
        status = sbx_landlock_allow(rules, "/", SBX_LANDLOCK_CHANGE, err);
    return status == 0 ? sbx_landlock_enforce(rules, err) : status;
}

/* The memory holds the token and the clients' data. A compromised gateway must also not start the
 * host's core-dump handler by crashing. On the limit of 1, see sandbox/launcher/spawn.c. */
static int
forbid_cores(struct hearth_err *err)
{
    struct rlimit one = {.rlim_cur = 1, .rlim_max = 1};

    (void)setrlimit(RLIMIT_CORE, &one); /* fails if the limit is 0 already, which is just as good */
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return err_set(err, errno, "layer \"cores\": may not be dumped");
    return 0;
}

int
gw_privilege_drop(const char *state, uid_t uid, gid_t gid, struct hearth_err *err)
{
    int status;

    if (chdir(state) != 0 || chroot(".") != 0 || chdir("/") != 0)
        return err_set(err, errno, "layer \"root\": make %s the root", state);
    status = capabilities_drop(uid, gid, err);
    if (status < 0)
        return status;
    /* after the change of user, which clears it. If the launcher has died before, its socket
     * reports that. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
        return err_set(err, errno, "set the parent-death signal");
    status = forbid_cores(err); /* after the change of user, which sets it again */
    if (status == 0)
        status = close_files(err);
#ifdef HEARTH_SANITIZED
    log_warning("built with sanitizers, for tests: WITHOUT the system-call filter of the gateway");
#else
    if (status == 0)
        status = sbx_filter_apply(SBX_PROFILE_GATEWAY, err);
#endif
    return status;
}
