/* Events that pass on both sides cost no more than an addition to the step of their time; all else is done for those
 * that some module spoke about. */
#include "engine/backtest_tally.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "engine/backtest_excerpt.h"
#include "engine/backtest_side.h"

#define RESULT_MAXIMUM 2048u

const char *const backtest_outcome_names[OUTCOME_KINDS] = {"passed", "replaced", "denied", "failed"};

struct backtest_tally *backtest_tally_create(const struct chain *new_chain, const struct chain *old_chain)
{
    struct backtest_tally *tally = memory_allocate_zeroed(1, sizeof *tally);
    tally->chains[BACKTEST_NEW] = new_chain;
    tally->chains[BACKTEST_OLD] = old_chain;
    for (unsigned side = 0; side < BACKTEST_SIDES; side++) {
        uint32_t count = tally->chains[side] ? chain_module_count(tally->chains[side]) : 0;
        tally->modules[side] = memory_allocate_zeroed(count + 1, sizeof *tally->modules[side]);
        tally->rules[side] = top_table_create(BACKTEST_TOP_CAPACITY);
    }
    uint32_t modules = chain_module_count(new_chain);
    tally->examples_of_module = memory_allocate_zeroed(modules + 1, sizeof *tally->examples_of_module);
    tally->rooms = top_table_create(BACKTEST_TOP_CAPACITY);
    tally->senders = top_table_create(BACKTEST_TOP_CAPACITY);
    tally->examples = memory_allocate_zeroed(BACKTEST_EXAMPLES, sizeof *tally->examples);
    time_buckets_init(&tally->times, TALLY_MODULES + modules);
    return tally;
}

void backtest_tally_destroy(struct backtest_tally *tally)
{
    if (!tally)
        return;
    for (unsigned side = 0; side < BACKTEST_SIDES; side++) {
        free(tally->modules[side]);
        top_table_destroy(tally->rules[side]);
    }
    free(tally->examples_of_module);
    top_table_destroy(tally->rooms);
    top_table_destroy(tally->senders);
    free(tally->examples);
    time_buckets_free(&tally->times);
    arena_free(&tally->texts);
    event_time_free(&tally->time);
    free(tally);
}

/* A rule, "" where the module has only one. */
static void add_rule(struct backtest_tally *tally, unsigned side, const struct backtest_answer *answer,
                     struct slice rule)
{
    char key[TOP_TABLE_KEY_MAXIMUM + 1];
    int head = snprintf(key, sizeof key, "%u ", (unsigned)answer->module_index);
    size_t length = rule.length < sizeof key - (size_t)head ? rule.length : sizeof key - (size_t)head;
    if (length)
        memcpy(key + head, rule.data, length);
    top_table_add(tally->rules[side], slice_of(key, (size_t)head + length), answer->dry_run ? 1 : 0, 1);
}

struct slice backtest_rule_of(struct slice key, uint32_t *module_index)
{
    char *end;
    *module_index = (uint32_t)strtoul(key.data, &end, 10);
    size_t head = (size_t)(end - key.data) + 1;
    return slice_of(key.data + head, key.length - head);
}

/* What all modules of a side said of one event. */
struct said {
    const struct backtest_answers *answers;
    const struct backtest_answer *decided;    /* NULL: it passed */
    const struct backtest_answer *would_have; /* the first of a module in dry_run; NULL: none */
};

static enum outcome_kind kind_of(const struct said *said)
{
    return said->decided ? said->decided->kind : OUTCOME_PASSED;
}

static struct slice text_of(const struct said *said, struct backtest_span span)
{
    return backtest_answer_text(said->answers, span);
}

/* Counts the answers about event `number` from `*next` on. */
static void take_answers(struct backtest_tally *tally, unsigned side, uint32_t number, uint32_t *next,
                         struct said *said, uint64_t *times)
{
    uint32_t modules = chain_module_count(tally->chains[side]);
    for (; *next < said->answers->count && said->answers->items[*next].event == number; ++*next) {
        const struct backtest_answer *answer = &said->answers->items[*next];
        bool known = answer->module && answer->module_index < modules;
        if (answer->dry_run) {
            tally->would_have[side]++;
            if (times && side == BACKTEST_NEW)
                times[TALLY_WOULD_HAVE]++;
            if (!said->would_have)
                said->would_have = answer;
        } else {
            said->decided = answer;
            if (times)
                times[TALLY_KINDS + side * (OUTCOME_KINDS - 1) + answer->kind - 1]++;
        }
        if (!known)
            continue;
        struct module_tally *module = &tally->modules[side][answer->module_index];
        if (answer->dry_run)
            module->would_have++;
        else
            module->kinds[answer->kind]++;
        if (times && side == BACKTEST_NEW && !answer->dry_run && answer->kind == OUTCOME_DENIED)
            times[TALLY_MODULES + answer->module_index]++;
        add_rule(tally, side, answer, text_of(said, answer->rule));
    }
    tally->kinds[side][kind_of(said)]++;
}

static bool same_text(const struct said *left, struct backtest_span one, const struct said *right,
                      struct backtest_span other)
{
    return slice_equal(text_of(left, one), text_of(right, other));
}

/* Whether the two sides say the same; counts it if not. */
static bool compare(struct backtest_tally *tally, const struct said said[BACKTEST_SIDES])
{
    const struct said *new = &said[BACKTEST_NEW], *old = &said[BACKTEST_OLD];
    tally->changes[kind_of(old)][kind_of(new)]++;
    if (kind_of(new) != kind_of(old)) {
        tally->changed++;
        return false;
    }
    if (!new->decided)
        return true;
    if (!same_text(new, new->decided->result, old, old->decided->result)) {
        tally->changed++;
        tally->same_kind++;
        return false;
    }
    const char *new_module = new->decided->module ? new->decided->module : "";
    const char *old_module = old->decided->module ? old->decided->module : "";
    if (strcmp(new_module, old_module) != 0 || !same_text(new, new->decided->rule, old, old->decided->rule))
        tally->other_reason++;
    return true;
}

static struct slice keep(struct backtest_tally *tally, struct slice text)
{
    struct buffer shortened = {0};
    if (!slice_present(text))
        return text;
    backtest_append_plain(&shortened, text, BACKTEST_EXCERPT * 4);
    struct slice kept = arena_copy(&tally->texts, buffer_slice(&shortened));
    buffer_free(&shortened);
    return kept;
}

/* JSON is shown whole or not at all. */
static struct slice keep_result(struct backtest_tally *tally, struct slice json)
{
    return json.length <= RESULT_MAXIMUM ? arena_copy(&tally->texts, json) : SLICE_ABSENT;
}

static void fill_opinion(struct backtest_tally *tally, struct backtest_opinion *opinion, const struct said *said,
                         const struct backtest_answer *answer)
{
    *opinion = (struct backtest_opinion){.kind = OUTCOME_PASSED};
    if (!answer)
        return;
    *opinion = (struct backtest_opinion){.kind = answer->kind,
                                         .dry_run = answer->dry_run,
                                         .callback = callback_definitions[answer->callback].name,
                                         .module = answer->module,
                                         .result = keep_result(tally, text_of(said, answer->result)),
                                         .rule = keep(tally, text_of(said, answer->rule)),
                                         .reason = keep(tally, text_of(said, answer->reason))};
}

static struct slice sender_of(const struct said said[BACKTEST_SIDES])
{
    for (unsigned side = 0; side < BACKTEST_SIDES; side++) {
        const struct backtest_answer *answer = said[side].decided ? said[side].decided : said[side].would_have;
        if (answer && answer->sender.present)
            return text_of(&said[side], answer->sender);
    }
    return SLICE_ABSENT;
}

/* Whether there is room for one more example of what the new side said. */
static bool wanted(struct backtest_tally *tally, const struct backtest_answer *answer)
{
    tally->example_candidates++;
    if (tally->example_count == BACKTEST_EXAMPLES)
        return false;
    if (tally->chains[BACKTEST_OLD])
        return true;
    uint32_t modules = chain_module_count(tally->chains[BACKTEST_NEW]);
    uint32_t module = answer && answer->module && answer->module_index < modules ? answer->module_index : modules;
    return tally->examples_of_module[module]++ < BACKTEST_EXAMPLES_OF_MODULE;
}

static void add_example(struct backtest_tally *tally, const struct backtest_event *event,
                        const struct said said[BACKTEST_SIDES], int64_t now_ms, const struct body_index *bodies)
{
    const struct backtest_answer *shown = said[BACKTEST_NEW].decided;
    if (!tally->chains[BACKTEST_OLD] && !shown)
        shown = said[BACKTEST_NEW].would_have;
    if (!wanted(tally, shown))
        return;
    struct backtest_example *example = &tally->examples[tally->example_count++];
    struct buffer excerpt = {0};
    backtest_append_excerpt(&excerpt, backtest_body(bodies, event), BACKTEST_EXCERPT);
    *example = (struct backtest_example){.event_id = keep(tally, event->row.event_id),
                                         .room_id = keep(tally, event->row.room_id),
                                         .sender = keep(tally, sender_of(said)),
                                         .type = keep(tally, event->row.type),
                                         .time_ms = now_ms,
                                         .excerpt = arena_copy(&tally->texts, buffer_slice(&excerpt))};
    buffer_free(&excerpt);
    fill_opinion(tally, &example->sides[BACKTEST_NEW], &said[BACKTEST_NEW], shown);
    fill_opinion(tally, &example->sides[BACKTEST_OLD], &said[BACKTEST_OLD], said[BACKTEST_OLD].decided);
}

/* An event that somebody spoke about. */
static void add_spoken(struct backtest_tally *tally, const struct backtest_event *event,
                       const struct said said[BACKTEST_SIDES], int64_t now_ms, const struct body_index *bodies)
{
    struct slice sender = sender_of(said);
    for (unsigned side = 0; side < BACKTEST_SIDES; side++) {
        if (kind_of(&said[side]) != OUTCOME_DENIED)
            continue;
        top_table_add(tally->rooms, event->row.room_id, side, 1);
        if (slice_present(sender))
            top_table_add(tally->senders, sender, side, 1);
    }
    bool shown = said[BACKTEST_NEW].decided || said[BACKTEST_NEW].would_have;
    if (tally->chains[BACKTEST_OLD])
        shown = !compare(tally, said);
    if (shown)
        add_example(tally, event, said, now_ms, bodies);
}

static int64_t time_of(struct backtest_tally *tally, const struct backtest_event *event)
{
    int64_t now_ms = event->recorded_ms > 0 ? event_time_recorded(&tally->time, event->recorded_ms)
                                            : event_time_of_claim(&tally->time, event->claimed_ms);
    return now_ms > 1 ? now_ms : 0;
}

void backtest_tally_add(struct backtest_tally *tally, const struct backtest_batch *batch,
                        const struct body_index *bodies)
{
    uint32_t next[BACKTEST_SIDES] = {0};
    for (uint32_t number = 0; number < batch->event_count; number++) {
        const struct backtest_event *event = &batch->events[number];
        if (event->state)
            continue;
        int64_t now_ms = time_of(tally, event);
        uint64_t *times = time_buckets_at(&tally->times, now_ms);
        struct said said[BACKTEST_SIDES] = {0};
        bool spoken = false;
        tally->events++;
        if (times)
            times[TALLY_EVENTS]++;
        else
            tally->undated++;
        for (unsigned side = 0; side < BACKTEST_SIDES; side++) {
            said[side].answers = &batch->answers[side];
            if (tally->chains[side])
                take_answers(tally, side, number, &next[side], &said[side], times);
            spoken = spoken || said[side].decided || said[side].would_have;
        }
        if (spoken)
            add_spoken(tally, event, said, now_ms, bodies);
        else if (tally->chains[BACKTEST_OLD])
            tally->changes[OUTCOME_PASSED][OUTCOME_PASSED]++;
    }
}
