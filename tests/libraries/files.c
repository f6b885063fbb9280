/* files.c: stdio and POSIX on the private /tmp and the devices, and the errors beside them.
 *
 * settings: tmp=8M
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <hearth.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static int
say(hearth_call *call, const char *name, int failed)
{
    return hearth_printf(call, "%s: %s\n", name, failed != 0 ? strerror(errno) : "well");
}

static int
use_devices(hearth_call *call)
{
    unsigned char a[16] = {0}, b[16] = {0};
    FILE *f = fopen("/dev/urandom", "re");
    int bad, fd;

    bad = hearth_printf(call, "urandom: %d\n",
                        f != NULL && fread(a, 1, 16, f) == 16 && fread(b, 1, 16, f) == 16 &&
                            memcmp(a, b, 16) != 0);
    if (f != NULL)
        fclose(f);
    fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    bad |= hearth_printf(call, "null: %zd %zd\n", write(fd, "x", 1), read(fd, a, 1));
    close(fd);
    fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    memset(a, 1, sizeof a);
    bad |= hearth_printf(call, "zero: %zd", read(fd, a, 16));
    bad |= hearth_printf(call, " %d\n", a[15]);
    close(fd);
    fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    bad |= say(call, "full", write(fd, "x", 1) < 0);
    close(fd);
    fd = open("/dev/mem", O_RDWR | O_CLOEXEC);
    bad |= hearth_printf(call, "other device: %d\n", open("/dev/missing", O_RDWR) < 0);
    if (fd >= 0)
        close(fd);
    return bad | say(call, "writing /etc", open("/etc/missing/file", O_CREAT | O_WRONLY, 0600) < 0);
}

static int
use_stdio(hearth_call *call, const char *body)
{
    FILE *f = fopen("/missing/file", "re");
    char line[256] = "", path[] = "/tmp/hearth-XXXXXX";
    long number = 0;
    int bad, fd;

    bad = say(call, "fopen", f == NULL);
    f = tmpfile();
    if (f == NULL)
        return bad | hearth_printf(call, "tmpfile: %m\n");
    fprintf(f, "%s\n%d %.3f\n", body, 42, 1.0 / 3);
    rewind(f);
    if (fgets(line, sizeof line, f) == NULL || fscanf(f, "%ld", &number) != 1)
        bad |= hearth_printf(call, "tmpfile: cannot be read\n");
    bad |= hearth_printf(call, "tmpfile: %zu %ld\n", strlen(line), number);
    fclose(f);
    fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        return bad | hearth_printf(call, "mkostemp: %m\n");
    f = fdopen(fd, "r+");
    fputs(body, f);
    bad |= say(call, "fflush", fflush(f)) | say(call, "fsync", fsync(fd));
    bad |=
        say(call, "flock", flock(fd, LOCK_EX | LOCK_NB)) | say(call, "lockf", lockf(fd, F_LOCK, 0));
    bad |= say(call, "ftruncate", ftruncate(fd, 100)) |
           say(call, "fallocate", posix_fallocate(fd, 0, 4096));
    bad |= say(call, "fchmod", fchmod(fd, 0640)) | say(call, "futimens", futimens(fd, NULL));
    fclose(f);
    bad |= say(call, "rename", rename(path, "/tmp/hearth-renamed"));
    bad |= say(call, "unlink", unlink("/tmp/hearth-renamed"));
    return bad | say(call, "unlink again", unlink("/tmp/hearth-renamed"));
}

static int
count(const char *path, const struct stat *s, int type, struct FTW *where)
{
    (void)path;
    (void)s;
    (void)type;
    return where->level > 8;
}

static int
use_folders(hearth_call *call, const char *body)
{
    char folder[] = "/tmp/hearth-XXXXXX", path[64], part[64] = "";
    struct statvfs v;
    struct stat s;
    glob_t g = {0};
    DIR *d;
    int bad, fd, entries = 0;
    char *map;
    struct iovec parts[2] = {{.iov_base = (char *)body, .iov_len = strlen(body)},
                             {.iov_base = "tail", .iov_len = 4}};

    if (mkdtemp(folder) == NULL)
        return hearth_printf(call, "mkdtemp: %m\n");
    (void)snprintf(path, sizeof path, "%s/a", folder);
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bad = hearth_printf(call, "writev: %zd\n", writev(fd, parts, 2) - (ssize_t)strlen(body));
    bad |= hearth_printf(call, "pread: %zd\n", pread(fd, part, 4, (off_t)strlen(body)));
    map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    bad |= hearth_printf(call, "mmap: %d %s\n", map != MAP_FAILED && map[0] == body[0], part);
    if (map != MAP_FAILED) {
        bad |= say(call, "msync", msync(map, 4096, MS_SYNC));
        munmap(map, 4096);
    }
    bad |= hearth_printf(call, "fstat: %d\n",
                         fstat(fd, &s) == 0 && s.st_size == (off_t)strlen(body) + 4);
    close(fd);
    d = opendir(folder);
    while (d != NULL && readdir(d) != NULL)
        entries++;
    if (d != NULL)
        closedir(d);
    (void)snprintf(path, sizeof path, "%s/*", folder);
    bad |= hearth_printf(call, "entries: %d glob: %d", entries, glob(path, 0, NULL, &g));
    bad |= hearth_printf(call, " %zu\n", g.gl_pathc);
    for (size_t i = 0; i < g.gl_pathc; i++)
        bad |= remove(g.gl_pathv[i]);
    globfree(&g);
    bad |= hearth_printf(call, "nftw: %d\n", nftw(folder, count, 4, FTW_PHYS));
    bad |= say(call, "rmdir", rmdir(folder)) | say(call, "chdir", chdir("/tmp"));
    return bad | hearth_printf(call, "statvfs: %d\n", statvfs("/tmp", &v) == 0 && v.f_bsize > 0);
}

int
hearth_handle(hearth_call *call)
{
    const char *body = hearth_body(call, NULL);

    return use_devices(call) | use_stdio(call, body) | use_folders(call, body);
}
