/* Rooms that modules follow are read from the database where there is one: when the chain begins, for each change that
 * the stream tells, and whole every hour, since the stream may have told of a change while nobody could listen. */
#include <stdlib.h>

#include "base/memory.h"
#include "engine/engine_parts.h"
#include "engine/followed_rooms.h"
#include "engine/log.h"
#include "engine/postgres_parameters.h"

#define PAGE 1000
#define AGAIN_SECONDS 3600
/* Without the stream nobody tells of changes. */
#define AGAIN_UNOBSERVED_SECONDS 60

struct followed_counters {
    struct followed_rooms_counts rooms;
    struct state_postgres_counters reader;
};

struct engine_followed {
    struct engine *engine;
    struct state_postgres *reader; /* made when the first room is followed */
    struct event *again;
    struct followed_counters counters; /* as they were rendered last */
    struct log_gate gate;
};

#define MEMBER(member, name, kind, help) METRIC_MEMBER(struct followed_counters, member, name, kind, help)
static const struct metric_member members[] = {
    MEMBER(rooms.rooms, "weir_followed_rooms", METRIC_GAUGE, "Rooms whose state a module follows."),
    MEMBER(rooms.unread, "weir_followed_rooms_unread", METRIC_GAUGE,
           "Those of them whose state was not read yet since the modules began."),
    MEMBER(rooms.events, "weir_followed_events_total", METRIC_COUNTER,
           "Events of followed rooms' state handed to the modules."),
    MEMBER(rooms.unreadable, "weir_followed_unreadable_total", METRIC_COUNTER,
           "Events of followed rooms' state that could not be read."),
    MEMBER(reader.queries, "weir_followed_queries_total", METRIC_COUNTER,
           "Queries for followed rooms' state sent to the database."),
    MEMBER(reader.missing, "weir_followed_missing_total", METRIC_COUNTER,
           "Events of followed rooms that did not become the room's state."),
    MEMBER(reader.connects, "weir_followed_connects_total", METRIC_COUNTER,
           "Connections made to the database of followed rooms' state."),
    MEMBER(reader.waiting, "weir_followed_waiting", METRIC_GAUGE,
           "Rooms and events that the database is asked for now."),
};
#undef MEMBER

static struct followed_rooms *rooms_of(const struct engine_followed *followed)
{
    return observer_followed_rooms(followed->engine->observer);
}

static void collect(void *context)
{
    struct engine_followed *followed = context;
    followed->counters.rooms = followed_rooms_counts(rooms_of(followed));
    if (followed->reader)
        followed->counters.reader = state_postgres_counters(followed->reader);
}

/* ---- the reader's words */

static void on_state(void *context, const char *reason)
{
    struct engine_followed *followed = context;
    uint64_t suppressed;
    if (!reason)
        log_info("connected to the database of followed rooms");
    else if (log_gate_pass(&followed->gate, &suppressed))
        log_warning("no connection to the database of followed rooms; their rules stay as they are until it is back",
                    LOG_STRING("reason", reason),
                    LOG_INTEGER("unread_rooms", followed_rooms_counts(rooms_of(followed)).unread),
                    LOG_INTEGER("suppressed", suppressed));
}

static void on_event(void *context, const struct state_event *event)
{
    followed_rooms_event(rooms_of(context), event);
}

/* Rooms are read again and again, which is worth a line only the first time. */
static void on_room(void *context, struct slice room_id, uint64_t events)
{
    bool first = followed_rooms_read(rooms_of(context), room_id);
    if (!first)
        log_debug("the state of a followed room was read again", LOG_TEXT("room_id", room_id),
                  LOG_INTEGER("events", events));
    else if (events)
        log_info("the state of a followed room was read", LOG_TEXT("room_id", room_id), LOG_INTEGER("events", events));
    else
        log_warning("the database has no state of a followed room: is a user of this homeserver in it?",
                    LOG_TEXT("room_id", room_id));
}

/* ---- what the rooms ask for */

static void open_reader(struct engine_followed *followed)
{
    const struct configuration *configuration = followed->engine->configuration;
    struct postgres_parameters parameters = postgres_parameters(&configuration->postgres);
    struct state_postgres_settings settings = {.keywords = parameters.keywords,
                                               .values = parameters.values,
                                               .page = PAGE,
                                               .timeout_ms = configuration->catch_up_timeout_ms,
                                               .retry_for_ms = configuration->bodies_retry_ms};
    struct state_postgres_callbacks callbacks = {
        .context = followed, .state = on_state, .event = on_event, .room = on_room};
    struct timeval again = {.tv_sec = configuration->observe ? AGAIN_SECONDS : AGAIN_UNOBSERVED_SECONDS};
    followed->reader = state_postgres_create(followed->engine->base, &settings, &callbacks);
    event_add(followed->again, &again);
}

static void read_room(void *context, struct slice room_id, bool with_members)
{
    struct engine_followed *followed = context;
    if (!followed->reader)
        open_reader(followed);
    state_postgres_read_room(followed->reader, room_id, with_members);
}

static void read_event(void *context, struct slice room_id, struct slice event_id, int64_t ordering, bool with_members)
{
    struct engine_followed *followed = context;
    if (!followed->reader)
        open_reader(followed);
    state_postgres_read_event(followed->reader, room_id, event_id, ordering, with_members);
}

static void on_again(evutil_socket_t socket, short what, void *argument)
{
    (void)socket, (void)what;
    followed_rooms_read_all(rooms_of(argument));
}

void engine_followed_start(struct engine *engine)
{
    struct followed_rooms *rooms = observer_followed_rooms(engine->observer);
    if (engine->configuration->body_source != BODY_SOURCE_POSTGRES) {
        if (followed_rooms_any(rooms))
            log_warning(
                "nobody can be asked for the state of the rooms that modules follow; they know what their files "
                "say: set `bodies.postgres`");
        return;
    }
    struct engine_followed *followed = memory_allocate_zeroed(1, sizeof *followed);
    followed->engine = engine;
    followed->again = event_new(engine->base, -1, EV_PERSIST, on_again, followed);
    engine->followed = followed;
    metrics_register_members(engine->metrics, members, sizeof members / sizeof *members, &followed->counters);
    metrics_on_collect(engine->metrics, collect, followed);
    followed_rooms_use_reader(
        rooms, &(struct followed_rooms_reader){.context = followed, .read_room = read_room, .read_event = read_event});
}

void engine_followed_stop(struct engine *engine)
{
    struct engine_followed *followed = engine->followed;
    if (!followed)
        return;
    state_postgres_destroy(followed->reader);
    event_free(followed->again);
    free(followed);
    engine->followed = NULL;
}
