/* journal.h: the last output of each function, in memory: what is not on disk yet, and what readers
 * follow. Bounded in bytes, per function and in total. Call with the lock held.
 */
#ifndef GATEWAY_JOURNAL_H
#define GATEWAY_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "log_line.h"

struct gw_function;
struct gw_journal;

/* ---- writing ---- */

void gw_journal_add(struct gw_function *f, uint64_t instance, const struct output_line *line);
/* A line of the platform's own, which begins with "hearth: ". instance: 0 for none; call_id: "" for
 * none; level: as in enum hearth_level. */
void gw_journal_say(struct gw_function *f, uint64_t instance, int level, const char *call_id,
                    const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* Adds whole records as output_take returns them. */
void gw_journal_add_records(struct gw_function *f, uint64_t instance, const void *records,
                            size_t n);
void gw_journal_free(struct gw_journal *journal);

/* ---- reading ---- */

/* Chunks have ascending numbers, over all functions. The number of the next one: */
uint64_t gw_journal_next(void);
/* The last lines that one instance printed, each ended by a newline. NULL if there is no memory. */
char *gw_journal_tail(const struct gw_function *f, uint64_t instance, unsigned lines);
/* JSON lines of the chunks from number `from` on, from malloc; NULL if there is no memory. */
char *gw_journal_text(const struct gw_function *f, const struct log_filter *filter, uint64_t from,
                      size_t *len);

/* ---- on its way to the disk: logs.c ---- */

/* From now on, what is dropped without having been saved is counted and said. */
void gw_journal_keep(void);
/* Whether any function has lines that are not on disk. */
bool gw_journal_is_dirty(void);
void gw_journal_clean(void);
/* What could not be written is to be tried again. */
void gw_journal_retry(void);
/* A copy of the chunks that were not saved, from malloc; NULL: there is none, or no memory. *to:
 * the number after the last one. */
void *gw_journal_unsaved(const struct gw_function *f, size_t *len, uint64_t *to);
void gw_journal_saved(struct gw_function *f, uint64_t to);
/* The number of the first chunk that is not on disk. */
uint64_t gw_journal_unsaved_from(const struct gw_function *f);

#endif
