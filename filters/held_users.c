/* uthash keeps its entries in the order in which they were added, which is that of `until_ms` as long as time goes on.
 * Ids are compared, since nobody is to be held for another's hash. */
#include "filters/held_users.h"

#include <stdlib.h>
#include <string.h>

#include "base/keyed_hash.h"
#include "base/memory.h"
#include "base/parts.h"

#define uthash_malloc(size) memory_reallocate(NULL, size)
#define uthash_free(pointer, size) free(pointer)
#include <uthash.h>

/* Clocks are set back by as much without anybody noticing. */
#define SETBACK_MS 300000

struct entry {
    struct held_user user; /* first: callers hand it back */
    uint64_t key;
    UT_hash_handle handle;
    char texts[];
};

struct held_users {
    struct entry *table;
    uint32_t maximum;
    int64_t span_ms;
    uint64_t seed;
    uint64_t forgotten;
};

struct held_users *held_users_create(uint32_t maximum, int64_t span_ms, uint64_t seed)
{
    struct held_users *users = memory_allocate_zeroed(1, sizeof *users);
    users->maximum = maximum;
    users->span_ms = span_ms;
    users->seed = seed;
    return users;
}

static void remove_entry(struct held_users *users, struct entry *entry)
{
    // NOLINTNEXTLINE(clang-analyzer-*): it does not follow uthash's links
    HASH_DELETE(handle, users->table, entry);
    free(entry);
}

/* The one that was held last; NULL if nobody is. */
static struct entry *last_entry(const struct held_users *users)
{
    // NOLINTNEXTLINE(clang-analyzer-*): it does not follow uthash's links
    return users->table ? ELMT_FROM_HH(users->table->handle.tbl, users->table->handle.tbl->tail) : NULL;
}

void held_users_destroy(struct held_users *users)
{
    if (!users)
        return;
    held_users_release(users, SLICE_ABSENT);
    free(users);
}

static struct entry *find_entry(const struct held_users *users, struct slice user, struct slice room)
{
    struct entry *entry = NULL;
    if (!users->table)
        return NULL;
    uint64_t key = keyed_hash_pair(user, room, users->seed);
    HASH_FIND(handle, users->table, &key, sizeof key, entry);
    return entry && slice_equal(entry->user.user, user) && slice_equal(entry->user.room, room) ? entry : NULL;
}

const struct held_user *held_users_find(const struct held_users *users, struct slice user, struct slice room,
                                        int64_t now_ms)
{
    const struct entry *entry = find_entry(users, user, room);
    bool held = entry && now_ms < entry->user.until_ms && entry->user.until_ms - now_ms <= users->span_ms + SETBACK_MS;
    return held ? &entry->user : NULL;
}

static struct slice put_text(char **place, struct slice text)
{
    char *start = *place;
    if (text.length)
        memcpy(start, text.data, text.length);
    *place += text.length;
    return slice_of(start, text.length);
}

static void add_entry(struct held_users *users, const struct held_user *user)
{
    struct entry *entry =
        memory_allocate_zeroed(1, sizeof *entry + user->user.length + user->room.length + user->module.length);
    char *place = entry->texts;
    entry->user = *user;
    entry->user.user = put_text(&place, user->user);
    entry->user.room = put_text(&place, user->room);
    entry->user.module = put_text(&place, user->module);
    entry->key = keyed_hash_pair(user->user, user->room, users->seed);
    HASH_ADD(handle, users->table, key, sizeof entry->key, entry);
}

void held_users_hold(struct held_users *users, const struct held_user *user, int64_t now_ms)
{
    struct held_user held = *user;
    held.until_ms = now_ms + users->span_ms;
    if (user->user.length > HELD_USERS_ID_MAXIMUM || user->room.length > HELD_USERS_ID_MAXIMUM ||
        user->module.length > HELD_USERS_ID_MAXIMUM)
        return;
    while (users->table && users->table->user.until_ms <= now_ms)
        remove_entry(users, users->table);
    struct entry *known = find_entry(users, user->user, user->room);
    if (!known && HASH_CNT(handle, users->table) == users->maximum) {
        remove_entry(users, users->table);
        users->forgotten++;
    }
    /* The texts may be those of the entry that gives way. */
    add_entry(users, &held);
    if (known)
        remove_entry(users, known);
}

uint32_t held_users_release(struct held_users *users, struct slice user)
{
    uint32_t released = 0;
    struct entry *entry, *next;
    HASH_ITER(handle, users->table, entry, next)
    {
        if (slice_present(user) && !slice_equal(entry->user.user, user))
            continue;
        remove_entry(users, entry);
        released++;
    }
    return released;
}

const struct held_user *held_users_next(const struct held_users *users, const struct held_user *user)
{
    const struct entry *entry = user ? ((const struct entry *)user)->handle.prev : last_entry(users);
    return entry ? &entry->user : NULL;
}

uint32_t held_users_count(const struct held_users *users)
{
    return HASH_CNT(handle, users->table);
}

uint64_t held_users_forgotten(const struct held_users *users)
{
    return users->forgotten;
}

static void save_text(struct buffer *output, struct slice text)
{
    size_t start = parts_begin(output);
    buffer_append_slice(output, text);
    parts_end(output, start);
}

struct numbers {
    int64_t until_ms;
    uint64_t refusals;
};

void held_users_save(const struct held_users *users, struct buffer *output)
{
    for (const struct entry *entry = users->table; entry; entry = entry->handle.next) {
        struct numbers numbers = {entry->user.until_ms, entry->user.refusals};
        save_text(output, slice_of((const char *)&numbers, sizeof numbers));
        save_text(output, entry->user.user);
        save_text(output, entry->user.room);
        save_text(output, entry->user.module);
    }
}

/* What is twice there no list has saved. They may be out of order: clocks are set back by a little, and a question that
 * waited for somebody is told of with the time at which it was asked. */
static bool restore_one(struct held_users *users, struct slice *saved)
{
    struct numbers numbers;
    struct slice head = parts_take(saved);
    struct held_user user = {.user = parts_take(saved)};
    user.room = parts_take(saved);
    user.module = parts_take(saved);
    if (head.length != sizeof numbers || !slice_present(user.user) || !slice_present(user.room) ||
        !slice_present(user.module) || user.user.length > HELD_USERS_ID_MAXIMUM ||
        user.room.length > HELD_USERS_ID_MAXIMUM || user.module.length > HELD_USERS_ID_MAXIMUM)
        return false;
    memcpy(&numbers, head.data, sizeof numbers);
    user.until_ms = numbers.until_ms;
    user.refusals = (uint32_t)numbers.refusals;
    if (numbers.refusals > UINT32_MAX || numbers.until_ms <= 0 || find_entry(users, user.user, user.room))
        return false;
    if (HASH_CNT(handle, users->table) == users->maximum) {
        remove_entry(users, users->table);
        users->forgotten++;
    }
    add_entry(users, &user);
    return true;
}

bool held_users_restore(struct held_users *users, struct slice saved, uint64_t seed)
{
    held_users_release(users, SLICE_ABSENT);
    users->seed = seed;
    while (saved.length)
        if (!restore_one(users, &saved)) {
            held_users_release(users, SLICE_ABSENT);
            return false;
        }
    return true;
}
