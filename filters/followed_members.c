/* Open addressing in a table that is at most half full. Who has left stays in it, so that an older join that comes
 * later is known for what it is. */
#include "filters/followed_members.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define LEAST_PLACES 64u

struct member {
    uint64_t key;   /* 0: free */
    uint64_t state; /* the ordering, twice, and whether they are there */
};

struct followed_members {
    struct member *places;
    uint32_t place_count; /* a power of two */
    uint32_t count;
    uint32_t maximum;
};

static void clear(struct followed_members *members, uint32_t places)
{
    free(members->places);
    members->places = memory_allocate_zeroed(places, sizeof *members->places);
    members->place_count = places;
    members->count = 0;
}

struct followed_members *followed_members_create(uint32_t maximum)
{
    struct followed_members *members = memory_allocate_zeroed(1, sizeof *members);
    members->maximum = maximum;
    clear(members, LEAST_PLACES);
    return members;
}

void followed_members_destroy(struct followed_members *members)
{
    if (!members)
        return;
    free(members->places);
    free(members);
}

/* Where the key is, or would be. */
static struct member *place_of(const struct followed_members *members, uint64_t key)
{
    uint32_t place = (uint32_t)(key >> 32) & (members->place_count - 1);
    while (members->places[place].key && members->places[place].key != key)
        place = (place + 1) & (members->place_count - 1);
    return &members->places[place];
}

static void grow(struct followed_members *members)
{
    struct followed_members larger = {.maximum = members->maximum};
    clear(&larger, 2 * members->place_count);
    for (uint32_t place = 0; place < members->place_count; place++)
        if (members->places[place].key)
            *place_of(&larger, members->places[place].key) = members->places[place];
    larger.count = members->count;
    free(members->places);
    *members = larger;
}

static uint64_t usable(uint64_t key)
{
    return key ? key : 1;
}

bool followed_members_see(struct followed_members *members, uint64_t key, int64_t ordering, bool joined)
{
    struct member *member = place_of(members, usable(key));
    uint64_t place = ordering > 0 ? (uint64_t)ordering : 0;
    if (member->key) {
        if (place >= member->state >> 1)
            member->state = place << 1 | joined;
        return true;
    }
    if (members->count == members->maximum)
        return false;
    if (2 * (members->count + 1) > members->place_count) {
        grow(members);
        member = place_of(members, usable(key));
    }
    *member = (struct member){usable(key), place << 1 | joined};
    members->count++;
    return true;
}

bool followed_members_has(const struct followed_members *members, uint64_t key)
{
    const struct member *member = place_of(members, usable(key));
    return member->key && member->state & 1;
}

uint32_t followed_members_count(const struct followed_members *members)
{
    return members->count;
}

void followed_members_save(const struct followed_members *members, struct buffer *output)
{
    for (uint32_t place = 0; place < members->place_count; place++)
        if (members->places[place].key)
            buffer_append(output, (const char *)&members->places[place], sizeof members->places[place]);
}

bool followed_members_restore(struct followed_members *members, struct slice saved)
{
    clear(members, LEAST_PLACES);
    struct member member;
    bool good = saved.length % sizeof member == 0;
    for (size_t at = 0; good && at < saved.length; at += sizeof member) {
        memcpy(&member, saved.data + at, sizeof member);
        good = member.key && !place_of(members, member.key)->key &&
               followed_members_see(members, member.key, (int64_t)(member.state >> 1), member.state & 1);
    }
    if (!good)
        clear(members, LEAST_PLACES);
    return good;
}
