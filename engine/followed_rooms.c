/* Rooms are few, but every row of the stream is held against them: by the hash of its room id. */
#include "engine/followed_rooms.h"

#include <stdlib.h>

#include "base/memory.h"
#include "base/string_table.h"
#include "engine/log.h"
#include "filters/chain_followed.h"

struct followed_rooms {
    struct body_source bodies;
    struct followed_rooms_reader reader;
    struct chain *chain;
    struct event_reader *events;
    struct string_table *rooms; /* to their places in the three below */
    char **names;
    bool *read;
    bool *members; /* are followed, too */
    uint32_t count;
    struct followed_rooms_counts counts;
    struct log_gate gate;
};

struct followed_rooms *followed_rooms_create(const struct body_source *bodies)
{
    struct followed_rooms *followed = memory_allocate_zeroed(1, sizeof *followed);
    followed->bodies = *bodies;
    return followed;
}

static void forget_rooms(struct followed_rooms *followed)
{
    for (uint32_t room = 0; room < followed->count; room++)
        free(followed->names[room]);
    free(followed->names);
    free(followed->read);
    free(followed->members);
    string_table_destroy(followed->rooms);
    followed->names = NULL;
    followed->read = NULL;
    followed->members = NULL;
    followed->rooms = NULL;
    followed->count = 0;
}

void followed_rooms_destroy(struct followed_rooms *followed)
{
    if (!followed)
        return;
    forget_rooms(followed);
    event_reader_destroy(followed->events);
    free(followed);
}

bool followed_rooms_any(const struct followed_rooms *followed)
{
    return followed->count > 0;
}

bool followed_rooms_has(const struct followed_rooms *followed, struct slice room_id)
{
    return followed->count && string_table_find(followed->rooms, room_id) != STRING_TABLE_NONE;
}

/* ---- rooms */

static void ask_for_unread(struct followed_rooms *followed)
{
    for (uint32_t room = 0; followed->reader.read_room && room < followed->count; room++)
        if (!followed->read[room])
            followed->reader.read_room(followed->reader.context, slice_from_string(followed->names[room]),
                                       followed->members[room]);
}

void followed_rooms_use_reader(struct followed_rooms *followed, const struct followed_rooms_reader *reader)
{
    followed->reader = *reader;
    ask_for_unread(followed);
}

/* Several modules may follow a room: it is read if one of them does not know it. */
static void add_room(void *context, struct slice room_id, bool known, bool members)
{
    struct followed_rooms *followed = context;
    uint32_t room = string_table_find(followed->rooms, room_id);
    if (room == STRING_TABLE_NONE) {
        room = followed->count++;
        followed->names = memory_reallocate(followed->names, followed->count * sizeof *followed->names);
        followed->read = memory_reallocate(followed->read, followed->count * sizeof *followed->read);
        followed->members = memory_reallocate(followed->members, followed->count * sizeof *followed->members);
        followed->names[room] = memory_copy_text(room_id.data, room_id.length);
        followed->read[room] = true;
        followed->members[room] = false;
        string_table_add(followed->rooms, room_id, room);
    }
    followed->read[room] = followed->read[room] && known;
    followed->members[room] = followed->members[room] || members;
}

/* What was not read when the last chain went is to be read for this one as well. */
static void keep_unread(struct followed_rooms *followed, const struct followed_rooms *before)
{
    for (uint32_t room = 0; room < before->count; room++) {
        uint32_t now = string_table_find(followed->rooms, slice_from_string(before->names[room]));
        if (now != STRING_TABLE_NONE && !before->read[room])
            followed->read[now] = false;
    }
}

void followed_rooms_use_chain(struct followed_rooms *followed, struct chain *chain)
{
    struct followed_rooms before = *followed;
    followed->chain = chain;
    followed->events = event_reader_create(chain_fields(chain));
    followed->rooms = string_table_create();
    followed->names = NULL;
    followed->read = NULL;
    followed->members = NULL;
    followed->count = 0;
    chain_followed_rooms(chain, add_room, followed);
    keep_unread(followed, &before);
    event_reader_destroy(before.events);
    forget_rooms(&before);
    ask_for_unread(followed);
}

bool followed_rooms_read(struct followed_rooms *followed, struct slice room_id)
{
    uint32_t room = followed->count ? string_table_find(followed->rooms, room_id) : STRING_TABLE_NONE;
    if (room == STRING_TABLE_NONE || followed->read[room])
        return false;
    return followed->read[room] = true;
}

void followed_rooms_read_all(struct followed_rooms *followed)
{
    for (uint32_t room = 0; followed->reader.read_room && room < followed->count; room++)
        followed->reader.read_room(followed->reader.context, slice_from_string(followed->names[room]),
                                   followed->members[room]);
}

/* ---- events */

void followed_rooms_event(struct followed_rooms *followed, const struct state_event *state)
{
    struct event event = {
        .room_id = state->room_id, .type = state->type, .state_key = state->state_key, .event_id = state->event_id};
    uint64_t suppressed;
    if (!followed->chain)
        return;
    if (slice_present(state->body) && event_reader_read(followed->events, state->body, &event) != EVENT_READ_OK) {
        followed->counts.unreadable++;
        if (log_gate_pass(&followed->gate, &suppressed))
            log_warning("an event of a followed room's state cannot be read, and was passed over",
                        LOG_TEXT("room_id", state->room_id), LOG_TEXT("event_id", state->event_id),
                        LOG_INTEGER("suppressed", suppressed));
        return;
    }
    followed->counts.events++;
    chain_state_event(followed->chain, &event, state->ordering);
}

/* Without anybody to ask: what stands in the recorded bodies. `redacted`: its content is to be left out. */
static void look_for_body(struct followed_rooms *followed, struct slice room_id, struct slice event_id,
                          int64_t ordering, bool redacted)
{
    struct slice body =
        followed->bodies.find ? followed->bodies.find(followed->bodies.context, event_id) : SLICE_ABSENT;
    struct event event = {.room_id = room_id, .event_id = event_id};
    if (!slice_present(body) || event_reader_read(followed->events, body, &event) != EVENT_READ_OK ||
        !slice_present(event.state_key))
        return;
    if (redacted)
        event.has_body = false;
    followed->counts.events++;
    chain_state_event(followed->chain, &event, ordering);
}

/* Asks for an event that the row changed: itself, or the one it redacts. */
static void ask_for_event(struct followed_rooms *followed, const struct event_row *row, int64_t token, bool members)
{
    bool redacts = row->kind == EVENT_ROW_EV && slice_present(row->redacts);
    struct slice event_id = redacts ? row->redacts : row->event_id;
    /* A redaction is later than what it redacts, but does not make that later than it was. */
    int64_t ordering = redacts ? 0 : token;
    if (followed->reader.read_event)
        followed->reader.read_event(followed->reader.context, row->room_id, event_id, ordering, members);
    else
        look_for_body(followed, row->room_id, event_id, ordering, redacts);
}

static bool changes_state(const struct event_row *row)
{
    return row->kind == EVENT_ROW_STATE ||
           (!row->rejected && !row->outlier && (slice_present(row->state_key) || slice_present(row->redacts)));
}

void followed_rooms_row(struct followed_rooms *followed, const struct event_row *row, int64_t token)
{
    uint32_t room = string_table_find(followed->rooms, row->room_id);
    if (room == STRING_TABLE_NONE || (!followed->members[room] && slice_equal(row->type, SLICE("m.room.member"))))
        return;
    bool members = followed->members[room];
    if (row->kind == EVENT_ROW_STATE_ALL) {
        /* So much of the state changed that the rows do not say what. */
        if (followed->reader.read_room)
            followed->reader.read_room(followed->reader.context, row->room_id, members);
    } else if (row->kind == EVENT_ROW_STATE && !slice_present(row->event_id)) {
        struct state_event gone = {
            .room_id = row->room_id, .type = row->type, .state_key = row->state_key, .ordering = token};
        followed_rooms_event(followed, &gone);
    } else if (changes_state(row)) {
        ask_for_event(followed, row, token, members);
    }
}

struct followed_rooms_counts followed_rooms_counts(const struct followed_rooms *followed)
{
    struct followed_rooms_counts counts = followed->counts;
    counts.rooms = followed->count;
    for (uint32_t room = 0; room < followed->count; room++)
        counts.unread += !followed->read[room];
    return counts;
}
