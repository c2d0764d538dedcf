/* A judgement is a walk over one or two callbacks. Everything it needs lies in one struct, which the judge reuses from
 * event to event; to park a judgement is to give that struct away and take a new one. */
#include "filters/judge.h"

#include <stdlib.h>
#include <time.h>
#include <xxhash.h>

#include "base/memory.h"
#include "filters/event_shapes.h"
#include "filters/replacement.h"

/* Rooms whose creation is watched at a time. */
#define CREATIONS 64

enum stage { STAGE_EVENT_ALLOWED, STAGE_EVENT_FOR_SPAM };

struct judgement {
    const struct chain *chain;
    struct arena arena;
    struct event_reader *reader;
    struct event_reader *replaced_reader; /* made when the first event is replaced */
    const struct event *asked;            /* the one being judged: the caller's, or `event` once it is parked */
    struct event event;
    struct event replaced;
    struct walk walk;
    enum stage stage;
    unsigned ask;
    bool has_rules;        /* some module registered check_event_allowed */
    struct outcome change; /* of check_event_allowed, when it replaced the event */
    bool changed;
    int64_t now_ms;
    bool trial;
};

struct creation {
    uint64_t room;
    uint64_t sender;
};

struct judge {
    const struct chain *chain;
    struct event_shapes *shapes;
    struct judgement *current;
    int64_t now_ms;
    bool trial;
    struct creation creations[CREATIONS];
    uint32_t creation_next;
};

static struct judgement *judgement_create(const struct chain *chain)
{
    struct judgement *judgement = memory_allocate_zeroed(1, sizeof *judgement);
    judgement->chain = chain;
    judgement->reader = event_reader_create(chain_fields(chain));
    judgement->has_rules = chain_callback_modules(chain, CALLBACK_check_event_allowed, NULL, 0) > 0;
    return judgement;
}

void judgement_free(struct judgement *judgement)
{
    if (!judgement)
        return;
    event_reader_destroy(judgement->reader);
    event_reader_destroy(judgement->replaced_reader);
    arena_free(&judgement->arena);
    free(judgement);
}

/* Only the reader of the current one knows shapes: a judgement that is parked may outlive the judge. */
static void take_new_judgement(struct judge *judge)
{
    judge->current = judgement_create(judge->chain);
    event_reader_use_shapes(judge->current->reader, judge->shapes);
}

struct judge *judge_create(const struct chain *chain)
{
    struct judge *judge = memory_allocate_zeroed(1, sizeof *judge);
    judge->chain = chain;
    judge->shapes = event_shapes_create();
    judge->now_ms = (int64_t)time(NULL) * 1000;
    take_new_judgement(judge);
    return judge;
}

void judge_destroy(struct judge *judge)
{
    if (!judge)
        return;
    judgement_free(judge->current);
    event_shapes_destroy(judge->shapes);
    free(judge);
}

enum event_read_status judge_read(struct judge *judge, struct slice body, struct event *event)
{
    return event_reader_read(judge->current->reader, body, event);
}

void judge_set_time(struct judge *judge, int64_t now_ms, bool trial)
{
    judge->now_ms = now_ms;
    judge->trial = trial;
}

static uint64_t hash_of(struct slice text)
{
    return text.data ? XXH3_64bits(text.data, text.length) : 0;
}

/* Whether the event belongs to a creation that was seen to begin: state that the creator sets before anything else is
 * sent. The first event that is none of that ends the watch. */
static bool is_of_creation(struct judge *judge, const struct event *event)
{
    uint64_t room = hash_of(event->room_id), sender = hash_of(event->sender);
    if (slice_equal(event->type, SLICE("m.room.create"))) {
        judge->creations[judge->creation_next++ % CREATIONS] = (struct creation){room, sender};
        return true;
    }
    for (size_t index = 0; index < CREATIONS; index++) {
        struct creation *creation = &judge->creations[index];
        if (creation->room != room || !creation->sender)
            continue;
        bool own_join =
            slice_equal(event->type, SLICE("m.room.member")) && slice_equal(event->state_key, event->sender);
        bool other_member = slice_equal(event->type, SLICE("m.room.member")) && !own_join;
        if (creation->sender == sender && slice_present(event->state_key) && !other_member)
            return true;
        *creation = (struct creation){0};
        return false;
    }
    return false;
}

unsigned judge_as_synapse(struct judge *judge, const struct event *event, const char **reason)
{
    if (!slice_present(event->sender)) {
        *reason = "the sender is not known, so both callbacks are asked";
        return JUDGE_BOTH;
    }
    bool local = slice_equal(event_sender_server(event), slice_from_string(chain_server_name(judge->chain)));
    bool member = slice_equal(event->type, SLICE("m.room.member"));
    bool creation = is_of_creation(judge, event);
    if (!local) {
        if (member && slice_equal(event->membership, SLICE("knock"))) {
            *reason = "a knock that comes over federation is asked of both callbacks";
            return JUDGE_BOTH;
        }
        *reason = "an event that comes over federation is asked of check_event_for_spam only";
        return JUDGE_EVENT_FOR_SPAM;
    }
    if (member) {
        *reason = "a membership event of a local user is asked of check_event_allowed only";
        return JUDGE_EVENT_ALLOWED;
    }
    if (creation && chain_semantics(judge->chain) == SEMANTICS_LATEST) {
        *reason = "an event of a room's creation is asked of check_event_allowed only";
        return JUDGE_EVENT_ALLOWED;
    }
    *reason = "an event that a local user sends is asked of both callbacks";
    return JUDGE_BOTH;
}

/* Reads the replaced event; false if Synapse could not build it. */
static bool read_replaced(struct judgement *judgement, const char **problem)
{
    const struct value *pair = &judgement->walk.outcome.result.value;
    struct slice text = replacement_build(judgement->asked, &pair->items[1], chain_server_name(judgement->chain),
                                          &judgement->arena, problem);
    if (!slice_present(text))
        return false;
    if (!judgement->replaced_reader)
        judgement->replaced_reader = event_reader_create(chain_fields(judgement->chain));
    /* The id would be a new one, which only Synapse can compute; the old one tells people which event it was. */
    judgement->replaced =
        (struct event){.event_id = judgement->asked->event_id, .membership = judgement->asked->membership};
    if (event_reader_read(judgement->replaced_reader, text, &judgement->replaced) == EVENT_READ_OK)
        return true;
    *problem = "the replaced event cannot be read";
    return false;
}

/* The arguments are written where they are read, one by one: a copy of the struct would wait for its parts. */
static void set_arguments(struct judgement *judgement, enum stage stage, const struct event *event)
{
    struct callback_arguments *arguments = &judgement->walk.arguments;
    arguments->event = event;
    arguments->values = NULL;
    arguments->count = 1;
    arguments->fallback = NULL;
    arguments->arena = &judgement->arena;
    arguments->now_ms = judgement->now_ms;
    arguments->trial = judgement->trial;
    judgement->stage = stage;
}

static enum walk_state begin_stage(struct judgement *judgement, enum stage stage, const struct event *event)
{
    set_arguments(judgement, stage, event);
    return walk_start(&judgement->walk, judgement->chain,
                      stage == STAGE_EVENT_ALLOWED ? CALLBACK_check_event_allowed : CALLBACK_check_event_for_spam);
}

/* The spam checkers behind the third-party rules. A judgement that was parked asks all of them: what they know may have
 * changed meanwhile. */
static enum walk_state begin_second_stage(struct judgement *judgement, const struct event *event)
{
    bool at_once = !judgement->changed && judgement->asked != &judgement->event;
    if (!at_once)
        return begin_stage(judgement, STAGE_EVENT_FOR_SPAM, event);
    set_arguments(judgement, STAGE_EVENT_FOR_SPAM, event);
    return walk_start_second(&judgement->walk, judgement->chain);
}

/* Whether the spam checkers are still to be asked, and about which event (NULL: not). */
static const struct event *after_event_allowed(struct judgement *judgement)
{
    struct outcome *outcome = &judgement->walk.outcome;
    if (outcome->kind == OUTCOME_PASSED)
        return judgement->ask & JUDGE_EVENT_FOR_SPAM ? judgement->walk.arguments.event : NULL;
    if (outcome->kind != OUTCOME_CHANGED)
        return NULL;
    const char *problem = "";
    if (!read_replaced(judgement, &problem)) {
        outcome->kind = OUTCOME_FAILED;
        outcome->result.value = value_raise(&judgement->arena, RAISED_OTHER, "%s", problem);
        return NULL;
    }
    judgement->change = *outcome;
    judgement->changed = true;
    return judgement->ask & JUDGE_EVENT_FOR_SPAM ? &judgement->replaced : NULL;
}

/* Behind the end of a stage. */
static const struct outcome *advance(struct judgement *judgement, enum walk_state state)
{
    if (state == WALK_ENDED && judgement->stage == STAGE_EVENT_ALLOWED) {
        const struct event *event = after_event_allowed(judgement);
        if (event)
            state = begin_second_stage(judgement, event);
    }
    if (state == WALK_PENDING)
        return NULL;
    /* A replacement that the spam checkers let pass is what came of it. */
    bool stands = judgement->changed && judgement->walk.outcome.kind == OUTCOME_PASSED;
    return stands ? &judgement->change : &judgement->walk.outcome;
}

const struct outcome *judge_event(struct judge *judge, const struct event *event, unsigned ask)
{
    struct judgement *judgement = judge->current;
    arena_reset(&judgement->arena);
    judgement->asked = event;
    judgement->ask = ask;
    judgement->changed = false;
    judgement->now_ms = judge->now_ms;
    judgement->trial = judge->trial;
    if (!(ask & JUDGE_BOTH)) {
        struct outcome *outcome = &judgement->walk.outcome;
        *outcome = (struct outcome){.kind = OUTCOME_PASSED, .callback = CALLBACK_check_event_for_spam};
        outcome->result.value = value_boolean(false);
        return outcome;
    }
    /* Most chains have no third-party rules: their walk is then left out, unless it is the only one. */
    bool rules = ask == JUDGE_EVENT_ALLOWED || (ask & JUDGE_EVENT_ALLOWED && judgement->has_rules);
    enum stage stage = rules ? STAGE_EVENT_ALLOWED : STAGE_EVENT_FOR_SPAM;
    return advance(judgement, begin_stage(judgement, stage, event));
}

uint64_t judge_ticket(const struct judge *judge)
{
    return judge->current->walk.ticket;
}

/* The row's fields and the body belong to the caller; what the reader decoded lies in the reader, which comes along. */
static void keep_event(struct judgement *judgement, struct event *event)
{
    struct slice *const fields[] = {&event->event_id,   &event->room_id, &event->type,
                                    &event->state_key,  &event->redacts, &event->relates_to,
                                    &event->membership, &event->sender,  &event->body};
    struct slice body = event->body;
    for (size_t index = 0; index < sizeof fields / sizeof *fields; index++)
        *fields[index] = arena_copy(&judgement->arena, *fields[index]);
    if (event->has_body)
        event_reader_move(judgement->reader, body, event->body);
}

struct judgement *judge_park(struct judge *judge)
{
    struct judgement *parked = judge->current;
    parked->event = *parked->asked;
    keep_event(parked, &parked->event);
    if (parked->walk.arguments.event == parked->asked)
        parked->walk.arguments.event = &parked->event;
    parked->asked = &parked->event;
    event_reader_use_shapes(parked->reader, NULL);
    take_new_judgement(judge);
    return parked;
}

uint64_t judgement_ticket(const struct judgement *judgement)
{
    return judgement->walk.ticket;
}

const struct event *judgement_event(const struct judgement *judgement)
{
    return judgement->asked;
}

const struct outcome *judgement_resume(struct judgement *judgement, const struct service_answer *answer)
{
    return advance(judgement, walk_resume(&judgement->walk, answer));
}
