/* Requests over Redis and over HTTP carry the same JSON; it is read here, by the table of callbacks. */
#include "engine/chain_question.h"

#include <stdlib.h>

static bool has_event(const struct callback_definition *definition)
{
    for (uint32_t index = 0; index < definition->argument_count; index++)
        if (definition->arguments[index].type == ARGUMENT_EVENT)
            return true;
    return false;
}

/* Here all of an event comes from its JSON, `membership` too, which an observed one has in its row. */
static const char *read_event(struct chain_question *question, const struct chain *chain, const json_t *event)
{
    char *text = json_is_object(event) ? json_dumps(event, JSON_COMPACT) : NULL;
    if (!text)
        return "the argument `event` must be an object";
    arena_defer(&question->arena, free, text);
    if (!question->reader)
        question->reader = event_reader_create(chain_fields(chain));
    question->event = (struct event){0};
    enum event_read_status status = event_reader_read(question->reader, slice_from_string(text), &question->event);
    const json_t *membership = json_object_get(json_object_get(event, "content"), "membership");
    if (slice_equal(question->event.type, SLICE("m.room.member")) && json_is_string(membership))
        question->event.membership = slice_of(json_string_value(membership), json_string_length(membership));
    question->arguments.event = &question->event;
    return status == EVENT_READ_OK ? NULL : event_read_status_text(status);
}

const char *chain_question_read(struct chain_question *question, const struct chain *chain, enum callback callback,
                                struct slice args)
{
    const char *problem = NULL;
    json_error_t error;
    question->callback = callback;
    if (!callback_definitions[callback].rules[chain_semantics(chain)])
        return "there is no such callback with the `semantics` that are configured";
    if (!slice_present(args))
        return "the field `args` is missing";
    if (args.length > CHAIN_QUESTION_ARGUMENTS_MAXIMUM)
        return "the arguments are larger than 16 MiB";
    json_t *object = json_loadb(args.data, args.length, JSON_ALLOW_NUL, &error);
    if (!object)
        return "the arguments are no JSON object";
    value_own_json(&question->arena, object);
    question->arguments = (struct callback_arguments){0};
    if (!callback_read_arguments(callback, object, &question->arena, &question->arguments, &problem))
        return problem;
    return has_event(&callback_definitions[callback]) ? read_event(question, chain, json_object_get(object, "event"))
                                                      : NULL;
}

void chain_question_reset(struct chain_question *question)
{
    arena_reset(&question->arena);
}

void chain_question_free(struct chain_question *question)
{
    event_reader_destroy(question->reader);
    arena_free(&question->arena);
    *question = (struct chain_question){0};
}

void chain_question_append_outcome(const struct chain_question *question, const struct outcome *outcome,
                                   struct buffer *json)
{
    const struct callback_definition *definition = &callback_definitions[question->callback];
    value_append_json(&outcome->result.value, json);
    for (uint32_t index = 0; outcome->kind != OUTCOME_FAILED && index < definition->argument_count; index++) {
        if (definition->arguments[index].type != ARGUMENT_SHARED || json->data[json->length - 1] != '}')
            continue;
        char *text = json_dumps(question->arguments.values[index].object, JSON_COMPACT | JSON_ENSURE_ASCII);
        json->length--;
        buffer_append_string(json, ",\"after\":");
        buffer_append_string(json, text ? text : "null");
        buffer_append_char(json, '}');
        free(text);
    }
}
