/* attacks.c: deploys the attacks of this folder. */
#include "attacks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bundle.h"

#define FOLDER "tests/hostile"
#define COMMON "common"

const char *
attack_sources(void)
{
    const char *root = getenv("HEARTH_SOURCE");

    if (root == NULL)
        fail_msg("HEARTH_SOURCE must name the folder of the sources");
    return root;
}

static void
add_file(struct bundle *b, const char *folder, const char *name, const char *before)
{
    char path[512];
    size_t len;
    char *text, *all;

    (void)snprintf(path, sizeof path, "%s/%s/%s", attack_sources(), folder, name);
    text = read_whole(path, &len);
    assert_true(asprintf(&all, "%s%s", before, text) > 0);
    bundle_add(b, name, all, NULL);
    free(all);
    free(text);
}

struct reply
attack_deploy(const struct daemon *d, const char *function, const char *name, const char *settings,
              bool ring)
{
    static const char *const usual[][2] = {{"memory=", "16M"}, {"timeout=", "2s"}, {"max=", "1"}};
    static struct bundle b;
    char file[64], path[512];

    if (settings == NULL)
        settings = "";

    (void)snprintf(file, sizeof file, "%s.c", name);
    bundle_open(&b, false);
    add_file(&b, FOLDER, "attack.h", "");
    add_file(&b, FOLDER, file, "");
    if (ring) {
        add_file(&b, FOLDER, "ring.h", "");
        add_file(&b, COMMON, "channel.h", "");
        add_file(&b, COMMON, "channel.c", "#define _GNU_SOURCE\n");
        add_file(&b, COMMON, "output.h", "");
        add_file(&b, COMMON, "output.c", "#define _GNU_SOURCE\n");
        add_file(&b, COMMON, "err.h", "");
        add_file(&b, COMMON, "err.c", "#define _GNU_SOURCE\n");
        add_file(&b, COMMON, "cleanup.h", "");
        add_file(&b, COMMON, "limits.h", "");
    }
    bundle_close(&b);
    (void)snprintf(path, sizeof path, "/v1/functions/%s?%s", function, settings);
    for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++)
        if (strstr(settings, usual[i][0]) == NULL)
            (void)snprintf(path + strlen(path), sizeof path - strlen(path), "&%s%s", usual[i][0],
                           usual[i][1]);
    return put(d, path, "application/x-tar", b.bytes, b.len);
}
