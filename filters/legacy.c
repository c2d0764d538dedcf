/* One row for each callback whose old form differs from the new one. */
#include "filters/legacy.h"

#include "filters/chain.h"

typedef void legacy_converter(const struct module_callback *registered, const struct chain *chain,
                              const struct callback_arguments *arguments, struct value *value);

/* A dict is a replacement, anything else is what is allowed or not. */
static void convert_event_allowed(const struct module_callback *registered, const struct chain *chain,
                                  const struct callback_arguments *arguments, struct value *value)
{
    (void)registered, (void)chain;
    struct value *items = arena_allocate(arguments->arena, 2 * sizeof *items);
    items[0] = value_is_dict(value) ? value_boolean(true) : *value;
    items[1] = value_is_dict(value) ? *value : (struct value){.kind = VALUE_NONE};
    *value = value_container(VALUE_TUPLE, items, 2);
}

static void convert_create_room(const struct module_callback *registered, const struct chain *chain,
                                const struct callback_arguments *arguments, struct value *value)
{
    (void)registered, (void)chain;
    if (value_is(value, false))
        *value = value_raise_error(arguments->arena, 403, SLICE("M_UNKNOWN"), SLICE("the room may not be created"));
}

static void convert_pair(struct arena *arena, struct value *value)
{
    if (value->kind != VALUE_TEXT)
        return;
    struct value *items = arena_allocate(arena, 2 * sizeof *items);
    items[0] = *value;
    *value = value_container(VALUE_TUPLE, items, 2);
}

static void convert_address_auth(const struct module_callback *registered, const struct chain *chain,
                                 const struct callback_arguments *arguments, struct value *value)
{
    (void)registered, (void)chain;
    convert_pair(arguments->arena, value);
}

/* check_password says yes or no; its user is qualified. */
static void convert_auth(const struct module_callback *registered, const struct chain *chain,
                         const struct callback_arguments *arguments, struct value *value)
{
    if (registered->check_password) {
        struct slice name = callback_argument_text(arguments, "username");
        bool qualified = slice_starts_with(name, SLICE("@"));
        if (!value_truthy(value))
            *value = (struct value){.kind = VALUE_NONE};
        else
            *value = value_text(qualified ? name
                                          : arena_format(arguments->arena, "@%.*s:%s", (int)name.length, name.data,
                                                         chain_server_name(chain)));
    }
    convert_pair(arguments->arena, value);
}

static const struct legacy_row {
    bool must_be_async; /* a plain function fails when its answer is awaited */
    legacy_converter *convert;
} rows[CALLBACK_COUNT] = {
    [CALLBACK_check_event_allowed] = {true, convert_event_allowed},
    [CALLBACK_on_create_room] = {true, convert_create_room},
    [CALLBACK_auth_checkers] = {true, convert_auth},
    [CALLBACK_check_3pid_auth] = {true, convert_address_auth},
};

bool legacy_is_lost(const struct module_callback *registered, enum semantics semantics)
{
    if (semantics != SEMANTICS_147)
        return false;
    if (registered->callback == CALLBACK_on_logged_out)
        return registered->legacy || !registered->synchronous;
    return registered->callback == CALLBACK_check_3pid_auth && registered->legacy;
}

void legacy_convert(const struct module_callback *registered, const struct chain *chain,
                    const struct callback_arguments *arguments, struct value *value)
{
    const struct legacy_row *row = &rows[registered->callback];
    if (!registered->legacy || value->kind == VALUE_RAISED || value->kind == VALUE_REFUSE)
        return;
    if (registered->synchronous && row->must_be_async)
        *value = value_raise(arguments->arena, RAISED_OTHER, "a plain function cannot be awaited");
    else if (row->convert)
        row->convert(registered, chain, arguments, value);
}
