/* profile_data.h: the allocations of an instance by call stack: what a worker has sent (see
 * worker/profile.h), and the forms that tools read. The text comes from a worker: nothing in it is
 * trusted.
 */
#ifndef GATEWAY_PROFILE_DATA_H
#define GATEWAY_PROFILE_DATA_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <uthash.h>

#include "elf_symbols.h"

#define PROFILE_DEPTH 64
#define PROFILE_MOST  (8 * 1024 * 1024) /* bytes of the text; */
/* and of what it makes, which is more than what a worker keeps. The addresses are the worker's
 * choice, so they may all have one hash: this many are searched in a second even then. */
#define PROFILE_STACKS 4096
#define PROFILE_FRAMES 16384
#define PROFILE_TYPES  64
/* What the worker calls the object of the function. */
#define PROFILE_OBJECT "function.so"

struct profile_frame {
    UT_hash_handle hh; /* by address */
    uint64_t address, offset;
    char object[64], symbol[128]; /* ";" and blanks are replaced; symbol "": it has none */
    uint64_t id;                  /* from 1, as they came */
};

struct profile_stack {
    struct profile_stack *next;
    int64_t objects, bytes, live_objects, live_bytes;
    unsigned depth;
    const struct profile_frame *frames[PROFILE_DEPTH]; /* the innermost is first */
};

/* Of a language with types: how its objects grew in number while the profile was made. */
struct profile_type {
    int64_t grew, count;
    char module[64], name[128];
};

struct profile {
    struct profile_type types[PROFILE_TYPES];
    unsigned types_count;
    struct profile_frame *frames;
    struct profile_stack *stacks;
    unsigned stacks_count;
    uint64_t dropped; /* samples without room */
};

/* Text is changed. 0, -EINVAL or -ENOMEM. To be cleared in any case. */
int profile_read(struct profile *profile, char *text);
void profile_clear(struct profile *profile);
/* Names frames of the function's object that have no name yet. */
void profile_name(struct profile *profile, const struct elf_symbols *symbols);

/* Brendan Gregg's folded stacks: "outermost;...;innermost BYTES" lines, for flame graphs. live:
 * what is still in use; else all that was allocated. From hearth_handle or hearth_init on. */
void profile_print_folded(const struct profile *profile, bool live, FILE *out);
/* The same as JSON: {"stacks": [{"frames": [outermost, …], "bytes", "objects"}], "lines": [{"file",
 * "line", "bytes", "objects"}], "objects": [{"module", "type", "grew", "count"}]}; the last two are
 * of Python, the most first. */
json_t *profile_json(const struct profile *profile, bool live);
/* The protobuf message Profile of pprof (github.com/google/pprof/proto/profile.proto), not
 * compressed, with the sample types of Go's heap profile. Times in nanoseconds. */
void profile_print_pprof(const struct profile *profile, int64_t begun_ns, int64_t took_ns,
                         FILE *out);

#endif
