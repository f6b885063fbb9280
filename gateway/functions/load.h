/* load.h: loads what was deployed before this start. */
#ifndef GATEWAY_LOAD_H
#define GATEWAY_LOAD_H

#include "err.h"

struct gw;

/* Reads the functions and the token from the state folder, which is the root directory by now. The
 * functions do not serve yet. Returns 0 or a negative errno. */
int gw_functions_load(struct gw *gw, char token[65], struct hearth_err *err);
/* Lets the functions that have a live version serve. */
void gw_functions_start(struct gw *gw);

#endif
