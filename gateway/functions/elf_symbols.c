/* elf_symbols.c: see elf_symbols.h. */
#include "elf_symbols.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct part {
    const unsigned char *bytes;
    uint64_t len;
};

/* Section number n; false if there is none within the file. */
static bool
section(const unsigned char *bytes, size_t len, const Elf64_Ehdr *head, uint64_t n,
        Elf64_Shdr *header)
{
    if (head->e_shoff > len || n >= (len - head->e_shoff) / sizeof *header || n >= head->e_shnum)
        return false;
    memcpy(header, bytes + head->e_shoff + n * sizeof *header, sizeof *header);
    return true;
}

static bool
contents(const unsigned char *bytes, size_t len, const Elf64_Shdr *header, struct part *part)
{
    if (header->sh_offset > len || header->sh_size > len - header->sh_offset)
        return false;
    *part = (struct part){bytes + header->sh_offset, header->sh_size};
    return true;
}

/* The symbol table and its names. */
static bool
find_tables(const unsigned char *bytes, size_t len, struct part *symbols, struct part *names)
{
    Elf64_Ehdr head;
    Elf64_Shdr header, strings;

    if (len < sizeof head)
        return false;
    memcpy(&head, bytes, sizeof head);
    if (memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_ident[EI_CLASS] != ELFCLASS64 ||
        head.e_shentsize != sizeof header)
        return false;
    for (uint64_t i = 0; section(bytes, len, &head, i, &header); i++)
        if (header.sh_type == SHT_SYMTAB)
            return contents(bytes, len, &header, symbols) &&
                   section(bytes, len, &head, header.sh_link, &strings) &&
                   contents(bytes, len, &strings, names) && names->len > 0 &&
                   names->bytes[names->len - 1] == '\0';
    return false;
}

static int
by_from(const void *a, const void *b)
{
    const struct elf_symbol *x = a, *y = b;

    return (x->from > y->from) - (x->from < y->from);
}

int
elf_symbols_read(struct elf_symbols *symbols, const unsigned char *bytes, size_t len)
{
    struct part table, names;
    size_t n;

    *symbols = (struct elf_symbols){0};
    if (!find_tables(bytes, len, &table, &names))
        return -EINVAL;
    n = table.len / sizeof(Elf64_Sym);
    symbols->list = calloc(n > 0 ? n : 1, sizeof *symbols->list);
    if (symbols->list == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        Elf64_Sym symbol;

        memcpy(&symbol, table.bytes + i * sizeof symbol, sizeof symbol);
        if (ELF64_ST_TYPE(symbol.st_info) != STT_FUNC || symbol.st_shndx == SHN_UNDEF ||
            symbol.st_name >= names.len)
            continue;
        symbols->list[symbols->count++] =
            (struct elf_symbol){.from = symbol.st_value,
                                .size = symbol.st_size,
                                .name = (const char *)names.bytes + symbol.st_name};
    }
    qsort(symbols->list, symbols->count, sizeof *symbols->list, by_from);
    return 0;
}

const char *
elf_symbols_find(const struct elf_symbols *symbols, uint64_t offset)
{
    size_t low = 0, high = symbols->count;

    while (low < high) { /* the first one behind the offset */
        size_t middle = low + (high - low) / 2;

        if (symbols->list[middle].from <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || offset - symbols->list[low - 1].from >= symbols->list[low - 1].size)
        return NULL;
    return symbols->list[low - 1].name;
}

void
elf_symbols_clear(struct elf_symbols *symbols)
{
    free(symbols->list);
    *symbols = (struct elf_symbols){0};
}
