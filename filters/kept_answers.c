/* The answer is kept as it came and read again each time: what it means lies in the arena of one question. Of the event
 * only a hash is kept, which nobody can aim at (base/keyed_hash.h). */
#include "filters/kept_answers.h"

#include <stdlib.h>
#include <string.h>

#include "base/keyed_hash.h"
#include "base/memory.h"

#define GROUP 4u

struct kept_answer {
    uint64_t key;
    int64_t asked_ms; /* 0: nothing here */
    uint16_t status;
    uint16_t length;
    char text[KEPT_ANSWER_MAXIMUM];
};

struct kept_answers {
    int64_t keep_ms;
    uint64_t seed;
    struct kept_answer *places;
};

_Static_assert(sizeof(struct kept_answer) <= 1024, "the header promises 1 KiB");
_Static_assert(KEPT_ANSWERS % GROUP == 0, "groups are whole");

struct kept_answers *kept_answers_create(int64_t keep_ms)
{
    struct kept_answers *table = memory_allocate_zeroed(1, sizeof *table);
    table->keep_ms = keep_ms;
    table->seed = keyed_hash_seed;
    table->places = memory_map_zeroed(KEPT_ANSWERS * sizeof *table->places);
    return table;
}

void kept_answers_destroy(struct kept_answers *table)
{
    if (!table)
        return;
    memory_unmap(table->places, KEPT_ANSWERS * sizeof *table->places);
    free(table);
}

static bool can_be_kept(const struct callback_arguments *arguments)
{
    return arguments->event && arguments->event->event_id.length > 0 && !arguments->trial;
}

static uint64_t key_of(const struct kept_answers *table, const struct callback_arguments *arguments)
{
    struct slice callback = slice_from_string(callback_definitions[arguments->callback].name);
    return keyed_hash_pair(arguments->event->event_id, callback, table->seed);
}

static struct kept_answer *group_of(const struct kept_answers *table, uint64_t key)
{
    return &table->places[key % (KEPT_ANSWERS / GROUP) * GROUP];
}

/* A question may be older than the one before it. */
static bool counts(const struct kept_answers *table, const struct kept_answer *kept, int64_t now_ms)
{
    return kept->asked_ms > 0 && now_ms >= kept->asked_ms && now_ms - kept->asked_ms < table->keep_ms;
}

bool kept_answers_find(const struct kept_answers *table, const struct callback_arguments *arguments,
                       struct service_answer *answer)
{
    if (!can_be_kept(arguments))
        return false;
    uint64_t key = key_of(table, arguments);
    const struct kept_answer *group = group_of(table, key);
    for (size_t place = 0; place < GROUP; place++) {
        const struct kept_answer *kept = &group[place];
        if (kept->key != key || !counts(table, kept, arguments->now_ms))
            continue;
        *answer = (struct service_answer){
            .arrived = true, .status = kept->status, .body = slice_of(kept->text, kept->length)};
        return true;
    }
    return false;
}

void kept_answers_put(struct kept_answers *table, const struct callback_arguments *arguments,
                      const struct service_answer *answer)
{
    if (!can_be_kept(arguments) || answer->body.length > KEPT_ANSWER_MAXIMUM)
        return;
    uint64_t key = key_of(table, arguments);
    struct kept_answer *group = group_of(table, key);
    struct kept_answer *chosen = group;
    for (size_t place = 0; place < GROUP; place++) {
        if (group[place].asked_ms > 0 && group[place].key == key) {
            chosen = &group[place];
            break;
        }
        if (group[place].asked_ms < chosen->asked_ms)
            chosen = &group[place];
    }
    chosen->key = key;
    chosen->asked_ms = arguments->now_ms;
    chosen->status = (uint16_t)answer->status;
    chosen->length = (uint16_t)answer->body.length;
    memcpy(chosen->text, answer->body.data, answer->body.length);
}
