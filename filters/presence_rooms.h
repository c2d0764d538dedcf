/* Rooms whose members get what a presence group sends: the rooms of the configuration, each with its groups, and who is
 * in them (filters/followed_members.h), by the state that whoever follows rooms is told. Not for several threads. */
#ifndef WEIR_FILTERS_PRESENCE_ROOMS_H
#define WEIR_FILTERS_PRESENCE_ROOMS_H

#include "base/buffer.h"
#include "filters/event.h"

struct followed_members;

struct presence_rooms {
    const char **ids;
    uint64_t *groups; /* of each room, as bits */
    uint32_t count;
    uint64_t seed;                    /* of the keys in `members` */
    struct followed_members *members; /* NULL without rooms */
};

/* The members of the room are in the groups, too. `room_id` must live as long. Free with presence_rooms_free. */
void presence_rooms_add(struct presence_rooms *rooms, const char *room_id, uint64_t groups);
void presence_rooms_free(struct presence_rooms *rooms);

/* The groups whose rooms the user is in. */
uint64_t presence_rooms_groups(const struct presence_rooms *rooms, struct slice user);

/* An event of a room's state, as `state_event` of filters/module.h has it; `membership_slot` is that of
 * SUBJECT_MEMBERSHIP. Whether it may have changed the groups of the user in its state key. */
bool presence_rooms_see(struct presence_rooms *rooms, const struct event *event, uint32_t membership_slot,
                        int64_t ordering);

/* Appends who is in the rooms, and reads it again: false, and nobody is, if that is not what was saved. */
void presence_rooms_save(const struct presence_rooms *rooms, struct buffer *output);
bool presence_rooms_restore(struct presence_rooms *rooms, struct slice saved, uint64_t seed);

#endif
