/* Results are small values that point into the module's own memory, so that an answer costs no allocation; turning one
 * into JSON happens only when a verdict is written. */
#include "filters/result.h"

#include <stdlib.h>

/* The members of Synapse's Codes enumeration (synapse/api/errors.py), in its order. A code outside of it cannot be
 * answered by a module in Synapse. */
static const char *const known_codes[] = {
#define CODE(text) text,
#include "filters/codes.def"
#undef CODE
};

bool result_code_known(struct slice code)
{
    for (size_t index = 0; index < sizeof known_codes / sizeof *known_codes; index++)
        if (slice_equal(code, slice_from_string(known_codes[index])))
            return true;
    return false;
}

static void append_object(const json_t *object, struct buffer *output)
{
    char *text = object ? json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
    buffer_append_string(output, text ? text : "{}");
    free(text);
}

static void append_none(const struct result *result, struct buffer *output)
{
    (void)result;
    buffer_append_string(output, "{\"none\":true}");
}

static void append_boolean(const struct result *result, struct buffer *output)
{
    buffer_append_string(output, result->boolean ? "{\"bool\":true}" : "{\"bool\":false}");
}

static void append_not_spam(const struct result *result, struct buffer *output)
{
    (void)result;
    buffer_append_string(output, "\"NOT_SPAM\"");
}

static void append_code(const struct result *result, struct buffer *output)
{
    buffer_append_string(output, "{\"code\":");
    buffer_append_json_string(output, result->text);
    buffer_append_string(output, ",\"fields\":");
    append_object(result->object, output);
    buffer_append_char(output, '}');
}

static void append_text(const struct result *result, struct buffer *output)
{
    buffer_append_string(output, "{\"str\":");
    buffer_append_json_string(output, result->text);
    buffer_append_char(output, '}');
}

static void append_decision(const struct result *result, struct buffer *output)
{
    buffer_append_string(output, result->boolean ? "{\"tuple\":[{\"bool\":true}," : "{\"tuple\":[{\"bool\":false},");
    if (result->object) {
        buffer_append_string(output, "{\"event\":");
        append_object(result->object, output);
        buffer_append_string(output, "}]}");
    } else {
        buffer_append_string(output, "{\"none\":true}]}");
    }
}

static void append_raised(const struct result *result, struct buffer *output)
{
    buffer_append_string(output, "{\"raise\":");
    buffer_append_json_string(output, result->text);
    buffer_append_char(output, '}');
}

void result_append_json(const struct result *result, struct buffer *output)
{
    static void (*const writers[])(const struct result *, struct buffer *) = {
        [RESULT_NONE] = append_none,     [RESULT_BOOLEAN] = append_boolean, [RESULT_NOT_SPAM] = append_not_spam,
        [RESULT_CODE] = append_code,     [RESULT_TEXT] = append_text,       [RESULT_DECISION] = append_decision,
        [RESULT_RAISED] = append_raised,
    };
    writers[result->kind](result, output);
}
