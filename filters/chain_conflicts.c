/* Each check is a walk over all registrations in their order, as Synapse meets them. Where its documentation and its
 * code disagree, the code is followed, and `strict` takes the documentation's side. */
#include "filters/chain_conflicts.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "filters/chain_rules.h"
#include "filters/chain_walk.h"

struct finding {
    struct chain *chain;
    chain_conflict_function *report;
    void *context;
    bool fatal_found;
};

static void tell(struct finding *finding, bool fatal, uint32_t module_index, uint32_t other_index, const char *format,
                 ...) __attribute__((format(printf, 5, 6)));

static void tell(struct finding *finding, bool fatal, uint32_t module_index, uint32_t other_index, const char *format,
                 ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    finding->fatal_found = finding->fatal_found || fatal;
    struct chain_conflict conflict = {fatal, module_index, other_index, text};
    if (finding->report)
        finding->report(finding->context, &conflict);
}

/* A registration with the module it belongs to. */
struct registration {
    uint32_t module_index;
    const struct module_callback *row;
};

/* The next registration from (*module, *number) on, in order; false at the end. */
static bool next_registration(const struct chain *chain, uint32_t *module, uint32_t *number,
                              struct registration *registration)
{
    while (*module < chain->module_count && *number >= chain->modules[*module].callback_count) {
        ++*module;
        *number = 0;
    }
    if (*module >= chain->module_count)
        return false;
    *registration = (struct registration){*module, &chain->modules[*module].callbacks[(*number)++]};
    return true;
}

#define FOR_EACH_REGISTRATION(chain, registration)                                                                     \
    for (uint32_t module_ = 0, number_ = 0; next_registration(chain, &module_, &number_, &(registration));)

static void find_missing_callbacks(struct finding *finding)
{
    struct registration each;
    FOR_EACH_REGISTRATION(finding->chain, each)
    {
        const struct callback_definition *definition = &callback_definitions[each.row->callback];
        if (definition->rules[finding->chain->settings.semantics])
            continue;
        if (definition->removed)
            tell(finding, true, each.module_index, each.module_index,
                 "registers %s, which Synapse has had no more since v1.%d: it refuses to start (`semantics: 1.47` has "
                 "it)",
                 definition->name, definition->removed);
        else
            tell(finding, true, each.module_index, each.module_index,
                 "registers %s, which Synapse has since v1.%d only: with `semantics: 1.47` it refuses to start",
                 definition->name, definition->introduced);
    }
}

static void find_second_owners(struct finding *finding)
{
    int64_t owners[CALLBACK_COUNT];
    for (int callback = 0; callback < CALLBACK_COUNT; callback++)
        owners[callback] = -1;
    struct registration each;
    FOR_EACH_REGISTRATION(finding->chain, each)
    {
        const struct callback_definition *definition = &callback_definitions[each.row->callback];
        const struct chain_rule *rule = definition->rules[SEMANTICS_LATEST];
        if (rule != &chain_rule_one && rule != &chain_rule_one_notified)
            continue;
        int64_t *owner = &owners[each.row->callback];
        if (*owner < 0)
            *owner = each.module_index;
        else if (definition->family == FAMILY_BACKGROUND_UPDATES)
            tell(finding, false, each.module_index, (uint32_t)*owner,
                 "registers %s, but only the first background update controller counts: this one is never asked",
                 definition->name);
        else
            tell(finding, true, each.module_index, (uint32_t)*owner,
                 "registers %s, which only one module may supply: Synapse refuses to start", definition->name);
    }
}

static bool module_registers(const struct chain_module *module, enum callback callback)
{
    for (uint32_t number = 0; number < module->callback_count; number++)
        if (module->callbacks[number].callback == callback)
            return true;
    return false;
}

static void find_lone_presence_callbacks(struct finding *finding)
{
    for (uint32_t index = 0; index < finding->chain->module_count; index++) {
        const struct chain_module *module = &finding->chain->modules[index];
        bool routes = module_registers(module, CALLBACK_get_users_for_states);
        if (routes != module_registers(module, CALLBACK_get_interested_users))
            tell(finding, true, index, index,
                 "registers %s without %s: a presence router must supply both, and Synapse refuses to start",
                 callback_definitions[routes ? CALLBACK_get_users_for_states : CALLBACK_get_interested_users].name,
                 callback_definitions[routes ? CALLBACK_get_interested_users : CALLBACK_get_users_for_states].name);
    }
}

static bool same_fields(const char *const *left, const char *const *right)
{
    size_t index = 0;
    while (left[index] && right[index] && strcmp(left[index], right[index]) == 0)
        index++;
    return !left[index] && !right[index];
}

static bool has_field(const char *const *fields, const char *name)
{
    for (; *fields; fields++)
        if (strcmp(*fields, name) == 0)
            return true;
    return false;
}

/* The last registration of a login type before this one, or a NULL row. */
static struct registration earlier_checker(const struct chain *chain, const struct module_callback *row)
{
    struct registration found = {0}, each;
    FOR_EACH_REGISTRATION(chain, each)
    {
        if (each.row == row)
            break;
        if (each.row->callback == CALLBACK_auth_checkers && strcmp(each.row->login_type, row->login_type) == 0)
            found = each;
    }
    return found;
}

/* Synapse means to refuse different fields for one login type, but looks for the type's own name among the earlier
 * fields (register_password_auth_provider_callbacks, handlers/auth.py): most such pairs start. */
static void find_differing_fields(struct finding *finding)
{
    struct registration each;
    FOR_EACH_REGISTRATION(finding->chain, each)
    {
        if (each.row->callback != CALLBACK_auth_checkers)
            continue;
        struct registration earlier = earlier_checker(finding->chain, each.row);
        if (!earlier.row || same_fields(earlier.row->login_fields, each.row->login_fields))
            continue;
        if (has_field(earlier.row->login_fields, each.row->login_type))
            tell(finding, true, each.module_index, earlier.module_index,
                 "registers an auth checker for the login type `%s` with other fields: Synapse refuses to start",
                 each.row->login_type);
        else if (finding->chain->settings.strict)
            tell(finding, true, each.module_index, earlier.module_index,
                 "registers an auth checker for the login type `%s` with other fields, which `strict: true` refuses",
                 each.row->login_type);
        else
            tell(
                finding, false, each.module_index, earlier.module_index,
                "registers an auth checker for the login type `%s` with other fields: both are asked, but a login must "
                "carry the fields of this one, and the earlier checker sees these only (`strict: true` refuses it)",
                each.row->login_type);
    }
}

/* A wrapped check_registration_for_spam may take three parameters or four (callbacks.md, section 4). */
static void find_wrong_legacy_arity(struct finding *finding)
{
    struct registration each;
    FOR_EACH_REGISTRATION(finding->chain, each)
    {
        bool legacy = each.row->legacy || finding->chain->modules[each.module_index].options.legacy;
        uint32_t takes = each.row->parameter_count;
        if (legacy && each.row->callback == CALLBACK_check_registration_for_spam && takes && takes != 3 && takes != 4)
            tell(finding, true, each.module_index, each.module_index,
                 "has a check_registration_for_spam of %u parameters: an old spam checker's must take 3 or 4", takes);
    }
}

static void find_same_paths(struct finding *finding)
{
    struct chain *chain = finding->chain;
    for (uint32_t index = 0; index < chain->resource_count; index++) {
        struct chain_resource *resource = &chain->resources[index];
        for (uint32_t before = 0; before < index && !resource->hidden; before++) {
            if (strcmp(chain->resources[before].resource.path, resource->resource.path) != 0)
                continue;
            resource->hidden = true;
            tell(finding, false, resource->module_index, chain->resources[before].module_index,
                 "serves the path %s, which an earlier module serves already: this one's page is never shown",
                 resource->resource.path);
        }
    }
}

static void find_unset_tags(struct finding *finding)
{
    const struct chain *chain = finding->chain;
    uint64_t set = 0;
    for (uint32_t index = 0; index < chain->module_count; index++) {
        const struct module_options *options = &chain->modules[index].options;
        uint64_t unset = options->selector ? selector_tags(options->selector) & ~set : 0;
        for (unsigned bit = 0; bit < TAGS_MAXIMUM; bit++)
            if (unset & 1ull << bit)
                tell(finding, false, index, index, "selects by the tag `%s`, which no module before it sets",
                     tag_names_at(&chain->tags, bit));
        set |= chain->modules[index].dry_run ? 0 : chain->modules[index].tags;
    }
}

bool chain_find_conflicts(struct chain *chain, chain_conflict_function *report, void *context)
{
    struct finding finding = {.chain = chain, .report = report, .context = context};
    find_missing_callbacks(&finding);
    find_second_owners(&finding);
    find_lone_presence_callbacks(&finding);
    find_differing_fields(&finding);
    find_wrong_legacy_arity(&finding);
    find_same_paths(&finding);
    find_unset_tags(&finding);
    return !finding.fatal_found;
}

/* Whether a module registers the callback that is no companion there itself. */
static bool is_accompanied(const struct chain *chain, enum callback callback)
{
    struct registration each;
    FOR_EACH_REGISTRATION(chain, each)
    {
        if (each.row->callback == callback && !each.row->companion)
            return true;
    }
    return false;
}

bool chain_registration_counts(const struct chain *chain, uint32_t module_index,
                               const struct module_callback *registered)
{
    if (registered->companion && !is_accompanied(chain, registered->callback))
        return false;
    if (callback_definitions[registered->callback].family != FAMILY_BACKGROUND_UPDATES)
        return true;
    struct registration each;
    FOR_EACH_REGISTRATION(chain, each)
    {
        if (callback_definitions[each.row->callback].family == FAMILY_BACKGROUND_UPDATES)
            return each.module_index == module_index;
    }
    return true;
}

struct value chain_login_types(const struct chain *chain, struct arena *arena)
{
    uint32_t count = 0;
    struct registration each;
    FOR_EACH_REGISTRATION(chain, each)
    count += each.row->callback == CALLBACK_auth_checkers;
    struct value *items = arena_allocate(arena, 2 * (size_t)count * sizeof *items);
    struct value types = value_container(VALUE_DICT, items, 0);
    FOR_EACH_REGISTRATION(chain, each)
    {
        if (each.row->callback != CALLBACK_auth_checkers)
            continue;
        uint32_t fields = 0;
        while (each.row->login_fields[fields])
            fields++;
        struct value *names = arena_allocate(arena, fields * sizeof *names);
        for (uint32_t index = 0; index < fields; index++)
            names[index] = value_text(slice_from_string(each.row->login_fields[index]));
        struct slice type = slice_from_string(each.row->login_type);
        struct value *known = (struct value *)(uintptr_t)value_dict_find(&types, type);
        if (!known) {
            items[2 * types.count] = value_text(type);
            known = &items[2 * types.count++ + 1];
        }
        *known = value_container(VALUE_LIST, names, fields);
    }
    return types;
}
