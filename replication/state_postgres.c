/* A room is read in pages by the unique index of current_state_events, so that no answer is larger than a page, however
 * large the room, and each costs the same. One query is under way at a time: the state of rooms changes seldom, and
 * what is asked for first is given first.
 *
 * A redaction counts as it does for Synapse (events_worker.py, _maybe_redact_event_row): one in the same room that was
 * not rejected, and, where the sender's power was not enough (`recheck_redaction`), only if it came from the server of
 * the event's sender. */
#include "replication/state_postgres.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "replication/postgres_session.h"

#define RETRY_MS 200
/* Events that may wait; their rooms are read instead of more. */
#define EVENTS_WAITING 1000u

enum statement { STATEMENT_ROOM, STATEMENT_EVENT, STATEMENT_COUNT };

#define COLUMNS                                                                                                        \
    "SELECT state.room_id, state.type, state.state_key, state.event_id, event.stream_ordering, body.json,"             \
    " EXISTS (SELECT FROM redactions AS redaction"                                                                     \
    " JOIN events AS act ON act.event_id = redaction.event_id"                                                         \
    " JOIN event_json AS act_body ON act_body.event_id = redaction.event_id"                                           \
    " WHERE redaction.redacts = state.event_id AND act.room_id = state.room_id"                                        \
    " AND NOT EXISTS (SELECT FROM rejections AS rejection WHERE rejection.event_id = redaction.event_id)"              \
    " AND (replace(act_body.internal_metadata, ' ', '') NOT LIKE '%\"recheck_redaction\":true%'"                       \
    " OR substr(act.sender, strpos(act.sender, ':')) = substr(event.sender, strpos(event.sender, ':')))) FROM "
#define JOINS                                                                                                          \
    " AS state JOIN events AS event ON event.event_id = state.event_id"                                                \
    " JOIN event_json AS body ON body.event_id = state.event_id"

static const struct postgres_statement statements[STATEMENT_COUNT] = {
    [STATEMENT_ROOM] = {"weir_room_state",
                        COLUMNS
                        "(SELECT * FROM current_state_events WHERE room_id = $1::text"
                        " AND (type, state_key) > ($2::text, $3::text) AND ($5::boolean OR type <> 'm.room.member')"
                        " ORDER BY type, state_key LIMIT $4::bigint)" JOINS " ORDER BY state.type, state.state_key",
                        5},
    [STATEMENT_EVENT] = {"weir_state_event", COLUMNS "current_state_events" JOINS " WHERE state.event_id = $1::text",
                         1},
};

/* As in rows_postgres.c: without statistics PostgreSQL would read whole tables. What takes longer than we wait is ended
 * by the database, too: it would not notice that nobody waits any more, and each further attempt would add to its work.
 */
#define SETUP                                                                                                          \
    "SELECT set_config(name, wanted.value, false) FROM pg_settings JOIN (VALUES"                                       \
    " ('default_transaction_read_only', 'on'), ('jit', 'off'), ('plan_cache_mode', 'force_generic_plan'),"             \
    " ('enable_hashjoin', 'off'), ('enable_mergejoin', 'off'), ('enable_seqscan', 'off'),"                             \
    " ('enable_bitmapscan', 'off'), ('statement_timeout', '%lld')) AS wanted(setting, value)"                          \
    " ON name = wanted.setting"

enum column { COLUMN_ROOM, COLUMN_TYPE, COLUMN_STATE_KEY, COLUMN_EVENT_ID, COLUMN_ORDERING, COLUMN_BODY, COLUMN_GONE };

struct request {
    struct request *next;
    char *room;
    char *event_id; /* NULL: all of the room, */
    bool members;   /* its members, too */
    int64_t ordering;
    int64_t give_up_at_ms; /* of an event that was not there; 0: it was not asked for yet */
    uint64_t given;
    bool more; /* the answer was a full page, which ended at: */
    char *type;
    char *state_key;
};

struct state_postgres {
    struct state_postgres_callbacks callbacks;
    struct postgres_session *session;
    struct buffer setup;
    struct state_postgres_counters counters;
    int64_t page;
    int64_t retry_for_ms;
    struct timeval timeout;
    struct request *first; /* the first one is that which is under way, if `asked` */
    struct request **last;
    uint32_t events_waiting;
    bool asked;
    struct event *send_event;
    struct event *timeout_event;
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void append(struct state_postgres *states, struct request *request)
{
    request->next = NULL;
    *states->last = request;
    states->last = &request->next;
    states->counters.waiting++;
    states->events_waiting += request->event_id != NULL;
}

static struct request *take_first(struct state_postgres *states)
{
    struct request *request = states->first;
    states->first = request->next;
    if (!states->first)
        states->last = &states->first;
    states->counters.waiting--;
    states->events_waiting -= request->event_id != NULL;
    return request;
}

/* Whoever waits for the first time does not wait for those that were not there: these may be many, since anybody in a
 * room can send what does not become its state. */
static void bring_forward(struct state_postgres *states)
{
    struct request **link = &states->first;
    while (*link && (*link)->give_up_at_ms)
        link = &(*link)->next;
    struct request *request = *link;
    if (!request || request == states->first)
        return;
    *link = request->next;
    if (!*link)
        states->last = link;
    request->next = states->first;
    states->first = request;
}

static void free_request(struct request *request)
{
    free(request->room);
    free(request->event_id);
    free(request->type);
    free(request->state_key);
    free(request);
}

static void schedule(struct state_postgres *states, int64_t delay_ms)
{
    struct timeval delay = {.tv_usec = (suseconds_t)delay_ms * 1000};
    if (!states->asked)
        event_add(states->send_event, &delay);
}

/* ---- asking */

static bool send_query(struct state_postgres *states, const struct request *request)
{
    char page[24];
    snprintf(page, sizeof page, "%lld", (long long)states->page);
    bool sent = request->event_id
                    ? postgres_session_add(states->session, STATEMENT_EVENT, (const char *const[]){request->event_id})
                    : postgres_session_add(states->session, STATEMENT_ROOM,
                                           (const char *const[]){request->room, request->type ? request->type : "",
                                                                 request->state_key ? request->state_key : "", page,
                                                                 request->members ? "true" : "false"});
    return sent && postgres_session_end_query(states->session) && postgres_session_flush(states->session);
}

static void on_send(evutil_socket_t socket, short what, void *argument)
{
    (void)socket, (void)what;
    struct state_postgres *states = argument;
    if (states->asked || !states->first || !postgres_session_is_ready(states->session))
        return;
    bring_forward(states);
    states->asked = true;
    states->counters.queries++;
    if (send_query(states, states->first))
        event_add(states->timeout_event, &states->timeout);
}

static void on_timeout(evutil_socket_t socket, short what, void *argument)
{
    (void)socket, (void)what;
    struct state_postgres *states = argument;
    postgres_session_give_up(states->session, "the database did not answer in time");
}

/* What was under way is asked for again on the next connection. */
static void on_state(void *context, const char *reason)
{
    struct state_postgres *states = context;
    states->asked = false;
    event_del(states->timeout_event);
    states->callbacks.state(states->callbacks.context, reason);
    if (!reason)
        schedule(states, 0);
}

/* ---- answers */

static struct slice text_at(const PGresult *result, int row, int column)
{
    return slice_of(PQgetvalue(result, row, column), (size_t)PQgetlength(result, row, column));
}

static void hand_over(struct state_postgres *states, struct request *request, const PGresult *result, int row)
{
    int64_t ordering = strtoll(PQgetvalue(result, row, COLUMN_ORDERING), NULL, 10);
    bool gone = *PQgetvalue(result, row, COLUMN_GONE) == 't';
    struct state_event event = {.room_id = text_at(result, row, COLUMN_ROOM),
                                .type = text_at(result, row, COLUMN_TYPE),
                                .state_key = text_at(result, row, COLUMN_STATE_KEY),
                                .event_id = text_at(result, row, COLUMN_EVENT_ID),
                                .body = gone ? SLICE_ABSENT : text_at(result, row, COLUMN_BODY),
                                .ordering = ordering > request->ordering ? ordering : request->ordering};
    request->given++;
    states->counters.events++;
    states->callbacks.event(states->callbacks.context, &event);
}

static void remember_place(struct request *request, const PGresult *result, int row)
{
    struct slice type = text_at(result, row, COLUMN_TYPE), state_key = text_at(result, row, COLUMN_STATE_KEY);
    free(request->type);
    free(request->state_key);
    request->type = memory_copy_text(type.data, type.length);
    request->state_key = memory_copy_text(state_key.data, state_key.length);
}

static void on_result(void *context, const PGresult *result)
{
    struct state_postgres *states = context;
    struct request *request = states->first;
    int count = PQntuples(result);
    for (int row = 0; row < count; row++)
        hand_over(states, request, result, row);
    request->more = !request->event_id && count >= states->page;
    if (request->more)
        remember_place(request, result, count - 1);
}

/* Whether an event that was not there is asked for again, behind the others. */
static bool asks_again(struct state_postgres *states, struct request *request)
{
    int64_t now = now_ms();
    if (!request->event_id || request->given)
        return false;
    if (!request->give_up_at_ms)
        request->give_up_at_ms = now + states->retry_for_ms;
    if (now < request->give_up_at_ms)
        return true;
    states->counters.missing++;
    return false;
}

static void on_ended(void *context)
{
    struct state_postgres *states = context;
    struct request *request = states->first;
    states->asked = false;
    event_del(states->timeout_event);
    if (request->more) {
        schedule(states, 0);
        return;
    }
    take_first(states);
    if (asks_again(states, request)) {
        append(states, request);
    } else {
        if (!request->event_id)
            states->callbacks.room(states->callbacks.context, slice_from_string(request->room), request->given);
        free_request(request);
    }
    bring_forward(states);
    if (states->first)
        schedule(states, states->first->give_up_at_ms ? RETRY_MS : 0);
}

/* ---- interface */

/* A text that cannot be one of the database would cost the session. */
static bool can_be_asked(struct slice text)
{
    return slice_present(text) && utf8_valid(text) && !memchr(text.data, '\0', text.length);
}

void state_postgres_read_room(struct state_postgres *states, struct slice room_id, bool members)
{
    /* One under way, between two pages or without a connection as well, may have passed what has changed since. */
    struct request *first = states->first, *other = first && (states->asked || first->type) ? first->next : first;
    while (other && (other->event_id || !slice_equal(slice_from_string(other->room), room_id)))
        other = other->next;
    if (other)
        other->members = other->members || members;
    if (other || !can_be_asked(room_id))
        return;
    struct request *request = memory_allocate_zeroed(1, sizeof *request);
    request->room = memory_copy_text(room_id.data, room_id.length);
    request->members = members;
    append(states, request);
    schedule(states, 0);
}

void state_postgres_read_event(struct state_postgres *states, struct slice room_id, struct slice event_id,
                               int64_t ordering, bool members)
{
    if (!can_be_asked(room_id) || !can_be_asked(event_id))
        return;
    if (states->events_waiting >= EVENTS_WAITING) {
        state_postgres_read_room(states, room_id, members);
        return;
    }
    struct request *other = states->first && states->asked ? states->first->next : states->first;
    while (other && (!other->event_id || !slice_equal(slice_from_string(other->event_id), event_id)))
        other = other->next;
    if (other) {
        other->ordering = ordering > other->ordering ? ordering : other->ordering;
        return;
    }
    struct request *request = memory_allocate_zeroed(1, sizeof *request);
    request->room = memory_copy_text(room_id.data, room_id.length);
    request->event_id = memory_copy_text(event_id.data, event_id.length);
    request->ordering = ordering;
    append(states, request);
    schedule(states, 0);
}

struct state_postgres_counters state_postgres_counters(const struct state_postgres *states)
{
    struct state_postgres_counters counters = states->counters;
    counters.connects = postgres_session_connects(states->session);
    return counters;
}

struct state_postgres *state_postgres_create(struct event_base *base, const struct state_postgres_settings *settings,
                                             const struct state_postgres_callbacks *callbacks)
{
    struct state_postgres *states = memory_allocate_zeroed(1, sizeof *states);
    states->callbacks = *callbacks;
    states->page = settings->page;
    states->retry_for_ms = settings->retry_for_ms;
    states->timeout =
        (struct timeval){.tv_sec = settings->timeout_ms / 1000, .tv_usec = settings->timeout_ms % 1000 * 1000};
    states->last = &states->first;
    states->send_event = event_new(base, -1, 0, on_send, states);
    states->timeout_event = event_new(base, -1, 0, on_timeout, states);
    buffer_append_format(&states->setup, SETUP, (long long)settings->timeout_ms);
    struct postgres_session_settings session_settings = {.keywords = settings->keywords,
                                                         .values = settings->values,
                                                         .statements = statements,
                                                         .statement_count = STATEMENT_COUNT,
                                                         .setup = buffer_string(&states->setup),
                                                         .connect_timeout_ms = (uint32_t)settings->timeout_ms};
    struct postgres_session_callbacks session_callbacks = {
        .context = states, .state = on_state, .result = on_result, .ended = on_ended};
    states->session = postgres_session_create(base, &session_settings, &session_callbacks);
    return states;
}

void state_postgres_destroy(struct state_postgres *states)
{
    if (!states)
        return;
    postgres_session_destroy(states->session);
    while (states->first)
        free_request(take_first(states));
    event_free(states->send_event);
    event_free(states->timeout_event);
    buffer_free(&states->setup);
    free(states);
}
