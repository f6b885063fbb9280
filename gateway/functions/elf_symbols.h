/* elf_symbols.h: the functions of a shared object by their offset, from its symbol table, which
 * also has those that it does not export. The object is what a user built, so nothing in it is
 * trusted.
 */
#ifndef GATEWAY_ELF_SYMBOLS_H
#define GATEWAY_ELF_SYMBOLS_H

#include <stddef.h>
#include <stdint.h>

struct elf_symbol {
    uint64_t from, size; /* offset from where the object is loaded; bytes */
    const char *name;    /* in the bytes that were read */
};

struct elf_symbols {
    struct elf_symbol *list; /* by from */
    size_t count;
};

/* 0; or -EINVAL if these bytes are no 64-bit ELF file with a symbol table, or -ENOMEM: then it is
 * empty. The bytes must stay as long as it is used. */
int elf_symbols_read(struct elf_symbols *symbols, const unsigned char *bytes, size_t len);
/* The function at this offset, or NULL. */
const char *elf_symbols_find(const struct elf_symbols *symbols, uint64_t offset);
void elf_symbols_clear(struct elf_symbols *symbols);

#endif
