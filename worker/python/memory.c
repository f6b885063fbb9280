/* memory.c: memory of a function in Python.
 *
 * Cyclic garbage is collected between calls and not in one: the interpreter's own threshold is off.
 * Only a call that fills three quarters of the limit is interrupted for a collection.
 *
 * An allocation that would take the instance beyond 95 % of its limit fails as any other may:
 * MemoryError is raised, and says where, instead of the kernel's kill, which does not. Pages of
 * files count as free, since the kernel takes them back, but for a reserve: the interpreter's own
 * code, of which each call reads about 4 MiB, is such pages. Without it a call that fills its limit
 * waits for the disk with every step.
 */
#include <malloc.h>
#include <time.h>

#include "python.h"

#define LOOK_BYTES   (256 * 1024) /* allocated between two looks at what is in use, */
#define LOOK_PART    64           /* or this part of the limit, if that is less */
#define MOST_PERCENT 95
#define LAST_PERCENT 98                 /* for what reports the error */
#define CODE_BYTES   (4 * 1024 * 1024)  /* of files that a call reads, */
#define CODE_PART    8                  /* or this part of the limit, if that is less */
#define IDLE_NS      INT64_C(100000000) /* CPU time of a full collection that none waits for */
#define FULL_OBJECTS 100000             /* that calls have left since the last full collection */

static PyMemAllocatorEx raw;
static PyObjectArenaAllocator arenas;
static size_t unseen, look_bytes = LOOK_BYTES; /* bytes allocated since the last look */
static bool refused, relaxed;
static size_t arena_bytes, block_bytes; /* of all arenas; of a block in them, on average */

static PyObject *collect, *get_count, *count_blocks, *youngest, *everything;
static Py_ssize_t left;     /* objects that calls have left since the last full collection */
static size_t collected_at; /* bytes in use after the last one within this call */
static bool collection_is_due;
static int64_t full_ns; /* what the last full collection took */

static bool run(PyObject *generation);

/* ---- the limit ---- */

static int
collect_now(void *none)
{
    (void)none;
    (void)run(everything);
    (void)malloc_trim(0); /* else what is in use would not tell what is free */
    collected_at = hearth_memory_used();
    collection_is_due = false;
    return 0;
}

/* In the middle of an allocation nothing can be collected: as soon as Python's loop goes on. */
static void
collect_soon(size_t used, size_t limit)
{
    if (collect == NULL || collection_is_due || used < limit / 4 * 3 ||
        used < collected_at + limit / 16)
        return;
    collection_is_due = Py_AddPendingCall(collect_now, NULL) == 0;
}

static bool
has_room_now(size_t n)
{
    size_t limit = hearth_memory_limit(), used = hearth_memory_used(), most, code;

    look_bytes = limit / LOOK_PART < LOOK_BYTES ? limit / LOOK_PART : LOOK_BYTES;
    code = limit / CODE_PART < CODE_BYTES ? limit / CODE_PART : CODE_BYTES;
    most = limit / 100 * (relaxed ? LAST_PERCENT : MOST_PERCENT);
    if (!relaxed && most > limit - code)
        most = limit - code;
    if (used + n > most) {
        size_t files = py_host->memory_of_files();

        used -= files < used ? files : used;
    }
    collect_soon(used, limit);
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
    if (unseen < look_bytes || has_room_now(n))
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
    void *p = has_room(LOOK_BYTES) ? arenas.alloc(user, n) : NULL;

    arena_bytes += p != NULL ? n : 0;
    return p;
}

static void
arena_free(void *user, void *p, size_t n)
{
    arena_bytes -= n;
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

static int64_t
cpu_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static bool
run(PyObject *generation)
{
    int64_t begun = cpu_ns();
    PyObject *found = PyObject_CallOneArg(collect, generation);

    if (found == NULL)
        PyErr_Clear(); /* a finalizer's errors were printed already: this is for want of memory */
    if (generation == everything)
        full_ns = cpu_ns() - begun;
    Py_XDECREF(found);
    return found != NULL;
}

static size_t
allocated_blocks(void)
{
    PyObject *count = count_blocks != NULL ? PyObject_CallNoArgs(count_blocks) : NULL;
    size_t blocks = count != NULL ? PyLong_AsSize_t(count) : 0;

    Py_XDECREF(count);
    if (PyErr_Occurred()) {
        PyErr_Clear();
        return 0;
    }
    return blocks;
}

bool
py_memory_freeze(void)
{
    PyObject *gc = PyImport_ImportModule("gc");
    PyObject *frozen = NULL;
    size_t blocks;

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
    count_blocks = PySys_GetObject("getallocatedblocks"); /* borrowed, of a module that stays */
    blocks = allocated_blocks();
    block_bytes = blocks > 0 ? arena_bytes / blocks : 0;
    return frozen != NULL;
}

size_t
py_memory_of_blocks(void)
{
    return allocated_blocks() * block_bytes;
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

    collected_at = 0;
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
py_memory_idle(void)
{
    /* the gateway takes an instance that works for long without a call for a broken one */
    if (full_ns < IDLE_NS) {
        py_memory_give_back();
        return;
    }
    (void)run(youngest);
    (void)malloc_trim(0);
}

void
py_memory_give_back(void)
{
    left = 0;
    (void)run(everything);
    (void)malloc_trim(0);
}
