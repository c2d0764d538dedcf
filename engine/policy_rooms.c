/* A room keeps its version for ever, so what was found is remembered as long as there is room for it; its list of
 * servers for a minute; that a room is not there, only for a few seconds, for it may be made or joined at any time.
 *
 * Queries are answered in their order: the rooms that were asked for stand in a row. Those that a lost connection took
 * along are asked again on the next one: a server that is told no does not ask again, and whoever waits here looks
 * after its own time. */
#include "engine/policy_rooms.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/memory.h"
#include "engine/answer_cache.h"
#include "engine/clock.h"
#include "engine/log.h"
#include "engine/postgres_parameters.h"
#include "filters/server_acl.h"
#include "replication/postgres_session.h"

#define SECOND_NS UINT64_C(1000000000)
#define ROOMS_REMEMBERED 100000u
#define KNOWN_NS (24 * 3600 * SECOND_NS)
#define LISTS_REMEMBERED 10000u
#define LIST_NS (60 * SECOND_NS)
#define UNKNOWN_NS (5 * SECOND_NS)
/* More fail: the database is too slow for what is asked. */
#define QUERIES_MAXIMUM 1000u
#define CONNECT_TIMEOUT_MS 10000

/* The event that holds the list is taken whole: PostgreSQL's own JSON refuses texts that Synapse's may hold. */
static const struct postgres_statement statement = {
    "weir_policy_room",
    "SELECT r.room_version, (SELECT j.json FROM current_state_events c JOIN event_json j ON j.event_id = c.event_id"
    " WHERE c.room_id = r.room_id AND c.type = 'm.room.server_acl' AND c.state_key = '')"
    " FROM rooms r WHERE r.room_id = $1",
    1};

struct query {
    struct query *next;
    size_t length;
    char room_id[];
};

struct policy_rooms {
    struct postgres_session *session;
    struct shared_waits *waits;
    struct answer_cache *known; /* by room id: the version's name */
    struct answer_cache *unknown;
    struct answer_cache *lists; /* the event m.room.server_acl; empty without one */
    struct query *queries;      /* oldest first */
    struct query **queries_last;
    struct query *unsent; /* the first of them that was not sent yet */
    struct event *send;   /* sends what was asked for in a loop turn */
    bool tried;           /* the first attempt to connect has ended: until then, whoever asks waits for it */
    struct buffer name;
    struct log_gate gate;
};

static void finish_query(struct policy_rooms *rooms)
{
    struct query *query = rooms->queries;
    rooms->queries = query->next;
    if (!rooms->queries)
        rooms->queries_last = &rooms->queries;
    if (rooms->unsent == query)
        rooms->unsent = query->next;
    shared_waits_wake(rooms->waits, slice_of(query->room_id, query->length), NULL);
    free(query);
}

/* Of the first row; empty for what is null. */
static struct slice value_at(const PGresult *result, int column)
{
    return slice_of(PQgetvalue(result, 0, column), (size_t)PQgetlength(result, 0, column));
}

static void on_result(void *context, const PGresult *result)
{
    struct policy_rooms *rooms = context;
    const struct query *query = rooms->queries;
    struct slice room_id = slice_of(query->room_id, query->length);
    if (PQntuples(result) > 0 && !PQgetisnull(result, 0, 0)) {
        answer_cache_store(rooms->known, room_id, value_at(result, 0), clock_now_ns());
        answer_cache_store(rooms->lists, room_id, value_at(result, 1), clock_now_ns());
    } else {
        answer_cache_store(rooms->unknown, room_id, SLICE(""), clock_now_ns());
    }
}

static void on_ended(void *context)
{
    finish_query(context);
}

static void on_state(void *context, const char *reason)
{
    struct policy_rooms *rooms = context;
    uint64_t suppressed;
    rooms->unsent = rooms->queries;
    event_active(rooms->send, EV_TIMEOUT, 0);
    if (reason && log_gate_pass(&rooms->gate, &suppressed))
        log_warning(
            "no connection to the database for the versions of rooms; requests to the policy server wait for it",
            LOG_STRING("reason", reason), LOG_INTEGER("suppressed", suppressed));
}

/* A connection that is lost over it has been told to on_state, which has set back what was sent. */
static void on_send(evutil_socket_t socket, short what, void *argument)
{
    (void)socket, (void)what;
    struct policy_rooms *rooms = argument;
    while (rooms->unsent && postgres_session_is_ready(rooms->session)) {
        const char *parameter = rooms->unsent->room_id;
        rooms->unsent = rooms->unsent->next;
        if (!postgres_session_add(rooms->session, 0, &parameter) || !postgres_session_end_query(rooms->session))
            return;
    }
    if (postgres_session_is_ready(rooms->session))
        postgres_session_flush(rooms->session);
}

struct policy_rooms *policy_rooms_create(struct event_base *base, const struct postgres_settings *settings)
{
    struct policy_rooms *rooms = memory_allocate_zeroed(1, sizeof *rooms);
    struct postgres_parameters parameters = postgres_parameters(settings);
    rooms->waits = shared_waits_create();
    rooms->known = answer_cache_create(ROOMS_REMEMBERED, KNOWN_NS);
    rooms->unknown = answer_cache_create(ROOMS_REMEMBERED, UNKNOWN_NS);
    rooms->lists = answer_cache_create(LISTS_REMEMBERED, LIST_NS);
    rooms->queries_last = &rooms->queries;
    rooms->send = event_new(base, -1, 0, on_send, rooms);
    rooms->session =
        postgres_session_create(base,
                                &(struct postgres_session_settings){.keywords = parameters.keywords,
                                                                    .values = parameters.values,
                                                                    .statements = &statement,
                                                                    .statement_count = 1,
                                                                    .connect_timeout_ms = CONNECT_TIMEOUT_MS},
                                &(struct postgres_session_callbacks){
                                    .context = rooms, .state = on_state, .result = on_result, .ended = on_ended});
    return rooms;
}

void policy_rooms_destroy(struct policy_rooms *rooms)
{
    if (!rooms)
        return;
    postgres_session_destroy(rooms->session);
    shared_waits_destroy(rooms->waits);
    while (rooms->queries) {
        struct query *query = rooms->queries;
        rooms->queries = query->next;
        free(query);
    }
    event_free(rooms->send);
    answer_cache_destroy(rooms->known);
    answer_cache_destroy(rooms->unknown);
    answer_cache_destroy(rooms->lists);
    buffer_free(&rooms->name);
    free(rooms);
}

enum policy_rooms_status policy_rooms_find(struct policy_rooms *rooms, struct slice room_id, struct slice *name)
{
    uint64_t now = clock_now_ns();
    struct slice found = answer_cache_find(rooms->known, room_id, now);
    if (slice_present(found) &&
        (!postgres_session_is_ready(rooms->session) || slice_present(answer_cache_find(rooms->lists, room_id, now)))) {
        buffer_clear(&rooms->name);
        buffer_append_slice(&rooms->name, found);
        *name = buffer_slice(&rooms->name);
        return POLICY_ROOMS_KNOWN;
    }
    /* PostgreSQL has no texts with NUL in them, so there is no such room. */
    if (slice_present(answer_cache_find(rooms->unknown, room_id, now)) || memchr(room_id.data, '\0', room_id.length))
        return POLICY_ROOMS_UNKNOWN_ROOM;
    if (shared_waits_has(rooms->waits, room_id))
        return POLICY_ROOMS_WANTED;
    return shared_waits_count(rooms->waits) < QUERIES_MAXIMUM ? POLICY_ROOMS_WANTED : POLICY_ROOMS_TOO_MANY;
}

bool policy_rooms_allow(struct policy_rooms *rooms, struct slice room_id, struct slice server_name)
{
    struct slice list = answer_cache_find(rooms->lists, room_id, clock_now_ns());
    if (!list.length)
        return true;
    json_t *event = json_loadb(list.data, list.length, JSON_ALLOW_NUL, NULL);
    const json_t *content = json_object_get(event, "content");
    bool allowed = !content || server_acl_allows(content, server_name);
    json_decref(event);
    return allowed;
}

void policy_rooms_wait(struct policy_rooms *rooms, struct slice room_id, struct shared_waiter *waiter)
{
    if (!shared_waits_join(rooms->waits, room_id, waiter))
        return;
    struct query *query = memory_allocate_zeroed(1, sizeof *query + room_id.length + 1);
    query->length = room_id.length;
    memcpy(query->room_id, room_id.data, room_id.length);
    *rooms->queries_last = query;
    rooms->queries_last = &query->next;
    rooms->unsent = rooms->unsent ? rooms->unsent : query;
    event_active(rooms->send, EV_TIMEOUT, 0);
}
