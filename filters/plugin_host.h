/* What stands behind the opaque handles of deploy/include/weir/plugin.h, and the table of functions that a plug-in
 * gets.
 *
 * The table's functions live in three files: JSON (plugin_json.c), questions and instances (plugin_host.c), answers
 * (plugin_answer.c). A plug-in is trusted code, but its mistakes are met here: indices, slots and texts that make no
 * sense give absent values or a failed callback. */
#ifndef WEIR_FILTERS_PLUGIN_HOST_H
#define WEIR_FILTERS_PLUGIN_HOST_H

#include "filters/module.h"
#include "weir/plugin.h"

/* One entry of `modules:` that is a plug-in. */
struct weir_instance {
    const struct module_setup *setup; /* while `create` runs; NULL afterwards */
    const json_t *settings;           /* an object */
    const char *server_name;
    const char *name; /* the plug-in's own, for the log */
    void (*log)(const char *level, const char *module, struct slice message);
    uint32_t slot_count; /* slots below this may be read */
    bool reported;       /* the plug-in has said what is wrong */
    bool takes_rows;     /* it answers about events without a body */
};

/* One call of a callback. Trees are read when they are asked for, and belong to the arena of the question. */
struct weir_question {
    const struct weir_instance *instance;
    const struct callback_arguments *arguments;
    const json_t *event_tree;
    const json_t *argument_trees[CALLBACK_ARGUMENTS_MAXIMUM];
};

struct plugin_route {
    struct slice user_id;
    const struct presence_state *state;
    uint32_t index; /* of the state in the argument */
};

struct weir_answer {
    const struct callback_arguments *arguments;
    struct result *result;
    struct plugin_route *routes; /* get_users_for_states; in the arena */
    uint32_t route_count;
    uint32_t route_capacity;
};

extern const struct weir_host plugin_host;

/* Asks the plug-in's `function`; its answer is in `result`, and what it refers to in the arena or the event. */
void plugin_ask(const struct weir_instance *instance, weir_callback_function *function, void *state,
                const struct callback_arguments *arguments, struct result *result);

static inline struct weir_text plugin_text(struct slice slice)
{
    struct weir_text text = {slice.data, slice.length};
    return text;
}
static inline struct slice plugin_slice(struct weir_text text)
{
    return slice_of(text.data, text.length);
}

/* The table's functions for JSON. */
enum weir_kind plugin_json_kind(const struct weir_json *json);
struct weir_text plugin_json_text(const struct weir_json *json);
bool plugin_json_boolean(const struct weir_json *json);
int64_t plugin_json_integer(const struct weir_json *json);
double plugin_json_number(const struct weir_json *json);
size_t plugin_json_size(const struct weir_json *json);
const struct weir_json *plugin_json_at(const struct weir_json *json, size_t index);
struct weir_text plugin_json_key(const struct weir_json *json, size_t index);
const struct weir_json *plugin_json_get(const struct weir_json *json, const char *key);

/* The table's functions for answers. */
void plugin_answer_pass(struct weir_answer *answer);
void plugin_answer_refuse(struct weir_answer *answer, struct weir_text code, struct weir_text fields);
void plugin_answer_none(struct weir_answer *answer);
void plugin_answer_boolean(struct weir_answer *answer, bool value);
void plugin_answer_integer(struct weir_answer *answer, int64_t value);
void plugin_answer_number(struct weir_answer *answer, double value);
void plugin_answer_text(struct weir_answer *answer, struct weir_text value);
void plugin_answer_not_spam(struct weir_answer *answer);
void plugin_answer_code(struct weir_answer *answer, struct weir_text code, struct weir_text fields);
void plugin_answer_behaviour(struct weir_answer *answer, struct weir_text name);
void plugin_answer_texts(struct weir_answer *answer, const struct weir_text *items, size_t count);
void plugin_answer_all_users(struct weir_answer *answer);
void plugin_answer_route(struct weir_answer *answer, struct weir_text user_id, uint32_t index);
void plugin_answer_authenticated(struct weir_answer *answer, struct weir_text user_id);
void plugin_answer_replace_event(struct weir_answer *answer, struct weir_text members);
void plugin_answer_tagged(struct weir_answer *answer, struct weir_text json);
void plugin_answer_raise(struct weir_answer *answer, struct weir_text message);
void plugin_answer_raise_error(struct weir_answer *answer, int status, struct weir_text code, struct weir_text message);
void plugin_answer_rule(struct weir_answer *answer, struct weir_text rule);
void plugin_answer_reason(struct weir_answer *answer, struct weir_text reason);
void plugin_answer_evidence(struct weir_answer *answer, struct weir_text part);
/* Puts the routes that were given together; called when the callback has returned. */
void plugin_answer_finish(struct weir_answer *answer);

#endif
