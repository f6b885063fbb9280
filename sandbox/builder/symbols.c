/* symbols.c: looks into the tables of dynamic symbols: of the libraries that may be linked, for
 * one that has what the linker missed; and of the object. The libraries are the host's, the
 * object is shaped by its sources: every offset is checked. */
#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "builder/builder.h"
#include "cleanup.h"

#define SYMBOLS_MAX 50
#define NAME_BYTES  128

struct wanted {
    char name[NAME_BYTES];
    char lib[LIMIT_LIB_NAME + 1]; /* "": not found yet */
};

struct symbols {
    const unsigned char *map;
    size_t len;
    const Elf64_Sym *of;
    size_t count;
    const char *names;
    size_t names_len;
};

static bool
holds(const struct symbols *s, uint64_t offset, uint64_t bytes)
{
    return offset <= s->len && bytes <= s->len - offset;
}

/* Finds the table of dynamic symbols in the section headers. */
static bool
find_tables(struct symbols *s)
{
    const Elf64_Ehdr *head = (const void *)s->map;
    const Elf64_Shdr *parts;

    if (s->len < sizeof *head || memcmp(head->e_ident, ELFMAG, SELFMAG) != 0 ||
        head->e_ident[EI_CLASS] != ELFCLASS64 || head->e_shentsize != sizeof *parts ||
        head->e_shoff % _Alignof(Elf64_Shdr) != 0 ||
        !holds(s, head->e_shoff, (uint64_t)head->e_shnum * sizeof *parts))
        return false;
    parts = (const void *)(s->map + head->e_shoff);
    for (unsigned i = 0; i < head->e_shnum; i++) {
        const Elf64_Shdr *names;

        if (parts[i].sh_type != SHT_DYNSYM || parts[i].sh_link >= head->e_shnum)
            continue;
        names = &parts[parts[i].sh_link];
        if (parts[i].sh_offset % _Alignof(Elf64_Sym) != 0 ||
            !holds(s, parts[i].sh_offset, parts[i].sh_size) ||
            !holds(s, names->sh_offset, names->sh_size) || names->sh_size == 0 ||
            s->map[names->sh_offset + names->sh_size - 1] != '\0')
            return false;
        s->of = (const void *)(s->map + parts[i].sh_offset);
        s->count = parts[i].sh_size / sizeof *s->of;
        s->names = (const char *)s->map + names->sh_offset;
        s->names_len = names->sh_size;
        return true;
    }
    return false;
}

static bool
open_symbols(const char *path, struct symbols *s)
{
    cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    void *map;

    *s = (struct symbols){0};
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size == 0)
        return false;
    map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED)
        return false;
    s->map = map;
    s->len = (size_t)st.st_size;
    if (find_tables(s))
        return true;
    (void)munmap(map, s->len);
    return false;
}

/* The name of a symbol that the file defines for others; NULL for any other. */
static const char *
defined_name(const struct symbols *s, size_t i)
{
    const Elf64_Sym *symbol = &s->of[i];
    unsigned bind = ELF64_ST_BIND(symbol->st_info);

    if (symbol->st_shndx == SHN_UNDEF || symbol->st_name >= s->names_len ||
        (bind != STB_GLOBAL && bind != STB_WEAK && bind != STB_GNU_UNIQUE))
        return NULL;
    return s->names + symbol->st_name;
}

bool
bld_symbols_has(const char *object, const char *name)
{
    size_t n = strcspn(name, "*"); /* a '*' at its end stands for any rest */
    struct symbols s;
    bool found = false;

    if (!open_symbols(object, &s))
        return false;
    for (size_t i = 0; i < s.count && !found; i++) {
        const char *has = defined_name(&s, i);

        found = has != NULL && strncmp(has, name, n) == 0 && (name[n] == '*' || has[n] == '\0');
    }
    (void)munmap((void *)(uintptr_t)s.map, s.len);
    return found;
}

/* ---- what the linker missed ---- */

static unsigned
collect_wanted(const char *said, struct wanted *wanted)
{
    static const char words[] = "undefined reference to `";
    unsigned count = 0;

    while (count < SYMBOLS_MAX && (said = strstr(said, words)) != NULL) {
        size_t n;
        bool known = false;

        said += sizeof words - 1;
        n = strcspn(said, "'\n");
        if (said[n] != '\'' || n == 0 || n >= NAME_BYTES)
            continue;
        memcpy(wanted[count].name, said, n);
        wanted[count].name[n] = '\0';
        for (unsigned i = 0; i < count; i++)
            known = known || strcmp(wanted[i].name, wanted[count].name) == 0;
        count += !known;
    }
    return count;
}

/* The shortest name is the library itself, rather than one of its variants. */
static void
look_into(const struct symbols *s, const char *lib, struct wanted *wanted, unsigned count)
{
    bool first[256] = {false};

    for (unsigned k = 0; k < count; k++)
        first[(unsigned char)wanted[k].name[0]] = true;
    for (size_t i = 0; i < s->count; i++) {
        const char *has = defined_name(s, i);

        if (has == NULL || !first[(unsigned char)has[0]])
            continue;
        for (unsigned k = 0; k < count; k++)
            if (strcmp(has, wanted[k].name) == 0 &&
                (wanted[k].lib[0] == '\0' || strlen(lib) < strlen(wanted[k].lib)))
                (void)snprintf(wanted[k].lib, sizeof wanted[k].lib, "%s", lib);
    }
}

/* The NAME of "libNAME.so", the form that a library to link against has. */
static bool
lib_name(const char *file, char *name, size_t room)
{
    size_t n = strlen(file);

    if (n < 7 || strncmp(file, "lib", 3) != 0 || strcmp(file + n - 3, ".so") != 0 || n - 6 >= room)
        return false;
    (void)snprintf(name, room, "%.*s", (int)(n - 6), file + 3);
    return true;
}

void
bld_symbols_hint(const char *said)
{
    struct wanted *wanted = bld_alloc(SYMBOLS_MAX * sizeof *wanted);
    unsigned count = collect_wanted(said, wanted);
    cleanup_dir DIR *dir = count > 0 ? opendir(bld_lib_folder()) : NULL;
    struct dirent *e;

    while (dir != NULL && (e = readdir(dir)) != NULL) {
        char name[LIMIT_LIB_NAME + 1], path[PATH_MAX];
        struct symbols s;

        (void)snprintf(path, sizeof path, "%s/%s", bld_lib_folder(), e->d_name);
        if (!lib_name(e->d_name, name, sizeof name) || !open_symbols(path, &s))
            continue;
        look_into(&s, name, wanted, count);
        (void)munmap((void *)(uintptr_t)s.map, s.len);
    }
    for (unsigned i = 0; i < count; i++)
        if (wanted[i].lib[0] != '\0')
            (void)dprintf(1, "hearth: symbol %s is in library %s\n", wanted[i].name, wanted[i].lib);
    free(wanted);
}
