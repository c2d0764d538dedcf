/* Rules that are harmless alone and spam together: other modules, asked as rules, under an expression or a score. What
 * they say together is worked out in filters/combination.c; here is how an administrator says so.
 *
 * It is asked by a callback only if enough rules know it for something to be refused, or if a module that remembers has
 * to see what happens. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "filters/combination.h"
#include "filters/map_host.h"
#include "filters/module.h"

#define WEIGHT_MAXIMUM 1000
struct rule_configuration {
    char *name;
    char *module;
    json_t *config;
};

struct configuration {
    char *name;
    struct map_list rules;
    char *expression;
    json_t *score;
    double threshold;
    bool explain;
    char *code;
};

struct state {
    const struct configuration *configuration;
    struct combination combination;
};

static const struct parameter rule_parameters[] = {
    {.name = "name",
     .type = PARAMETER_TEXT,
     .offset = offsetof(struct rule_configuration, name),
     .text = "What `expression` and `score` call it: letters, digits and underscores. Without one, what the module is "
             "called."},
    {.name = "module",
     .type = PARAMETER_TEXT,
     .offset = offsetof(struct rule_configuration, module),
     .text = "One of the modules of this page."},
    {.name = "config",
     .type = PARAMETER_MAP,
     .offset = offsetof(struct rule_configuration, config),
     .text = "The module's parameters."},
};

static const struct parameter parameters[] = {
    {.name = "name",
     .type = PARAMETER_TEXT,
     .offset = offsetof(struct configuration, name),
     .text = "What verdicts call it; without one, the expression, or `score`."},
    {.name = "rules",
     .type = PARAMETER_MAP_LIST,
     .offset = offsetof(struct configuration, rules),
     .fallback = "[]",
     .fields = rule_parameters,
     .field_count = sizeof rule_parameters / sizeof *rule_parameters,
     .map_size = sizeof(struct rule_configuration),
     .text = "The modules that are asked, at most 64, as they would stand in the list of modules. What they refuse is "
             "a hit."},
    {.name = "expression",
     .type = PARAMETER_TEXT,
     .offset = offsetof(struct configuration, expression),
     .text = "What is refused, by the names of the rules with `&`, `|`, `!` and parentheses: links & (newcomer | "
             "!trusted)."},
    {.name = "score",
     .type = PARAMETER_MAP,
     .offset = offsetof(struct configuration, score),
     .text = "A weight for each rule that counts, by its name, from -1000 to 1000 in thousandths; what comes to "
             "`threshold` is refused."},
    {.name = "threshold",
     .type = PARAMETER_NUMBER,
     .offset = offsetof(struct configuration, threshold),
     .minimum = 0,
     .maximum = 64000,
     .text = "The sum of weights from which on something is refused; above 0, and needed with `score`."},
    {.name = "explain",
     .type = PARAMETER_BOOLEAN,
     .offset = offsetof(struct configuration, explain),
     .fallback = "true",
     .text = "Whether a verdict names all rules that hit, or only those that had to be asked."},
    {.name = "code",
     .type = PARAMETER_CODE,
     .offset = offsetof(struct configuration, code),
     .fallback = "M_FORBIDDEN",
     .text = "The error code that the verdict carries."},
};

/* ---- the configuration */

static void destroy(void *pointer)
{
    struct state *state = pointer;
    combination_free(&state->combination);
    free(state);
}

static bool read_name(const struct combination *combination, const struct module_host *host, const char *name,
                      size_t count)
{
    if (!expression_name_valid(slice_from_string(name))) {
        module_host_report(host, "name",
                           "must be of letters, digits and underscores, begin with no digit, and have at "
                           "most %u of them",
                           EXPRESSION_NAME_MAXIMUM);
        return false;
    }
    for (size_t index = 0; index < count; index++)
        if (strcmp(combination->names[index], name) == 0) {
            module_host_report(host, "name", "there is another rule called `%s`: give one of them another name", name);
            return false;
        }
    return true;
}

static bool read_rule(struct state *state, const struct module_setup *setup, size_t index)
{
    const struct rule_configuration *rule =
        (const struct rule_configuration *)state->configuration->rules.items + index;
    struct combination *combination = &state->combination;
    struct map_host map;
    const struct module_host *host = map_host_open(&map, setup->host, "rules", index);
    combination->names[index] = rule->name ? rule->name : rule->module ? rule->module : "";
    if (!rule->module) {
        module_host_report(host, "module", "is missing: which module is to be asked?");
        return false;
    }
    bool named = read_name(combination, host, combination->names[index], index);
    return nested_modules_add(&combination->modules, setup, host, rule->module, rule->config) && named;
}

static bool read_rules(struct state *state, const struct module_setup *setup)
{
    size_t count = state->configuration->rules.count;
    bool good = count > 0 && count <= NESTED_MODULES_MAXIMUM;
    if (count == 0)
        module_host_report(setup->host, "rules", "are missing");
    else if (!good)
        module_host_report(setup->host, "rules", "there are more than %u rules", NESTED_MODULES_MAXIMUM);
    for (size_t index = 0; index < count && index < NESTED_MODULES_MAXIMUM; index++)
        good = read_rule(state, setup, index) && good;
    return good;
}

/* Expression and weights are read also where a rule could not be made: all that is wrong is to be said at once. */
static uint32_t count_names(const struct state *state)
{
    size_t count = state->configuration->rules.count;
    return count < NESTED_MODULES_MAXIMUM ? (uint32_t)count : NESTED_MODULES_MAXIMUM;
}

static bool read_expression(struct state *state, const struct module_host *host)
{
    struct expression_problem problem;
    struct combination *combination = &state->combination;
    const char *text = state->configuration->expression;
    combination->expression_text = slice_from_string(text);
    if (!text || expression_compile(&combination->expression, combination->expression_text, combination->names,
                                    count_names(state), &problem))
        return true;
    module_host_report(host, "expression", "at %zu: %s", problem.position, problem.text);
    return false;
}

static bool read_weight(struct state *state, const struct module_host *host, const char *name, const json_t *weight)
{
    struct combination *combination = &state->combination;
    char path[2 * EXPRESSION_NAME_MAXIMUM];
    double number = json_number_value(weight);
    snprintf(path, sizeof path, "score.%s", name);
    if (!json_is_number(weight) || !(fabs(number) <= WEIGHT_MAXIMUM)) {
        module_host_report(host, path, "must be a number from -%d to %d", WEIGHT_MAXIMUM, WEIGHT_MAXIMUM);
        return false;
    }
    for (uint32_t index = 0; index < count_names(state); index++) {
        if (strcmp(combination->names[index], name) != 0)
            continue;
        combination->weights[index] = llround(number * WEIGHT_UNIT);
        combination->weighed |= 1ull << index;
        return true;
    }
    module_host_report(host, path, "there is no rule called `%s`", name);
    return false;
}

static bool read_score(struct state *state, const struct module_host *host)
{
    const struct configuration *configuration = state->configuration;
    struct combination *combination = &state->combination;
    bool good = true;
    const char *name;
    json_t *weight;
    combination->threshold = llround(configuration->threshold * WEIGHT_UNIT);
    if (!configuration->score && combination->threshold)
        module_host_report(host, "threshold", "is of no use without `score`");
    if (!configuration->score)
        return !combination->threshold;
    json_object_foreach(configuration->score, name, weight)
    {
        good = read_weight(state, host, name, weight) && good;
    }
    if (combination->threshold <= 0)
        module_host_report(host, "threshold", "must be above 0 with `score`");
    return good && combination->threshold > 0;
}

static void judge(void *pointer, const struct callback_arguments *arguments, struct result *result)
{
    struct state *state = pointer;
    combination_judge(&state->combination, arguments, result);
}

/* It is asked where it may refuse something, and where a module has to see what happens. */
static bool register_callbacks(const struct state *state, const struct module_setup *setup)
{
    static const enum callback callbacks[] = {CALLBACK_check_event_for_spam, CALLBACK_check_event_allowed,
                                              CALLBACK_user_may_join_room, CALLBACK_user_may_invite,
                                              CALLBACK_federated_user_may_invite};
    const struct combination *combination = &state->combination;
    bool any = false;
    for (size_t number = 0; number < sizeof callbacks / sizeof *callbacks; number++) {
        enum callback callback = callbacks[number];
        bool refuses = combination_may_refuse(combination, callback);
        if (refuses || combination_must_see(combination, callback))
            module_register(setup,
                            &(struct module_callback){.callback = callback, .function = judge, .where_known = true});
        any = any || refuses;
    }
    if (!any)
        module_host_report(setup->host, "",
                           "refuses nothing: no callback for events, joins or invites has rules enough");
    return any;
}

/* What is in neither is never looked at. */
static void warn_of_unused(const struct combination *combination, const struct module_host *host)
{
    for (uint32_t index = 0; index < combination->modules.count; index++) {
        struct map_host map;
        if (!((combination->expression.names | combination->weighed) >> index & 1))
            module_host_warn(map_host_open(&map, host, "rules", index), "name",
                             "`%s` stands neither in `expression` nor in `score`", combination->names[index]);
    }
}

static void *create(const struct module_setup *setup)
{
    const struct configuration *configuration = setup->configuration;
    struct state *state = memory_allocate_zeroed(1, sizeof *state);
    state->configuration = configuration;
    state->combination.code = slice_from_string(configuration->code);
    state->combination.name = slice_from_string(configuration->name);
    state->combination.explain = configuration->explain;
    *setup->needs_body = false;
    bool good = read_rules(state, setup);
    if (!configuration->expression && !configuration->score) {
        module_host_report(setup->host, "", "needs an `expression` or a `score`");
        good = false;
    }
    good = read_expression(state, setup->host) && good;
    good = read_score(state, setup->host) && good;
    combination_look_at_modules(&state->combination);
    if (!good || !register_callbacks(state, setup)) {
        destroy(state);
        return NULL;
    }
    warn_of_unused(&state->combination, setup->host);
    return state;
}

/* ---- what the chain asks of a module */

static void save(const void *pointer, struct buffer *output)
{
    const struct state *state = pointer;
    nested_modules_save(&state->combination.modules, output);
}

static bool restore(void *pointer, struct slice saved)
{
    const struct state *state = pointer;
    return nested_modules_restore(&state->combination.modules, saved);
}

static void take_over(void *pointer, void *other)
{
    const struct state *state = pointer, *from = other;
    nested_modules_take_over(&state->combination.modules, &from->combination.modules);
}

static const char *const *followed_rooms(const void *pointer, uint32_t *count)
{
    const struct state *state = pointer;
    *count = state->combination.modules.followed_count;
    return state->combination.modules.followed_rooms;
}

static void state_event(void *pointer, const struct event *event, int64_t ordering)
{
    const struct state *state = pointer;
    nested_modules_state_event(&state->combination.modules, event, ordering);
}

/* A module's own figures, behind the name of its rule. */
struct renaming {
    module_figure_function *figure;
    void *context;
    const char *rule;
};

static void rename_figure(void *context, const char *name, const char *text, double value)
{
    const struct renaming *renaming = context;
    char whole[128];
    snprintf(whole, sizeof whole, "%s_%s", renaming->rule, name);
    renaming->figure(renaming->context, whole, text, value);
}

static void figures(const void *pointer, module_figure_function *figure, void *context)
{
    const struct state *state = pointer;
    for (uint32_t index = 0; index < state->combination.modules.count; index++) {
        struct renaming renaming = {figure, context, state->combination.names[index]};
        rename_figure(&renaming, "hits_total", "Times that the rule hit when it was asked, since the chain was loaded.",
                      (double)__atomic_load_n(&state->combination.hits[index], __ATOMIC_RELAXED));
        chain_module_figures(state->combination.modules.items[index].chain, 0, rename_figure, &renaming);
    }
}

extern const struct module_definition module_combine;
const struct module_definition module_combine = {
    .name = "combine",
    .summary = "Denies what several other modules say together: an expression over their answers, or a score.",
    .parameters = parameters,
    .parameter_count = sizeof parameters / sizeof *parameters,
    .configuration_size = sizeof(struct configuration),
    .needs_body = true,    /* unless no rule does */
    .concurrent = true,    /* unless a rule is not */
    .answers_alike = true, /* likewise */
    .create = create,
    .destroy = destroy,
    .save = save,
    .restore = restore,
    .take_over = take_over,
    .figures = figures,
    .followed_rooms = followed_rooms,
    .state_event = state_event,
};
