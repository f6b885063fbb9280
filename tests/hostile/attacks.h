/* attacks.h: deploying the attacks of this folder. */
#ifndef TESTS_HOSTILE_ATTACKS_H
#define TESTS_HOSTILE_ATTACKS_H

#include "harness.h"

/* Where the tree lies that the attacks are in: HEARTH_SOURCE. */
const char *attack_sources(void);
/* PUT of NAME.c as that function, with memory=16M, timeout=2s, max=1 and these settings
 * (NULL: none more); ring: with the channel's sources. */
struct reply attack_deploy(const struct daemon *d, const char *function, const char *name,
                           const char *settings, bool ring);

#endif
