/* container.h: from a member of a record to the record. */
#ifndef COMMON_CONTAINER_H
#define COMMON_CONTAINER_H

#include <stddef.h>

#define container_of(member_at, type, member)                                                      \
    ((type *)(void *)((char *)(member_at)-offsetof(type, member)))

#endif
