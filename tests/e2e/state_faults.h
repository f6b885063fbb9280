/* state_faults.h: what a test shares with the library state_faults, which is preloaded into the
 * gateway: it counts the calls that change the state folder, records them, fails them, or holds
 * the gateway before one of them. The test maps the file that HEARTH_FAULTS names. */
#ifndef TESTS_E2E_STATE_FAULTS_H
#define TESTS_E2E_STATE_FAULTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum faults_op {
    FAULTS_ROOT,   /* file: the state folder */
    FAULTS_CREATE, /* name in dir is file, which is new */
    FAULTS_MKDIR,
    FAULTS_WRITE, /* bytes at `at` of file */
    FAULTS_TRUNCATE,
    FAULTS_SYNC,
    FAULTS_RENAME, /* name in dir becomes the bytes in to */
    FAULTS_LINK,   /* file is the bytes in to */
    FAULTS_UNLINK,
    FAULTS_MARK, /* of the test: what it was told */
};

#define FAULTS_NAME  48
#define FAULTS_BYTES (64 << 20)

/* Inodes are numbers of the file system: one may be used again after its file was removed. */
struct faults_record {
    enum faults_op op;
    uint32_t len; /* of bytes, which follow, padded to 8 */
    uint64_t dir, file, to;
    int64_t at;
    char name[FAULTS_NAME];
    unsigned char bytes[];
};

struct faults {
    _Atomic bool record;
    _Atomic long count;     /* of calls that change something */
    _Atomic long hold_at;   /* at this count: stand still; 0: never */
    _Atomic long full_from; /* from this count on there is no room; 0: there is */
    _Atomic bool held;
    _Atomic int lock;
    _Atomic uint64_t used; /* bytes of records */
    unsigned char records[FAULTS_BYTES];
};

static inline struct faults_record *
faults_at(struct faults *faults, uint64_t offset)
{
    return (struct faults_record *)(void *)(faults->records + offset);
}

static inline uint64_t
faults_size(const struct faults_record *r)
{
    return (sizeof *r + r->len + 7) / 8 * 8;
}

#endif
