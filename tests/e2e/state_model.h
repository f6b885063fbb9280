/* state_model.h: a file system in memory that is fed with recorded calls, and says what a power cut
 * may leave of it; and what stands in a state folder, to be compared. */
#ifndef TESTS_E2E_STATE_MODEL_H
#define TESTS_E2E_STATE_MODEL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "state_faults.h"

/* What of the calls so far reached the disk. POSIX promises the second alone. */
enum model_cut {
    MODEL_ALL,    /* the processes died, the machine did not */
    MODEL_SYNCED, /* of each file its bytes, and of each folder its entries, as last synced */
    MODEL_NAMES,  /* names in order, and of files what was synced: journalled metadata */
    MODEL_RANDOM, /* of each folder, and of each file, more or less than was synced last */
    MODEL_CUTS
};

struct model;

struct model *model_new(void);
void model_free(struct model *m);
void model_apply(struct model *m, const struct faults_record *r);
/* Writes what is left into the folder `path`, which is made. Owner: of all files. */
void model_write(const struct model *m, enum model_cut cut, uint64_t *random, const char *path,
                 uid_t owner);

#define STATE_NAMES    64
#define STATE_VERSIONS 16

struct state_function {
    char name[64];
    unsigned live;
    uint64_t settings; /* a hash of what the live version's function.json holds */
    struct state_version {
        unsigned number;
        uint64_t hash; /* of all its files but function.json */
    } versions[STATE_VERSIONS];
    int count;
};

struct state_view {
    struct state_function functions[STATE_NAMES];
    int count;
    char left[128]; /* a file that should not be there; "" */
};

void state_look(const char *path, struct state_view *view);
/* "" if each function is wholly as in `before` or wholly as in `after`, and nothing else is there.
 */
const char *state_compare(const struct state_view *now, const struct state_view *before,
                          const struct state_view *after);

#endif
