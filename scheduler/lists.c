/* lists.c: calls and slots in lists. */
#include "lists.h"

void
sch_calls_append(struct sch_call_list *list, struct sch_call *call)
{
    call->next = NULL;
    call->prev = list->tail;
    *(list->tail != NULL ? &list->tail->next : &list->head) = call;
    list->tail = call;
    list->count++;
}

void
sch_calls_insert(struct sch_call_list *list, struct sch_call *before, struct sch_call *call)
{
    if (before == NULL) {
        sch_calls_append(list, call);
        return;
    }
    call->next = before;
    call->prev = before->prev;
    *(before->prev != NULL ? &before->prev->next : &list->head) = call;
    before->prev = call;
    list->count++;
}

void
sch_calls_remove(struct sch_call_list *list, struct sch_call *call)
{
    *(call->prev != NULL ? &call->prev->next : &list->head) = call->next;
    *(call->next != NULL ? &call->next->prev : &list->tail) = call->prev;
    call->next = call->prev = NULL;
    list->count--;
}

void
sch_slots_push(struct sch_slot_list *list, struct sch_slot *slot)
{
    slot->prev = NULL;
    slot->next = list->head;
    *(list->head != NULL ? &list->head->prev : &list->tail) = slot;
    list->head = slot;
    list->count++;
}

void
sch_slots_remove(struct sch_slot_list *list, struct sch_slot *slot)
{
    *(slot->prev != NULL ? &slot->prev->next : &list->head) = slot->next;
    *(slot->next != NULL ? &slot->next->prev : &list->tail) = slot->prev;
    slot->next = slot->prev = NULL;
    list->count--;
}
