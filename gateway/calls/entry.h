/* entry.h: what serves /function/NAME. */
#ifndef GATEWAY_ENTRY_H
#define GATEWAY_ENTRY_H

#include "http/handler.h"

extern const struct gw_handler gw_call_handler;

#endif
