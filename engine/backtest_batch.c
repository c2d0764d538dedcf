/* Texts of answers are spans of one buffer, which moves as it grows; those of rows lie in an arena, which does not. */
#include "engine/backtest_batch.h"

#include <stdlib.h>

#include "base/memory.h"

/* A block that a single long line has made larger is given back. */
#define BLOCK_KEPT ((size_t)1 << 20)

void backtest_batch_clear(struct backtest_batch *batch)
{
    if (batch->block.capacity > BLOCK_KEPT)
        buffer_free(&batch->block);
    buffer_clear(&batch->block);
    arena_reset(&batch->texts);
    batch->message_count = batch->event_count = 0;
    batch->lines = batch->other_channels = batch->bad_records = batch->gaps = 0;
    buffer_clear(&batch->refusal);
    for (unsigned side = 0; side < BACKTEST_SIDES; side++) {
        batch->answers[side].count = 0;
        buffer_clear(&batch->answers[side].texts);
    }
}

void backtest_batch_free(struct backtest_batch *batch)
{
    buffer_free(&batch->block);
    buffer_free(&batch->refusal);
    arena_free(&batch->texts);
    free(batch->messages);
    free(batch->events);
    for (unsigned side = 0; side < BACKTEST_SIDES; side++) {
        free(batch->answers[side].items);
        buffer_free(&batch->answers[side].texts);
    }
}

/* Room for one more of `size` bytes each. */
static void *grow(void *items, uint32_t count, uint32_t *capacity, size_t size)
{
    if (count < *capacity)
        return items;
    *capacity = *capacity ? *capacity * 2 : 256;
    return memory_reallocate(items, *capacity * size);
}

struct backtest_message *backtest_batch_add_message(struct backtest_batch *batch)
{
    batch->messages = grow(batch->messages, batch->message_count, &batch->message_capacity, sizeof *batch->messages);
    return &batch->messages[batch->message_count++];
}

struct backtest_event *backtest_batch_add_event(struct backtest_batch *batch)
{
    batch->events = grow(batch->events, batch->event_count, &batch->event_capacity, sizeof *batch->events);
    struct backtest_event *event = &batch->events[batch->event_count++];
    *event = (struct backtest_event){0};
    return event;
}

struct event_row backtest_batch_copy_row(struct backtest_batch *batch, const struct event_row *row)
{
    struct event_row copy = *row;
    struct slice *const texts[] = {&copy.event_id, &copy.room_id,    &copy.type,      &copy.state_key,
                                   &copy.redacts,  &copy.relates_to, &copy.membership};
    for (size_t index = 0; index < sizeof texts / sizeof *texts; index++)
        *texts[index] = arena_copy(&batch->texts, *texts[index]);
    return copy;
}

static struct backtest_span append(struct buffer *texts, struct slice text)
{
    struct backtest_span span = {(uint32_t)texts->length, (uint32_t)text.length, slice_present(text)};
    if (span.present)
        buffer_append_slice(texts, text);
    return span;
}

void backtest_answers_add(struct backtest_answers *answers, uint32_t event, bool dry_run, const struct outcome *outcome,
                          struct slice sender)
{
    answers->items = grow(answers->items, answers->count, &answers->capacity, sizeof *answers->items);
    struct backtest_answer *answer = &answers->items[answers->count++];
    struct buffer *texts = &answers->texts;
    *answer = (struct backtest_answer){.event = event,
                                       .kind = outcome->kind,
                                       .dry_run = dry_run,
                                       .callback = outcome->callback,
                                       .module = outcome->module,
                                       .module_index = outcome->module_index};
    size_t start = texts->length;
    value_append_json(&outcome->result.value, texts);
    answer->result = (struct backtest_span){(uint32_t)start, (uint32_t)(texts->length - start), true};
    answer->rule = append(texts, outcome->result.rule);
    answer->reason = append(texts, outcome->result.reason);
    answer->sender = append(texts, sender);
}

struct slice backtest_answer_text(const struct backtest_answers *answers, struct backtest_span span)
{
    return span.present ? slice_of(buffer_slice(&answers->texts).data + span.start, span.length) : SLICE_ABSENT;
}
