/* python.h: what the parts of the loader for Python share. It is a shared object of its own, which
 * embeds the interpreter. All of it runs inside the sandbox, beside the function's code, and keeps
 * nothing in that the walls around the process do not. */
#ifndef WORKER_PYTHON_H
#define WORKER_PYTHON_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>

#include "hearth.h"
#include "language.h"

/* ---- loader.c ---- */

extern const struct wrk_host *py_host;

/* ---- memory.c: the allocators, and when cyclic garbage is collected ---- */

/* Before the interpreter is made. */
void py_memory_prepare(void);
/* Once it is, and the function's modules are loaded: what there is now stays for good, in pages
 * that forks share. */
bool py_memory_freeze(void);
/* Whether an allocation was refused since the last time that this was asked. */
bool py_memory_was_refused(void);
/* Lets what reports that use what is left below the limit. */
void py_memory_relax(bool relaxed);
/* Bytes of small objects, which malloc does not know: blocks by what one took on average when the
 * function was loaded. */
size_t py_memory_of_blocks(void);
/* Between two calls: the youngest objects, or all where many were made. */
void py_memory_after_call(void);
/* After a while without a call: all, unless that has taken too long the last time. */
void py_memory_idle(void);
/* All, and what is free then goes back to the kernel. */
void py_memory_give_back(void);

/* ---- call.c: the object that a handler gets ---- */

bool py_call_ready(PyObject *module);
PyObject *py_call_new(hearth_call *call);
/* Writes what the handler returned. respond: writes what is neither None nor str nor a buffer. */
bool py_call_respond(PyObject *call, PyObject *result, PyObject *respond);
/* From here on its methods fail; a body that somebody holds stays. */
void py_call_end(PyObject *call);

#endif
