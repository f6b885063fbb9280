/* probes.c: what C programs ask the system for in passing: each question has an answer or an
 * error, and tells nothing of the host.
 *
 * settings: tmp=4M memory=64M
 * log: hearth: No such file or directory
 * expect: uname: Linux hearth x86_64
 * expect: host: hearth
 * expect: processors: *
 * expect: memory: 1
 * expect: exe: *
 * expect: status: *
 * expect: user: *
 * expect: cwd: *
 * expect: root: *
 * expect: terminal: 0
 * expect: perror: *
 * expect: getpid: *
 * expect: home: *
 */
#include <errno.h>
#include <grp.h>
#include <hearth.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <unistd.h>

static int
ask_names(hearth_call *call)
{
    char text[256] = "";
    struct passwd *user = getpwuid(getuid());
    struct utsname u;
    ssize_t n;
    int bad;

    bad = uname(&u) == 0
              ? hearth_printf(call, "uname: %s %s %s\n", u.sysname, u.nodename, u.machine)
              : hearth_printf(call, "uname: %m\n");
    bad |= gethostname(text, sizeof text) == 0 ? hearth_printf(call, "host: %s\n", text)
                                               : hearth_printf(call, "host: %m\n");
    bad |= hearth_printf(call, "user: %s\n", user != NULL ? user->pw_name : "none");
    bad |= hearth_printf(call, "nobody else: %d\n", getpwnam("daemon-of-nobody") == NULL);
    bad |= hearth_printf(call, "no group: %d\n", getgrnam("group-of-nobody") == NULL);
    n = readlink("/proc/self/exe", text, sizeof text - 1);
    bad |=
        n > 0 ? hearth_printf(call, "exe: %.*s\n", (int)n, text) : hearth_printf(call, "exe: %m\n");
    return bad | hearth_printf(call, "getpid: %d %d\n", getpid(), getppid());
}

static int
ask_machine(hearth_call *call)
{
    struct sysinfo info = {0};
    struct rusage usage = {0};
    struct rlimit limit = {0};
    cpu_set_t set;
    FILE *status;
    int bad;

    bad = hearth_printf(call, "processors: %d\n", sysconf(_SC_NPROCESSORS_ONLN) >= 1);
    bad |= hearth_printf(call, "page: %ld\n", sysconf(_SC_PAGESIZE));
    bad |= hearth_printf(call, "affinity: %d\n", sched_getaffinity(0, sizeof set, &set) >= 0);
    bad |= hearth_printf(call, "sysinfo: %d\n", sysinfo(&info) == 0 || errno != 0);
    /* Inside, no more memory than the limit is told of. */
    bad |= hearth_printf(call, "memory: %d\n",
                         sysconf(_SC_PHYS_PAGES) * (long)sysconf(_SC_PAGESIZE) <= 64L << 20);
    bad |= hearth_printf(call, "getrusage: %d\n",
                         getrusage(RUSAGE_SELF, &usage) == 0 && usage.ru_maxrss > 0);
    bad |= hearth_printf(call, "stack limit: %d\n",
                         getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur >= 1 << 20);
    bad |= hearth_printf(call, "priority: %d\n", getpriority(PRIO_PROCESS, 0) >= -20);
    bad |= hearth_printf(call, "locked: %d\n", mlock(&info, sizeof info) == 0 || errno != 0);
    status = fopen("/proc/self/status", "re");
    bad |= hearth_printf(call, "status: %s\n", status != NULL ? "read" : strerror(errno));
    if (status != NULL)
        fclose(status);
    return bad;
}

static int
ask_files(hearth_call *call)
{
    char text[4096];
    struct stat s;
    int bad;

    bad = hearth_printf(call, "stat /: %d\n", stat("/", &s) == 0 && S_ISDIR(s.st_mode));
    bad |= hearth_printf(call, "stat /tmp: %d\n", stat("/tmp", &s) == 0 && S_ISDIR(s.st_mode));
    bad |= stat("/missing", &s) == 0 ? 1 : hearth_printf(call, "stat /missing: %m\n");
    bad |= access("/missing", R_OK) == 0 ? 1 : hearth_printf(call, "access /missing: %m\n");
    bad |= hearth_printf(call, "cwd: %s\n", getcwd(text, sizeof text) != NULL ? text : "none");
    bad |= hearth_printf(call, "realpath: %s\n",
                         realpath("/tmp/../tmp/.", text) != NULL ? text : strerror(errno));
    bad |= hearth_printf(call, "root: %s\n", access("/root/.profile", R_OK) == 0 ? "there" : "no");
    bad |= hearth_printf(call, "terminal: %d\n", isatty(STDOUT_FILENO));
    bad |= hearth_printf(call, "no terminal: %d %d\n", isatty(STDIN_FILENO), isatty(99));
    bad |= hearth_printf(call, "home: %s\n", getenv("HOME") != NULL ? getenv("HOME") : "none");
    /* perror duplicates standard error and writes to the log. */
    errno = ENOENT;
    perror("hearth");
    umask(027);
    bad |= hearth_printf(call, "umask: %o\n", umask(022));
    return bad | hearth_printf(call, "input: %d\n", getchar());
}

int
hearth_handle(hearth_call *call)
{
    return ask_names(call) | ask_machine(call) | ask_files(call);
}
