/* A run of events on its way through a backtest: the lines that it was read from, the events, and what each chain said
 * of them. A batch is used again and again; its memory stays with it. */
#ifndef WEIR_ENGINE_BACKTEST_BATCH_H
#define WEIR_ENGINE_BACKTEST_BATCH_H

#include "base/arena.h"
#include "base/buffer.h"
#include "filters/chain.h"
#include "replication/stream.h"

#define BACKTEST_SIDES 2u
enum { BACKTEST_NEW, BACKTEST_OLD };

/* A message of the recording that concerns events. */
struct backtest_message {
    struct slice data; /* in `block` if it is escaped, else in `texts` */
    bool escaped;      /* as observer_escaped_line has it */
    int64_t time_ms;   /* of the recording; 0: none */
};

struct backtest_event {
    struct event_row row;
    struct slice writer;
    int64_t token;
    bool alone;
    bool state;          /* a row for those who follow its room, which is not to be judged */
    int64_t recorded_ms; /* when it arrived; 0: not known */
    int64_t claimed_ms;  /* what its body says (event_time_claimed), found out where `recorded_ms` is not known */
    struct slice body;   /* where it came with the event; else absent */
};

struct backtest_span {
    uint32_t start;
    uint32_t length;
    bool present;
};

/* What a chain, or a module of it that is in dry_run, said of an event that did not simply pass. The texts are in the
 * buffer beside. */
struct backtest_answer {
    uint32_t event; /* its place in the batch */
    enum outcome_kind kind;
    bool dry_run;
    enum callback callback;
    const char *module;    /* NULL if none decided */
    uint32_t module_index; /* likewise */
    struct backtest_span result, rule, reason, sender;
};

/* In the order of the events; of one event the modules in dry_run come first. */
struct backtest_answers {
    struct backtest_answer *items;
    uint32_t count;
    uint32_t capacity;
    struct buffer texts;
};

struct backtest_batch {
    struct buffer block; /* of the recording */
    struct backtest_message *messages;
    uint32_t message_count;
    uint32_t message_capacity;
    uint64_t lines, other_channels, bad_records, gaps;
    struct buffer refusal; /* a sentence, where the recording is of a form that is not known */
    struct arena texts;
    struct backtest_event *events;
    uint32_t event_count;
    uint32_t event_capacity;
    struct backtest_answers answers[BACKTEST_SIDES];
};

void backtest_batch_clear(struct backtest_batch *batch);
void backtest_batch_free(struct backtest_batch *batch);

struct backtest_message *backtest_batch_add_message(struct backtest_batch *batch);
/* Zeroed. */
struct backtest_event *backtest_batch_add_event(struct backtest_batch *batch);
/* The row with its texts copied into the batch. */
struct event_row backtest_batch_copy_row(struct backtest_batch *batch, const struct event_row *row);

/* An answer with copies of its texts; `event` is the place of the event, `sender` may be absent. */
void backtest_answers_add(struct backtest_answers *answers, uint32_t event, bool dry_run, const struct outcome *outcome,
                          struct slice sender);
struct slice backtest_answer_text(const struct backtest_answers *answers, struct backtest_span span);

#endif
