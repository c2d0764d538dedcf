/* What the modules of a chain remember, saved and given to another chain: at a reload, and from one run of the engine
 * to the next. Only modules with `save` and `restore` have such a state; whoever else is there is passed over.
 *
 * A state goes to a module with the same name and the same `config`, wherever it stands in the new chain; of several
 * alike the first goes to the first. `dry_run`, `only` and `except` do not count: a module that was tried out in
 * dry_run keeps what it knows when it is turned on.
 *
 * A snapshot is `weirmods`, a version, and for each module a record with a checksum of its own (XXH3), all numbers in
 * the machine's order: it does not leave the machine. A record that is damaged, or that the module refuses, costs only
 * that module's memory; what cannot be found any more behind a damaged length is lost with it. */
#ifndef WEIR_FILTERS_CHAIN_STATE_H
#define WEIR_FILTERS_CHAIN_STATE_H

#include "base/buffer.h"
#include "filters/chain.h"

struct chain_state_counts {
    uint32_t restored; /* modules that go on where the saved ones were */
    uint32_t unknown;  /* records of modules that the chain does not have */
    uint32_t damaged;  /* records that could not be read, or that their module refused */
    uint32_t anew;     /* modules that remember, and for which there was no record */
};

/* `snapshot` must be empty. */
void chain_state_save(const struct chain *chain, struct buffer *snapshot);

/* The same in pieces, between which the chain may be asked: one module each. */
struct chain_state_saving {
    uint32_t next; /* module */
};
void chain_state_save_begin(struct chain_state_saving *saving, struct buffer *snapshot);
/* Appends one module's record; false if there is none any more. */
bool chain_state_save_next(const struct chain *chain, struct chain_state_saving *saving, struct buffer *snapshot);
/* Puts the checksums in: from there on it is a snapshot. Needs no chain, and may be done by another thread. */
void chain_state_save_end(struct buffer *snapshot);

/* False with a sentence in `*problem` if it is no snapshot, of another version, or cut off; what could be read of it
 * was restored, and is counted. A module that refused its record is as new. `chain` must not be in use. */
bool chain_state_restore(struct chain *chain, struct slice snapshot, struct chain_state_counts *counts,
                         const char **problem);

/* From chain to chain in one process, module by module: never more than one module's state is held twice. `to` must not
 * be in use yet; `from` may be asked further, but modules that can `take_over` have left it nothing they knew. */
void chain_state_hand_over(struct chain *from, struct chain *to, struct chain_state_counts *counts);

/* Whether any module has such a state. */
bool chain_state_any(const struct chain *chain);

#endif
