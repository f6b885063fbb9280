/* redirect.c: see redirect.h. The address that a call goes to lies in the global offset table of
 * the calling object, in a slot that a relocation names; or in a variable, for which there is a
 * relocation too. */
#include "redirect.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SLOTS 2048

static struct slot {
    void **at;
    void *was;
    bool sealed; /* its page is read-only (RELRO) */
} slots[SLOTS];
static unsigned count;

struct tables {
    const ElfW(Sym) * symbols;
    const char *names;
    const ElfW(Rela) * relocations[2];
    size_t n[2];
    uintptr_t base, sealed_from, sealed_to;
};

static bool
write_slot(const struct slot *slot, void *value)
{
    uintptr_t size = (uintptr_t)sysconf(_SC_PAGESIZE);
    void *page = (void *)((uintptr_t)slot->at & ~(size - 1));

    if (slot->sealed && mprotect(page, size, PROT_READ | PROT_WRITE) != 0)
        return false;
    __atomic_store_n(slot->at, value, __ATOMIC_RELAXED);
    if (slot->sealed)
        (void)mprotect(page, size, PROT_READ);
    return true;
}

static void
redirect_slot(const struct tables *t, const ElfW(Rela) * rela, void *to)
{
    struct slot *slot = &slots[count];
    uintptr_t at = t->base + rela->r_offset;

    if (count == SLOTS)
        return;
    slot->at = (void **)at;
    slot->was = *slot->at;
    slot->sealed = at >= t->sealed_from && at < t->sealed_to;
    if (write_slot(slot, to))
        count++;
}

/* A variable that is initialised with the function's address, as libraries have whose allocator can
 * be changed: whether nobody has changed it. */
static bool
still_points(const struct tables *t, const ElfW(Rela) * rela, const char *name)
{
    return *(void **)(t->base + rela->r_offset) == dlsym(RTLD_DEFAULT, name);
}

static void
redirect_table(const struct tables *t, int which, const struct wrk_redirect *list)
{
    for (size_t i = 0; i < t->n[which]; i++) {
        const ElfW(Rela) *rela = &t->relocations[which][i];
        uint32_t type = ELF64_R_TYPE(rela->r_info);
        const char *name = t->names + t->symbols[ELF64_R_SYM(rela->r_info)].st_name;

        if (type != R_X86_64_JUMP_SLOT && type != R_X86_64_GLOB_DAT && type != R_X86_64_64)
            continue;
        for (const struct wrk_redirect *r = list; r->name != NULL; r++)
            if (strcmp(name, r->name) == 0 && (type != R_X86_64_64 || still_points(t, rela, name)))
                redirect_slot(t, rela, r->to);
    }
}

static void
read_dynamic(struct tables *t, const ElfW(Dyn) * dyn)
{
    for (; dyn->d_tag != DT_NULL; dyn++) {
        void *at = (void *)dyn->d_un.d_ptr; /* the loader has made them addresses */

        switch (dyn->d_tag) {
        case DT_SYMTAB:
            t->symbols = at;
            break;
        case DT_STRTAB:
            t->names = at;
            break;
        case DT_JMPREL:
            t->relocations[0] = at;
            break;
        case DT_PLTRELSZ:
            t->n[0] = dyn->d_un.d_val / sizeof(ElfW(Rela));
            break;
        case DT_RELA:
            t->relocations[1] = at;
            break;
        case DT_RELASZ:
            t->n[1] = dyn->d_un.d_val / sizeof(ElfW(Rela));
            break;
        }
    }
}

static int
visit(struct dl_phdr_info *info, size_t size, void *user)
{
    struct tables t = {.base = info->dlpi_addr};
    const ElfW(Dyn) *dynamic = NULL;

    (void)size;
    if (info->dlpi_name[0] == '\0' || strstr(info->dlpi_name, "ld-linux") != NULL ||
        strstr(info->dlpi_name, "vdso") != NULL)
        return 0; /* the worker, the loader, the kernel's object */
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];

        if (p->p_type == PT_DYNAMIC)
            dynamic = (const void *)(t.base + p->p_vaddr);
        if (p->p_type == PT_GNU_RELRO) {
            t.sealed_from = t.base + p->p_vaddr;
            t.sealed_to = t.sealed_from + p->p_memsz;
        }
    }
    if (dynamic != NULL)
        read_dynamic(&t, dynamic);
    for (int which = 0; which < 2; which++)
        if (t.symbols != NULL && t.names != NULL && t.relocations[which] != NULL)
            redirect_table(&t, which, user);
    return 0;
}

void
wrk_redirect(const struct wrk_redirect *list)
{
    (void)dl_iterate_phdr(visit, (void *)list);
}

void
wrk_redirect_undo(void)
{
    while (count > 0) {
        count--;
        (void)write_slot(&slots[count], slots[count].was);
    }
}
