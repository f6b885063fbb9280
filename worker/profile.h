/* profile.h: samples the allocations of a function: which of its call stacks allocate, and what of
 * that is still in use. Costs nothing while it is off: the calls of malloc and the others are
 * redirected only meanwhile, in the tables of the loaded objects (GOT).
 */
#ifndef WORKER_PROFILE_H
#define WORKER_PROFILE_H

#include "channel.h"

/* Mean distance between two samples, in allocated bytes; the distances are exponentially
 * distributed (a Poisson process), so that every byte has the same chance. tcmalloc and
 * jemalloc have 512 KiB; instances here are small, so more often. */
#define PROFILE_MEAN 65536

/* Between two calls, on the thread of the call loop. Without memory nothing is sampled. */
void wrk_profile_start(void);
/* Sends FRAME_PROFILED frames, the last one with FRAME_END; none was sent where the gateway does
 * not take them in time. The text has a line for each of these:
 *
 * - f ADDRESS OBJECT OFFSET SYMBOL: a frame; numbers hexadecimal; SYMBOL "?" where it has none.
 * - s OBJECTS BYTES LIVE-OBJECTS LIVE-BYTES ADDRESS ...: a stack, the innermost frame first, and
 * what it has allocated, scaled up from the samples. Its frames were sent before.
 * - d COUNT: samples for which there was no room.
 * - o GREW COUNT MODULE TYPE: of a language with types: how many more objects of this one there are
 * than when the profile began, and how many there are.
 *
 * A frame of another language has the name of the language as OBJECT, the line as OFFSET and
 * FILE:LINE as SYMBOL. */
void wrk_profile_stop(struct chan *chan);
/* The same with a text that was made elsewhere. */
void wrk_profile_send(struct chan *chan, const char *text);

#endif
