/* entry.h: the handler of /function/NAME. */
#ifndef GATEWAY_ENTRY_H
#define GATEWAY_ENTRY_H

#include "handler.h"

extern const struct gw_handler gw_call_handler;

#endif
