/* heap.h: a binary heap of records that embed a node; the first is the least in the given order.
 * Nodes know their place, so that any can be moved or removed. Inline, so that the order is
 * compiled in: with a call by pointer, a simulated day took a seventh longer. */
#ifndef SCHEDULER_HEAP_H
#define SCHEDULER_HEAP_H

#include <errno.h>
#include <stdlib.h>

#include "scheduler.h"

struct sch_heap {
    struct sch_heap_node **nodes;
    uint32_t count, room;
};

typedef bool sch_heap_before(const struct sch_heap_node *a, const struct sch_heap_node *b);

static inline struct sch_heap_node *
sch_heap_first(const struct sch_heap *heap)
{
    return heap->count > 0 ? heap->nodes[0] : NULL;
}

static inline void
sch_heap_put(struct sch_heap *heap, uint32_t at, struct sch_heap_node *node)
{
    heap->nodes[at] = node;
    node->at = at + 1;
}

/* Its order has changed. */
static inline __attribute__((always_inline)) void
sch_heap_update(struct sch_heap *heap, struct sch_heap_node *node, sch_heap_before *before)
{
    struct sch_heap_node **nodes = heap->nodes;
    uint32_t at = node->at - 1;

    for (; at > 0 && before(node, nodes[(at - 1) / 2]); at = (at - 1) / 2)
        sch_heap_put(heap, at, nodes[(at - 1) / 2]);
    for (uint32_t child; (child = 2 * at + 1) < heap->count; at = child) {
        if (child + 1 < heap->count && before(nodes[child + 1], nodes[child]))
            child++;
        if (!before(nodes[child], node))
            break;
        sch_heap_put(heap, at, nodes[child]);
    }
    sch_heap_put(heap, at, node);
}

/* 0, or -ENOMEM and it is not in. */
static inline __attribute__((always_inline)) int
sch_heap_add(struct sch_heap *heap, struct sch_heap_node *node, sch_heap_before *before)
{
    if (heap->count == heap->room) {
        uint32_t room = heap->room > 0 ? 2 * heap->room : 64;
        struct sch_heap_node **wider = realloc(heap->nodes, room * sizeof(struct sch_heap_node *));

        if (wider == NULL)
            return -ENOMEM;
        heap->nodes = wider;
        heap->room = room;
    }
    sch_heap_put(heap, heap->count++, node);
    sch_heap_update(heap, node, before);
    return 0;
}

static inline __attribute__((always_inline)) void
sch_heap_remove(struct sch_heap *heap, struct sch_heap_node *node, sch_heap_before *before)
{
    uint32_t at = node->at - 1;
    struct sch_heap_node *last;

    if (node->at == 0)
        return;
    node->at = 0;
    last = heap->nodes[--heap->count];
    if (last == node)
        return;
    sch_heap_put(heap, at, last);
    sch_heap_update(heap, last, before);
}

#endif
