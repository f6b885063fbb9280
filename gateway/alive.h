/* alive.h: the answer to the launcher's question whether the gateway goes on. */
#ifndef GATEWAY_ALIVE_H
#define GATEWAY_ALIVE_H

#include "loop.h"

/* On the main loop, with the lock held: answers beat `id` once each of the other loops has turned.
 */
void gw_alive_answer(struct gw *gw, uint64_t id);

#endif
