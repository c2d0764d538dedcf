/* A parameter that is there twice is refused, where Synapse takes the last: two readers of one header must not come to
 * different senders. */
#include "engine/matrix_authorization.h"

#include <stddef.h>
#include <stdint.h>
#include <strings.h>

#include "filters/canonical_json.h"
#include "filters/server_name.h"

#define TEXT_MAXIMUM ((size_t)1 << 20)
#define KEY_ID_MAXIMUM 255u

static const char malformed[] = "the header Authorization is malformed";

static const struct parameter_name {
    const char *name;
    size_t offset;
} parameter_names[] = {
    {"origin", offsetof(struct matrix_authorization, origin)},
    {"destination", offsetof(struct matrix_authorization, destination)},
    {"key", offsetof(struct matrix_authorization, key)},
    {"sig", offsetof(struct matrix_authorization, signature)},
};

static bool is_space(char byte)
{
    return byte == ' ' || byte == '\t';
}

static void skip_space(struct slice *text)
{
    while (text->length && is_space(text->data[0]))
        *text = slice_of(text->data + 1, text->length - 1);
}

/* A text in quotes, of which `text` begins with the first. */
static bool take_quoted(struct slice *text, struct arena *arena, struct slice *value)
{
    char *copy = arena_allocate(arena, text->length);
    size_t length = 0, at = 1;
    for (; at < text->length && text->data[at] != '"'; at++) {
        if (text->data[at] == '\\' && ++at == text->length)
            return false;
        copy[length++] = text->data[at];
    }
    if (at >= text->length)
        return false;
    *value = slice_of(copy, length);
    *text = slice_of(text->data + at + 1, text->length - at - 1);
    return true;
}

/* A plain value ends at a comma or a space; colons in it are allowed, as old servers send them. */
static bool take_value(struct slice *text, struct arena *arena, struct slice *value)
{
    if (text->length && text->data[0] == '"')
        return take_quoted(text, arena, value);
    size_t length = 0;
    while (length < text->length && text->data[length] != ',' && text->data[length] != '"' &&
           !is_space(text->data[length]))
        length++;
    *value = arena_copy(arena, slice_of(text->data, length));
    *text = slice_of(text->data + length, text->length - length);
    return length > 0;
}

/* False if it is there twice. Unknown ones are passed over. */
static bool store(struct matrix_authorization *authorization, struct slice name, struct slice value)
{
    for (size_t index = 0; index < sizeof parameter_names / sizeof *parameter_names; index++) {
        const struct parameter_name *row = &parameter_names[index];
        if (strlen(row->name) != name.length || strncasecmp(row->name, name.data, name.length) != 0)
            continue;
        struct slice *place = (struct slice *)((char *)authorization + row->offset);
        if (slice_present(*place))
            return false;
        *place = value;
    }
    return true;
}

static bool take_parameter(struct slice *text, struct arena *arena, struct matrix_authorization *authorization)
{
    struct slice value;
    size_t length = 0;
    while (length < text->length && text->data[length] != '=' && text->data[length] != ',' &&
           !is_space(text->data[length]))
        length++;
    struct slice name = slice_of(text->data, length);
    if (length == 0 || length == text->length || text->data[length] != '=')
        return false;
    *text = slice_of(text->data + length + 1, text->length - length - 1);
    return take_value(text, arena, &value) && store(authorization, name, value);
}

static bool take_parameters(struct slice text, struct arena *arena, struct matrix_authorization *authorization)
{
    for (;;) {
        if (!take_parameter(&text, arena, authorization))
            return false;
        skip_space(&text);
        if (text.length == 0)
            return true;
        if (text.data[0] != ',')
            return false;
        text = slice_of(text.data + 1, text.length - 1);
        skip_space(&text);
    }
}

/* Less strict than the specification, which has letters, digits and `_` behind the colon. */
static bool key_id_valid(struct slice key_id)
{
    const struct slice algorithm = SLICE("ed25519:");
    if (!slice_present(key_id) || key_id.length > KEY_ID_MAXIMUM || !slice_starts_with(key_id, algorithm))
        return false;
    for (size_t index = 0; index < key_id.length; index++) {
        char byte = key_id.data[index];
        if (byte <= ' ' || byte >= 0x7f || byte == '"' || byte == '\\')
            return false;
    }
    return true;
}

const char *matrix_authorization_read(struct slice header, struct arena *arena,
                                      struct matrix_authorization *authorization)
{
    static const char scheme[] = "X-Matrix";
    const size_t scheme_length = sizeof scheme - 1;
    *authorization = (struct matrix_authorization){0};
    if (!slice_present(header))
        return "the header Authorization is missing";
    if (header.length > MATRIX_AUTHORIZATION_MAXIMUM)
        return malformed;
    if (header.length <= scheme_length || strncasecmp(header.data, scheme, scheme_length) != 0 ||
        !is_space(header.data[scheme_length]))
        return "the header Authorization is not of the scheme X-Matrix";
    struct slice parameters = slice_of(header.data + scheme_length, header.length - scheme_length);
    skip_space(&parameters);
    while (parameters.length && is_space(parameters.data[parameters.length - 1]))
        parameters.length--;
    if (!take_parameters(parameters, arena, authorization) || !server_name_valid(authorization->origin) ||
        !key_id_valid(authorization->key) || !slice_present(authorization->signature))
        return malformed;
    return NULL;
}

static json_t *text_json(struct slice text)
{
    return json_stringn(text.data, text.length);
}

bool matrix_authorization_text(const struct matrix_request *request, struct slice origin, struct buffer *text)
{
    json_t *json = json_object();
    bool good = json_object_set_new(json, "method", json_string(request->method)) == 0 &&
                json_object_set_new(json, "uri", text_json(request->uri)) == 0 &&
                json_object_set_new(json, "origin", text_json(origin)) == 0 &&
                json_object_set_new(json, "destination", text_json(request->destination)) == 0;
    if (request->content)
        json_object_set(json, "content", (json_t *)(uintptr_t)request->content);
    good = good && canonical_json_append(json, TEXT_MAXIMUM, text);
    json_decref(json);
    return good;
}
