/* keep.h: what was measured of the memory of functions, kept over restarts: in
 * functions/NAME/memory.json, once a minute where it has changed, and when the gateway ends. What a
 * crash loses is a minute of measurements.
 */
#ifndef GATEWAY_KEEP_H
#define GATEWAY_KEEP_H

#include "loop.h"

/* On the main loop, before it runs, after the functions were loaded: reads, and begins to write. A
 * file that cannot be read is said in the log, and counts as none. */
void gw_keep_start(struct gw *gw);
/* After the main loop has ended. */
void gw_keep_last(struct gw *gw);

#endif
