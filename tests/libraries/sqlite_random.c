/* sqlite_random.c: random values by several ways. No two calls, instances or functions may
 * ever give the same: the test compares them.
 *
 * package: libsqlite3-dev
 * libs: sqlite3
 * pkgconfig: sqlite3
 * expect: sqlite: *
 * expect: getrandom: *
 * expect: arc4random: *
 * expect: urandom: *
 * expect: mkstemp: *
 * settings: tmp=4M
 */
#include <fcntl.h>
#include <hearth.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

static int
print_hex(hearth_call *call, const char *name, const unsigned char *bytes, size_t n)
{
    int bad = hearth_printf(call, "%s: ", name);

    for (size_t i = 0; i < n; i++)
        bad |= hearth_printf(call, "%02x", bytes[i]);
    return bad | hearth_printf(call, "\n");
}

int
hearth_handle(hearth_call *call)
{
    char name[] = "/tmp/XXXXXXXXXXXX";
    unsigned char bytes[16];
    int bad, fd;

    sqlite3_randomness(sizeof bytes, bytes);
    bad = print_hex(call, "sqlite", bytes, sizeof bytes);
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return 1;
    bad |= print_hex(call, "getrandom", bytes, sizeof bytes);
    arc4random_buf(bytes, sizeof bytes);
    bad |= print_hex(call, "arc4random", bytes, sizeof bytes);
    fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, bytes, sizeof bytes) != (ssize_t)sizeof bytes)
        return 1;
    close(fd);
    bad |= print_hex(call, "urandom", bytes, sizeof bytes);
    fd = mkstemp(name);
    if (fd < 0)
        return 1;
    close(fd);
    unlink(name);
    return bad | hearth_printf(call, "mkstemp: %s\n", name);
}
