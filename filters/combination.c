/* A question costs what its modules cost, and a walk over a chain of one for each. All that is for people (which rules
 * hit, and by what) is made once it is certain that something is refused, which is rare; then `explain` has the modules
 * asked that made no difference. */
#include "filters/combination.h"

#include "filters/subject.h"

/* Of what a module calls its rule, in a verdict's reason. */
#define RULE_SHOWN_MAXIMUM 80u

void combination_look_at_modules(struct combination *combination)
{
    for (uint32_t index = 0; index < combination->modules.count; index++) {
        const struct nested_module *module = &combination->modules.items[index];
        combination->remember |= (uint64_t)module->remembers << index;
        for (int callback = 0; callback < CALLBACK_COUNT; callback++)
            combination->known[callback] |= (uint64_t)module->callbacks[callback] << index;
    }
}

bool combination_may_refuse(const struct combination *combination, enum callback callback)
{
    uint64_t known = combination->known[callback];
    int64_t most = 0;
    for (uint32_t index = 0; index < combination->modules.count; index++)
        if (known >> index & 1 && combination->weights[index] > 0)
            most += combination->weights[index];
    return (combination->expression.count && expression_may_be_true(&combination->expression, known)) ||
           (combination->threshold && most >= combination->threshold);
}

bool combination_must_see(const struct combination *combination, enum callback callback)
{
    return combination->known[callback] & combination->remember;
}

void combination_free(struct combination *combination)
{
    nested_modules_free(&combination->modules);
    expression_free(&combination->expression);
}

/* ---- questions */

/* What a module that hit had to say. */
struct hit {
    struct slice rule;
    struct slice evidence;
};

struct question {
    struct combination *combination;
    enum callback callback;
    uint64_t asked;
    uint64_t hits;
    bool failed; /* `failure` says how; the rest is not asked any more */
    struct value failure;
    struct walk walk;
    struct hit said[NESTED_MODULES_MAXIMUM]; /* of those that hit */
};

/* Asks a module that was not asked yet. */
static void ask(struct question *question, uint32_t index)
{
    struct combination *combination = question->combination;
    const struct result *result = &question->walk.outcome.result;
    question->asked |= 1ull << index;
    switch (nested_modules_ask(&combination->modules, index, question->callback, &question->walk)) {
    case NESTED_REFUSED:
        question->hits |= 1ull << index;
        question->said[index] = (struct hit){result->rule, result->evidence};
        if (!question->walk.arguments.trial)
            (void)__atomic_fetch_add(&combination->hits[index], 1, __ATOMIC_RELAXED);
        break;
    case NESTED_FAILED:
        question->failed = true;
        question->failure = result->value;
        break;
    case NESTED_PASSED:
    case NESTED_UNASKED:
        break;
    }
}

static enum truth truth_of(void *context, unsigned index)
{
    struct question *question = context;
    uint64_t bit = 1ull << index;
    if (!(question->combination->known[question->callback] & bit) || question->failed)
        return TRUTH_UNKNOWN;
    if (!(question->asked & bit))
        ask(question, index);
    return question->hits & bit ? TRUTH_TRUE : question->failed ? TRUTH_UNKNOWN : TRUTH_FALSE;
}

/* The sum of the weights, as far as it had to be known: whether it comes to the threshold. */
static bool reaches_threshold(struct question *question)
{
    const struct combination *combination = question->combination;
    uint64_t open = combination->weighed & combination->known[question->callback] & ~question->asked;
    int64_t sum = 0, most = 0, least = 0;
    for (uint32_t index = 0; index < combination->modules.count; index++) {
        int64_t weight = combination->weights[index];
        if (question->hits >> index & 1)
            sum += weight;
        else if (open >> index & 1)
            *(weight > 0 ? &most : &least) += weight;
    }
    for (; open && sum + most >= combination->threshold && sum + least < combination->threshold; open &= open - 1) {
        uint32_t index = (uint32_t)__builtin_ctzll(open);
        int64_t weight = combination->weights[index];
        *(weight > 0 ? &most : &least) -= weight;
        if (truth_of(question, index) == TRUTH_TRUE)
            sum += weight;
        if (question->failed)
            return false;
    }
    return sum + least >= combination->threshold;
}

static void ask_all(struct question *question, uint64_t wanted)
{
    for (uint64_t open = wanted & ~question->asked; open && !question->failed; open &= open - 1)
        ask(question, (uint32_t)__builtin_ctzll(open));
}

/* ---- verdicts */

static struct slice append(struct arena *arena, struct slice text, struct slice more)
{
    return arena_format(arena, "%.*s%s%.*s", (int)text.length, text.data, text.length ? ", " : "", (int)more.length,
                        more.data);
}

/* At most `maximum` bytes, of whole characters. */
static struct slice shortened(struct slice text, size_t maximum)
{
    size_t length = text.length < maximum ? text.length : maximum;
    while (length < text.length && length && ((unsigned char)text.data[length] & 0xc0) == 0x80)
        length--;
    return slice_of(text.data, length);
}

/* "2.5" */
static struct slice weight_text(struct arena *arena, int64_t weight)
{
    return arena_format(arena, "%.10g", (double)weight / WEIGHT_UNIT);
}

/* "links 2 (bad.example)" */
static struct slice describe(const struct question *question, uint32_t index, bool with_weight)
{
    const struct combination *combination = question->combination;
    struct arena *arena = question->walk.arguments.arena;
    struct slice rule = question->said[index].rule, weight = SLICE("");
    if (with_weight)
        weight = weight_text(arena, combination->weights[index]);
    struct slice text = arena_format(arena, "%s%s%.*s", combination->names[index], weight.length ? " " : "",
                                     (int)weight.length, weight.data);
    if (!rule.length)
        return text;
    struct slice shown = shortened(rule, RULE_SHOWN_MAXIMUM);
    return arena_format(arena, "%.*s (%.*s%s)", (int)text.length, text.data, (int)shown.length, shown.data,
                        shown.length < rule.length ? "…" : "");
}

static struct slice reason_of(const struct question *question, bool by_score)
{
    const struct combination *combination = question->combination;
    struct arena *arena = question->walk.arguments.arena;
    struct slice text = SLICE("");
    int64_t sum = 0;
    for (uint32_t index = 0; index < combination->modules.count; index++) {
        if (!(question->hits >> index & 1))
            continue;
        text = append(arena, text, describe(question, index, by_score));
        sum += combination->weights[index];
    }
    if (!by_score)
        return text.length ? text : SLICE("none of the rules hit");
    struct slice reached = weight_text(arena, sum), wanted = weight_text(arena, combination->threshold);
    return arena_format(arena, "%.*s: %.*s of %.*s", (int)text.length, text.data, (int)reached.length, reached.data,
                        (int)wanted.length, wanted.data);
}

static void refuse(const struct question *question, bool by_score, struct result *result)
{
    const struct combination *combination = question->combination;
    result->value = value_refuse(combination->code);
    result->rule = slice_present(combination->name) ? combination->name
                   : by_score                       ? SLICE("score")
                                                    : combination->expression_text;
    result->reason = reason_of(question, by_score);
    for (uint64_t rest = question->hits; rest && !slice_present(result->evidence); rest &= rest - 1)
        result->evidence = question->said[__builtin_ctzll(rest)].evidence;
    if (!slice_present(result->evidence))
        result->evidence = subject_text(&question->walk.arguments, SUBJECT_USER);
}

void combination_judge(struct combination *combination, const struct callback_arguments *arguments,
                       struct result *result)
{
    struct question question; /* too large to be zeroed for each event */
    question.combination = combination;
    question.callback = arguments->callback;
    question.asked = question.hits = 0;
    question.failed = false;
    question.walk.arguments = *arguments;
    result->value.kind = VALUE_PASS;
    ask_all(&question, combination->known[question.callback] & combination->remember);
    bool by_expression = combination->expression.count && !question.failed &&
                         expression_evaluate(&combination->expression, truth_of, &question) == TRUTH_TRUE;
    bool by_score = !by_expression && combination->threshold && !question.failed && reaches_threshold(&question);
    if (question.failed) {
        result->value = question.failure;
        return;
    }
    if (!by_expression && !by_score)
        return;
    /* One that fails here makes no difference any more. */
    if (combination->explain)
        ask_all(&question, combination->known[question.callback]);
    refuse(&question, by_score, result);
}
