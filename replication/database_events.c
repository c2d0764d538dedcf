/* While the events of a window are judged the database looks for the next one: its query is sent before the window is
 * handed over.
 *
 * `received_ts` has no index, but it rises with stream_ordering but for seconds (writers overtake each other), so the
 * beginning is found by halving: some thirty look-ups, wherever it lies. What a foreign server claims as the time of an
 * event (`origin_server_ts`) is not asked. */
#include "replication/database_events.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"

enum column {
    COLUMN_TOKEN,
    COLUMN_EVENT_ID,
    COLUMN_ROOM_ID,
    COLUMN_TYPE,
    COLUMN_STATE_KEY,
    COLUMN_REDACTS,
    COLUMN_RELATES_TO,
    COLUMN_MEMBERSHIP,
    COLUMN_REJECTED,
    COLUMN_OUTLIER,
    COLUMN_WRITER,
    COLUMN_RECEIVED,
    COLUMN_BODY,
};

/* Columns that every schema from Synapse 1.67 on has. The window is chosen first, by the index on the tokens; each of
 * its rows is then looked up in the other tables (see replication/rows_postgres.c). */
static const char window_query[] =
    "SELECT event.stream_ordering, event.event_id, event.room_id, event.type, state.state_key, redaction.redacts,"
    " relation.relates_to_id, member.membership, rejection.reason IS NOT NULL, event.outlier, event.instance_name,"
    " event.received_ts, body.json FROM (SELECT stream_ordering, event_id, room_id, type, outlier, instance_name,"
    " received_ts FROM events WHERE stream_ordering > $1::bigint AND stream_ordering <= $2::bigint"
    " ORDER BY stream_ordering LIMIT $3::bigint) AS event"
    " LEFT JOIN redactions AS redaction"
    " ON redaction.event_id = CASE event.type WHEN 'm.room.redaction' THEN event.event_id END"
    " LEFT JOIN state_events AS state ON state.event_id = event.event_id"
    " LEFT JOIN event_relations AS relation ON relation.event_id = event.event_id"
    " LEFT JOIN room_memberships AS member"
    " ON member.event_id = CASE event.type WHEN 'm.room.member' THEN event.event_id END"
    " LEFT JOIN rejections AS rejection ON rejection.event_id = event.event_id"
    " LEFT JOIN event_json AS body ON body.event_id = event.event_id"
    " ORDER BY event.stream_ordering";

/* Settings that this server does not know are left out. */
static const char setup_query[] =
    "SELECT set_config(name, wanted.value, false) FROM pg_settings JOIN (VALUES"
    " ('default_transaction_read_only', 'on'), ('jit', 'off'), ('plan_cache_mode', 'force_generic_plan'),"
    " ('enable_hashjoin', 'off'), ('enable_mergejoin', 'off'), ('enable_seqscan', 'off'), ('enable_bitmapscan', 'off')"
    ") AS wanted(setting, value) ON name = wanted.setting";

static const char ends_query[] = "SELECT coalesce(min(stream_ordering), 1), coalesce(max(stream_ordering), 0)"
                                 " FROM events WHERE stream_ordering > 0";
static const char at_query[] = "SELECT stream_ordering, received_ts FROM events WHERE stream_ordering >= $1::bigint"
                               " ORDER BY stream_ordering LIMIT 1";

#define WINDOW_STATEMENT "weir_window"
#define AT_STATEMENT "weir_at"

struct database_events {
    PGconn *connection;
    int64_t first; /* the token before the first event */
    int64_t last;
    int64_t reached;
    bool asked; /* the window behind `reached` */
    bool ended;
};

/* libpq's text, on one line. */
static void append_reason(struct buffer *error, const char *text)
{
    buffer_append_string(error, "the database: ");
    for (; *text; text++)
        if (*text != '\n')
            buffer_append_char(error, *text);
        else if (text[1])
            buffer_append_char(error, ' ');
}

static int64_t read_integer(const PGresult *result, int row, int column)
{
    return PQgetisnull(result, row, column) ? 0 : strtoll(PQgetvalue(result, row, column), NULL, 10);
}

/* Takes the result over; NULL with the reason in `error` if it is a failure. */
static PGresult *checked(struct database_events *events, PGresult *result, struct buffer *error)
{
    ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
        return result;
    append_reason(error, result ? PQresultErrorMessage(result) : PQerrorMessage(events->connection));
    PQclear(result);
    return NULL;
}

static bool run(struct database_events *events, PGresult *result, struct buffer *error)
{
    result = checked(events, result, error);
    PQclear(result);
    return result != NULL;
}

static bool prepare(struct database_events *events, struct buffer *error)
{
    return run(events, PQexec(events->connection, setup_query), error) &&
           run(events, PQprepare(events->connection, WINDOW_STATEMENT, window_query, 3, NULL), error) &&
           run(events, PQprepare(events->connection, AT_STATEMENT, at_query, 1, NULL), error);
}

/* Whether the first event at `token` or behind it came before `since_ms`; `*found` is its token. */
static bool comes_before(struct database_events *events, int64_t token, int64_t since_ms, int64_t *found, bool *before,
                         struct buffer *error)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)token);
    const char *const values[] = {text};
    PGresult *result =
        checked(events, PQexecPrepared(events->connection, AT_STATEMENT, 1, values, NULL, NULL, 0), error);
    if (!result)
        return false;
    *before = PQntuples(result) > 0 && read_integer(result, 0, 1) < since_ms;
    *found = PQntuples(result) > 0 ? read_integer(result, 0, 0) : token;
    PQclear(result);
    return true;
}

static bool find_beginning(struct database_events *events, int64_t since_ms, struct buffer *error)
{
    PGresult *result = checked(events, PQexec(events->connection, ends_query), error);
    if (!result)
        return false;
    /* All below `low` came before, all from `high` on did not. */
    int64_t low = read_integer(result, 0, 0), high = read_integer(result, 0, 1) + 1;
    events->last = high - 1;
    PQclear(result);
    while (low < high) {
        int64_t middle = low + (high - low) / 2, found;
        bool before;
        if (!comes_before(events, middle, since_ms, &found, &before, error))
            return false;
        if (before)
            low = found + 1;
        else
            high = middle;
    }
    events->first = events->reached = low - 1;
    return true;
}

struct database_events *database_events_open(const char *const *keywords, const char *const *values, int64_t since_ms,
                                             struct buffer *error)
{
    struct database_events *events = memory_allocate_zeroed(1, sizeof *events);
    events->connection = PQconnectdbParams(keywords, values, 0);
    if (PQstatus(events->connection) != CONNECTION_OK) {
        append_reason(error, PQerrorMessage(events->connection));
    } else if (prepare(events, error) && find_beginning(events, since_ms, error)) {
        return events;
    }
    database_events_close(events);
    return NULL;
}

void database_events_close(struct database_events *events)
{
    if (!events)
        return;
    PQfinish(events->connection);
    free(events);
}

static bool ask(struct database_events *events, struct buffer *error)
{
    char after[24], upto[24], limit[24];
    snprintf(after, sizeof after, "%lld", (long long)events->reached);
    snprintf(upto, sizeof upto, "%lld", (long long)events->last);
    snprintf(limit, sizeof limit, "%d", DATABASE_EVENTS_WINDOW);
    const char *const values[] = {after, upto, limit};
    events->asked = PQsendQueryPrepared(events->connection, WINDOW_STATEMENT, 3, values, NULL, NULL, 0) == 1;
    if (!events->asked)
        append_reason(error, PQerrorMessage(events->connection));
    return events->asked;
}

/* The answer to what was asked; NULL with the reason in `error`. */
static PGresult *answer(struct database_events *events, struct buffer *error)
{
    PGresult *result = PQgetResult(events->connection);
    events->asked = false;
    if (!checked(events, result, error))
        return NULL;
    PQclear(PQgetResult(events->connection)); /* NULL: the answer is whole */
    return result;
}

static struct slice text_at(const PGresult *result, int row, enum column column)
{
    if (PQgetisnull(result, row, column))
        return SLICE_ABSENT;
    return slice_of(PQgetvalue(result, row, column), (size_t)PQgetlength(result, row, column));
}

static bool true_at(const PGresult *result, int row, enum column column)
{
    return *PQgetvalue(result, row, column) == 't';
}

static void read_event(const PGresult *result, int row, struct database_event *event)
{
    *event = (struct database_event){.row = {.kind = EVENT_ROW_EV,
                                             .event_id = text_at(result, row, COLUMN_EVENT_ID),
                                             .room_id = text_at(result, row, COLUMN_ROOM_ID),
                                             .type = text_at(result, row, COLUMN_TYPE),
                                             .state_key = text_at(result, row, COLUMN_STATE_KEY),
                                             .redacts = text_at(result, row, COLUMN_REDACTS),
                                             .relates_to = text_at(result, row, COLUMN_RELATES_TO),
                                             .membership = text_at(result, row, COLUMN_MEMBERSHIP),
                                             .rejected = true_at(result, row, COLUMN_REJECTED),
                                             .outlier = true_at(result, row, COLUMN_OUTLIER)},
                                     .token = read_integer(result, row, COLUMN_TOKEN),
                                     .writer = text_at(result, row, COLUMN_WRITER),
                                     .received_ms = read_integer(result, row, COLUMN_RECEIVED),
                                     .body = text_at(result, row, COLUMN_BODY)};
    if (!slice_present(event->writer))
        event->writer = SLICE("master");
}

bool database_events_next(struct database_events *events, database_events_take *take, void *context,
                          struct buffer *error)
{
    if (events->ended || events->reached >= events->last)
        return false;
    events->ended = true; /* unless all goes well */
    if (!events->asked && !ask(events, error))
        return false;
    PGresult *result = answer(events, error);
    if (!result)
        return false;
    int count = PQntuples(result);
    events->reached = count < DATABASE_EVENTS_WINDOW ? events->last : read_integer(result, count - 1, COLUMN_TOKEN);
    events->ended = false;
    if (events->reached < events->last && !ask(events, error))
        events->ended = true; /* this window is whole; the next call ends it */
    for (int row = 0; row < count; row++) {
        struct database_event event;
        read_event(result, row, &event);
        take(context, &event);
    }
    PQclear(result);
    return true;
}

void database_events_progress(const struct database_events *events, uint64_t *done, uint64_t *size)
{
    *done = (uint64_t)(events->reached - events->first);
    *size = (uint64_t)(events->last - events->first);
}
