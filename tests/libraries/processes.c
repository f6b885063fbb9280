/* processes.c: what would start a process or a thread, or reach the network, has an error to
 * return, and the function goes on.
 *
 * settings: tmp=1M
 * expect: system: refused
 * expect: fork: refused
 * expect: popen: refused
 * expect: posix_spawn: refused
 * expect: exec: refused
 * expect: pthread_create: Resource temporarily unavailable
 * expect: thrd_create: refused
 * expect: socket: refused
 * expect: pair: *
 * expect: getaddrinfo: *
 * expect: gethostbyname: *
 * expect: numeric: 0
 * expect: executable: refused
 */
#include <arpa/inet.h>
#include <errno.h>
#include <hearth.h>
#include <netdb.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <threads.h>
#include <unistd.h>

static void *
work(void *user)
{
    return user;
}

static int
work_c11(void *user)
{
    (void)user;
    return 0;
}

static int
start(hearth_call *call)
{
    static char *const words[] = {"true", NULL};
    int status = system("exit 7"), bad, error;
    pthread_t thread;
    thrd_t other;
    pid_t pid;
    FILE *f;

    bad = hearth_printf(call, "system: %s\n",
                        status == -1 || WEXITSTATUS(status) == 127 ? "refused" : "ran");
    pid = fork();
    if (pid == 0)
        _exit(0);
    if (pid > 0)
        waitpid(pid, NULL, 0);
    bad |= hearth_printf(call, "fork: %s\n", pid < 0 ? "refused" : "ran");
    f = popen("exit 0", "re");
    bad |= hearth_printf(call, "popen: %s\n", f == NULL || pclose(f) != 0 ? "refused" : "ran");
    error = posix_spawn(&pid, "/bin/true", NULL, NULL, words, NULL);
    if (error == 0)
        waitpid(pid, NULL, 0);
    bad |= hearth_printf(call, "posix_spawn: %s\n", error != 0 ? "refused" : "ran");
    bad |= hearth_printf(call, "exec: %s\n", execv("/missing/program", words) < 0 ? "refused" : "");
    error = pthread_create(&thread, NULL, work, NULL);
    if (error == 0)
        pthread_join(thread, NULL);
    bad |= hearth_printf(call, "pthread_create: %s\n", strerror(error));
    error = thrd_create(&other, work_c11, NULL);
    if (error == thrd_success)
        thrd_join(other, NULL);
    return bad |
           hearth_printf(call, "thrd_create: %s\n", error == thrd_success ? "ran" : "refused");
}

static int
reach(hearth_call *call)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST}, *list = NULL;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), ends[2], bad, error;

    bad = hearth_printf(call, "socket: %s\n", fd < 0 ? "refused" : "made");
    if (fd >= 0)
        close(fd);
    error = socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
    bad |= hearth_printf(call, "pair: %s\n", error != 0 ? strerror(errno) : "made");
    if (error == 0) {
        close(ends[0]);
        close(ends[1]);
    }
    error = getaddrinfo("hearth.invalid", "80", NULL, &list);
    bad |= hearth_printf(call, "getaddrinfo: %s\n", error != 0 ? "failed" : "found");
    if (error == 0)
        freeaddrinfo(list);
    bad |= hearth_printf(call, "gethostbyname: %s\n",
                         gethostbyname("hearth.invalid") == NULL ? "failed" : "found");
    error = getaddrinfo("192.0.2.1", "80", &hints, &list);
    bad |= hearth_printf(call, "numeric: %d\n", error);
    if (error == 0)
        freeaddrinfo(list);
    return bad;
}

int
hearth_handle(hearth_call *call)
{
    struct rlimit limit;
    void *map;
    int bad = start(call) | reach(call);

    map = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bad |= hearth_printf(call, "executable: %s\n", map == MAP_FAILED ? "refused" : "mapped");
    if (map != MAP_FAILED)
        munmap(map, 4096);
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    errno = 0;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    return bad | hearth_printf(call, "still here: %s\n", (const char *)hearth_body(call, NULL));
}
