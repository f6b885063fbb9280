/* plan.c: reads the plan of a build. The gateway wrote it; what it wrote is checked all the
 * same: a builder that believed it would run any option for a gateway that was taken over. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "builder/builder.h"

static int
refuse(struct hearth_err *err, const char *line)
{
    return err_set(err, EPROTO, "read the plan of the build at \"%.60s\"", line);
}

static bool
folder_ok(const char *path)
{
    return strcmp(path, ".") == 0 || build_path_refusal(path) == NULL;
}

static int
take_std(struct bld_plan *plan, const char *value)
{
    const char **at = build_std_language(value) == BUILD_CXX ? &plan->std_cxx : &plan->std_c;

    if (build_std_language(value) == BUILD_NONE || *at != NULL)
        return -EPROTO;
    *at = value;
    return 0;
}

static int
take_source(struct bld_plan *plan, const char *path)
{
    struct bld_source *source = &plan->sources[plan->sources_count];

    if (build_path_refusal(path) != NULL || build_language_of(path) == BUILD_NONE ||
        plan->sources_count == LIMIT_BUNDLE_FILES)
        return -EPROTO;
    *source = (struct bld_source){.path = path, .language = build_language_of(path)};
    plan->sources_count++;
    return 0;
}

static int
take_flag(struct bld_plan *plan, const char *flag)
{
    struct bld_source *source;

    if (plan->sources_count == 0 || !build_flag_ok(flag))
        return -EPROTO;
    source = &plan->sources[plan->sources_count - 1];
    if (source->flags_count == BUILD_FLAGS)
        return -EPROTO;
    source->flags[source->flags_count++] = flag;
    return 0;
}

static int
take_word(const char **to, const char *value, bool (*ok)(const char *))
{
    if (*to != NULL || !ok(value))
        return -EPROTO;
    *to = value;
    return 0;
}

static int
take_one(const char **list, unsigned *count, unsigned most, const char *value,
         bool (*ok)(const char *))
{
    if (*count == most || !ok(value))
        return -EPROTO;
    list[(*count)++] = value;
    return 0;
}

static bool
python_ok(const char *handler)
{
    return strcmp(handler, "-") == 0 || build_handler_ok(handler);
}

static int
take_line(struct bld_plan *plan, const char *key, const char *value)
{
    if (strcmp(key, "std") == 0)
        return take_std(plan, value);
    if (strcmp(key, "optimize") == 0)
        return take_word(&plan->optimize, value, build_optimize_ok);
    if (strcmp(key, "warnings") == 0)
        return take_word(&plan->warnings, value, build_warnings_ok);
    if (strcmp(key, "include") == 0)
        return take_one(plan->include, &plan->include_count, BUILD_INCLUDES, value, folder_ok);
    if (strcmp(key, "define") == 0)
        return take_one(plan->define, &plan->define_count, BUILD_DEFINES, value, build_define_ok);
    if (strcmp(key, "source") == 0)
        return take_source(plan, value);
    if (strcmp(key, "python") == 0)
        return take_word(&plan->python, value, python_ok);
    return strcmp(key, "flag") == 0 ? take_flag(plan, value) : -EPROTO;
}

static int
parse(struct bld_plan *plan, struct hearth_err *err)
{
    char *rest = plan->text, *line = strsep(&rest, "\n");

    if (line == NULL || strcmp(line, BUILD_PLAN_FIRST) != 0)
        return refuse(err, line != NULL ? line : "");
    while ((line = strsep(&rest, "\n")) != NULL && strcmp(line, BUILD_PLAN_LAST) != 0) {
        char *value = strchr(line, ' ');

        if (value == NULL)
            return refuse(err, line);
        *value++ = '\0';
        if (take_line(plan, line, value) < 0)
            return refuse(err, value);
    }
    if (line == NULL || rest == NULL || *rest != '\0' ||
        (plan->sources_count == 0) != (plan->python != NULL))
        return refuse(err, "its end");
    return 0;
}

int
bld_plan_read(int fd, struct bld_plan *plan, struct hearth_err *err)
{
    struct stat st;
    size_t len = 0;
    ssize_t got;

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > BUILD_PLAN_BYTES)
        return err_set(err, EPROTO, "read the plan of the build");
    plan->text = bld_alloc((size_t)st.st_size + 1);
    plan->sources = bld_alloc(LIMIT_BUNDLE_FILES * sizeof plan->sources[0]);
    while (len < (size_t)st.st_size &&
           (got = read(fd, plan->text + len, (size_t)st.st_size - len)) > 0)
        len += (size_t)got;
    plan->text[len] = '\0';
    if (len != (size_t)st.st_size || strlen(plan->text) != len)
        return err_set(err, EPROTO, "read the plan of the build");
    return parse(plan, err);
}
