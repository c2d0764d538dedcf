/* The fields are told apart by a table. What is too long is refused before it is copied anywhere, but its `id` and
 * `reply_to` are read all the same, so that its sender can be told. */
#include "engine/request_entry.h"

#include <stddef.h>

static const struct known_field {
    struct slice name;
    size_t offset; /* of a slice in struct request_fields */
    size_t maximum;
    const char *problem;
} known_fields[] = {
#define FIELD(member, maximum_, size_text)                                                                             \
    {                                                                                                                  \
        {#member, sizeof #member - 1}, offsetof(struct request_fields, member), maximum_,                              \
            "the field `" #member "` is longer than " size_text                                                        \
    }
    FIELD(callback, REQUEST_ENTRY_TEXT_MAXIMUM, "1024 bytes"), FIELD(args, REQUEST_ENTRY_ARGS_MAXIMUM, "16 MiB"),
    FIELD(reply_to, REQUEST_ENTRY_TEXT_MAXIMUM, "1024 bytes"), FIELD(id, REQUEST_ENTRY_TEXT_MAXIMUM, "1024 bytes"),
    FIELD(deadline, REQUEST_ENTRY_TEXT_MAXIMUM, "1024 bytes"), FIELD(room, REQUEST_ENTRY_TEXT_MAXIMUM, "1024 bytes"),
    FIELD(lines, REQUEST_ENTRY_TEXT_MAXIMUM, "1024 bytes"),
#undef FIELD
};

struct slice request_reply_text(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_STRING ? slice_of(reply->str, reply->len) : SLICE_ABSENT;
}

/* NULL, or what is wrong with the field; it is then left out. */
static const char *take_field(struct slice name, struct slice text, struct request_fields *fields)
{
    for (size_t index = 0; index < sizeof known_fields / sizeof *known_fields; index++) {
        const struct known_field *known = &known_fields[index];
        if (!slice_equal(name, known->name))
            continue;
        if (text.length > known->maximum)
            return known->problem;
        *(struct slice *)((char *)fields + known->offset) = text;
        return NULL;
    }
    return NULL;
}

enum request_entry_state request_entry_read(const redisReply *entry, struct request_fields *fields,
                                            const char **problem)
{
    *fields = (struct request_fields){0};
    *problem = NULL;
    if (entry->type != REDIS_REPLY_ARRAY || entry->elements != 2)
        return REQUEST_ENTRY_NONE;
    const redisReply *list = entry->element[1];
    fields->entry = request_reply_text(entry->element[0]);
    if (!slice_present(fields->entry))
        return REQUEST_ENTRY_NONE;
    if (list->type != REDIS_REPLY_ARRAY)
        return REQUEST_ENTRY_GONE;
    size_t count = list->elements / 2;
    if (count > REQUEST_ENTRY_FIELDS_MAXIMUM) {
        *problem = "a request has at most 64 fields";
        count = REQUEST_ENTRY_FIELDS_MAXIMUM;
    }
    for (size_t index = 0; index < count; index++) {
        const char *wrong = take_field(request_reply_text(list->element[2 * index]),
                                       request_reply_text(list->element[2 * index + 1]), fields);
        *problem = wrong ? wrong : *problem;
    }
    return *problem ? REQUEST_ENTRY_REFUSED : REQUEST_ENTRY_WHOLE;
}
