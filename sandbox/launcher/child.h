/* child.h: the slots of sandboxed children, of every kind. */
#ifndef SANDBOX_LAUNCHER_CHILD_H
#define SANDBOX_LAUNCHER_CHILD_H

#include "launcher/launcher.h"

void launcher_children_init(struct launcher *l);
/* A slot of this kind and its user; NULL if all are taken. ended: see launcher_ended_fn. */
struct launcher_child *launcher_take_slot(struct launcher *l, enum launcher_kind kind, uint64_t id,
                                          launcher_ended_fn *ended);
void launcher_free_slot(struct launcher *l, struct launcher_child *c);
uint32_t launcher_slot_of(const struct launcher *l, const struct launcher_child *c);
/* Sends SIGKILL; the loop reaps it. */
void launcher_kill_child(const struct launcher_child *c);
/* Kills and reaps the process, if there is one, and frees the slot. */
void launcher_drop(struct launcher *l, struct launcher_child *c);
/* The pidfd of the child in this slot became readable. */
void launcher_child_ended(struct launcher *l, uint32_t slot);
/* Kills all children; they are reaped by launcher_children_end. */
void launcher_children_kill(const struct launcher *l);
/* Kills and reaps all children. Their `ended` is not called. */
void launcher_children_end(struct launcher *l);
/* The text that a child sent on its control socket before it gave up, "" for none. */
void launcher_read_error(int control, char *text, size_t n);
/* How many seccomp filters the kernel holds for the process; -1 if it does not say. */
int launcher_count_filters(pid_t pid);
/* Opens a path below the state folder; no link in it is followed. */
int launcher_open_in_state(struct launcher *l, const char *path, uint64_t flags);

#endif
