/* build_rules.c: see build_rules.h. */
#include "build_rules.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "text.h"

/* ---- files ---- */

static const struct {
    const char *ending;
    enum build_language language;
    bool usual;
} endings[] = {
    {".c", BUILD_C, true},     {".S", BUILD_ASSEMBLER, true}, {".s", BUILD_ASSEMBLER, false},
    {".cpp", BUILD_CXX, true}, {".cc", BUILD_CXX, true},      {".cxx", BUILD_CXX, true},
    {".c++", BUILD_CXX, true}, {".C", BUILD_CXX, false},
};

static bool
ends_in(const char *path, const char *ending)
{
    size_t n = strlen(path), m = strlen(ending);

    return n > m && path[n - m - 1] != '/' && strcmp(path + n - m, ending) == 0;
}

enum build_language
build_language_of(const char *path)
{
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++)
        if (ends_in(path, endings[i].ending))
            return endings[i].language;
    return BUILD_NONE;
}

bool
build_is_usual_source(const char *path)
{
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++)
        if (ends_in(path, endings[i].ending))
            return endings[i].usual;
    return false;
}

bool
build_is_header(const char *path)
{
    static const char *const headers[] = {".h",   ".hh",  ".hpp", ".hxx", ".h++", ".H",
                                          ".inc", ".inl", ".ipp", ".tcc", ".def"};

    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
        if (ends_in(path, headers[i]))
            return true;
    return false;
}

const char *
build_path_refusal(const char *path)
{
    unsigned depth = 0;

    if (path[0] == '\0')
        return "the name is empty";
    if (strlen(path) > BUILD_PATH_BYTES)
        return "the name is longer than 480 bytes";
    if (path[0] == '/')
        return "the path is absolute";
    for (const char *part = path; part != NULL; depth++) {
        size_t n = strcspn(part, "/");

        if (n == 2 && strncmp(part, "..", 2) == 0)
            return "the path leads out of the bundle";
        if (n == 0 || (n == 1 && part[0] == '.'))
            return "a part of the path is empty, or \".\"";
        if (n > 250) /* endings are added to it */
            return "a part of the path is longer than 250 bytes";
        part = part[n] == '/' ? part + n + 1 : NULL;
    }
    if (depth > BUILD_PATH_DEPTH)
        return "the folders are nested more than 24 deep";
    if (!text_is_printable(path))
        return "the name has control characters, or is no UTF-8";
    return NULL;
}

/* ---- words ---- */

static const char *const stds_c[] = {"c89",   "c90",   "c99",   "c11",   "c17",
                                     "c18",   "c2x",   "gnu89", "gnu90", "gnu99",
                                     "gnu11", "gnu17", "gnu18", "gnu2x", NULL};
static const char *const stds_cxx[] = {"c++98",   "c++03",   "c++11",   "c++14",   "c++17",
                                       "c++20",   "c++23",   "gnu++98", "gnu++03", "gnu++11",
                                       "gnu++14", "gnu++17", "gnu++20", "gnu++23", NULL};
static const char *const levels[] = {"0", "1", "2", "3", "s", NULL};
static const char *const warnings[] = {"none", "default", "all", "extra", NULL};

const char build_stds_text[] = "c89, c99, c11, c17, c2x, gnu89, gnu99, gnu11, gnu17, gnu2x; "
                               "c++11, c++14, c++17, c++20, c++23, gnu++11 to gnu++23";
const char build_optimize_text[] = "0, 1, 2, 3 or s";
const char build_warnings_text[] = "none, default, all or extra";

/* Flags for the code that is made, and for what the language means. None names a file. */
static const char *const flags[] = {
    /* instructions */
    "-msse3",
    "-mssse3",
    "-msse4",
    "-msse4.1",
    "-msse4.2",
    "-msse4a",
    "-mavx",
    "-mavx2",
    "-mavx512f",
    "-mavx512bw",
    "-mavx512cd",
    "-mavx512dq",
    "-mavx512vl",
    "-mavx512ifma",
    "-mavx512vbmi",
    "-mavx512vbmi2",
    "-mavx512vnni",
    "-mavx512bitalg",
    "-mavx512vpopcntdq",
    "-mavxvnni",
    "-mfma",
    "-mf16c",
    "-maes",
    "-mvaes",
    "-mpclmul",
    "-mvpclmulqdq",
    "-mgfni",
    "-msha",
    "-mpopcnt",
    "-mlzcnt",
    "-mabm",
    "-mbmi",
    "-mbmi2",
    "-mmovbe",
    "-madx",
    "-mrdrnd",
    "-mrdseed",
    "-mcx16",
    "-mfpmath=sse",
    "-mno-sse3",
    "-mno-avx",
    "-mno-avx2",
    "-mno-fma",
    "-mprefer-vector-width=128",
    "-mprefer-vector-width=256",
    "-mprefer-vector-width=512",
    "-march=x86-64",
    "-march=x86-64-v2",
    "-march=x86-64-v3",
    "-march=x86-64-v4",
    "-mtune=generic",
    "-march=armv8-a",
    "-march=armv8-a+crc",
    "-march=armv8-a+crypto",
    "-march=armv8-a+crc+crypto",
    "-march=armv8.2-a",
    /* optimization */
    "-O0",
    "-O1",
    "-O2",
    "-O3",
    "-Os",
    "-Og",
    "-Ofast",
    "-ffast-math",
    "-fno-fast-math",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-ffinite-math-only",
    "-fassociative-math",
    "-freciprocal-math",
    "-fno-signed-zeros",
    "-funsafe-math-optimizations",
    "-frounding-math",
    "-ffp-contract=off",
    "-ffp-contract=on",
    "-ffp-contract=fast",
    "-fexcess-precision=fast",
    "-fexcess-precision=standard",
    "-fno-strict-aliasing",
    "-fstrict-aliasing",
    "-fwrapv",
    "-fno-strict-overflow",
    "-fno-delete-null-pointer-checks",
    "-fno-tree-vectorize",
    "-ftree-vectorize",
    "-fno-tree-slp-vectorize",
    "-funroll-loops",
    "-fno-unroll-loops",
    "-finline-functions",
    "-fno-inline",
    "-fno-builtin",
    "-fno-tree-loop-distribute-patterns",
    "-fomit-frame-pointer",
    "-fno-omit-frame-pointer",
    "-fno-optimize-sibling-calls",
    "-fno-gcse",
    "-fno-crossjumping",
    "-fno-reorder-blocks-and-partition",
    "-fno-ipa-cp-clone",
    "-fmerge-all-constants",
    "-fno-semantic-interposition",
    "-fno-plt",
    "-ffunction-sections",
    "-fdata-sections",
    "-fno-stack-protector",
    "-fno-asynchronous-unwind-tables",
    "-fno-unwind-tables",
    /* language */
    "-funsigned-char",
    "-fsigned-char",
    "-fshort-enums",
    "-fcommon",
    "-fno-common",
    "-fgnu89-inline",
    "-fms-extensions",
    "-fplan9-extensions",
    "-fexceptions",
    "-fno-exceptions",
    "-fnon-call-exceptions",
    "-frtti",
    "-fno-rtti",
    "-fpermissive",
    "-fno-threadsafe-statics",
    "-fvisibility=default",
    "-fvisibility=hidden",
    "-fvisibility-inlines-hidden",
    "-fopenmp",
    "-fopenmp-simd",
    "-ftls-model=initial-exec",
    "-ftls-model=global-dynamic",
    "-fno-operator-names",
    "-fsized-deallocation",
    "-faligned-new",
    "-fchar8_t",
    "-fno-char8_t",
    "-ftrapv",
    "-fcoroutines",
    NULL,
};

static bool
is_among(const char *const *words, const char *word)
{
    for (; *words != NULL; words++)
        if (strcmp(*words, word) == 0)
            return true;
    return false;
}

enum build_language
build_std_language(const char *std)
{
    if (is_among(stds_c, std))
        return BUILD_C;
    return is_among(stds_cxx, std) ? BUILD_CXX : BUILD_NONE;
}

bool
build_optimize_ok(const char *level)
{
    return is_among(levels, level);
}

bool
build_warnings_ok(const char *level)
{
    return is_among(warnings, level);
}

bool
build_flag_ok(const char *flag)
{
    return is_among(flags, flag);
}

static bool
is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

bool
build_define_ok(const char *define)
{
    size_t n = 0;

    while (is_word(define[n]))
        n++;
    return n > 0 && !(define[0] >= '0' && define[0] <= '9') &&
           (define[n] == '\0' || define[n] == '=') && strlen(define) <= BUILD_DEFINE_BYTES &&
           text_is_printable(define);
}

void
build_flags_text(char *text, size_t n)
{
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; flags[i] != NULL && used + strlen(flags[i]) + 8 < n; i++) {
        (void)snprintf(text + used, n - used, "%s%s", i > 0 ? ", " : "", flags[i]);
        used += strlen(text + used);
    }
}

/* ---- Python ---- */

bool
build_handler_ok(const char *handler)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
    static const char all[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
    unsigned parts = 0;

    if (strlen(handler) > BUILD_HANDLER_BYTES)
        return false;
    for (const char *at = handler;; at++) {
        if (strspn(at, letters) == 0)
            return false;
        at += strspn(at, all);
        parts++;
        if (*at != '.')
            return *at == '\0' && parts >= 2;
    }
}
