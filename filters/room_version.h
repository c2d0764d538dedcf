/* Room versions: what of them decides how an event is hashed and signed (Matrix specification, "Room Versions";
 * Synapse's rust/src/room_versions.rs). */
#ifndef WEIR_FILTERS_ROOM_VERSION_H
#define WEIR_FILTERS_ROOM_VERSION_H

#include "base/slice.h"

/* Where an event's id comes from. */
enum event_id_kind {
    EVENT_ID_GIVEN,         /* it is a member of the event */
    EVENT_ID_HASH_STANDARD, /* the reference hash, in Base64's standard alphabet */
    EVENT_ID_HASH_URL_SAFE, /* in the one for addresses */
};

struct room_version {
    const char *name;
    enum event_id_kind event_id;
    /* The stable version whose rules of redaction it has: those changed with 6, 8, 9, 11 and 12. */
    int redaction;
    bool strict_numbers;  /* only integers of at most 53 bits */
    bool room_id_is_hash; /* the id of the event that creates a room, which has no room_id of its own then */
};

/* The version of that name ("10", "org.matrix.hydra.11"); NULL if it is unknown. */
const struct room_version *room_version_find(struct slice name);
/* All of them, in order: NULL behind the last. */
const struct room_version *room_version_at(size_t index);

#endif
