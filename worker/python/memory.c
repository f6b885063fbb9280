/* memory.c: memory of a function in Python.
 *
 * Cyclic garbage is collected between calls and never in one: the interpreter's own threshold is
 * off. An allocation that would take the instance beyond 95 % of its limit fails as any other may:
 * MemoryError is raised, and says where, instead of the kernel's kill, which does not.
 */
#include <malloc.h>

#include "python.h"

#define LOOK_BYTES   (256 * 1024) /* allocated between two looks at what is in use, */
#define LOOK_PART    64           /* or this part of the limit, if that is less */
#define MOST_PERCENT 95
#define FULL_OBJECTS 100000 /* that calls have left since the last full collection */

static PyMemAllocatorEx raw;
static PyObjectArenaAllocator arenas;
static size_t unseen, look_bytes = LOOK_BYTES; /* bytes allocated since the last look */
static bool refused, relaxed;

static PyObject *collect, *get_count, *youngest, *everything;
static Py_ssize_t left; /* objects that calls have left since the last full collection */

/* ---- the limit ---- */

static bool
has_room_now(size_t n)
{
    size_t limit = hearth_memory_limit(), used = hearth_memory_used(), most;

    look_bytes = limit / LOOK_PART < LOOK_BYTES ? limit / LOOK_PART : LOOK_BYTES;
    most = limit / 100 * MOST_PERCENT;
    if (used + n > most) {
        size_t files = py_host->memory_of_files();

        used -= files < used ? files : used;
    }
    if (used >= most || n > most - used)
        return false; /* and it is looked again the next time */
    unseen = 0;
    return true;
}

/* Whether n more bytes may be taken. Small allocations are added up. */
static bool
has_room(size_t n)
{
    unseen += n;
    if (unseen < look_bytes || relaxed || has_room_now(n))
        return true;
    refused = true;
    return false;
}

static void *
raw_malloc(void *user, size_t n)
{
    return has_room(n) ? raw.malloc(user, n) : NULL;
}

static void *
raw_calloc(void *user, size_t count, size_t size)
{
    size_t n;

    return !__builtin_mul_overflow(count, size, &n) && has_room(n) ? raw.calloc(user, count, size)
                                                                   : NULL;
}

static void *
raw_realloc(void *user, void *was, size_t n)
{
    size_t before = was != NULL ? malloc_usable_size(was) : 0;

    return n <= before || has_room(n - before) ? raw.realloc(user, was, n) : NULL;
}

static void
raw_free(void *user, void *p)
{
    raw.free(user, p);
}

/* The pools of small objects are in arenas of 1 MiB, which are used page by page. */
static void *
arena_alloc(void *user, size_t n)
{
    return has_room(LOOK_BYTES) ? arenas.alloc(user, n) : NULL;
}

static void
arena_free(void *user, void *p, size_t n)
{
    arenas.free(user, p, n);
}

void
py_memory_prepare(void)
{
    PyMemAllocatorEx own = {NULL, raw_malloc, raw_calloc, raw_realloc, raw_free};
    PyObjectArenaAllocator own_arenas = {NULL, arena_alloc, arena_free};

    PyMem_GetAllocator(PYMEM_DOMAIN_RAW, &raw);
    PyObject_GetArenaAllocator(&arenas);
    own.ctx = raw.ctx;
    own_arenas.ctx = arenas.ctx;
    PyMem_SetAllocator(PYMEM_DOMAIN_RAW, &own);
    PyObject_SetArenaAllocator(&own_arenas);
}

bool
py_memory_was_refused(void)
{
    bool was = refused;

    refused = false;
    return was;
}

void
py_memory_relax(bool on)
{
    relaxed = on;
}

/* ---- the collector ---- */

static bool
run(PyObject *generation)
{
    PyObject *found = PyObject_CallOneArg(collect, generation);

    if (found == NULL)
        PyErr_Clear(); /* a finalizer's errors were printed already: this is for want of memory */
    Py_XDECREF(found);
    return found != NULL;
}

bool
py_memory_freeze(void)
{
    PyObject *gc = PyImport_ImportModule("gc");
    PyObject *frozen = NULL;

    if (gc == NULL)
        return false;
    collect = PyObject_GetAttrString(gc, "collect");
    get_count = PyObject_GetAttrString(gc, "get_count");
    youngest = PyLong_FromLong(0);
    everything = PyLong_FromLong(2);
    (void)PyGC_Disable();
    if (collect != NULL && get_count != NULL && youngest != NULL && everything != NULL &&
        run(everything))
        frozen = PyObject_CallMethod(gc, "freeze", NULL);
    Py_DECREF(gc);
    Py_XDECREF(frozen);
    return frozen != NULL;
}

/* Containers that were made and not freed since the last collection. */
static Py_ssize_t
count_young(void)
{
    PyObject *counts = PyObject_CallNoArgs(get_count);
    Py_ssize_t young = counts != NULL ? PyLong_AsSsize_t(PyTuple_GET_ITEM(counts, 0)) : 0;

    Py_XDECREF(counts);
    if (PyErr_Occurred())
        PyErr_Clear();
    return young;
}

void
py_memory_after_call(void)
{
    Py_ssize_t young = count_young();

    if (young <= 0)
        return;
    left += young;
    if (left < FULL_OBJECTS) {
        (void)run(youngest);
        return;
    }
    left = 0;
    (void)run(everything);
}

void
py_memory_give_back(void)
{
    left = 0;
    (void)run(everything);
    (void)malloc_trim(0);
}
