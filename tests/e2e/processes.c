/* processes.c: the harness's view of processes, through /proc. See harness.h. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "harness.h"

static pid_t
parent_of(pid_t pid, char *comm, size_t n)
{
    char path[64], line[512] = "";
    FILE *file;
    char *end;
    int parent = 0;

    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    file = fopen(path, "re");
    if (file == NULL)
        return 0;
    (void)!fgets(line, sizeof line, file);
    (void)fclose(file);
    end = strrchr(line, ')');
    if (end == NULL || strchr(line, '(') == NULL || end[2] == 'Z')
        return 0;
    *end = '\0';
    (void)snprintf(comm, n, "%s", strchr(line, '(') + 1);
    (void)sscanf(end + 4, "%d", &parent);
    return parent;
}

bool
is_below(pid_t pid, pid_t root)
{
    char comm[64];

    for (int depth = 0; pid > 1 && depth < 16; depth++) {
        if (pid == root)
            return true;
        pid = parent_of(pid, comm, sizeof comm);
    }
    return false;
}

static int
each_process(pid_t root, const char *wanted, pid_t *first)
{
    DIR *dir = opendir("/proc");
    int count = 0;

    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);
        char comm[64] = "";

        if (pid <= 0 || parent_of(pid, comm, sizeof comm) == 0 ||
            strncmp(comm, wanted, strlen(wanted)) != 0 || !is_below(pid, root))
            continue;
        if (count++ == 0)
            *first = pid;
    }
    (void)closedir(dir);
    return count;
}

int
count_processes(pid_t root, const char *comm)
{
    pid_t first;

    return each_process(root, comm, &first);
}

pid_t
find_process(pid_t root, const char *comm)
{
    pid_t first = 0;

    if (each_process(root, comm, &first) == 0)
        fail_msg("no process %s below %d", comm, (int)root);
    return first;
}

const char *
proc_status(pid_t pid, const char *name, char *buf, size_t n)
{
    char path[64], line[512];
    FILE *file;

    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    file = fopen(path, "re");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, name, strlen(name)) != 0 || line[strlen(name)] != ':')
            continue;
        line[strcspn(line, "\n")] = '\0';
        (void)snprintf(buf, n, "%s", line + strlen(name) + 2);
        (void)fclose(file);
        return buf;
    }
    (void)fclose(file);
    fail_msg("no %s in %s", name, path);
    return NULL;
}

const char *
proc_limit(pid_t pid, const char *name, char *buf, size_t n)
{
    char path[64], line[256], soft[32], hard[32];
    FILE *file;

    (void)snprintf(path, sizeof path, "/proc/%d/limits", (int)pid);
    file = fopen(path, "re");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, name, strlen(name)) != 0 ||
            sscanf(line + strlen(name), "%31s %31s", soft, hard) != 2)
            continue;
        (void)snprintf(buf, n, "%s %s", soft, hard);
        (void)fclose(file);
        return buf;
    }
    (void)fclose(file);
    fail_msg("no %s in %s", name, path);
    return NULL;
}

struct no_core {
    pid_t root;
    const char *comm;
    bool executed;
};

static bool
has_no_core(void *user)
{
    const struct no_core *w = user;
    char path[64], value[128];
    struct stat st;
    pid_t pid;

    /* checked in one pass: a blank may become a worker between two */
    if (each_process(w->root, w->comm, &pid) == 0)
        return false;
    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    if (strtoul(proc_status(pid, "Uid", value, sizeof value), NULL, 10) == 0)
        return false;
    if (!w->executed && (stat(path, &st) != 0 || st.st_uid != 0))
        return false;
    return strcmp(proc_limit(pid, "Max core file size", value, sizeof value), "1 1") == 0;
}

void
expect_no_core(pid_t root, const char *comm, bool executed)
{
    char what[96];

    (void)snprintf(what, sizeof what, "a %s whose crash starts nothing on the host", comm);
    wait_for(what, has_no_core, &(struct no_core){root, comm, executed});
}

void
preload_library(const char *variable)
{
    const char *library = getenv(variable);

    if (library != NULL)
        (void)setenv("LD_PRELOAD", library, 1);
}
