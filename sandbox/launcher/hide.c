/* hide.c: see hide.h. */
#include "launcher/hide.h"

#include <dirent.h>
#include <errno.h>
#include <linux/limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "cleanup.h"

/* A link of the jail, by which the host chooses one of several libraries, leads there. */
static bool
is_alternative(const char *root, const char *folder)
{
    char path[PATH_MAX], link[PATH_MAX];
    size_t n = strlen(folder);
    cleanup_dir DIR *dir = NULL;
    struct dirent *e;

    (void)snprintf(path, sizeof path, "%s/etc/alternatives", root);
    dir = opendir(path);
    while (dir != NULL && (e = readdir(dir)) != NULL) {
        ssize_t got = readlinkat(dirfd(dir), e->d_name, link, sizeof link - 1);

        link[got > 0 ? got : 0] = '\0';
        if (strncmp(link, folder, n) == 0 && link[n] == '/')
            return true;
    }
    return false;
}

static bool
is_needed(const char *root, const char *libs, const char *name)
{
    static const char *const needed[] = {"ldscripts", "bfd-plugins", "pkgconfig"};
    char path[PATH_MAX];

    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++)
        if (strcmp(name, needed[i]) == 0)
            return true;
    if (snprintf(path, sizeof path, "%s%s/%s/include", root, libs, name) >= (int)sizeof path)
        return false;
    if (access(path, F_OK) == 0)
        return true;
    (void)snprintf(path, sizeof path, "%s/%s", libs, name);
    return is_alternative(root, path);
}

int
sbx_hide_folders(const char *root, const char *libs, struct hearth_err *err)
{
    char place[PATH_MAX], none[PATH_MAX];
    cleanup_dir DIR *dir = NULL;
    struct dirent *e;

    (void)snprintf(none, sizeof none, "%s/none", root);
    (void)snprintf(place, sizeof place, "%s%s", root, libs);
    dir = opendir(place);
    if (dir == NULL)
        return err_set(err, errno, "layer \"mount\": open the folder of libraries");
    while ((e = readdir(dir)) != NULL) {
        if (e->d_type != DT_DIR || e->d_name[0] == '.' || is_needed(root, libs, e->d_name) ||
            snprintf(place, sizeof place, "%s%s/%s", root, libs, e->d_name) >= (int)sizeof place)
            continue;
        /* it may have been removed meanwhile */
        if (mount(none, place, NULL, MS_BIND, NULL) != 0 && errno != ENOENT)
            return err_set(err, errno, "layer \"mount\": cover a folder in the builder's jail");
    }
    return 0;
}
