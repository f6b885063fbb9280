/* zone.h: the pid namespace of a template and its forks. Its first process is one of ours that does
 * nothing: so the template is the second, the forks can be children of the launcher (CLONE_PARENT
 * is not for the first), and they outlive their template. They also have its user, whose slot is
 * free again only once all of them have ended.
 */
#ifndef SANDBOX_LAUNCHER_ZONE_H
#define SANDBOX_LAUNCHER_ZONE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "err.h"

struct launcher_zone;

/* NULL with an error. slot: of the template. with_users: see --insecure. One reference is the
 * caller's. */
struct launcher_zone *launcher_zone_new(uint32_t slot, bool with_users, struct hearth_err *err);
/* A descriptor of the namespace, which the zone owns. */
int launcher_zone_pids(const struct launcher_zone *zone);
/* The pid of its first process. */
pid_t launcher_zone_first(const struct launcher_zone *zone);
void launcher_zone_hold(struct launcher_zone *zone);
/* The template's slot is to be freed. True: now; false: with the last reference. */
bool launcher_zone_frees(struct launcher_zone *zone, uint32_t slot);
/* With the last reference, once its processes were reaped, the namespace ends; then: true, and
 * *slot is to be freed, where it was kept. */
bool launcher_zone_leave(struct launcher_zone *zone, uint32_t *slot);

#endif
