/* Asking a chain. A walk is a loop over the callback's links with its rule; a module that says VALUE_PASS, as built-in
 * ones do, costs one indirect call and a comparison. Everything out of the ordinary (dry_run, selectors, arity, old
 * registrations, copies of arguments) is kept off that loop by `plain`. */
#include "filters/chain_walk.h"

#include <stdlib.h>
#include <time.h>

#include "filters/chain_rules.h"
#include "filters/legacy.h"
#include "filters/subject.h"

static struct slice refusal_code(const struct value *value)
{
    return slice_present(value->text) ? value->text : SLICE("M_FORBIDDEN");
}

/* What the client is to be told, if the refusal says so. */
static struct slice refusal_error(const struct value *value)
{
    return slice_from_string(json_string_value(json_object_get(value->object, "error")));
}

/* What a built-in module's refusal stands for under this rule. */
static struct value translate_refusal(const struct walk *walk, const struct value *value)
{
    struct slice error = refusal_error(value);
    switch (walk->rule->refusal) {
    case REFUSAL_CODE:
        return (struct value){.kind = VALUE_CODE, .text = refusal_code(value), .object = value->object};
    case REFUSAL_PLAIN:
        return value_code(refusal_code(value));
    case REFUSAL_TRUE:
        /* In v1.47 a text is what the client is told. */
        if (walk->arguments.callback == CALLBACK_check_event_for_spam && error.length)
            return value_text(error);
        return value_boolean(true);
    case REFUSAL_FALSE:
        return value_boolean(false);
    case REFUSAL_PAIR:
        return value_pair(walk->arguments.arena, false, NULL);
    case REFUSAL_DENY:
        return (struct value){.kind = VALUE_BEHAVIOUR, .text = SLICE("DENY")};
    case REFUSAL_ERROR:
        return value_raise_error(walk->arguments.arena, 403, refusal_code(value),
                                 slice_present(error) ? error : SLICE("refused by a module"));
    case REFUSAL_NOTHING:
        break;
    }
    return (struct value){.kind = VALUE_NONE};
}

/* In v1.47 error codes and NOT_SPAM are plain texts (synapse/api/errors.py), wherever they stand. */
static struct value old_constants(struct arena *arena, struct value value, unsigned depth)
{
    if (value.kind == VALUE_NOT_SPAM)
        return value_text(SLICE("NOT_SPAM"));
    if (value.kind == VALUE_CODE && !value.object)
        return value_text(value.text);
    if (value.kind == VALUE_CODE) {
        struct value *pair = arena_allocate(arena, 2 * sizeof *pair);
        pair[0] = value_text(value.text);
        if (!value_read_plain(value.object, arena, &pair[1]))
            pair[1] = value_json(value.object);
        return value_container(VALUE_TUPLE, pair, 2);
    }
    bool contains = value.kind == VALUE_TUPLE || value.kind == VALUE_LIST || value.kind == VALUE_DICT;
    if (!contains || depth == VALUE_DEPTH_MAXIMUM)
        return value;
    size_t count = (size_t)value.count * (value.kind == VALUE_DICT ? 2 : 1);
    struct value *items = arena_allocate(arena, count * sizeof *items);
    for (size_t index = 0; index < count; index++)
        items[index] = old_constants(arena, value.items[index], depth + 1);
    return value_container(value.kind, items, value.count);
}

static bool is_notification(const struct callback_definition *definition)
{
    return strncmp(definition->name, "on_", 3) == 0;
}

/* A failure by the callback's class. In the newest release a cancellation is passed on where another exception would be
 * swallowed or turned into something else, but by notifications (callbacks.md, section 0). */
static enum step take_failure(struct walk *walk, struct result *result)
{
    const struct callback_definition *definition = &callback_definitions[walk->arguments.callback];
    const struct raised *raised = result->value.raised;
    struct arena *arena = walk->arguments.arena;
    bool cancelled = raised->kind == RAISED_CANCELLED && walk->chain->settings.semantics == SEMANTICS_LATEST &&
                     !is_notification(definition);
    if (cancelled)
        return STEP_STOP;
    bool stands = raised->kind == RAISED_SYNAPSE_ERROR;
    switch (definition->raise) {
    case RAISE_IS_SKIPPED:
    case RAISE_IS_LOGGED:
        return STEP_NEXT;
    case RAISE_IS_403:
        if (!stands)
            result->value = value_raise_error(arena, 403, SLICE("M_UNKNOWN"), raised->text);
        break;
    case RAISE_IS_500:
        result->value = value_raise_error(arena, 500, SLICE("M_UNKNOWN"), raised->text);
        break;
    case RAISE_FAILS_MODULE:
        if (!stands)
            result->value =
                value_raise(arena, RAISED_MODULE_FAILED, "%.*s", (int)raised->text.length, raised->text.data);
        break;
    case RAISE_PROPAGATES:
        break;
    }
    return STEP_STOP;
}

/* The counts are the modules', which lanes share. */
#define COUNT_ONE(count) __atomic_fetch_add(&(count), 1, __ATOMIC_RELAXED)

/* What one answer does to the walk. */
static enum step take_answer(struct walk *walk, struct result *result, struct chain_module *module)
{
    struct module_counts *counts = &module->counts;
    if (result->value.kind == VALUE_REFUSE) {
        if (!result->value.object)
            result->value.object = module->options.error_fields;
        result->value = translate_refusal(walk, &result->value);
    }
    if (result->value.kind == VALUE_RAISED) {
        (void)COUNT_ONE(counts->raised);
        return take_failure(walk, result);
    }
    if (walk->chain->settings.semantics == SEMANTICS_147)
        result->value = old_constants(walk->arguments.arena, result->value, 0);
    enum step step = walk->rule->take(walk, result);
    if (step == STEP_ILLEGAL_NEXT || step == STEP_ILLEGAL_STOP)
        (void)COUNT_ONE(counts->illegal);
    return step == STEP_ILLEGAL_NEXT ? STEP_NEXT : step == STEP_ILLEGAL_STOP ? STEP_STOP : step;
}

static enum outcome_kind outcome_of(const struct walk *walk, const struct value *value)
{
    if (value->kind == VALUE_RAISED)
        return OUTCOME_FAILED;
    if (walk->rule == &chain_rule_event_allowed && !value_is(&value->items[0], false))
        return OUTCOME_CHANGED;
    if (walk->rule == &chain_rule_expired && !value_truthy(value))
        return OUTCOME_PASSED;
    return walk->rule->stop_means;
}

static void set_outcome(const struct walk *walk, const struct link *link, struct outcome *outcome)
{
    outcome->kind = outcome_of(walk, &outcome->result.value);
    const struct chain_module *module = &walk->chain->modules[link->module_index];
    outcome->callback = walk->arguments.callback;
    outcome->module = module->definition->name;
    outcome->module_index = link->module_index;
    outcome->result.actions |= module->options.actions;
    if (module->options.reason)
        outcome->result.reason = slice_from_string(module->options.reason);
}

/* Copies of the objects that each module gets for itself. */
static void copy_objects(const struct callback_definition *definition, struct callback_arguments *arguments)
{
    struct value *copies = NULL;
    for (uint32_t index = 0; arguments->values && index < definition->argument_count; index++) {
        if (definition->arguments[index].type != ARGUMENT_COPY || arguments->values[index].kind != VALUE_JSON)
            continue;
        if (!copies) {
            copies = arena_allocate(arguments->arena, definition->argument_count * sizeof *copies);
            memcpy(copies, arguments->values, definition->argument_count * sizeof *copies);
        }
        copies[index] = value_json(value_own_json(arguments->arena, json_deep_copy(copies[index].object)));
    }
    if (copies)
        arguments->values = copies;
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* The time, for who asked without one: no module is to see 1970. */
static int64_t wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t milliseconds = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    return milliseconds > 0 ? milliseconds : 1;
}

/* Whether the function is asked at all. */
static bool is_asked(const struct walk *walk, const struct link *link)
{
    const struct chain_module *module = &walk->chain->modules[link->module_index];
    const struct callback_arguments *arguments = &walk->arguments;
    if (module->options.selector && !selector_selects(module->options.selector, arguments))
        return false;
    if (link->registered.callback == CALLBACK_auth_checkers &&
        !slice_equal(callback_argument_text(arguments, "login_type"), slice_from_string(link->registered.login_type)))
        return false;
    return !legacy_is_lost(&link->registered, walk->chain->settings.semantics);
}

/* A dry run's answer is tried on a copy of the walk, and told if it would have ended it. */
static void try_answer(struct walk *walk, const struct link *link, struct result *result)
{
    struct chain *chain = (struct chain *)(uintptr_t)walk->chain;
    struct chain_module *module = &chain->modules[link->module_index];
    if (result->value.kind == VALUE_PASS || walk->rule->gathers)
        return;
    struct walk trial = *walk;
    struct outcome outcome = {.result = *result};
    if (take_answer(&trial, &outcome.result, module) != STEP_STOP)
        return;
    (void)COUNT_ONE(module->counts.dry_runs);
    set_outcome(walk, link, &outcome);
    const struct chain_dry_run *dry_run = &chain->dry_runs[lane_number];
    if (dry_run->report)
        dry_run->report(dry_run->context, &walk->arguments, &outcome);
}

/* A module was asked by a walk that is watched. */
static void tell_watchers(const struct chain *chain, uint32_t module_index, const struct callback_arguments *arguments,
                          const struct result *result, uint64_t nanoseconds)
{
    struct module_counts *counts = &chain->modules[module_index].counts;
    const struct chain_sample *sample = &chain->sample;
    if (chain->trace)
        chain->trace(chain->trace_context, module_index, arguments, result, nanoseconds);
    if (!sample->stands_for)
        return;
    counts->asked += sample->stands_for;
    if (nanoseconds > sample->clock_ns)
        counts->nanoseconds += (nanoseconds - sample->clock_ns) * sample->stands_for;
}

enum asked {
    ASKED_PASSED, /* nothing came that could matter */
    ASKED_ANSWERED,
};

/* Calls a link that is not plain, or any in a walk that is watched, and makes of its answer what Synapse would see. */
static enum asked ask_specially(struct walk *walk, const struct link *link, struct result *result)
{
    struct callback_arguments arguments = walk->arguments;
    const struct callback_definition *definition = &callback_definitions[arguments.callback];
    if (!is_asked(walk, link))
        return ASKED_PASSED;
    if (link->bad_arity) {
        result->value = value_raise(arguments.arena, RAISED_OTHER, "%s takes %u arguments, not %u", definition->name,
                                    link->registered.parameter_count, link->parameter_count);
        return ASKED_ANSWERED;
    }
    arguments.count = link->parameter_count;
    copy_objects(definition, &arguments);
    uint64_t started = walk->chain->watched ? now_ns() : 0;
    result->tags = 0;
    link->function(link->state, &arguments, result);
    if (!walk->chain->modules[link->module_index].dry_run)
        walk->arguments.tags |= result->tags;
    if (walk->chain->watched)
        tell_watchers(walk->chain, link->module_index, &arguments, result, now_ns() - started);
    if (result->value.kind == VALUE_PASS)
        return ASKED_PASSED;
    legacy_convert(&link->registered, walk->chain, &arguments, &result->value);
    return ASKED_ANSWERED;
}

/* Member by member: of the whole at once the compiler makes a string instruction, which costs more than a module. */
static inline void clear_result(struct result *result)
{
    result->value.kind = VALUE_NONE;
    result->value.count = 0;
    result->value.text = SLICE_ABSENT;
    result->value.object = NULL;
    result->rule = SLICE_ABSENT;
    result->reason = SLICE_ABSENT;
    result->evidence = SLICE_ABSENT;
    result->rule_is_regex = false;
    result->actions = 0;
}

/* After every module: the chain's value, or the chain that comes behind it. True if the walk goes on there. */
static inline __attribute__((always_inline)) bool end_or_continue(struct walk *walk)
{
    enum callback then = callback_definitions[walk->arguments.callback].then;
    struct outcome *outcome = &walk->outcome;
    outcome->kind = OUTCOME_PASSED;
    outcome->callback = walk->arguments.callback;
    outcome->module = NULL;
    outcome->module_index = 0;
    clear_result(&outcome->result);
    outcome->result.value = walk->rule->initial;
    if (walk->rule->finish)
        walk->rule->finish(walk, &outcome->result);
    if (then == CALLBACK_UNKNOWN || walk->chain->outer)
        return false;
    struct value *values = arena_allocate(walk->arguments.arena, CALLBACK_ARGUMENTS_MAXIMUM * sizeof *values);
    subject_restate(&walk->arguments, then, values);
    walk->arguments.callback = then;
    walk->arguments.values = values;
    walk->arguments.count = callback_definitions[then].argument_count;
    walk->rule = callback_definitions[then].rules[walk->chain->settings.semantics];
    walk->place = 0;
    return true;
}

/* Tells the modules that learn from what others decide. */
static void tell_learners(const struct walk *walk)
{
    const struct chain *chain = walk->chain;
    for (uint32_t index = 0; index < chain->module_count; index++) {
        const struct chain_module *module = &chain->modules[index];
        if (module->definition->decided && index != walk->outcome.module_index &&
            (!module->options.selector || selector_selects(module->options.selector, &walk->arguments)))
            module->definition->decided(module->state, &walk->arguments, &walk->outcome);
    }
}

/* Takes the answer at the walk's place; true if the walk has ended. */
static bool settle(struct walk *walk, const struct link *link)
{
    struct chain_module *module = &walk->chain->modules[link->module_index];
    struct result *result = &walk->outcome.result;
    if (module->dry_run) {
        try_answer(walk, link, result);
        return false;
    }
    if (take_answer(walk, result, module) != STEP_STOP)
        return false;
    set_outcome(walk, link, &walk->outcome);
    if (walk->chain->has_learners && walk->outcome.kind == OUTCOME_DENIED && !walk->arguments.trial)
        tell_learners(walk);
    return true;
}

static const struct link *links_of(const struct walk *walk, uint32_t *count)
{
    const struct chain *chain = walk->chain;
    enum callback callback = walk->arguments.callback;
    *count = walk->second ? walk->second->count : chain->link_counts[callback];
    return walk->second ? walk->second->links : chain->links[callback];
}

/* The walk twice, so that one which nobody watches looks at that once, and not for each module. */
static inline __attribute__((always_inline)) enum walk_state ask_links(struct walk *walk, bool watched)
{
    bool has_body = !walk->arguments.event || walk->arguments.event->has_body;
    struct result *result = &walk->outcome.result;
    do {
        uint32_t count;
        const struct link *links = links_of(walk, &count);
        for (; walk->place < count; walk->place++) {
            const struct link *link = &links[walk->place];
            if (link->needs_body && !has_body)
                continue;
            clear_result(result);
            if (!watched && link->plain) {
                link->function(link->state, &walk->arguments, result);
                if (result->value.kind == VALUE_PASS)
                    continue;
            } else if (ask_specially(walk, link, result) == ASKED_PASSED) {
                continue;
            }
            if (result->value.kind == VALUE_PENDING) {
                walk->ticket = result->value.ticket;
                return WALK_PENDING;
            }
            if (settle(walk, link))
                return WALK_ENDED;
        }
    } while (end_or_continue(walk));
    return WALK_ENDED;
}

static __attribute__((noinline, cold)) enum walk_state go_on_watched(struct walk *walk)
{
    return ask_links(walk, true);
}

static enum walk_state go_on(struct walk *walk)
{
    return __builtin_expect(walk->chain->watched, 0) ? go_on_watched(walk) : ask_links(walk, false);
}

/* A login type that nobody registered is not known to Synapse's table of checkers: KeyError. */
static bool login_type_known(const struct walk *walk)
{
    struct slice type = callback_argument_text(&walk->arguments, "login_type");
    for (uint32_t place = 0; place < walk->chain->link_counts[CALLBACK_auth_checkers]; place++) {
        const char *known = walk->chain->links[CALLBACK_auth_checkers][place].registered.login_type;
        if (slice_equal(type, slice_from_string(known)))
            return true;
    }
    return false;
}

static enum walk_state start(struct walk *walk, const struct chain *chain, enum callback callback,
                             const struct link_list *second)
{
    struct arena *arena = walk->arguments.arena;
    walk->chain = chain;
    walk->arguments.callback = callback;
    walk->place = 0;
    walk->second = second;
    walk->ticket = 0;
    walk->memory = NULL;
    if (__builtin_expect(walk->arguments.now_ms <= 0, 0))
        walk->arguments.now_ms = wall_ms();
    walk->rule = callback_definitions[callback].rules[chain->settings.semantics];
    if (__builtin_expect(!walk->rule || (callback == CALLBACK_auth_checkers && !login_type_known(walk)), 0)) {
        walk->outcome = (struct outcome){.kind = OUTCOME_FAILED, .callback = callback};
        walk->outcome.result.value = walk->rule
                                         ? value_raise(arena, RAISED_KEY_ERROR, "no module registered this login type")
                                         : value_raise(arena, RAISED_OTHER, "%s does not exist with these semantics",
                                                       callback_definitions[callback].name);
        return WALK_ENDED;
    }
    return go_on(walk);
}

enum walk_state walk_start(struct walk *walk, const struct chain *chain, enum callback callback)
{
    walk->arguments.tags = 0;
    return start(walk, chain, callback, NULL);
}

enum walk_state walk_start_inside(struct walk *walk, const struct chain *chain, enum callback callback)
{
    return start(walk, chain, callback, NULL);
}

enum walk_state walk_start_second(struct walk *walk, const struct chain *chain)
{
    walk->arguments.tags = 0;
    bool second = !chain->trace && slice_present(walk->arguments.event->event_id);
    return start(walk, chain, CALLBACK_check_event_for_spam, second ? chain->second : NULL);
}

enum walk_state walk_begin(struct walk *walk, const struct chain *chain, enum callback callback,
                           const struct callback_arguments *arguments)
{
    walk->arguments = *arguments;
    return walk_start(walk, chain, callback);
}

enum walk_state walk_resume(struct walk *walk, const struct service_answer *answer)
{
    uint32_t count;
    const struct link *link = &links_of(walk, &count)[walk->place];
    const struct chain_module *module = &walk->chain->modules[link->module_index];
    struct result *result = &walk->outcome.result;
    *result = (struct result){0};
    module->definition->answer(link->state, &walk->arguments, answer, result);
    /* Who gives up on a question must be able to end it. */
    if (result->value.kind == VALUE_PENDING && !answer->arrived)
        result->value = value_raise(walk->arguments.arena, RAISED_OTHER,
                                    "%s went on asking after a question had failed", module->definition->name);
    if (result->value.kind == VALUE_PENDING) {
        walk->ticket = result->value.ticket;
        return WALK_PENDING;
    }
    if (walk->chain->trace)
        walk->chain->trace(walk->chain->trace_context, link->module_index, &walk->arguments, result, 0);
    if (result->value.kind != VALUE_PASS) {
        legacy_convert(&link->registered, walk->chain, &walk->arguments, &result->value);
        if (settle(walk, link))
            return WALK_ENDED;
    }
    walk->place++;
    return go_on(walk);
}

void chain_run(const struct chain *chain, enum callback callback, const struct callback_arguments *arguments,
               struct outcome *outcome)
{
    struct walk walk;
    enum walk_state state = walk_begin(&walk, chain, callback, arguments);
    while (state == WALK_PENDING) {
        struct service_answer nobody = {.error = SLICE("nobody can be waited for here")};
        state = walk_resume(&walk, &nobody);
    }
    *outcome = walk.outcome;
}
