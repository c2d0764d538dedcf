/* Two tables: of acts, whose answers are good for a minute, and of the ids of events. What is kept of an act is one
 * number of 32 bits. */
#include "filters/asked_once.h"

#include <stdlib.h>

#include "base/keyed_hash.h"
#include "base/memory.h"
#include "base/parts.h"
#include "base/recent_table.h"

struct asked_once {
    struct recent_table *acts;
    struct recent_table *events;
};

struct asked_once *asked_once_create(uint32_t acts)
{
    struct asked_once *table = memory_allocate_zeroed(1, sizeof *table);
    table->acts = recent_table_create(acts);
    table->events = recent_table_create(acts);
    return table;
}

void asked_once_destroy(struct asked_once *table)
{
    if (!table)
        return;
    recent_table_destroy(table->acts);
    recent_table_destroy(table->events);
    free(table);
}

/* 4 bits for the answer, 4 for who has asked, the rest for when, in seconds, which go round in half a year. */
struct act {
    uint32_t answer;
    unsigned asked;
    uint32_t second;
};
#define SECOND_BITS 24
#define SECOND_MASK ((1u << SECOND_BITS) - 1)

static uint32_t pack(struct act act)
{
    return act.answer << 28 | act.asked << SECOND_BITS | act.second;
}

static struct act unpack(uint32_t number)
{
    return (struct act){number >> 28, number >> SECOND_BITS & 15, number & SECOND_MASK};
}

/* Of the callbacks that may ask about the same act: over federation and of local users before the event is there, and
 * about the event. Those that follow each other at once have bits of their own. */
static unsigned bit_of(enum callback callback)
{
    switch (callback) {
    case CALLBACK_check_event_allowed:
        return 1;
    case CALLBACK_check_event_for_spam:
        return 2;
    case CALLBACK_federated_user_may_invite:
        return 4;
    default:
        return 8;
    }
}

static uint32_t second_of(const struct callback_arguments *arguments)
{
    return (uint32_t)(arguments->now_ms / 1000) & SECOND_MASK;
}

static bool event_key(const struct callback_arguments *arguments, uint64_t seed, uint64_t *key)
{
    struct slice id = arguments->event ? arguments->event->event_id : SLICE_ABSENT;
    *key = keyed_hash(id, seed);
    return slice_present(id);
}

bool asked_once_find(struct asked_once *table, const struct callback_arguments *arguments, uint64_t act, uint64_t seed,
                     uint32_t *answer)
{
    uint64_t event;
    uint32_t number;
    bool has_id = event_key(arguments, seed, &event);
    if (has_id && recent_table_find(table->events, event, answer) && *answer < ASKED_ONCE_ANSWERS)
        return true;
    if (!recent_table_find(table->acts, act, &number))
        return false;
    struct act known = unpack(number);
    uint32_t apart = (second_of(arguments) - known.second) & SECOND_MASK;
    if (known.asked & bit_of(arguments->callback) || apart > ASKED_ONCE_APART_MS / 1000)
        return false;
    *answer = known.answer;
    known.asked |= bit_of(arguments->callback);
    if (!arguments->trial) {
        recent_table_put(table->acts, act, pack(known));
        if (has_id)
            recent_table_put(table->events, event, known.answer);
    }
    return true;
}

void asked_once_put(struct asked_once *table, const struct callback_arguments *arguments, uint64_t act, uint64_t seed,
                    uint32_t answer)
{
    uint64_t event;
    if (arguments->trial)
        return;
    struct act known = {answer % ASKED_ONCE_ANSWERS, bit_of(arguments->callback), second_of(arguments)};
    recent_table_put(table->acts, act, pack(known));
    if (event_key(arguments, seed, &event))
        recent_table_put(table->events, event, known.answer);
}

void asked_once_save(const struct asked_once *table, struct buffer *output)
{
    size_t start = parts_begin(output);
    recent_table_save(table->acts, output);
    parts_end(output, start);
    start = parts_begin(output);
    recent_table_save(table->events, output);
    parts_end(output, start);
}

bool asked_once_restore(struct asked_once *table, struct slice saved)
{
    if (recent_table_restore(table->acts, parts_take(&saved)) &&
        recent_table_restore(table->events, parts_take(&saved)) && saved.length == 0)
        return true;
    (void)recent_table_restore(table->acts, SLICE(""));
    (void)recent_table_restore(table->events, SLICE(""));
    return false;
}
