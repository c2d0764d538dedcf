/* Whom and what a question is about, whatever the callback: who acts, at whom, in which room, under which address. One
 * table (subjects.def) for the modules that judge by it, for selectors and for the verdicts' rows. */
#ifndef WEIR_FILTERS_SUBJECT_H
#define WEIR_FILTERS_SUBJECT_H

#include "filters/callback.h"

enum subject_part {
    SUBJECT_USER,   /* who acts: an id; where an account is made or logged in to, maybe its localpart alone */
    SUBJECT_TARGET, /* the user at whom: whoever is invited, kicked, found; of one's own join or leave, oneself */
    SUBJECT_ROOM,   /* the room's id */
    SUBJECT_TYPE,   /* of the event, or of the account data */
    SUBJECT_STATE_KEY,
    SUBJECT_MEDIUM,   /* "email", "msisdn" */
    SUBJECT_ADDRESS,  /* the e-mail address or number that is invited, added or registered with */
    SUBJECT_PROVIDER, /* the id of the single sign-on that was used */
    SUBJECT_DEVICE_NAME,
    SUBJECT_DISPLAY_NAME,
    SUBJECT_ROOM_ALIAS, /* of a room being created its localpart alone */
    SUBJECT_ROOM_NAME,
    SUBJECT_ROOM_TOPIC,
    SUBJECT_ORIGINS, /* where the request came from: for subject_origin, no text */
    SUBJECT_PARTS,
};

/* The part's text; absent where the callback does not tell it. Lives as long as the arguments. */
struct slice subject_text(const struct callback_arguments *arguments, enum subject_part part);

/* The arguments of `callback` that ask about the same: in `values` (CALLBACK_ARGUMENTS_MAXIMUM of them, zeroed) those
 * that are told. */
void subject_restate(const struct callback_arguments *arguments, enum callback callback, struct value *values);

/* The server of who acts; absent without one. */
struct slice subject_server(const struct callback_arguments *arguments);

/* The room that the event asked about makes; absent if it makes none. From room version 12 on the room's id is made of
 * that event's, which a question that comes before the event does not have. */
struct slice subject_created_room(const struct callback_arguments *arguments);

/* The key of `content` that the three below read, since a request's event has no row that tells it: declare it in the
 * module's create, and hand its slot on. */
#define SUBJECT_MEMBERSHIP SLICE("membership")
/* "join", "leave", "invite", …; absent if the event is no membership event. */
struct slice subject_membership(const struct event *event, uint32_t membership_slot);
/* Whether somebody is being invited: user_may_invite, federated_user_may_invite, or an event that says so. */
bool subject_is_invite(const struct callback_arguments *arguments, uint32_t membership_slot);
/* Whether the question is about an event, and that is its sender's own leaving. */
bool subject_is_leave(const struct callback_arguments *arguments, uint32_t membership_slot);

/* A request that belongs to a registration or a login. There may be several: interactive registration takes some. */
struct subject_origin {
    struct slice agent;   /* the User-Agent header; absent without one */
    struct slice address; /* the client's IP address; absent if it is not known */
};
/* The request number `index`, from 0; false behind the last. */
bool subject_origin(const struct callback_arguments *arguments, size_t index, struct subject_origin *origin);

/* What a question without an event has of one, for the row of its verdict: sender, room, type and state key. */
struct event subject_as_event(const struct callback_arguments *arguments);

#endif
