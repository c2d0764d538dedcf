/* What a backtest counts: verdicts of both sides in all, by module, rule, room and sender, and over time; the events
 * that the two sides judge differently; examples. Its memory is bounded whatever the recordings hold.
 *
 * Batches are counted in the order of the stream, so that a tally is the same for any number of jobs. */
#ifndef WEIR_ENGINE_BACKTEST_TALLY_H
#define WEIR_ENGINE_BACKTEST_TALLY_H

#include "engine/backtest_batch.h"
#include "engine/event_time.h"
#include "engine/time_buckets.h"
#include "engine/top_table.h"
#include "replication/body_index.h"

/* Rooms and senders are each a table of so many (top_table.h), and rules one for each side. */
#define BACKTEST_TOP_CAPACITY 4096u
/* Examples in all; and, where there is no old side to compare with, of each module. */
#define BACKTEST_EXAMPLES 1000u
#define BACKTEST_EXAMPLES_OF_MODULE 100u
/* Characters of an event's text that an example shows. */
#define BACKTEST_EXCERPT 160u

#define OUTCOME_KINDS (OUTCOME_FAILED + 1)
/* "passed", "replaced", "denied", "failed". */
extern const char *const backtest_outcome_names[OUTCOME_KINDS];

struct module_tally {
    uint64_t kinds[OUTCOME_KINDS]; /* verdicts that it decided */
    uint64_t would_have;           /* answers that it would have decided by, but for its dry_run */
};

struct backtest_opinion {
    enum outcome_kind kind;
    bool dry_run;
    const char *callback;
    const char *module; /* NULL if it passed, or nobody decided */
    /* Absent where there are none. `result` is JSON; absent too if it is long. */
    struct slice result, rule, reason;
};

struct backtest_example {
    struct slice event_id, room_id, sender, type, excerpt; /* absent where not known */
    int64_t time_ms;                                       /* 0: not known */
    struct backtest_opinion sides[BACKTEST_SIDES];         /* the old one only if there is one */
};

/* In `times`: events, then for each side those of the kinds above OUTCOME_PASSED, then what the new side's modules in
 * dry_run would have decided, then what each module of the new side denied. */
enum {
    TALLY_EVENTS,
    TALLY_KINDS,
    TALLY_WOULD_HAVE = TALLY_KINDS + BACKTEST_SIDES * (OUTCOME_KINDS - 1),
    TALLY_MODULES
};

struct backtest_tally {
    const struct chain *chains[BACKTEST_SIDES]; /* the old one NULL if there is none */
    uint64_t events;
    uint64_t undated; /* events of which nobody knows when they were */
    uint64_t kinds[BACKTEST_SIDES][OUTCOME_KINDS];
    uint64_t would_have[BACKTEST_SIDES];
    struct module_tally *modules[BACKTEST_SIDES]; /* by their place in the chain */
    /* Keys are the module's place, a space, and the rule; counts: decided, would have. */
    struct top_table *rules[BACKTEST_SIDES];
    struct top_table *rooms; /* counts: denied by the new, by the old side */
    struct top_table *senders;
    struct time_buckets times;
    /* With an old side: */
    uint64_t changes[OUTCOME_KINDS][OUTCOME_KINDS]; /* from what the old side said to the new one's */
    uint64_t changed;                               /* events whose verdict is another, in kind or in what it says */
    uint64_t same_kind;                             /* of those, with a verdict of the same kind: another code, say */
    uint64_t other_reason;                          /* the same verdict by another module or rule */
    struct backtest_example *examples;              /* of events that changed; else of those that did not pass */
    uint32_t example_count;
    uint64_t example_candidates; /* how many there would be without a bound */
    uint32_t *examples_of_module;
    struct arena texts; /* of the examples */
    struct event_time time;
};

/* The chains must outlive it; `old_chain` may be NULL. */
struct backtest_tally *backtest_tally_create(const struct chain *new_chain, const struct chain *old_chain);
void backtest_tally_destroy(struct backtest_tally *tally);

/* Counts a batch that all sides have judged. `bodies` as backtest_body has it, for the texts of examples. */
void backtest_tally_add(struct backtest_tally *tally, const struct backtest_batch *batch,
                        const struct body_index *bodies);

/* Splits a key of `rules`. */
struct slice backtest_rule_of(struct slice key, uint32_t *module_index);

#endif
