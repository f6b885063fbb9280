/* test_plan.c: the builder reads the plan of a gateway that may have been taken over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "builder/builder.h"
#include "run.h"

/* the one of main.c that plan.c uses */
void *
bld_alloc(size_t n)
{
    return calloc(1, n);
}

static int
read_plan(const char *text, size_t len, struct bld_plan *plan)
{
    int fd = memfd_create("plan", MFD_CLOEXEC);
    struct hearth_err err = {0};
    int status;

    *plan = (struct bld_plan){0};
    assert_int_equal(write(fd, text, len), len);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    status = bld_plan_read(fd, plan, &err);
    (void)close(fd);
    return status;
}

static void
plan_free(struct bld_plan *plan)
{
    free(plan->text);
    free(plan->sources);
}

static void
test_a_whole_plan_is_taken(void **state)
{
    static const char text[] = "hearth-build 1\nstd c11\nstd c++17\noptimize s\nwarnings extra\n"
                               "include .\ninclude a b\ndefine A=\"x y\"\ndefine B\n"
                               "source a b/c.c\nflag -mavx2\nflag -O3\nsource x.S\nend\n";
    struct bld_plan plan;

    (void)state;
    assert_int_equal(read_plan(text, sizeof text - 1, &plan), 0);
    assert_string_equal(plan.std_c, "c11");
    assert_string_equal(plan.std_cxx, "c++17");
    assert_string_equal(plan.optimize, "s");
    assert_int_equal(plan.include_count, 2);
    assert_int_equal(plan.define_count, 2);
    assert_int_equal(plan.sources_count, 2);
    assert_string_equal(plan.sources[0].path, "a b/c.c");
    assert_int_equal(plan.sources[0].flags_count, 2);
    assert_int_equal(plan.sources[1].language, BUILD_ASSEMBLER);
    plan_free(&plan);
}

/* Each stands before a source that is well. */
static void
test_a_line_that_no_list_has_ends_the_build(void **state)
{
    static const char *const lines[] = {"std c98",
                                        "std c11\nstd c99",
                                        "optimize fast",
                                        "optimize 2\noptimize 3",
                                        "warnings error",
                                        "include /etc",
                                        "include ../x",
                                        "include a/../../etc",
                                        "include",
                                        "define 1A",
                                        "define -x",
                                        "define A B",
                                        "define A(x)=1",
                                        "source /etc/passwd",
                                        "source ../a.c",
                                        "source a.c/../../b.c",
                                        "source a.txt",
                                        "source ",
                                        "flag -mavx2",
                                        "source b.c\nflag -fplugin=x",
                                        "source b.c\nflag -include",
                                        "source b.c\nflag @x",
                                        "source b.c\nflag -Wl,-T,x",
                                        "source b.c\nflag -B.",
                                        "link -lx",
                                        "lib z",
                                        "",
                                        "source b.c\nflag -I/etc",
                                        "source \x01.c",
                                        "define A=\x1b[0m"};
    struct bld_plan plan;
    char text[512];

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        int n = snprintf(text, sizeof text, "hearth-build 1\n%s\nsource a.c\nend\n", lines[i]);

        if (read_plan(text, (size_t)n, &plan) == 0)
            fail_msg("\"%s\" was taken", lines[i]);
        plan_free(&plan);
    }
}

static void
test_a_plan_that_is_not_whole_ends_the_build(void **state)
{
    static const char whole[] = "hearth-build 1\nsource a.c\nend\n";
    static const char nul[] = "hearth-build 1\nsource a.c\0\nend\n";
    struct bld_plan plan;
    size_t room = 4 * BUILD_PLAN_BYTES, n;
    char *large = calloc(1, room);

    (void)state;
    for (size_t len = 0; len < sizeof whole - 1; len++) {
        assert_true(read_plan(whole, len, &plan) < 0);
        plan_free(&plan);
    }
    assert_true(read_plan(nul, sizeof nul - 1, &plan) < 0);
    plan_free(&plan);
    assert_true(read_plan("hearth-build 1\nsource a.c\nend\nmore\n", 35, &plan) < 0);
    plan_free(&plan);
    assert_true(read_plan("hearth-build 1\nend\n", 19, &plan) < 0);
    plan_free(&plan);
    n = (size_t)sprintf(large, "hearth-build 1\n"); /* more of everything than there is room for */
    for (int i = 0; i <= LIMIT_BUNDLE_FILES; i++)
        n += (size_t)sprintf(large + n, "source a%d.c\n", i);
    n += (size_t)sprintf(large + n, "end\n");
    assert_true(read_plan(large, n, &plan) < 0);
    plan_free(&plan);
    n = (size_t)sprintf(large, "hearth-build 1\nsource a.c\n");
    for (int i = 0; i <= BUILD_FLAGS; i++)
        n += (size_t)sprintf(large + n, "flag -O2\n");
    n += (size_t)sprintf(large + n, "end\n");
    assert_true(read_plan(large, n, &plan) < 0);
    plan_free(&plan);
    memset(large, 'x', room);
    assert_true(read_plan(large, room, &plan) < 0);
    plan_free(&plan);
    free(large);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_whole_plan_is_taken),
        cmocka_unit_test(test_a_line_that_no_list_has_ends_the_build),
        cmocka_unit_test(test_a_plan_that_is_not_whole_ends_the_build),
    };

    return RUN_TESTS("plan", tests, NULL, NULL);
}
