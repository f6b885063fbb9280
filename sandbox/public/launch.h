/* launch.h: the messages between the gateway and the launcher.
 *
 * One SOCK_SEQPACKET pair; one message in a packet, with descriptors. A closed set of small
 * messages with fixed-width fields and no pointers. launch_decode takes bytes and a length, and
 * rejects all that it does not know.
 */
#ifndef SANDBOX_LAUNCH_H
#define SANDBOX_LAUNCH_H

#include <stddef.h>
#include <stdint.h>

#include "limits.h"

#define LAUNCH_VERSION 7

enum launch_type {
    /* gateway to launcher */
    LAUNCH_UP = 1, /* the gateway serves clients */
    LAUNCH_START,  /* make instance `id` */
    LAUNCH_KILL,   /* end instance `id` now */
    LAUNCH_LIMIT,  /* a new memory limit for instance `id` */
    LAUNCH_CHECK,  /* instance `id` reported ready: are its filters loaded? */
    LAUNCH_BUILD,  /* compile; `id` is that of the build */
    LAUNCH_CUT,    /* shut down sockets of instance `id` */
    LAUNCH_ALIVE,  /* the answer to LAUNCH_BEAT `id`, after a turn through all loops */
    /* launcher to gateway */
    LAUNCH_STARTED, /* with descriptors: see below */
    LAUNCH_DIED,    /* instance `id` is gone, or could not be made */
    LAUNCH_LIMITED, /* what became of LAUNCH_LIMIT */
    LAUNCH_CHECKED, /* they are; else it is ended: LAUNCH_DIED */
    LAUNCH_BUILT,   /* with LAUNCH_BUILT_FDS descriptors: the object, what the compiler said, and
                       the cache of object files for the next build */
    LAUNCH_DRAIN,   /* no new calls; end when the running ones have */
    LAUNCH_RELOAD,  /* with descriptors as its id says: files to be read again */
    LAUNCH_BEAT,    /* does it go on? */
    LAUNCH_TYPES
};

/* The descriptors of LAUNCH_STARTED, in order. */
enum launch_started_fd {
    LAUNCH_FD_CHANNEL,
    LAUNCH_FD_LOG,    /* read end of the instance's output */
    LAUNCH_FD_MEMORY, /* a file to pread: bytes in use */
    /* a file to pread: the most bytes in use since it was last written to, if the kernel lets it be
     * written to; otherwise ever. Where there is none (v2 before Linux 5.19), MEMORY again */
    LAUNCH_FD_PEAK,
    LAUNCH_FD_CPU,  /* a file to pread: cpu time; see LAUNCH_STARTED.cpu_in_usec */
    LAUNCH_FD_BELLS /* from here on a non-blocking eventfd for each loop of the gateway */
};

#define LAUNCH_BUILT_FDS 3
#define LAUNCH_FDS_MAX   (LAUNCH_FD_BELLS + LIMIT_THREADS)

struct launch_start {
    char name[LIMIT_NAME + 1];
    uint32_t version;
    uint32_t staged; /* 1: not yet live, in its temporary folder */
    uint64_t memory_limit;
    uint64_t tmp_bytes; /* of its /tmp; 0: it has none */
    uint64_t calls;     /* that its filters allow in addition: struct sbx_wider */
    uint64_t stack_bytes;
    uint32_t threads;  /* 1 to LIMIT_FUNCTION_THREADS */
    uint32_t strict;   /* 1: refused calls are deadly */
    uint32_t cpu;      /* as in launch_limit */
    uint32_t network;  /* 1: it may ask the broker for connections */
    uint32_t template; /* 1: it is to be a template, which serves no calls */
    uint32_t none;
    uint64_t from; /* the template to fork it from; 0: none. Where that fails it is made anew */
};

struct launch_started {
    int32_t pid;          /* as the host sees it */
    uint32_t cpu_in_usec; /* 1: the file is a v2 cpu.stat; 0: v1 nanoseconds */
    uint32_t forked;      /* 1: from the template that was named */
    uint32_t none;
};

struct launch_limit {
    uint64_t memory_limit; /* bytes; the share of the CPU follows it */
    uint32_t cpu;          /* thousandths of a core, at most; 0: no cap */
};

struct launch_limited {
    int32_t status; /* 0 or a negative errno; -EBUSY: more than the new limit is in use */
};

struct launch_build {
    char name[LIMIT_NAME + 1];
    uint32_t version; /* its staged folder holds source/ */
    uint32_t libs;
    char lib[LIMIT_LIBS][LIMIT_LIB_NAME + 1];
};

#define LAUNCH_CUT_MOST 32

struct launch_cut {
    uint32_t count;
    uint32_t none;
    uint64_t inode[LAUNCH_CUT_MOST];
};

enum launch_cause {
    LAUNCH_CAUSE_EXIT,         /* value: exit status */
    LAUNCH_CAUSE_SIGNAL,       /* value: signal number */
    LAUNCH_CAUSE_NOT_ISOLATED, /* it never ran: text names the layer and the reason */
};

/* Who ended it for memory. */
enum launch_killer {
    LAUNCH_KILLER_NONE,
    LAUNCH_KILLER_LIMIT,  /* its own limit */
    LAUNCH_KILLER_BUDGET, /* the limit of the group of all instances */
    LAUNCH_KILLER_HOST,   /* the kernel, for the host; or somebody else, while the host was short */
};

struct launch_died {
    uint32_t cause;
    int32_t value;
    uint32_t oom_kills; /* of this instance, by the kernel */
    uint32_t asked;     /* 1: after LAUNCH_KILL */
    uint32_t killer;    /* enum launch_killer */
    uint64_t peak;      /* bytes */
    char text[192];
};

enum launch_build_result {
    LAUNCH_BUILD_OK,
    LAUNCH_BUILD_FAILED,
    LAUNCH_BUILD_MEMORY,
    LAUNCH_BUILD_TIME,
    LAUNCH_BUILD_BROKEN
};

struct launch_built {
    uint32_t result;
    char text[192]; /* the reason, if it is BROKEN */
};

struct launch_alive {
    uint32_t functions; /* that are deployed */
    uint32_t waiting;   /* calls that wait for an instance */
};

/* id of LAUNCH_RELOAD, bits; in this order its descriptors are the configuration file, certificate
 * and key */
#define LAUNCH_RELOAD_CONFIG 1u
#define LAUNCH_RELOAD_TLS    2u

struct launch_message {
    uint16_t version;
    uint16_t type;
    uint32_t length; /* of the whole message */
    uint64_t id;
    union {
        struct launch_start start;
        struct launch_started started;
        struct launch_limit limit;
        struct launch_limited limited;
        struct launch_build build;
        struct launch_built built;
        struct launch_died died;
        struct launch_cut cut;
        struct launch_alive alive;
    } u;
};

/* Bytes of a message of this type on the wire; 0 for an unknown type. */
size_t launch_size(unsigned type);

/* Checks and copies: version, type, length, names, strings with a NUL, flags that are 0 or 1. 0, or
 * -EPROTO and *msg is unspecified. */
int launch_decode(const void *bytes, size_t len, struct launch_message *msg);

/* Sends msg of its type (version and length are filled in) and descriptors.
 * 0, -EAGAIN on a full non-blocking socket, or another negative errno. */
int launch_send(int sock, struct launch_message *msg, const int *fds, unsigned n_fds);

/* Receives one message, if there is one. *n_fds: in, room in fds; out, how many came (they belong
 * to the caller, close-on-exec). Returns 1; 0 at the end; -EAGAIN; -EPROTO for a message that
 * launch_decode rejects (its descriptors are closed); -EMFILE: msg is valid, but there was no room
 * for its descriptors, here or in the process, and *n_fds is 0; or another negative errno. */
int launch_receive(int sock, struct launch_message *msg, int *fds, unsigned *n_fds);

#endif
