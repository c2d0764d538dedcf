/* A room stands once however many groups name it, so that each user is looked up once for each room. */
#include "filters/presence_rooms.h"

#include <stdlib.h>

#include "base/keyed_hash.h"
#include "base/memory.h"
#include "filters/followed_members.h"
#include "filters/subject.h"

/* In at most 64 MiB. */
#define MEMBERS_MAXIMUM 1000000u

void presence_rooms_add(struct presence_rooms *rooms, const char *room_id, uint64_t groups)
{
    uint32_t room = 0;
    if (!rooms->members) {
        rooms->members = followed_members_create(MEMBERS_MAXIMUM);
        rooms->seed = keyed_hash_seed;
    }
    while (room < rooms->count && strcmp(rooms->ids[room], room_id) != 0)
        room++;
    if (room == rooms->count) {
        rooms->count++;
        rooms->ids = memory_reallocate(rooms->ids, rooms->count * sizeof *rooms->ids);
        rooms->groups = memory_reallocate(rooms->groups, rooms->count * sizeof *rooms->groups);
        rooms->ids[room] = room_id;
        rooms->groups[room] = 0;
    }
    rooms->groups[room] |= groups;
}

void presence_rooms_free(struct presence_rooms *rooms)
{
    followed_members_destroy(rooms->members);
    free(rooms->ids);
    free(rooms->groups);
    *rooms = (struct presence_rooms){0};
}

uint64_t presence_rooms_groups(const struct presence_rooms *rooms, struct slice user)
{
    uint64_t groups = 0;
    for (uint32_t room = 0; room < rooms->count; room++)
        if (followed_members_has(rooms->members,
                                 keyed_hash_pair(slice_from_string(rooms->ids[room]), user, rooms->seed)))
            groups |= rooms->groups[room];
    return groups;
}

/* What has lost its content says nothing of who is there; where nothing stands any more, nobody is. */
bool presence_rooms_see(struct presence_rooms *rooms, const struct event *event, uint32_t membership_slot,
                        int64_t ordering)
{
    struct slice membership = subject_membership(event, membership_slot);
    bool gone = slice_equal(event->type, SLICE("m.room.member")) && !slice_present(event->event_id);
    if (!rooms->members || (!slice_present(membership) && !gone) || !slice_present(event->state_key) ||
        !slice_present(event->room_id))
        return false;
    return followed_members_see(rooms->members, keyed_hash_pair(event->room_id, event->state_key, rooms->seed),
                                ordering, slice_equal(membership, SLICE("join")));
}

void presence_rooms_save(const struct presence_rooms *rooms, struct buffer *output)
{
    if (rooms->members)
        followed_members_save(rooms->members, output);
}

bool presence_rooms_restore(struct presence_rooms *rooms, struct slice saved, uint64_t seed)
{
    if (!rooms->members)
        return saved.length == 0;
    bool good = followed_members_restore(rooms->members, saved);
    if (good)
        rooms->seed = seed;
    return good;
}
