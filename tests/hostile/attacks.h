/* attacks.h: deploys the attacks of this folder. */
#ifndef TESTS_HOSTILE_ATTACKS_H
#define TESTS_HOSTILE_ATTACKS_H

#include "harness.h"

/* The folder of the source tree: HEARTH_SOURCE. */
const char *attack_sources(void);
/* PUT of NAME.c as the function, with memory=16M, timeout=2s, max=1 and more settings (NULL: none).
 * ring: include the channel's sources. */
struct reply attack_deploy(const struct daemon *d, const char *function, const char *name,
                           const char *settings, bool ring);

#endif
