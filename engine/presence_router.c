/* Rows that came in one turn of the loop go to the routers together: asking is what costs, and Synapse batches
 * likewise.
 *
 * Two states of one user never share a batch. A router answers with sets, which have no order, so that whoever reads
 * the route could not tell which of the two is the newer. */
#include "engine/presence_router.h"

#include <stddef.h>
#include <stdlib.h>
#include <xxhash.h>

#include "base/json_pool.h"
#include "base/memory.h"
#include "engine/clock.h"
#include "engine/log.h"
#include "replication/command.h"

#define USER_SLOTS (PRESENCE_BATCH_MAXIMUM * 2)
#define BATCH_LEAST 16
/* A state goes to every user whom some router names, so that a batch may grow a thousandfold on its way out. One that
 * became more than this is followed by smaller ones. */
#define ROUTED_BYTES ((size_t)1 << 20)

static const struct metric_member metric_members[] = {
#define COUNT(member, name, help) METRIC_MEMBER(struct presence_router_counts, member, name, METRIC_COUNTER, help)
    COUNT(updates, "weir_presence_updates_total", "Rows of the presence stream that the routers were asked about."),
    COUNT(bad_rows, "weir_presence_bad_rows_total", "Rows of the presence stream that could not be read."),
    COUNT(batches, "weir_presence_route_batches_total", "Batches of presence that the routers were asked about."),
    COUNT(routes, "weir_presence_routes_total", "Rows of presence_routes published."),
    COUNT(unrouted, "weir_presence_unrouted_batches_total", "Batches of presence that no router wanted to send on."),
    COUNT(failures, "weir_presence_failed_batches_total", "Batches of presence that were lost to a failure."),
#undef COUNT
};

struct presence_router {
    const struct chain *chain;
    struct presence_router_callbacks callbacks;

    /* The batch that is being gathered: all of one writer. */
    struct presence_state states[PRESENCE_BATCH_MAXIMUM];
    struct value values[PRESENCE_BATCH_MAXIMUM]; /* of the states, as the chain is asked about them */
    uint32_t count;
    uint32_t limit;                  /* of `count`, by what the last batches became */
    uint16_t user_slots[USER_SLOTS]; /* open addressing over the user ids: place in `states` plus one; 0: free */
    struct buffer writer;
    int64_t now_ms; /* of a recording; 0: the clock's */
    int64_t token;
    bool has_token; /* a position is to be told once the batch is routed */

    struct arena arena;    /* the batch's texts, and what the routers' answers need */
    struct json_pool pool; /* of the current row */
    /* The states of the batch as JSON, each written when it is first needed: a state goes to many users. */
    struct buffer texts;
    struct {
        size_t begins;
        size_t length; /* 0: not yet written */
    } written[PRESENCE_BATCH_MAXIMUM];
    struct buffer row;
    size_t routed_bytes; /* of the batch's rows */

    struct presence_router_counts counts;
    struct log_gate row_gate, failure_gate;
};

/* The fields of a row: where each goes, by its name in the table of streams. */
enum field_kind { FIELD_TEXT, FIELD_TEXT_OR_NULL, FIELD_INTEGER, FIELD_BOOLEAN };

static const struct field {
    struct slice name;
    enum field_kind kind;
    size_t offset;
} fields[] = {
    {{"user_id", 7}, FIELD_TEXT, offsetof(struct presence_state, user_id)},
    {{"state", 5}, FIELD_TEXT, offsetof(struct presence_state, state)},
    {{"last_active_ts", 14}, FIELD_INTEGER, offsetof(struct presence_state, last_active_ts)},
    {{"last_federation_update_ts", 25}, FIELD_INTEGER, offsetof(struct presence_state, last_federation_update_ts)},
    {{"last_user_sync_ts", 17}, FIELD_INTEGER, offsetof(struct presence_state, last_user_sync_ts)},
    {{"status_msg", 10}, FIELD_TEXT_OR_NULL, offsetof(struct presence_state, status_message)},
    {{"currently_active", 16}, FIELD_BOOLEAN, offsetof(struct presence_state, currently_active)},
};

/* Reads one value; NULL, or what is wrong with it. */
static const char *read_field(enum field_kind kind, yyjson_val *value, void *target)
{
    switch (kind) {
    case FIELD_TEXT:
    case FIELD_TEXT_OR_NULL:
        if (yyjson_is_str(value))
            *(struct slice *)target = slice_of(yyjson_get_str(value), yyjson_get_len(value));
        else if (kind == FIELD_TEXT || !yyjson_is_null(value))
            return "the user id, state or status message of the row is no text";
        break;
    case FIELD_INTEGER:
        if (yyjson_is_int(value) && !(yyjson_is_uint(value) && yyjson_get_uint(value) > INT64_MAX))
            *(int64_t *)target = yyjson_get_sint(value);
        else if (!yyjson_is_null(value))
            return "a time in the row is no integer";
        break;
    case FIELD_BOOLEAN:
        if (yyjson_is_bool(value))
            *(bool *)target = yyjson_get_bool(value);
        else if (!yyjson_is_null(value))
            return "`currently_active` of the row is neither true nor false";
        break;
    }
    return NULL;
}

bool presence_row_read(yyjson_val *row, struct presence_state *state, const char **problem)
{
    struct stream_row named;
    *state = (struct presence_state){0};
    if (!stream_row_read(STREAM_presence, row, &named, problem))
        return false;
    for (uint32_t index = 0; index < named.count; index++) {
        const struct field *field = fields;
        const struct field *end = fields + sizeof fields / sizeof *fields;
        while (field < end && !slice_equal(field->name, named.names[index]))
            field++;
        *problem = field < end ? read_field(field->kind, named.values[index], (char *)state + field->offset) : NULL;
        if (*problem)
            return false;
    }
    return true;
}

/* The slot of a user of the batch, or the free one where it would be. */
static uint16_t *find_user(struct presence_router *router, struct slice user_id)
{
    uint32_t slot = (uint32_t)XXH3_64bits(user_id.data, user_id.length) % USER_SLOTS;
    while (router->user_slots[slot] && !slice_equal(router->states[router->user_slots[slot] - 1].user_id, user_id))
        slot = (slot + 1) % USER_SLOTS;
    return &router->user_slots[slot];
}

static void gather(struct presence_router *router, const struct presence_state *state)
{
    if (router->count == router->limit || *find_user(router, state->user_id))
        presence_router_flush(router);
    uint16_t *slot = find_user(router, state->user_id);
    struct presence_state *kept = &router->states[router->count];
    *kept = *state;
    kept->user_id = arena_copy(&router->arena, state->user_id);
    kept->state = arena_copy(&router->arena, state->state);
    kept->status_message = arena_copy(&router->arena, state->status_message);
    router->values[router->count] = (struct value){.kind = VALUE_STATE, .state = kept};
    router->written[router->count].length = 0;
    *slot = (uint16_t)++router->count;
    router->counts.updates++;
}

static void take_row(struct presence_router *router, struct slice json)
{
    struct presence_state state;
    const char *problem;
    struct command command = {.name = COMMAND_RDATA, .json = json};
    yyjson_alc allocator = json_pool_allocator(&router->pool, json.length, YYJSON_READ_BIGNUM_AS_RAW);
    yyjson_doc *document = command_json(&command, &allocator, &problem);
    if (document && presence_row_read(yyjson_doc_get_root(document), &state, &problem)) {
        gather(router, &state);
        return;
    }
    router->counts.bad_rows++;
    uint64_t suppressed;
    if (log_gate_pass(&router->row_gate, &suppressed))
        log_warning("a row of `presence` could not be read and was dropped", LOG_STRING("reason", problem),
                    LOG_INTEGER("suppressed", suppressed));
}

void presence_router_rows(struct presence_router *router, const struct position_rows *rows)
{
    if (!slice_equal(buffer_slice(&router->writer), rows->writer)) {
        presence_router_flush(router);
        buffer_clear(&router->writer);
        buffer_append_slice(&router->writer, rows->writer);
    }
    for (uint32_t index = 0; index < rows->count; index++)
        take_row(router, rows->rows[index]);
    router->token = rows->token;
    router->has_token = true;
}

/* The JSON of a state: of one of the batch's own, written once; of one that a router made up, written here. */
static void append_state(struct presence_router *router, const struct presence_state *state)
{
    uintptr_t offset = (uintptr_t)state - (uintptr_t)router->states;
    size_t place = offset / sizeof *state;
    if (place >= router->count) {
        presence_state_append_json(state, &router->row);
        return;
    }
    if (!router->written[place].length) {
        router->written[place].begins = router->texts.length;
        presence_state_append_json(state, &router->texts);
        router->written[place].length = router->texts.length - router->written[place].begins;
    }
    buffer_append(&router->row, router->texts.data + router->written[place].begins, router->written[place].length);
}

/* An empty set routes nothing: in Synapse it only makes a key, which nobody sees. Nor do members that are no presence
 * states, which Synapse would fail on. */
static void publish_route(struct presence_router *router, struct slice destination, const struct value *states)
{
    uint32_t written = 0;
    buffer_clear(&router->row);
    buffer_append_char(&router->row, '[');
    buffer_append_json_string(&router->row, destination);
    buffer_append_string(&router->row, ",[");
    for (uint32_t index = 0; index < states->count; index++) {
        if (states->items[index].kind != VALUE_STATE)
            continue;
        if (written++)
            buffer_append_char(&router->row, ',');
        append_state(router, states->items[index].state);
    }
    buffer_append_string(&router->row, "]]");
    if (!written)
        return;
    router->counts.routes++;
    router->routed_bytes += router->row.length;
    router->callbacks.route(router->callbacks.context, buffer_slice(&router->row));
}

static void publish_routes(struct presence_router *router, const struct value *routes)
{
    uint64_t before = router->counts.routes;
    for (uint32_t pair = 0; pair < routes->count; pair++) {
        const struct value *destination = &routes->items[2 * pair];
        const struct value *states = &routes->items[2 * pair + 1];
        if (destination->kind == VALUE_TEXT && states->kind == VALUE_SET)
            publish_route(router, destination->text, states);
    }
    router->counts.unrouted += router->counts.routes == before;
}

static void adapt_limit(struct presence_router *router)
{
    if (router->routed_bytes > ROUTED_BYTES && router->limit > BATCH_LEAST)
        router->limit /= 2;
    else if (router->routed_bytes < ROUTED_BYTES / 4 && router->limit < PRESENCE_BATCH_MAXIMUM)
        router->limit *= 2;
    router->routed_bytes = 0;
}

static void ask_routers(struct presence_router *router)
{
    struct value updates = value_container(VALUE_LIST, router->values, router->count);
    struct callback_arguments arguments = {.values = &updates,
                                           .count = 1,
                                           .arena = &router->arena,
                                           .now_ms = router->now_ms ? router->now_ms : clock_wall_ms()};
    struct outcome outcome;
    chain_run(router->chain, CALLBACK_get_users_for_states, &arguments, &outcome);
    router->counts.batches++;
    if (outcome.kind != OUTCOME_FAILED && outcome.result.value.kind == VALUE_DICT) {
        publish_routes(router, &outcome.result.value);
        return;
    }
    router->counts.failures++;
    uint64_t suppressed;
    if (log_gate_pass(&router->failure_gate, &suppressed))
        log_warning("the presence routers gave no answer; a batch of presence was not routed",
                    LOG_STRING("module", outcome.module), LOG_INTEGER("updates", router->count),
                    LOG_INTEGER("suppressed", suppressed));
}

void presence_router_flush(struct presence_router *router)
{
    if (router->count) {
        ask_routers(router);
        adapt_limit(router);
        router->count = 0;
        memset(router->user_slots, 0, sizeof router->user_slots);
        buffer_clear(&router->texts);
        arena_reset(&router->arena);
    }
    if (router->has_token) {
        router->has_token = false;
        router->callbacks.position(router->callbacks.context, STREAM_presence, buffer_slice(&router->writer),
                                   router->token);
    }
}

void presence_router_set_time(struct presence_router *router, int64_t now_ms)
{
    router->now_ms = now_ms;
}

bool presence_router_wanted(const struct chain *chain)
{
    return chain_callback_modules(chain, CALLBACK_get_users_for_states, NULL, 0) > 0;
}

void presence_router_use_chain(struct presence_router *router, const struct chain *chain)
{
    presence_router_flush(router);
    router->chain = chain;
}

struct presence_router_counts presence_router_counts(const struct presence_router *router)
{
    return router->counts;
}

struct presence_router *presence_router_create(const struct chain *chain,
                                               const struct presence_router_callbacks *callbacks,
                                               struct metrics *metrics)
{
    struct presence_router *router = memory_allocate_zeroed(1, sizeof *router);
    router->chain = chain;
    router->callbacks = *callbacks;
    router->limit = BATCH_LEAST;
    metrics_register_members(metrics, metric_members, sizeof metric_members / sizeof *metric_members, &router->counts);
    return router;
}

void presence_router_destroy(struct presence_router *router)
{
    if (!router)
        return;
    arena_free(&router->arena);
    json_pool_free(&router->pool);
    buffer_free(&router->writer);
    buffer_free(&router->texts);
    buffer_free(&router->row);
    free(router);
}
