/* Only the places of the members are looked for: the arguments are read by whoever asks, an event straight from this
 * text. */
#include "engine/callback_body.h"

#include "base/json_members.h"

/* Enough for any wait; more digits are an error rather than a number that has wrapped. */
#define DIGITS_MAXIMUM 12

static bool refuse(struct callback_body *body, const char *errcode, const char *problem)
{
    body->errcode = errcode;
    body->problem = problem;
    return false;
}

static bool read_timeout(struct slice text, int64_t *timeout_ms)
{
    if (!slice_present(text) || slice_equal(text, SLICE("null")))
        return true;
    if (text.length > DIGITS_MAXIMUM)
        return false;
    for (size_t index = 0; index < text.length; index++) {
        if (text.data[index] < '0' || text.data[index] > '9')
            return false;
        *timeout_ms = *timeout_ms * 10 + (text.data[index] - '0');
    }
    return *timeout_ms > 0;
}

bool callback_body_read(struct slice text, struct callback_body *body, struct buffer *scratch)
{
    static const char *const names[] = {"args", "timeout_ms"};
    struct slice values[2];
    *body = (struct callback_body){0};
    switch (json_members_find(text, names, 2, values, scratch)) {
    case JSON_MEMBERS_NOT_JSON:
        return refuse(body, "M_NOT_JSON", "the body is not valid JSON");
    case JSON_MEMBERS_NOT_OBJECT:
        return refuse(body, "M_BAD_JSON", "the body must be an object: {\"args\": {…}}");
    case JSON_MEMBERS_FOUND:
        break;
    }
    body->args = values[0];
    if (!slice_present(body->args) || *body->args.data != '{')
        return refuse(body, "M_BAD_JSON", "`args` must be an object: the callback's arguments by name");
    if (!read_timeout(values[1], &body->timeout_ms))
        return refuse(body, "M_BAD_JSON", "`timeout_ms` must be a whole number of milliseconds above 0");
    return true;
}
