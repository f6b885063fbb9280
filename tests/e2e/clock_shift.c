/* clock_shift.c: preloaded into launcher and gateway: the wall clock is off by as many seconds as
 * stand in the file that HEARTH_CLOCK names, an int64_t. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *shift_s;

__attribute__((constructor)) static void
attach(void)
{
    const char *path = getenv("HEARTH_CLOCK");
    int fd = path != NULL && strncmp(program_invocation_short_name, "hearth-", 7) == 0
                 ? open(path, O_RDONLY | O_CLOEXEC)
                 : -1;
    void *at = fd >= 0 ? mmap(NULL, sizeof *shift_s, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;

    if (at != MAP_FAILED)
        shift_s = at;
    if (fd >= 0)
        (void)close(fd);
}

int
clock_gettime(clockid_t clock, struct timespec *now)
{
    int status = (int)syscall(SYS_clock_gettime, clock, now);

    if (status == 0 && shift_s != NULL &&
        (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += *shift_s;
    return status;
}
