/* api.h: hearth.h as its implementer sees it: exported, and without the stamp
 * that marks a function's object. */
#ifndef WORKER_API_H
#define WORKER_API_H

#pragma GCC visibility push(default)
#define HEARTH_NO_STAMP
#include "hearth.h"
#pragma GCC visibility pop

#endif
