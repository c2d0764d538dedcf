/* uthash keeps its entries in the order in which they were added; a room that is asked about is added anew. So who
 * wants another room forgotten must get an engine to see as many of his own. */
#include "filters/seen_power.h"

#include <stdlib.h>
#include <string.h>

#include "base/keyed_hash.h"
#include "base/memory.h"
#include "base/parts.h"
#include "filters/event_content.h"
#include "filters/room_state.h"
#include "filters/room_version.h"
#include "filters/subject.h"

#define uthash_malloc(size) memory_reallocate(NULL, size)
#define uthash_free(pointer, size) free(pointer)
#include <uthash.h>

#define LEVEL_MAXIMUM 100
/* Of creators that stand above all levels, and keep that whatever the levels say. */
#define LEVEL_MIGHTY 255u

/* What is known of a room; also how it is saved, before its users. */
struct levels {
    uint64_t key;        /* of the room */
    uint8_t fallback;    /* of users without a level of their own */
    uint8_t has_levels;  /* some were set: what the room's creation said counts no more */
    uint16_t user_count; /* at most SEEN_POWER_USERS */
    uint32_t zero;
};

struct room {
    struct levels levels; /* its key first */
    UT_hash_handle handle;
    uint64_t *users;      /* hashes */
    uint8_t *user_levels; /* behind them in the same memory */
};

struct seen_power {
    struct room *table;
    uint32_t maximum;
    int64_t least;
    uint64_t seed;
};

/* The users of a room while they are read. */
struct reading {
    const struct seen_power *power;
    struct levels levels;
    uint64_t users[SEEN_POWER_USERS];
    uint8_t user_levels[SEEN_POWER_USERS];
};

struct seen_power *seen_power_create(uint32_t rooms, int64_t least, uint64_t seed)
{
    struct seen_power *power = memory_allocate_zeroed(1, sizeof *power);
    power->maximum = rooms;
    power->least = least;
    power->seed = seed;
    return power;
}

static void remove_room(struct seen_power *power, struct room *room)
{
    // NOLINTNEXTLINE(clang-analyzer-*): it does not follow uthash's links
    HASH_DELETE(handle, power->table, room);
    free(room->users);
    free(room);
}

static void clear(struct seen_power *power)
{
    struct room *room, *next;
    // NOLINTNEXTLINE(clang-analyzer-*): it does not follow uthash's links
    HASH_ITER(handle, power->table, room, next)
    remove_room(power, room);
}

void seen_power_destroy(struct seen_power *power)
{
    if (!power)
        return;
    clear(power);
    free(power);
}

static struct room *find_room(const struct seen_power *power, uint64_t key)
{
    struct room *room = NULL;
    // NOLINTNEXTLINE(clang-analyzer-*): it does not follow uthash's links
    HASH_FIND(handle, power->table, &key, sizeof key, room);
    return room;
}

/* Puts what was read in the place of what was known. */
static void put_room(struct seen_power *power, const struct reading *reading)
{
    size_t count = reading->levels.user_count;
    struct room *room = find_room(power, reading->levels.key);
    if (!room) {
        if (HASH_CNT(handle, power->table) == power->maximum)
            remove_room(power, power->table);
        room = memory_allocate_zeroed(1, sizeof *room);
        room->levels.key = reading->levels.key;
        HASH_ADD(handle, power->table, levels.key, sizeof room->levels.key, room);
    }
    room->levels = reading->levels;
    free(room->users);
    room->users = count ? memory_allocate_zeroed(count, sizeof(uint64_t) + sizeof(uint8_t)) : NULL;
    room->user_levels = count ? (uint8_t *)(room->users + count) : NULL;
    if (count) {
        memcpy(room->users, reading->users, count * sizeof *reading->users);
        memcpy(room->user_levels, reading->user_levels, count);
    }
}

static void add_user(struct reading *reading, struct slice user, uint8_t level)
{
    if (!slice_present(user) || reading->levels.user_count == SEEN_POWER_USERS)
        return;
    reading->users[reading->levels.user_count] = keyed_hash(user, reading->power->seed);
    reading->user_levels[reading->levels.user_count++] = level;
}

static uint8_t bounded(double level)
{
    return level >= LEVEL_MAXIMUM ? LEVEL_MAXIMUM : level > 0 ? (uint8_t)level : 0;
}

/* As filters/room_state.c reads one; old rooms write some as texts. */
static uint8_t level_of(yyjson_val *value)
{
    return bounded(yyjson_is_str(value) ? strtod(yyjson_get_str(value), NULL) : yyjson_get_num(value));
}

static uint8_t told_level(const json_t *value)
{
    return bounded(json_is_string(value) ? strtod(json_string_value(value), NULL) : json_number_value(value));
}

/* Whether a user's own level says anything to the caller. */
static bool matters(const struct reading *reading, uint8_t level)
{
    return level >= reading->power->least || reading->levels.fallback >= reading->power->least;
}

/* Those that stand above all levels stay when levels are set. */
static void keep_mighty(struct reading *reading, const struct room *known)
{
    for (uint32_t index = 0; known && index < known->levels.user_count; index++)
        if (known->user_levels[index] == LEVEL_MIGHTY) {
            reading->users[reading->levels.user_count] = known->users[index];
            reading->user_levels[reading->levels.user_count++] = LEVEL_MIGHTY;
        }
}

/* Creators of rooms from version 12 on stand above all levels; of older ones they have 100 until levels are set. */
static void see_creation(struct seen_power *power, const struct event *event, struct slice room,
                         struct reading *reading)
{
    yyjson_val *content = event_content(event), *other;
    const struct room_version *version = room_version_find(content_string(content, SLICE("room_version")));
    bool mighty = version && version->room_id_is_hash;
    const struct room *known = find_room(power, keyed_hash(room, power->seed));
    if (known && known->levels.has_levels)
        return;
    size_t index, count;
    add_user(reading, event->sender, mighty ? LEVEL_MIGHTY : LEVEL_MAXIMUM);
    yyjson_val *others = content_member(content, SLICE("additional_creators"));
    if (mighty && yyjson_is_arr(others))
        yyjson_arr_foreach(others, index, count, other)
            add_user(reading, slice_of(yyjson_get_str(other), yyjson_get_len(other)), LEVEL_MIGHTY);
    put_room(power, reading);
}

static void see_levels(struct seen_power *power, const struct event *event, struct reading *reading)
{
    yyjson_val *content = event_content(event), *user, *value;
    keep_mighty(reading, find_room(power, reading->levels.key));
    reading->levels.has_levels = true;
    reading->levels.fallback = level_of(content_member(content, SLICE("users_default")));
    yyjson_val *users = content_member(content, SLICE("users"));
    size_t index, count;
    if (yyjson_is_obj(users))
        yyjson_obj_foreach(users, index, count, user, value)
        {
            uint8_t level = level_of(value);
            if (matters(reading, level))
                add_user(reading, slice_of(yyjson_get_str(user), yyjson_get_len(user)), level);
        }
    put_room(power, reading);
}

void seen_power_see(struct seen_power *power, const struct callback_arguments *arguments)
{
    const struct event *event = arguments->event;
    bool creation = slice_equal(event->type, SLICE("m.room.create"));
    if ((!creation && !slice_equal(event->type, SLICE("m.room.power_levels"))) ||
        !slice_equal(event->state_key, SLICE("")) || arguments->trial || !event_content(event))
        return;
    struct slice room = creation ? subject_created_room(arguments) : event->room_id;
    if (!slice_present(room))
        return;
    struct reading reading = {.power = power, .levels = {.key = keyed_hash(room, power->seed)}};
    if (creation)
        see_creation(power, event, room, &reading);
    else
        see_levels(power, event, &reading);
}

/* ---- a room's state, as it is told */

static struct slice told_text(const json_t *json)
{
    return json_is_string(json) ? slice_of(json_string_value(json), json_string_length(json)) : SLICE_ABSENT;
}

static void learn_creation(const json_t *create, bool has_levels, struct reading *reading)
{
    const json_t *content = json_object_get(create, "content");
    struct slice version_name = told_text(json_object_get(content, "room_version"));
    const struct room_version *version = slice_present(version_name) ? room_version_find(version_name) : NULL;
    bool mighty = version && version->room_id_is_hash;
    const json_t *others = mighty ? json_object_get(content, "additional_creators") : NULL;
    if (mighty || !has_levels)
        add_user(reading, told_text(json_object_get(create, "sender")), mighty ? LEVEL_MIGHTY : LEVEL_MAXIMUM);
    for (size_t index = 0; index < json_array_size(others); index++)
        add_user(reading, told_text(json_array_get(others, index)), LEVEL_MIGHTY);
}

static void learn_levels(const json_t *levels, struct reading *reading)
{
    json_t *content = json_object_get(levels, "content"), *value;
    const char *user;
    size_t length;
    reading->levels.has_levels = true;
    reading->levels.fallback = told_level(json_object_get(content, "users_default"));
    json_object_keylen_foreach(json_object_get(content, "users"), user, length, value)
    {
        uint8_t level = told_level(value);
        if (matters(reading, level))
            add_user(reading, slice_of(user, length), level);
    }
}

void seen_power_learn(struct seen_power *power, struct slice room, const json_t *state)
{
    const json_t *create = room_state_find(state, SLICE("m.room.create"), SLICE(""));
    const json_t *levels = room_state_find(state, SLICE("m.room.power_levels"), SLICE(""));
    if (!slice_present(room) || (!create && !levels))
        return;
    struct reading reading = {.power = power, .levels = {.key = keyed_hash(room, power->seed)}};
    if (create)
        learn_creation(create, levels != NULL, &reading);
    else
        keep_mighty(&reading, find_room(power, reading.levels.key));
    if (levels)
        learn_levels(levels, &reading);
    put_room(power, &reading);
}

int64_t seen_power_of(struct seen_power *power, struct slice room, struct slice user)
{
    struct room *known = power->table && slice_present(room) ? find_room(power, keyed_hash(room, power->seed)) : NULL;
    if (!known)
        return SEEN_POWER_UNKNOWN;
    if (known->handle.next) {
        HASH_DELETE(handle, power->table, known);
        HASH_ADD(handle, power->table, levels.key, sizeof known->levels.key, known);
    }
    uint64_t key = keyed_hash(user, power->seed);
    for (uint32_t index = 0; index < known->levels.user_count; index++)
        if (known->users[index] == key)
            return known->user_levels[index] > LEVEL_MAXIMUM ? LEVEL_MAXIMUM : known->user_levels[index];
    return known->levels.fallback;
}

uint32_t seen_power_rooms(const struct seen_power *power)
{
    return HASH_CNT(handle, power->table);
}

void seen_power_save(const struct seen_power *power, struct buffer *output)
{
    buffer_append(output, (const char *)&power->least, sizeof power->least);
    for (const struct room *room = power->table; room; room = room->handle.next) {
        size_t start = parts_begin(output);
        buffer_append(output, (const char *)&room->levels, sizeof room->levels);
        if (room->levels.user_count) {
            buffer_append(output, (const char *)room->users, room->levels.user_count * sizeof *room->users);
            buffer_append(output, (const char *)room->user_levels, room->levels.user_count);
        }
        parts_end(output, start);
    }
}

static bool restore_room(struct seen_power *power, struct slice saved)
{
    struct reading reading = {.power = power};
    if (saved.length < sizeof reading.levels)
        return false;
    memcpy(&reading.levels, saved.data, sizeof reading.levels);
    size_t count = reading.levels.user_count;
    if (count > SEEN_POWER_USERS || reading.levels.fallback > LEVEL_MAXIMUM || reading.levels.has_levels > 1 ||
        reading.levels.zero || find_room(power, reading.levels.key) ||
        saved.length != sizeof reading.levels + count * (sizeof *reading.users + 1))
        return false;
    saved.data += sizeof reading.levels;
    memcpy(reading.users, saved.data, count * sizeof *reading.users);
    memcpy(reading.user_levels, saved.data + count * sizeof *reading.users, count);
    put_room(power, &reading);
    return true;
}

bool seen_power_restore(struct seen_power *power, struct slice saved, uint64_t seed)
{
    int64_t least;
    clear(power);
    power->seed = seed;
    if (saved.length < sizeof least)
        return false;
    memcpy(&least, saved.data, sizeof least);
    saved = slice_of(saved.data + sizeof least, saved.length - sizeof least);
    bool good = least == power->least;
    while (good && saved.length)
        good = restore_room(power, parts_take(&saved));
    if (!good)
        clear(power);
    return good;
}
