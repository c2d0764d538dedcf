/* A room keeps its version for ever, so what was found is remembered as long as there is room for it; that a room is
 * not there, only for a few seconds, for it may be made or joined at any time. Queries are answered in their order: the
 * rooms that were asked for stand in a row. */
#include "engine/room_versions.h"

#include <stdlib.h>

#include "base/memory.h"
#include "engine/answer_cache.h"
#include "engine/clock.h"
#include "engine/log.h"
#include "engine/postgres_parameters.h"
#include "replication/postgres_session.h"

#define SECOND_NS UINT64_C(1000000000)
#define ROOMS_REMEMBERED 100000u
#define KNOWN_NS (24 * 3600 * SECOND_NS)
#define UNKNOWN_NS (5 * SECOND_NS)
/* More fail: the database is too slow for what is asked. */
#define QUERIES_MAXIMUM 1000u
#define CONNECT_TIMEOUT_MS 10000

static const struct postgres_statement statement = {"weir_room_version",
                                                    "SELECT room_version FROM rooms WHERE room_id = $1", 1};

struct query {
    struct query *next;
    size_t length;
    char room_id[];
};

struct room_versions {
    struct postgres_session *session;
    struct shared_waits *waits;
    struct answer_cache *known; /* by room id: the version's name */
    struct answer_cache *unknown;
    struct query *queries; /* oldest first */
    struct query **queries_last;
    struct query *unsent; /* the first of them that was not sent yet */
    struct event *send;   /* sends what was asked for in a loop turn */
    bool tried;           /* the first attempt to connect has ended: until then, whoever asks waits for it */
    struct buffer name;
    struct log_gate gate;
};

static void finish_query(struct room_versions *versions, const char *problem)
{
    struct query *query = versions->queries;
    versions->queries = query->next;
    if (!versions->queries)
        versions->queries_last = &versions->queries;
    if (versions->unsent == query)
        versions->unsent = query->next;
    shared_waits_wake(versions->waits, slice_of(query->room_id, query->length), problem);
    free(query);
}

static void on_result(void *context, const PGresult *result)
{
    struct room_versions *versions = context;
    const struct query *query = versions->queries;
    struct slice room_id = slice_of(query->room_id, query->length);
    if (PQntuples(result) > 0 && !PQgetisnull(result, 0, 0))
        answer_cache_store(versions->known, room_id,
                           slice_of(PQgetvalue(result, 0, 0), (size_t)PQgetlength(result, 0, 0)), clock_now_ns());
    else
        answer_cache_store(versions->unknown, room_id, SLICE(""), clock_now_ns());
}

static void on_ended(void *context)
{
    finish_query(context, NULL);
}

/* Nothing is asked twice: a server that got no answer asks again by itself. */
static void on_state(void *context, const char *reason)
{
    struct room_versions *versions = context;
    uint64_t suppressed;
    versions->tried = true;
    while (reason && versions->queries)
        finish_query(versions, "the database cannot be asked now");
    event_active(versions->send, EV_TIMEOUT, 0);
    if (reason && log_gate_pass(&versions->gate, &suppressed))
        log_warning("no connection to the database for the versions of rooms; the policy server signs nothing that "
                    "needs one",
                    LOG_STRING("reason", reason), LOG_INTEGER("suppressed", suppressed));
}

/* A connection that is lost over it has been told to on_state, which has finished the queries. */
static void on_send(evutil_socket_t socket, short what, void *argument)
{
    (void)socket, (void)what;
    struct room_versions *versions = argument;
    while (versions->unsent && postgres_session_is_ready(versions->session)) {
        const char *parameter = versions->unsent->room_id;
        versions->unsent = versions->unsent->next;
        if (!postgres_session_add(versions->session, 0, &parameter) || !postgres_session_end_query(versions->session))
            return;
    }
    if (postgres_session_is_ready(versions->session))
        postgres_session_flush(versions->session);
}

struct room_versions *room_versions_create(struct event_base *base, const struct postgres_settings *settings)
{
    struct room_versions *versions = memory_allocate_zeroed(1, sizeof *versions);
    struct postgres_parameters parameters = postgres_parameters(settings);
    versions->waits = shared_waits_create();
    versions->known = answer_cache_create(ROOMS_REMEMBERED, KNOWN_NS);
    versions->unknown = answer_cache_create(ROOMS_REMEMBERED, UNKNOWN_NS);
    versions->queries_last = &versions->queries;
    versions->send = event_new(base, -1, 0, on_send, versions);
    versions->session =
        postgres_session_create(base,
                                &(struct postgres_session_settings){.keywords = parameters.keywords,
                                                                    .values = parameters.values,
                                                                    .statements = &statement,
                                                                    .statement_count = 1,
                                                                    .connect_timeout_ms = CONNECT_TIMEOUT_MS},
                                &(struct postgres_session_callbacks){
                                    .context = versions, .state = on_state, .result = on_result, .ended = on_ended});
    return versions;
}

void room_versions_destroy(struct room_versions *versions)
{
    if (!versions)
        return;
    postgres_session_destroy(versions->session);
    shared_waits_destroy(versions->waits);
    while (versions->queries) {
        struct query *query = versions->queries;
        versions->queries = query->next;
        free(query);
    }
    event_free(versions->send);
    answer_cache_destroy(versions->known);
    answer_cache_destroy(versions->unknown);
    buffer_free(&versions->name);
    free(versions);
}

enum room_versions_status room_versions_find(struct room_versions *versions, struct slice room_id, struct slice *name)
{
    uint64_t now = clock_now_ns();
    struct slice found = answer_cache_find(versions->known, room_id, now);
    if (slice_present(found)) {
        buffer_clear(&versions->name);
        buffer_append_slice(&versions->name, found);
        *name = buffer_slice(&versions->name);
        return ROOM_VERSIONS_KNOWN;
    }
    /* PostgreSQL has no texts with NUL in them, so there is no such room. */
    if (slice_present(answer_cache_find(versions->unknown, room_id, now)) || memchr(room_id.data, '\0', room_id.length))
        return ROOM_VERSIONS_UNKNOWN_ROOM;
    if (shared_waits_has(versions->waits, room_id))
        return ROOM_VERSIONS_WANTED;
    bool possible = (postgres_session_is_ready(versions->session) || !versions->tried) &&
                    shared_waits_count(versions->waits) < QUERIES_MAXIMUM;
    return possible ? ROOM_VERSIONS_WANTED : ROOM_VERSIONS_FAILED;
}

void room_versions_wait(struct room_versions *versions, struct slice room_id, struct shared_waiter *waiter)
{
    if (!shared_waits_join(versions->waits, room_id, waiter))
        return;
    struct query *query = memory_allocate_zeroed(1, sizeof *query + room_id.length + 1);
    query->length = room_id.length;
    memcpy(query->room_id, room_id.data, room_id.length);
    *versions->queries_last = query;
    versions->queries_last = &query->next;
    versions->unsent = versions->unsent ? versions->unsent : query;
    event_active(versions->send, EV_TIMEOUT, 0);
}
