/* Whether a policy server signs an event (MSC4284; Matrix specification, server-server API, "Policy Servers"): the
 * event is read by the rules of its room's version, asked of the chain as `check_event_for_spam`, and signed if it
 * passes.
 *
 * Hundreds of servers may ask about one event at once, and again later: they share one question, and what came of it is
 * remembered, so that all of them hear the same. Nothing is signed that was not asked about or remembered as good. */
#ifndef WEIR_ENGINE_POLICY_CHECK_H
#define WEIR_ENGINE_POLICY_CHECK_H

#include <jansson.h>

#include "base/string_table.h"
#include "engine/metrics.h"
#include "engine/policy_rooms.h"
#include "engine/questions.h"
#include "engine/shared_wait.h"
#include "engine/signing_key.h"

struct policy_checks;

enum policy_ending {
    POLICY_SIGNED,
    POLICY_REFUSED,      /* a module said so */
    POLICY_MALFORMED,    /* it is no event of its room's version */
    POLICY_UNKNOWN_ROOM, /* the room is not served, or its version is not known */
    POLICY_KEPT_OUT,     /* the room's m.room.server_acl keeps out the server that asks */
    POLICY_OVERLOADED,
    POLICY_FAILED, /* a module, the database, or time */
};
#define POLICY_ENDINGS (POLICY_FAILED + 1)

struct policy_result {
    enum policy_ending ending;
    struct slice signature; /* in Base64, of a signed one */
    const char *sentence;   /* of all others: what is told to whoever asked */
};

struct policy_checks_settings {
    struct questions *questions;
    const struct signing_key *key;
    struct policy_rooms *rooms;            /* NULL: there is no database */
    const char *default_room_version;      /* of rooms whose version is not known; NULL: they are not served */
    const struct string_table *only_rooms; /* room ids; NULL: all */
    size_t cache;                          /* how many events are remembered */
    int64_t cache_for_ms;
};

/* One who asks; it is part of its owner, who fills in what is above the line. */
struct policy_check {
    const json_t *event; /* the whole of it; must live until the end */
    struct slice asker;  /* for the bounds; likewise */
    struct slice server; /* the server that asks; absent if it is not known; likewise */
    int64_t deadline_ms; /* by the wall clock, since 1970 */
    /* Called once, in policy_check_begin or later. `result` lives until it returns. */
    void (*ended)(void *context, const struct policy_result *result);
    void *context;
    /* ---- */
    struct policy_checks *checks;
    struct shared_waiter waiter;
    bool waited_for_room;
};

/* What the settings name must outlive the checks. */
struct policy_checks *policy_checks_create(const struct policy_checks_settings *settings, struct metrics *metrics);
/* Nobody may wait any more. */
void policy_checks_destroy(struct policy_checks *checks);

void policy_check_begin(struct policy_checks *checks, struct policy_check *check);
/* The asker is gone, or has no more time: no end is told. What was asked of the chain goes on, for the others. */
void policy_check_leave(struct policy_check *check);

#endif
