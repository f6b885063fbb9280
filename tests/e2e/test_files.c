/* test_files.c: the files of a bundle as its instances see them: /function, and hearth_file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bundle.h"
#include "harness.h"
#include "run.h"

static struct bundle bundle;

/* Says what it finds; the query `do` names what. */
static const char source[] =
    "#include <dirent.h>\n"
    "#include <errno.h>\n"
    "#include <fcntl.h>\n"
    "#include <hearth.h>\n"
    "#include <stdio.h>\n"
    "#include <stdlib.h>\n"
    "#include <string.h>\n"
    "#include <sys/stat.h>\n"
    "#include <sys/mman.h>\n"
    "#include <unistd.h>\n"
    "static int show(hearth_call *c, const char *name) {\n"
    "  size_t len = 12345; const char *bytes; errno = 0; bytes = hearth_file(name, &len);\n"
    "  if (bytes == NULL) return hearth_printf(c, \"%s: %s\\n\", name, strerror(errno));\n"
    "  return hearth_printf(c, \"%s: %zu %.*s\\n\", name, len, len > 20 ? 20 : (int)len, bytes); "
    "}\n"
    "static int list(hearth_call *c, const char *path) {\n"
    "  struct dirent **of; int n = scandir(path, &of, NULL, alphasort);\n"
    "  if (n < 0) return hearth_printf(c, \"%s: %s\\n\", path, strerror(errno));\n"
    "  for (int i = 0; i < n; i++) if (of[i]->d_name[0] != '.')\n"
    "    if (hearth_printf(c, \"%s \", of[i]->d_name) != 0) return -1;\n"
    "  return 0; }\n"
    "static int try(hearth_call *c, const char *what, long status) {\n"
    "  return hearth_printf(c, \"%s: %s\\n\", what, status >= 0 ? \"done\" : errno == EROFS || "
    "errno == EACCES ? \"refused\" : strerror(errno)); }\n"
    "int hearth_handle(hearth_call *c) {\n"
    "  const char *what = hearth_query(c, \"do\"), *name = hearth_query(c, \"name\");\n"
    "  if (strcmp(what, \"show\") == 0) return show(c, name);\n"
    "  if (strcmp(what, \"list\") == 0) return list(c, name);\n"
    "  if (strcmp(what, \"same\") == 0) return hearth_printf(c, \"%d\",\n"
    "    hearth_file(name, NULL) != NULL && hearth_file(name, NULL) == hearth_file(name, NULL));\n"
    "  if (strcmp(what, \"read\") == 0) {\n"
    "    char text[64] = \"\", path[256]; FILE *f = fopen(name, \"r\");\n"
    "    if (f == NULL) return hearth_printf(c, \"%s: %s\\n\", name, strerror(errno));\n"
    "    if (fgets(text, sizeof text, f) == NULL) strcpy(text, \"empty\");\n"
    "    fclose(f);\n"
    "    return hearth_printf(c, \"%s %s\", text, realpath(name, path)); }\n"
    "  if (strcmp(what, \"change\") == 0) {\n"
    "    int bad = try(c, \"create\", open(\"/function/new\", O_WRONLY | O_CREAT, 0644));\n"
    "    bad |= try(c, \"write\", open(\"/function/data/words.txt\", O_WRONLY));\n"
    "    bad |= try(c, \"truncate\", truncate(\"/function/data/words.txt\", 0));\n"
    "    bad |= try(c, \"unlink\", unlink(\"/function/data/words.txt\"));\n"
    "    bad |= try(c, \"mkdir\", mkdir(\"/function/d\", 0755));\n"
    "    bad |= try(c, \"chmod\", chmod(\"/function/data/words.txt\", 0777));\n"
    "    return bad | try(c, \"map\", mprotect((void *)hearth_file(\"data/words.txt\", NULL), 1,\n"
    "                                        PROT_READ | PROT_WRITE)); }\n"
    "  if (strcmp(what, \"out\") == 0) {\n"
    "    struct stat up, here; int dir = open(\"/function\", O_RDONLY | O_DIRECTORY);\n"
    "    if (dir < 0 || fstat(dir, &here) != 0 || fstatat(dir, \"../..\", &up, 0) != 0) return "
    "-1;\n"
    "    return hearth_printf(c, \"%s\", up.st_ino == here.st_ino ? \"same\" : \"other\"); }\n"
    "  return -1; }\n";

static void
deploy_with_files(const struct daemon *d, const char *settings, const char *words)
{
    char path[128];
    struct reply r;

    bundle_open(&bundle, true);
    bundle_add(&bundle, "main.c", source, NULL);
    bundle_add(&bundle, "include/private.h", "#define X 1\n", NULL);
    bundle_add(&bundle, "data/words.txt", words, NULL);
    bundle_add(&bundle, "data/empty", "", NULL);
    bundle_add(&bundle, "data/deep/a b \xc3\xa9.bin", "deep", NULL);
    bundle_add(&bundle, "README.md", "read me\n", NULL);
    bundle_add(&bundle, "function.json", "{}", NULL);
    bundle_close(&bundle);
    (void)snprintf(path, sizeof path, "/v1/functions/files?%s", settings);
    r = put(d, path, "application/gzip", bundle.bytes, bundle.len);
    if (r.status != 200 && r.status != 201)
        fail_msg("%ld %s", r.status, r.body);
    reply_free(&r);
}

static void
expect(const struct daemon *d, const char *query, const char *body)
{
    char path[256];

    (void)snprintf(path, sizeof path, "/function/files?%s", query);
    expect_body(d, path, body);
}

static void
expect_files(const struct daemon *d, const char *words)
{
    char body[128];

    (void)snprintf(body, sizeof body, "data/words.txt: %zu %s\n", strlen(words), words);
    expect(d, "do=show&name=data/words.txt", body);
    expect(d, "do=list&name=/function", "README.md data ");
    expect(d, "do=list&name=/function/data", "deep empty words.txt ");
}

static void
test_data_of_a_bundle_is_there_and_its_sources_are_not(void **state)
{
    const struct daemon *d = *state;

    deploy_with_files(d, "memory=16M", "one two");
    expect_files(d, "one two");
    expect(d, "do=show&name=data/empty", "data/empty: 0 \n");
    expect(d, "do=show&name=data/deep/a%20b%20%C3%A9.bin", "data/deep/a b \xc3\xa9.bin: 4 deep\n");
    expect(d, "do=same&name=README.md", "1");
    expect(d, "do=read&name=/function/data/words.txt", "one two /function/data/words.txt");
    expect(d, "do=show&name=main.c", "main.c: No such file or directory\n");
    expect(d, "do=show&name=include/private.h", "include/private.h: No such file or directory\n");
    expect(d, "do=show&name=data", "data: Is a directory\n");
    expect(d, "do=show&name=none", "none: No such file or directory\n");
}

static void
test_the_files_cannot_be_changed_nor_left(void **state)
{
    const struct daemon *d = *state;

    deploy_with_files(d, "memory=16M&tmp=1M", "one two");
    expect(d, "do=change",
           "create: refused\nwrite: refused\ntruncate: refused\nunlink: refused\nmkdir: refused\n"
           "chmod: refused\nmap: refused\n");
    expect(d, "do=out", "same");
    expect(d, "do=show&name=/etc/passwd", "/etc/passwd: Invalid argument\n");
    expect(d, "do=show&name=data/../../../x", "data/../../../x: Invalid argument\n");
    expect(d, "do=list&name=/function/..", "README.md data ");
    expect_files(d, "one two");
}

/* A worker that is made for the function has a /tmp; others are made in advance. */
static void
test_each_version_and_kind_of_worker_has_its_own_files(void **state)
{
    struct daemon *d = *state;
    struct reply r;

    r = http(d, &(struct request){.method = "DELETE", .path = "/v1/functions/files"});
    reply_free(&r);
    deploy_with_files(d, "memory=16M&tmp=0", "first");
    expect_files(d, "first");
    deploy_with_files(d, "tmp=1M", "the second");
    expect_files(d, "the second");
    r = post(d, "/v1/functions/files/rollback", "{\"version\": 1}", 14);
    if (r.status != 200)
        fail_msg("%ld %s", r.status, r.body);
    reply_free(&r);
    expect_files(d, "first");
    assert_int_equal(daemon_stop(d), 0);
    daemon_start(d);
    expect_files(d, "first");
}

static void
test_a_function_of_one_file_has_no_others(void **state)
{
    const struct daemon *d = *state;

    deploy_ok(d, "files", "memory=16M", source);
    expect(d, "do=list&name=/function", "/function: No such file or directory\n");
    expect(d, "do=show&name=main.c", "main.c: No such file or directory\n");
    expect(d, "do=read&name=/function/x", "/function/x: No such file or directory\n");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_data_of_a_bundle_is_there_and_its_sources_are_not),
        cmocka_unit_test(test_the_files_cannot_be_changed_nor_left),
        cmocka_unit_test(test_each_version_and_kind_of_worker_has_its_own_files),
        cmocka_unit_test(test_a_function_of_one_file_has_no_others),
    };

    return RUN_TESTS("files", tests, group_start, group_stop);
}
