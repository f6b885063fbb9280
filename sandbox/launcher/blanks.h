/* blanks.h: sandboxes made in advance. */
#ifndef SANDBOX_LAUNCHER_BLANKS_H
#define SANDBOX_LAUNCHER_BLANKS_H

#include "launcher/launcher.h"

/* Takes one that waits; its descriptors go to fds, in which `object` is kept. NULL if there is
 * none. */
struct launcher_child *launcher_blank_take(struct launcher *l, struct launcher_worker_fds *fds);
/* Makes one if one is missing and due. Milliseconds until the next is due, -1 for none. */
int launcher_blanks_fill(struct launcher *l);
/* All children have ended: closes what is held of the blanks. */
void launcher_blanks_clear(struct launcher *l);

#endif
