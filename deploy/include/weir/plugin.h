/* The interface of a Weir plug-in: a shared object that answers Synapse's module callbacks in C or C++.
 *
 * A plug-in exports one symbol, `weir_plugin`, and links against nothing of Weir's: everything it needs comes through
 * the table of functions that `create` is given. It is configured as
 *
 *     modules:
 *       - module: plugin
 *         config:
 *           path: /usr/local/lib/weir/example.so
 *           settings: {…}
 *
 * A plug-in is trusted code: it runs inside of Weir's process, and there is nothing that stops it. Callbacks are asked
 * in one thread. When the configuration is loaded again, `create` of the new instance and `destroy` of the old one come
 * from another thread, one at a time, while callbacks of other instances go on: what instances share needs a lock.
 * If it crashes, Weir crashes; while it works, everything waits. It must not fork, must not change signal handlers, and
 * must not let a C++ exception out of its functions. `weir check` loads it too.
 *
 * Handles are opaque. Texts that come from Weir are UTF-8, have a length and no NUL behind them, and live until the
 * function that got them returns, unless it says otherwise. Texts that go to Weir are copied.
 *
 * This header is C99 and C++11, and needs no other of ours. */
#ifndef WEIR_PLUGIN_H
#define WEIR_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of this interface. Another major number means that what is here has changed; another minor one, that
 * functions were added at the end of a table. Weir refuses a plug-in with another major number, or with a higher minor
 * one than its own. */
#define WEIR_PLUGIN_ABI_MAJOR 1u
#define WEIR_PLUGIN_ABI_MINOR 0u
#define WEIR_PLUGIN_ABI_VERSION (WEIR_PLUGIN_ABI_MAJOR << 16 | WEIR_PLUGIN_ABI_MINOR)

/* A text; `data` is NULL if there is none (JSON's null, a missing key, another type), which is not the empty text. */
struct weir_text {
    const char *data;
    size_t length;
};

/* NULL gives no text. */
static inline struct weir_text weir_text_from(const char *string)
{
    struct weir_text text;
    text.data = string;
    text.length = string ? strlen(string) : 0;
    return text;
}

struct weir_instance; /* one entry of `modules:`, from create to destroy */
struct weir_question; /* what a callback is asked; until it returns */
struct weir_answer;   /* what it says to that; until it returns */
struct weir_json;     /* a value of a JSON document that was read */

/* What a value is. */
enum weir_kind {
    WEIR_KIND_ABSENT = 0, /* there is none: past the end, unknown, or not told */
    WEIR_KIND_NULL = 1,
    WEIR_KIND_BOOLEAN = 2,
    WEIR_KIND_INTEGER = 3,
    WEIR_KIND_NUMBER = 4, /* with a fraction or an exponent */
    WEIR_KIND_TEXT = 5,
    WEIR_KIND_ARRAY = 6,
    WEIR_KIND_OBJECT = 7,
    WEIR_KIND_EVENT = 8 /* an argument that is the event of the question: see event_text */
};

/* The members of an event that are read for every question. */
enum weir_event_field {
    WEIR_EVENT_ID = 0,
    WEIR_EVENT_ROOM_ID = 1,
    WEIR_EVENT_TYPE = 2,
    WEIR_EVENT_SENDER = 3,
    WEIR_EVENT_STATE_KEY = 4, /* no text: no state event */
    WEIR_EVENT_REDACTS = 5,
    WEIR_EVENT_MEMBERSHIP = 6 /* of an observed m.room.member */
};

enum weir_level { WEIR_DEBUG = 0, WEIR_INFO = 1, WEIR_WARNING = 2, WEIR_ERROR = 3 };

/* What Weir does for a plug-in. The table lives as long as the process. */
struct weir_host {
    uint32_t abi_version;
    uint32_t size; /* of this struct; later minor versions append to it */

    /* ---- the instance: `report`, `declare_content` and `take_rows` only within `create` */

    /* The map `settings` of the configuration, {} without one. Lives as long as the instance. */
    const struct weir_json *(*settings)(const struct weir_instance *instance);
    /* Says that the settings are wrong: `path` is where within them ("share", "users[2]", "" for the whole), `message`
     * a sentence. The administrator reads it with file, line and column. Say all that is wrong, then return NULL. */
    void (*report)(struct weir_instance *instance, const char *path, const char *message);
    /* Declares that the plug-in reads the text `content.<key>` of events, and returns the slot to read it by: such keys
     * are picked out while an event is parsed, which is by far the fastest way to them. */
    uint32_t (*declare_content)(struct weir_instance *instance, const char *key);
    /* Says that the plug-in answers about events of which only the stream's row is known. Without this, a plug-in with
     * a callback about events needs a source of event bodies, and is passed over when there is no body. */
    void (*take_rows)(struct weir_instance *instance);
    /* The homeserver's name. Lives as long as the instance. */
    struct weir_text (*server_name)(const struct weir_instance *instance);
    /* Writes a line to Weir's log. */
    void (*log)(const struct weir_instance *instance, enum weir_level level, struct weir_text message);

    /* ---- the event of a question; every one of these says that there is none if the question has no event */

    struct weir_text (*event_text)(const struct weir_question *question, enum weir_event_field field);
    /* The text under a declared key of `content`. */
    struct weir_text (*event_content)(const struct weir_question *question, uint32_t slot);
    /* The whole event as JSON text, as the database or the request had it. No text while only the stream's row is
     * known, which has the fields of enum weir_event_field except for the sender. */
    struct weir_text (*event_json)(const struct weir_question *question);
    /* The same, read into a tree (some 10 µs, once a question); NULL if there is no text. */
    const struct weir_json *(*event_tree)(struct weir_question *question);

    /* ---- the arguments of a question: in the order of Synapse's documentation, by the names that a request to Weir
     * has them (user_id, room_id, event, state, ...) */

    /* The callback's name; it lives as long as the process. */
    const char *(*callback)(const struct weir_question *question);
    uint32_t (*argument_count)(const struct weir_question *question);
    /* NULL past the end. */
    const char *(*argument_name)(const struct weir_question *question, uint32_t index);
    /* The argument's place; argument_count if there is none of that name. */
    uint32_t (*argument_find)(const struct weir_question *question, const char *name);
    enum weir_kind (*argument_kind)(const struct weir_question *question, uint32_t index);
    /* No text, false and 0 where the argument is of another kind. */
    struct weir_text (*argument_text)(const struct weir_question *question, uint32_t index);
    bool (*argument_boolean)(const struct weir_question *question, uint32_t index);
    int64_t (*argument_integer)(const struct weir_question *question, uint32_t index);
    /* An argument of any kind as JSON text and as a tree; no text and NULL for an absent one. Presence states are
     * objects with Synapse's names, the room's state is an array of events, a limit {"max_bytes", "time_period_ms"}. */
    struct weir_text (*argument_json)(struct weir_question *question, uint32_t index);
    const struct weir_json *(*argument_tree)(struct weir_question *question, uint32_t index);
    /* Sets the members of the JSON object `members` in an argument that a module may edit (on_create_room's
     * `config`). False, and nothing happens, if it is not such an argument or `members` is no JSON object. */
    bool (*argument_edit)(struct weir_question *question, uint32_t index, struct weir_text members);

    /* ---- JSON. `json` may be NULL everywhere, which is an absent value. Texts and keys have a NUL behind them */

    enum weir_kind (*json_kind)(const struct weir_json *json);
    /* No text, false and 0 where the value is of another kind; an integer is also a number. */
    struct weir_text (*json_text)(const struct weir_json *json);
    bool (*json_boolean)(const struct weir_json *json);
    int64_t (*json_integer)(const struct weir_json *json);
    double (*json_number)(const struct weir_json *json);
    /* The members of an object, the items of an array; 0 for all else. */
    size_t (*json_size)(const struct weir_json *json);
    /* The item of an array, or the member of an object by its place; NULL past the end. */
    const struct weir_json *(*json_at)(const struct weir_json *json, size_t index);
    /* The name of an object's member by its place. */
    struct weir_text (*json_key)(const struct weir_json *json, size_t index);
    /* The member of an object by its name; NULL if there is none. */
    const struct weir_json *(*json_get)(const struct weir_json *json, const char *key);

    /* ---- the answer. The last of these wins; a callback that calls none of them passes */

    /* Whatever lets the next module speak, and whatever refuses, in this callback: False for user_may_join_room, the
     * code for check_event_for_spam, DENY for a registration. `code` is one of Synapse's error codes; no text is
     * M_FORBIDDEN. `fields` is a JSON object of further members for the error's body; no text: none. */
    void (*pass)(struct weir_answer *answer);
    void (*refuse)(struct weir_answer *answer, struct weir_text code, struct weir_text fields);
    /* The values of Synapse's own callbacks. They combine exactly as they would in Synapse. */
    void (*none)(struct weir_answer *answer);
    void (*boolean)(struct weir_answer *answer, bool value);
    void (*integer)(struct weir_answer *answer, int64_t value);
    void (*number)(struct weir_answer *answer, double value);
    void (*text)(struct weir_answer *answer, struct weir_text value);
    void (*not_spam)(struct weir_answer *answer);
    void (*code)(struct weir_answer *answer, struct weir_text code, struct weir_text fields);
    /* check_registration_for_spam: ALLOW, SHADOW_BAN or DENY. */
    void (*behaviour)(struct weir_answer *answer, struct weir_text name);
    /* A set of texts, such as get_interested_users wants. */
    void (*texts)(struct weir_answer *answer, const struct weir_text *items, size_t count);
    /* get_interested_users: everybody (PRESENCE_ALL_USERS). */
    void (*all_users)(struct weir_answer *answer);
    /* get_users_for_states: `user_id` also gets the state at `index` of the argument `state_updates`. May be called
     * many times; the calls add up. */
    void (*route)(struct weir_answer *answer, struct weir_text user_id, uint32_t index);
    /* auth_checkers and check_3pid_auth: the login is good, for this user id. */
    void (*authenticated)(struct weir_answer *answer, struct weir_text user_id);
    /* check_event_allowed: allowed, with these members (a JSON object) replaced in the event or added to it. */
    void (*replace_event)(struct weir_answer *answer, struct weir_text members);
    /* Everything else, as tagged JSON: {"tuple": [true, false, {"int": 5}]}, {"limit": [1000, 60000]}, {"dict": {…}}.
     */
    void (*tagged)(struct weir_answer *answer, struct weir_text json);
    /* The callback has failed, as if Synapse's own had raised an exception; `message` is for the log. */
    void (*raise)(struct weir_answer *answer, struct weir_text message);
    /* As if it had raised SynapseError(status, message, code), which Synapse gives to the client. */
    void (*raise_error)(struct weir_answer *answer, int status, struct weir_text code, struct weir_text message);

    /* Which rule of the plug-in decided, and why, in words: both stand in the verdict. */
    void (*rule)(struct weir_answer *answer, struct weir_text rule);
    void (*reason)(struct weir_answer *answer, struct weir_text reason);
    /* On which bytes: a part of a text that event_text, event_content or event_json gave. `weir explain` shows it. */
    void (*evidence)(struct weir_answer *answer, struct weir_text part);
};

/* Answers one callback. `state` is what `create` made. An answer that makes no sense (broken JSON, an unknown code)
 * counts as a failure of the callback, with the reason in the log. */
typedef void weir_callback_function(void *state, struct weir_question *question, struct weir_answer *answer);

/* One callback that the plug-in answers. */
struct weir_callback {
    const char *name; /* as Synapse calls it: "check_event_for_spam" */
    weir_callback_function *function;
    const char *login_type;          /* "auth_checkers" only: "m.login.password" */
    const char *const *login_fields; /* likewise: the fields that a login must have, NULL at the end */
};

/* What the plug-in exports, by the name WEIR_PLUGIN. */
struct weir_plugin {
    uint32_t abi_version;   /* WEIR_PLUGIN_ABI_VERSION */
    uint32_t size;          /* sizeof(struct weir_plugin) */
    uint32_t callback_size; /* sizeof(struct weir_callback) */
    uint32_t callback_count;
    const struct weir_callback *callbacks;
    const char *name;    /* a short name for logs: "shouting" */
    const char *summary; /* one line for people */
    /* Makes the state for one entry of `modules:`. NULL if the settings are wrong, after a call of host->report. A
     * plug-in that needs no state returns any other pointer. `instance` lives until `destroy` has returned. */
    void *(*create)(const struct weir_host *host, struct weir_instance *instance);
    void (*destroy)(void *state); /* may be NULL */
};

/* `WEIR_PLUGIN = {…};` defines it. */
#if defined(__GNUC__)
#define WEIR_PLUGIN_EXPORT __attribute__((visibility("default")))
#else
#define WEIR_PLUGIN_EXPORT
#endif
extern WEIR_PLUGIN_EXPORT const struct weir_plugin weir_plugin;
#define WEIR_PLUGIN const struct weir_plugin weir_plugin

#ifdef __cplusplus
}
#endif

#endif
