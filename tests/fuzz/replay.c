/* replay.c: runs a fuzz target on every file of its corpus, so that what once was a
 * finding stays an ordinary test. TAP; one case a folder. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    static uint8_t bytes[1 << 20];
    uint8_t *exact;
    size_t n;

    if (file == NULL)
        return -1;
    n = fread(bytes, 1, sizeof bytes, file);
    (void)fclose(file);
    exact = malloc(n + 1); /* of its own size: a sanitizer sees what is read past it */
    if (exact == NULL)
        return -1;
    memcpy(exact, bytes, n);
    exact = realloc(exact, n > 0 ? n : 1);
    (void)LLVMFuzzerTestOneInput(exact, n);
    free(exact);
    return 0;
}

int
main(void)
{
    const char *root = getenv("HEARTH_SOURCE");
    char folder[512], path[1024];
    DIR *dir;
    int files = 0, bad = 0;

    (void)snprintf(folder, sizeof folder, "%s/tests/fuzz/corpus/%s", root != NULL ? root : ".",
                   CORPUS);
    dir = opendir(folder);
    printf("1..1\n");
    (void)fflush(stdout); /* a crash must leave the plan behind */
    for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;) {
        if (e->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        bad += run_file(path) < 0;
        files++;
    }
    if (dir != NULL)
        (void)closedir(dir);
    printf("%s 1 - %d files of corpus/%s\n", files > 0 && bad == 0 ? "ok" : "not ok", files,
           CORPUS);
    return files > 0 && bad == 0 ? 0 : 1;
}
