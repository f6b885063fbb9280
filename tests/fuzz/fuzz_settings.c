/* fuzz_settings.c: settings as JSON (gateway/functions/settings_json.c): patches, one after
 * another, each ended by a NUL byte. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "settings_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Each setting by itself, as the settings of the state folder are read. */
static void
apply_each(struct gw_settings *settings, json_t *patch)
{
    struct gw_bad_setting bad;
    const char *name;
    json_t *value;

    json_object_foreach (patch, name, value) {
        json_t *one = json_pack("{s:O}", name, value);

        assert(one != NULL && gw_settings_from_json(settings, one, &bad) == 0);
        json_decref(one);
    }
}

static int
apply(struct gw_settings *now, json_t *patch, struct gw_bad_setting *bad)
{
    struct gw_settings each;
    int status;

    if (gw_settings_copy(&each, now) < 0)
        return -ENOMEM;
    status = gw_settings_from_json(now, patch, bad);
    if (status == 0) {
        apply_each(&each, patch);
        check_same(now, &each);
        assert(gw_settings_from_json(&each, patch, bad) == 0); /* twice is as good as once */
        check_same(now, &each);
    }
    gw_settings_clear(&each);
    return status;
}

static int
change(struct gw_settings *now, const char *part, size_t len, struct gw_bad_setting *bad)
{
    json_t *patch = json_loadb(part, len, JSON_REJECT_DUPLICATES, NULL);
    int status = json_is_object(patch) ? apply(now, patch, bad) : 0;

    json_decref(patch);
    return status;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_parts(data, size, change);
    return 0;
}
