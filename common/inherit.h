/* inherit.h: the descriptors, by number, that a program of Hearth has when it starts, and its exit
 * status if it could not set up its sandbox. The launcher arranges the descriptors
 * (launcher/spawn.c, launcher/gateway.c); all others are closed.
 */
#ifndef COMMON_INHERIT_H
#define COMMON_INHERIT_H

#include <stdint.h>

/* hearth-worker. 0 is an empty file; standard error is the same as OUTPUT. */
enum inherit_worker {
    INHERIT_WORKER_OUTPUT = 1,
    INHERIT_WORKER_CONTROL = 3, /* to the launcher: first the worker's task, or why it failed */
    INHERIT_WORKER_CHANNEL = 4,
    INHERIT_WORKER_FILTERS = 5,
    INHERIT_WORKER_COUNT = 6,
    /* The folder of the version's files. It comes with the task, and the link /function leads
     * there. Closed where there are none. */
    INHERIT_WORKER_FILES = 63,
    /* The first of as many eventfds as the gateway has loops. Their open files are the gateway's
     * too: the filters keep a function from changing or copying them by this bit of the number. */
    INHERIT_WORKER_BELLS = 64,
    /* The socket to the broker, of a function with destinations. The limit of open files is this
     * number: no call can put another file here. The filters rely on it. */
    INHERIT_WORKER_BROKER = 128
};

/* hearth-builder. 0 is /dev/null; 1 and 2 are the file of the compiler's output. */
enum inherit_builder {
    INHERIT_BUILDER_CONTROL = 3, /* to the launcher: why it failed */
    INHERIT_BUILDER_OBJECT = 4,
    INHERIT_BUILDER_PLAN = 5,  /* what the gateway made of function.json */
    INHERIT_BUILDER_CACHE = 6, /* object files of earlier builds of this function; may be empty */
    INHERIT_BUILDER_KEPT = 7,  /* takes those for the next build */
    INHERIT_BUILDER_COUNT = 8
};

/* hearth-gateway. 0 to 2 are those that hearthd was started with. */
enum inherit_gateway {
    INHERIT_GATEWAY_LAUNCHER = 3,
    INHERIT_GATEWAY_BROKER = 4,
    /* the first: those of the loops, then that of administration, then the exporter's socket */
    INHERIT_GATEWAY_LISTENERS = 5
};

/* hearth-broker. 0 is /dev/null; 1 and 2 are those that hearthd was started with. */
enum inherit_broker {
    INHERIT_BROKER_LAUNCHER = 3 /* see broker_protocol.h */
};

/* hearth-exporter. 0 is /dev/null; 1 and 2 are those that hearthd was started with. */
enum inherit_exporter {
    INHERIT_EXPORTER_RECORDS = 3 /* see trace.h */
};

/* Exit status of a worker or a builder that could not set up its sandbox. The launcher reads the
 * reason, a text, from the other end of CONTROL. */
#define INHERIT_EXIT_BROKEN 125

/* The one byte of the message on a worker's CONTROL that carries its task: descriptors of the
 * object to load, of the files that say how much memory the instance uses and what it is used for,
 * and, where the version has files, of their folder. */
#define INHERIT_TASK 'T'
/* The same task, of a worker that is to become a template: once it is initialised it serves no
 * call, and waits on CONTROL for messages with a byte INHERIT_FORK. Each carries what a further
 * instance starts with: its CONTROL, channel, output, meters, and the eventfds. The fork says
 * INHERIT_BORN on its CONTROL, is told INHERIT_MOVED once it is in its control group, and
 * INHERIT_PLACED when it becomes an instance, with its socket to the broker where the function has
 * destinations. Between the two it may wait as a spare. */
#define INHERIT_TASK_TEMPLATE 'P'
#define INHERIT_RANGES        'M' /* a struct inherit_ranges */
#define INHERIT_FORK          'F'
#define INHERIT_BORN          'B'
#define INHERIT_MOVED         'V'
#define INHERIT_PLACED        'G'
/* Where the template's own memory lies, from its /proc/self/maps, which its root does not have. */
#define INHERIT_RANGES_MOST 64
struct inherit_ranges {
    uint64_t type; /* INHERIT_RANGES */
    uint64_t count;
    struct {
        uint64_t from, to;
    } range[INHERIT_RANGES_MOST];
};

enum inherit_fork {
    INHERIT_FORK_CONTROL,
    INHERIT_FORK_CHANNEL,
    INHERIT_FORK_OUTPUT,
    INHERIT_FORK_METER,
    INHERIT_FORK_STAT,
    INHERIT_FORK_BELLS
};

enum inherit_task {
    INHERIT_TASK_OBJECT,
    INHERIT_TASK_METER,
    INHERIT_TASK_STAT,
    INHERIT_TASK_FILES
};
#define INHERIT_TASK_FDS      INHERIT_TASK_FILES
#define INHERIT_TASK_FDS_MOST (INHERIT_TASK_FILES + 1)

#endif
