/* test_header.c: hearth.h with every compiler and language that a function may be written in: it
 * compiles without warnings, two files of one object may include it, and the object has the stamp.
 */
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "run.h"

#define WARNINGS "-Wall -Wextra -Wpedantic -Werror"

static char folder[64];

static void
write_source(const char *name, const char *text)
{
    char path[128];
    FILE *file;

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int
make_folder(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/hearth-header-XXXXXX");
    assert_non_null(mkdtemp(folder));
    write_source("one.c", "#include <hearth.h>\n"
                          "int helper(hearth_call *call);\n"
                          "int hearth_handle(hearth_call *call) { return helper(call); }\n");
    write_source("two.c",
                 "#include <hearth.h>\n"
                 "int helper(hearth_call *call);\n"
                 "int helper(hearth_call *call)\n"
                 "{ size_t n = 0; const void *body = hearth_body(call, &n);\n"
                 "  (void)hearth_log(call, HEARTH_INFO, \"%zu bytes\", n);\n"
                 "  return hearth_abi == HEARTH_ABI ? hearth_write(call, body, n) : 1; }\n");
    return 0;
}

static int
remove_folder(void **state)
{
    char command[128];

    (void)state;
    (void)snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

/* Counts the weak definitions of a name, as nm shows them: "V" for an object. */
static int
count_weak(const char *object, const char *name)
{
    char command[256], line[256], type, symbol[128];
    FILE *out;
    int count = 0;

    (void)snprintf(command, sizeof command, "nm -D --defined-only '%s'", object);
    out = popen(command, "re");
    assert_non_null(out);
    while (fgets(line, sizeof line, out) != NULL)
        if (sscanf(line, "%*s %c %127s", &type, symbol) == 2 && strcmp(symbol, name) == 0)
            count += type == 'V';
    assert_int_equal(pclose(out), 0);
    return count;
}

static void
expect_stamped(const char *object)
{
    void *loaded = dlopen(object, RTLD_LAZY | RTLD_LOCAL);
    const uint32_t *abi;

    if (loaded == NULL)
        fail_msg("%s", dlerror());
    abi = dlsym(loaded, "hearth_abi");
    if (abi == NULL || *abi != 1)
        fail_msg("%s has no stamp", object);
    assert_non_null(dlsym(loaded, "hearth_handle")); /* not mangled, in C++ either */
    assert_int_equal(dlclose(loaded), 0);
    assert_int_equal(count_weak(object, "hearth_abi"), 1);
}

/* Compiles both files into one object, in the given version of C or C++. */
static void
expect_compiles(const char *compiler, const char *language, const char *version, const char *more)
{
    char command[1024], object[160];
    int n;

    (void)snprintf(object, sizeof object, "%s/%s-%s%s.so", folder, compiler, version, more);
    n = snprintf(command, sizeof command,
                 "%s -x %s -std=%s %s %s -fPIC -shared -I'%s' '%s/one.c' '%s/two.c' -o '%s'",
                 compiler, language, version, more, WARNINGS, HEARTH_INCLUDE, folder, folder,
                 object);
    assert_true(n > 0 && (size_t)n < sizeof command);
    if (system(command) != 0)
        fail_msg("failed: %s", command);
    expect_stamped(object);
}

static void
expect_all(const char *compiler, const char *language, const char *const *versions)
{
    for (; *versions != NULL; versions++) {
        expect_compiles(compiler, language, *versions, "");
        expect_compiles(compiler, language, *versions,
                        "-O2 -fvisibility=hidden -fdata-sections -Wl,--gc-sections");
    }
}

static const char *const c_versions[] = {"c11", "c17", "c2x", "gnu17", NULL};
static const char *const cxx_versions[] = {"c++11", "c++14", "c++17", "c++20", "gnu++17", NULL};

static void
test_header_gcc_compiles_and_stamps(void **state)
{
    (void)state;
    expect_all("gcc", "c", c_versions);
}

static void
test_header_clang_compiles_and_stamps(void **state)
{
    (void)state;
    expect_all("clang", "c", c_versions);
}

static void
test_header_gxx_compiles_and_stamps(void **state)
{
    (void)state;
    expect_all("g++", "c++", cxx_versions);
}

static void
test_header_clangxx_compiles_and_stamps(void **state)
{
    (void)state;
    expect_all("clang++", "c++", cxx_versions);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header_gcc_compiles_and_stamps),
        cmocka_unit_test(test_header_clang_compiles_and_stamps),
        cmocka_unit_test(test_header_gxx_compiles_and_stamps),
        cmocka_unit_test(test_header_clangxx_compiles_and_stamps),
    };

    return RUN_TESTS("header", tests, make_folder, remove_folder);
}
