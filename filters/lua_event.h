/* The event as a script sees it: a proxy that reads what it is asked for, and nothing else.
 *
 * Fields of the row (`event.sender`) are read from struct event. The body is parsed at most once for each question,
 * when a script or a module first looks at something that only the body has (event_content.h); objects and arrays in it
 * are proxies again. Keys of `content` that were declared (lua_events_declare) are taken from the event's reader,
 * without any parsing, where they hold a string.
 *
 * A proxy is good until lua_events_end; used later it raises an error. JSON's null reads as nil. Of a key that is there
 * twice the last value counts, except in a loop over `pairs`, which shows both. */
#ifndef WEIR_FILTERS_LUA_EVENT_H
#define WEIR_FILTERS_LUA_EVENT_H

#include <lua.h>
#include <yyjson.h>

#include "base/json_pool.h"
#include "filters/event.h"

/* All proxies of one state. It must not move, and outlive the state. */
struct lua_events {
    uint64_t generation;       /* of the proxies that are good */
    const struct event *event; /* being asked about, or NULL */
    bool parsed;
    yyjson_val *root;      /* of the parsed body */
    struct json_pool pool; /* for bodies that event_content.h does not look into */
};

/* Makes the metatables; to be called protected. */
void lua_events_open(struct lua_events *events, lua_State *L);
void lua_events_free(struct lua_events *events);

/* `content.<key>` is in `slot` of the event's strings. */
void lua_events_declare(lua_State *L, struct slice key, uint32_t slot);

/* Pushes the proxy of `event`, which must live until lua_events_end. One event at a time. */
void lua_events_push(struct lua_events *events, lua_State *L, const struct event *event);
/* Ends the question. */
void lua_events_end(struct lua_events *events);

/* Whether the value at `index` is a proxy; if so, `*value` is the JSON that it stands for (NULL: nothing), which lives
 * as long as the proxy is good. Raises an error if it no longer is. */
bool lua_event_json(lua_State *L, int index, yyjson_val **value);

#endif
