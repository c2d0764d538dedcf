/* Requests over Redis and over HTTP carry the same JSON; it is read here, by the table of callbacks.
 *
 * Most requests ask about an event and nothing else. Their event is read as it stands, as an observed one is; by way of
 * a tree and its text again, reading took half of the time that the engine spent on such a request. */
#include "engine/chain_question.h"

#include <stdlib.h>

#include "base/json_members.h"

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

static bool takes_event_alone(enum callback callback)
{
    const struct callback_definition *definition = &callback_definitions[callback];
    return definition->argument_count == 1 && definition->arguments[0].type == ARGUMENT_EVENT;
}

static bool is_space(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

static struct slice skip_space(struct slice text)
{
    while (text.length && is_space(*text.data))
        text = slice_of(text.data + 1, text.length - 1);
    return text;
}

/* Takes `word` and the white space before it off `text`. */
static bool take_word(struct slice *text, struct slice word)
{
    struct slice rest = skip_space(*text);
    if (!slice_starts_with(rest, word))
        return false;
    *text = slice_of(rest.data + word.length, rest.length - word.length);
    return true;
}

/* What stands for the event in `{"event": …}`; absent if the arguments do not look so. Whether it is one event, and not
 * an event with something behind it, its reader finds out. */
static struct slice event_alone(struct slice args)
{
    if (!take_word(&args, SLICE("{")) || !take_word(&args, SLICE("\"event\"")) || !take_word(&args, SLICE(":")))
        return SLICE_ABSENT;
    while (args.length && is_space(args.data[args.length - 1]))
        args.length--;
    if (!args.length || args.data[args.length - 1] != '}')
        return SLICE_ABSENT;
    return slice_of(args.data, args.length - 1);
}

/* Without a tree: the `membership` of the content of `event`, which was read well; absent if it has none. False if it
 * is written in a way that has to be decoded. */
static bool find_membership(struct chain_question *question, struct slice event, struct slice *membership)
{
    static const char *const content[] = {"content"}, *const name[] = {"membership"};
    struct slice found = SLICE_ABSENT;
    json_members_find(event, content, 1, &found, &question->scratch);
    if (slice_present(found))
        json_members_find(found, name, 1, &found, &question->scratch);
    *membership = SLICE_ABSENT;
    if (!slice_present(found) || *found.data != '"')
        return true;
    *membership = slice_of(found.data + 1, found.length - 2);
    return !memchr(membership->data, '\\', membership->length);
}

/* Reads a question about an event alone; false leaves it to the long way, which also finds the words for what is wrong.
 * The text is kept with the question: `args` may be gone before a module that waits has its answer. */
static bool read_event_alone(struct chain_question *question, const struct chain *chain, struct slice args)
{
    const char *problem;
    struct slice text = takes_event_alone(question->callback) ? event_alone(args) : SLICE_ABSENT;
    if (!slice_present(text))
        return false;
    if (!question->reader)
        question->reader = event_reader_create(chain_fields(chain));
    question->event = (struct event){0};
    text = arena_copy(&question->arena, text);
    if (event_reader_read(question->reader, text, &question->event) != EVENT_READ_OK)
        return false;
    if (slice_equal(question->event.type, SLICE("m.room.member")) &&
        !find_membership(question, text, &question->event.membership))
        return false;
    json_t *nothing = json_object();
    value_own_json(&question->arena, nothing);
    question->arguments = (struct callback_arguments){0};
    question->arguments.event = &question->event;
    return callback_read_arguments(question->callback, nothing, &question->arena, &question->arguments, &problem);
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
    if (read_event_alone(question, chain, args))
        return NULL;
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
    buffer_free(&question->scratch);
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
