/* The rules are literal renderings of Synapse's walks: where they look odd (None rejects), Synapse is so. The files are
 * named by their path in Synapse's newest release. Rules that add up are in chain_unions.c. */
#include "filters/chain_rules.h"

/* An illegal answer rejects with a sentence of the host's in Synapse; this one is ours. */
#define REJECTED_TEXT SLICE("This event has been rejected as probable spam by the spam checker")

static enum step refuse_as_forbidden(struct result *result, bool illegal)
{
    result->value = value_code(SLICE("M_FORBIDDEN"));
    return illegal ? STEP_ILLEGAL_STOP : STEP_STOP;
}

static bool is_not_spam(const struct value *value)
{
    return value->kind == VALUE_NOT_SPAM || (value->kind == VALUE_TEXT && slice_equal(value->text, SLICE("NOT_SPAM")));
}

/* check_event_for_spam (module_api/callbacks/spamchecker_callbacks.py). */
static enum step take_event_spam(struct walk *walk, struct result *result)
{
    (void)walk;
    const struct value *value = &result->value;
    if (value_is(value, false) || is_not_spam(value))
        return STEP_NEXT;
    if (value_is(value, true))
        return refuse_as_forbidden(result, false);
    if (value->kind == VALUE_CODE || value->kind == VALUE_TEXT)
        return STEP_STOP;
    result->value = value_text(REJECTED_TEXT);
    return STEP_ILLEGAL_STOP;
}

/* The walk that all user_may_… callbacks share (same file). */
static enum step take_may(struct walk *walk, struct result *result)
{
    (void)walk;
    const struct value *value = &result->value;
    if (value_is(value, true) || is_not_spam(value))
        return STEP_NEXT;
    if (value->kind == VALUE_CODE)
        return STEP_STOP;
    return refuse_as_forbidden(result, !value_is(value, false));
}

static enum step take_media(struct walk *walk, struct result *result)
{
    (void)walk;
    const struct value *value = &result->value;
    if (value_is(value, false) || is_not_spam(value))
        return STEP_NEXT;
    if (value->kind == VALUE_CODE)
        return STEP_STOP;
    return refuse_as_forbidden(result, !value_is(value, true));
}

static enum step take_login(struct walk *walk, struct result *result)
{
    (void)walk;
    if (is_not_spam(&result->value))
        return STEP_NEXT;
    return result->value.kind == VALUE_CODE ? STEP_STOP : refuse_as_forbidden(result, true);
}

/* A code with fields is illegal here, and its code is lost. */
static enum step take_state_event(struct walk *walk, struct result *result)
{
    if (result->value.kind == VALUE_CODE && result->value.object)
        return refuse_as_forbidden(result, true);
    return take_login(walk, result);
}

static enum step take_first_truthy(struct walk *walk, struct result *result)
{
    (void)walk;
    return value_truthy(&result->value) ? STEP_STOP : STEP_NEXT;
}

static enum step take_first_truthy_as_true(struct walk *walk, struct result *result)
{
    (void)walk;
    if (!value_truthy(&result->value))
        return STEP_NEXT;
    result->value = value_boolean(true);
    return STEP_STOP;
}

static enum step take_first_falsy(struct walk *walk, struct result *result)
{
    (void)walk;
    if (value_truthy(&result->value))
        return STEP_NEXT;
    result->value = value_boolean(false);
    return STEP_STOP;
}

static enum step take_first_false(struct walk *walk, struct result *result)
{
    (void)walk;
    return value_is(&result->value, false) ? STEP_STOP : STEP_NEXT;
}

/* is_3pid_allowed (handlers/auth.py). */
static enum step take_address_allowed(struct walk *walk, struct result *result)
{
    (void)walk;
    if (result->value.kind != VALUE_BOOLEAN)
        return STEP_ILLEGAL_NEXT;
    return result->value.boolean ? STEP_NEXT : STEP_STOP;
}

static enum step take_first_text(struct walk *walk, struct result *result)
{
    (void)walk;
    const struct value *value = &result->value;
    /* Codes and NOT_SPAM are strings as well. */
    if (value->kind == VALUE_TEXT || value->kind == VALUE_NOT_SPAM || (value->kind == VALUE_CODE && !value->object))
        return STEP_STOP;
    return value->kind == VALUE_NONE ? STEP_NEXT : STEP_ILLEGAL_NEXT;
}

/* An answer that is no RegistrationBehaviour fails an assertion in the handler; the walk itself only compares. */
static enum step take_registration(struct walk *walk, struct result *result)
{
    if (result->value.kind == VALUE_BEHAVIOUR)
        return slice_equal(result->value.text, SLICE("ALLOW")) ? STEP_NEXT : STEP_STOP;
    result->value =
        value_raise(walk->arguments.arena, RAISED_OTHER, "the module did not answer with a registration behaviour");
    return STEP_ILLEGAL_STOP;
}

static enum step take_any(struct walk *walk, struct result *result)
{
    (void)walk, (void)result;
    return STEP_NEXT;
}

static enum step take_only(struct walk *walk, struct result *result)
{
    (void)walk, (void)result;
    return STEP_STOP;
}

static enum step take_only_notified(struct walk *walk, struct result *result)
{
    (void)walk;
    result->value = (struct value){.kind = VALUE_NONE};
    return STEP_STOP;
}

static enum step take_expired(struct walk *walk, struct result *result)
{
    (void)walk;
    return result->value.kind == VALUE_NONE ? STEP_NEXT : STEP_STOP;
}

static void finish_expired(struct walk *walk, struct result *result)
{
    if (walk->arguments.fallback)
        result->value = *walk->arguments.fallback;
}

/* check_auth and check_3pid_auth (handlers/auth.py): only a pair of a text and a function or None counts. */
static enum step take_authenticated(struct walk *walk, struct result *result)
{
    (void)walk;
    const struct value *value = &result->value;
    if (value->kind == VALUE_NONE)
        return STEP_NEXT;
    bool pair = value->kind == VALUE_TUPLE && value->count == 2;
    bool well_formed = pair &&
                       (value->items[0].kind == VALUE_TEXT || value->items[0].kind == VALUE_NOT_SPAM ||
                        (value->items[0].kind == VALUE_CODE && !value->items[0].object)) &&
                       (value->items[1].kind == VALUE_NONE || value->items[1].kind == VALUE_CALLABLE);
    return well_formed ? STEP_STOP : STEP_ILLEGAL_NEXT;
}

/* Python unpacks any sequence of two: the items, or NULL if the value is none. */
static const struct value *unpack_pair(const struct value *value, struct value characters[2])
{
    switch (value->kind) {
    case VALUE_TUPLE:
    case VALUE_LIST:
    case VALUE_SET:
        return value->count == 2 ? value->items : NULL;
    case VALUE_DICT: /* its keys */
        characters[0] = value->count == 2 ? value->items[0] : (struct value){.kind = VALUE_NONE};
        characters[1] = value->count == 2 ? value->items[2] : (struct value){.kind = VALUE_NONE};
        return value->count == 2 ? characters : NULL;
    case VALUE_JSON:
        if (json_is_object(value->object) && json_object_size(value->object) == 2) {
            characters[0] = characters[1] = value_text(SLICE("key"));
            return characters;
        }
        return NULL;
    case VALUE_CODE: /* with fields it is a pair */
        characters[0] = value_text(value->text);
        characters[1] = (struct value){.kind = VALUE_DICT};
        return value->object ? characters : NULL;
    case VALUE_TEXT: {
        size_t count = 0;
        for (size_t index = 0; index < value->text.length; index++)
            count += ((unsigned char)value->text.data[index] & 0xc0) != 0x80;
        characters[0] = characters[1] = value_text(value->text);
        return count == 2 ? characters : NULL;
    }
    default:
        return NULL;
    }
}

/* check_event_allowed (module_api/callbacks/third_party_event_rules_callbacks.py). */
static enum step take_event_allowed(struct walk *walk, struct result *result)
{
    struct value unpacked[2];
    const struct value *pair = unpack_pair(&result->value, unpacked);
    if (!pair) {
        result->value =
            value_raise(walk->arguments.arena, RAISED_MODULE_FAILED, "the module did not answer with a pair");
        return STEP_ILLEGAL_STOP;
    }
    if (value_is(&pair[0], false)) {
        result->value = value_pair(walk->arguments.arena, false, NULL);
        return STEP_STOP;
    }
    if (!value_is_dict(&pair[1]))
        return STEP_NEXT;
    struct value *items = arena_allocate(walk->arguments.arena, 2 * sizeof *items);
    items[0] = value_boolean(true);
    items[1] = pair[1];
    result->value = value_container(VALUE_TUPLE, items, 2);
    return STEP_STOP;
}

const struct chain_rule chain_rule_event_spam = {
    .text =
        "the first answer but False and NOT_SPAM ends the walk: True is M_FORBIDDEN, a code or a text stands, anything "
        "else (None too) rejects with a fixed text",
    .take = take_event_spam,
    .initial = {.kind = VALUE_NOT_SPAM},
    .refusal = REFUSAL_CODE,
    .stop_means = OUTCOME_DENIED};
const struct chain_rule chain_rule_may = {
    .text = "the first answer but True and NOT_SPAM ends the walk: a code stands, anything else is M_FORBIDDEN",
    .take = take_may,
    .initial = {.kind = VALUE_NOT_SPAM},
    .refusal = REFUSAL_CODE,
    .stop_means = OUTCOME_DENIED};
const struct chain_rule chain_rule_media = {
    .text = "the first answer but False and NOT_SPAM ends the walk: a code stands, anything else is M_FORBIDDEN",
    .take = take_media,
    .initial = {.kind = VALUE_NOT_SPAM},
    .refusal = REFUSAL_CODE,
    .stop_means = OUTCOME_DENIED};
const struct chain_rule chain_rule_login = {
    .text =
        "the first answer but NOT_SPAM ends the walk: a code stands, anything else (True and False too) is M_FORBIDDEN",
    .take = take_login,
    .initial = {.kind = VALUE_NOT_SPAM},
    .refusal = REFUSAL_CODE,
    .stop_means = OUTCOME_DENIED};
const struct chain_rule chain_rule_state_event = {
    .text = "the first answer but NOT_SPAM ends the walk: a code without fields stands, anything else (True and False "
            "too) is M_FORBIDDEN",
    .take = take_state_event,
    .initial = {.kind = VALUE_NOT_SPAM},
    .refusal = REFUSAL_PLAIN,
    .stop_means = OUTCOME_DENIED};
const struct chain_rule chain_rule_first_truthy = {.text = "the first truthy answer ends the walk and stands",
                                                   .take = take_first_truthy,
                                                   .initial = {.kind = VALUE_BOOLEAN},
                                                   .refusal = REFUSAL_TRUE,
                                                   .stop_means = OUTCOME_DENIED};
const struct chain_rule chain_rule_first_truthy_as_true = {.text = "the first truthy answer ends the walk as True",
                                                           .take = take_first_truthy_as_true,
                                                           .initial = {.kind = VALUE_BOOLEAN},
                                                           .refusal = REFUSAL_TRUE,
                                                           .stop_means = OUTCOME_DENIED};
const struct chain_rule chain_rule_first_truthy_or_none = {
    .text = "the first truthy answer ends the walk and stands; without one Synapse's own configuration holds",
    .take = take_first_truthy,
    .initial = {.kind = VALUE_NONE},
    .stop_means = OUTCOME_PASSED};
const struct chain_rule chain_rule_first_falsy = {.text = "the first falsy answer (None too) ends the walk and refuses",
                                                  .take = take_first_falsy,
                                                  .initial = {.kind = VALUE_BOOLEAN, .boolean = true},
                                                  .refusal = REFUSAL_FALSE,
                                                  .stop_means = OUTCOME_DENIED};
const struct chain_rule chain_rule_first_false = {
    .text = "the first answer that is exactly False ends the walk and refuses",
    .take = take_first_false,
    .initial = {.kind = VALUE_BOOLEAN, .boolean = true},
    .refusal = REFUSAL_FALSE,
    .stop_means = OUTCOME_DENIED};
const struct chain_rule chain_rule_address_allowed = {
    .text =
        "the first answer that is exactly False ends the walk and refuses; what is no boolean passes with a warning",
    .take = take_address_allowed,
    .initial = {.kind = VALUE_BOOLEAN, .boolean = true},
    .refusal = REFUSAL_FALSE,
    .stop_means = OUTCOME_DENIED};
const struct chain_rule chain_rule_first_text = {
    .text = "the first text ends the walk and stands; what is neither text nor None passes with a warning",
    .take = take_first_text,
    .initial = {.kind = VALUE_NONE},
    .stop_means = OUTCOME_PASSED};
const struct chain_rule chain_rule_registration = {
    .text = "the first behaviour but ALLOW ends the walk and stands; an answer that is no behaviour fails",
    .take = take_registration,
    .initial = {.kind = VALUE_BEHAVIOUR, .text = {"ALLOW", 5}},
    .refusal = REFUSAL_DENY,
    .stop_means = OUTCOME_DENIED};
const struct chain_rule chain_rule_all = {.text = "every module is asked; answers are ignored",
                                          .take = take_any,
                                          .initial = {.kind = VALUE_NONE},
                                          .refusal = REFUSAL_ERROR,
                                          .stop_means = OUTCOME_PASSED};
const struct chain_rule chain_rule_one = {.text = "only one module may supply it; its answer stands",
                                          .take = take_only,
                                          .initial = {.kind = VALUE_NONE},
                                          .stop_means = OUTCOME_PASSED};
const struct chain_rule chain_rule_one_notified = {.text = "only one module may supply it; its answer is ignored",
                                                   .take = take_only_notified,
                                                   .initial = {.kind = VALUE_NONE},
                                                   .refusal = REFUSAL_ERROR,
                                                   .stop_means = OUTCOME_PASSED};
const struct chain_rule chain_rule_expired = {
    .text = "the first answer but None ends the walk and stands; its truth says whether the account has expired",
    .take = take_expired,
    .finish = finish_expired,
    .initial = {.kind = VALUE_BOOLEAN},
    .refusal = REFUSAL_TRUE,
    .stop_means = OUTCOME_DENIED};
const struct chain_rule chain_rule_authenticated = {
    .text = "the first pair of a user id and a function or None ends the walk: that user is logged in; nobody can deny",
    .take = take_authenticated,
    .initial = {.kind = VALUE_NONE},
    .stop_means = OUTCOME_PASSED};
const struct chain_rule chain_rule_event_allowed = {
    .text =
        "a first element that is exactly False refuses, else a second that is a dict replaces the event; both end the "
        "walk; every other pair passes, and what is no pair fails the module",
    .take = take_event_allowed,
    .initial = {.kind = VALUE_TUPLE,
                .count = 2,
                .items = (const struct value[]){{.kind = VALUE_BOOLEAN, .boolean = true}, {.kind = VALUE_NONE}}},
    .refusal = REFUSAL_PAIR,
    .stop_means = OUTCOME_DENIED};
