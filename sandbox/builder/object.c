/* object.c: the linked object: whether it can be loaded, and its way out of the jail. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "builder/builder.h"
#include "cleanup.h"

int
bld_object_hand_over(const char *path, int fd, struct hearth_err *err)
{
    cleanup_close int from = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    char buf[1 << 16];
    ssize_t got;

    if (from < 0)
        return err_set(err, errno, "open the object");
    while ((got = read(from, buf, sizeof buf)) > 0)
        if (write(fd, buf, (size_t)got) != got)
            return err_set(err, errno, "hand the object over");
    return got < 0 ? err_set(err, errno, "read the object") : 0;
}

/* Bytes of address space that the object takes once it is loaded; 0 where it is no
 * 64-bit ELF file. */
static uint64_t
span_of_object(const char *path)
{
    cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    uint64_t span = 0;
    Elf64_Ehdr head;
    Elf64_Phdr part;

    if (fd < 0 || pread(fd, &head, sizeof head, 0) != (ssize_t)sizeof head ||
        memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_ident[EI_CLASS] != ELFCLASS64)
        return 0;
    for (unsigned i = 0; i < head.e_phnum; i++) {
        off_t at = (off_t)(head.e_phoff + i * sizeof part);

        if (pread(fd, &part, sizeof part, at) != (ssize_t)sizeof part)
            return 0;
        if (part.p_type != PT_LOAD)
            continue;
        /* the sum might not fit a number */
        if (part.p_vaddr > LIMIT_OBJECT_SPAN || part.p_memsz > LIMIT_OBJECT_SPAN)
            return part.p_vaddr > part.p_memsz ? part.p_vaddr : part.p_memsz;
        if (part.p_vaddr + part.p_memsz > span)
            span = part.p_vaddr + part.p_memsz;
    }
    return span;
}

/* An array that no host has room for links well, and would only fail when it is loaded. */
bool
bld_object_ok(const char *path)
{
    uint64_t span = span_of_object(path);

    if (span > LIMIT_OBJECT_SPAN) {
        (void)dprintf(
            2, "ld: error: the object would take %llu bytes of address space; allowed are %llu\n",
            (unsigned long long)span, (unsigned long long)LIMIT_OBJECT_SPAN);
        return false;
    }
    if (!bld_symbols_has(path, "hearth_handle") && bld_symbols_has(path, "_Z13hearth_handle*")) {
        (void)dprintf(2, "ld: error: hearth_handle is defined as a function of C++, which nobody "
                         "else finds: put extern \"C\" before it, as the declaration in hearth.h "
                         "has it\n");
        return false;
    }
    return true;
}
