/* A snapshot is the head and the parts of each rule. */
#include "filters/request_rates.h"

#include <inttypes.h>

#include "base/keyed_hash.h"
#include "base/parts.h"

#define SAVED_VERSION 1u

void request_rates_add(struct request_rates *rates, enum rate_key key, struct rate rate, const char *name)
{
    struct rate_rule_settings settings = {
        .key = key, .rate = rate, .name = name, .unit = "", .capacity = REQUEST_RATES_KEYS, .trusted_factor = 1};
    rates->seed = keyed_hash_seed;
    if (rate.count && rates->count < REQUEST_RATES_MAXIMUM)
        rate_rule_open(&rates->rules[rates->count++], &settings);
}

void request_rates_free(struct request_rates *rates)
{
    rate_sharing_free(&rates->sharing);
    for (uint32_t index = 0; index < rates->count; index++)
        rate_rule_free(&rates->rules[index]);
}

bool request_rates_share(struct request_rates *rates, const struct module_setup *setup, const char *module,
                         const struct rate_sharing_configuration *configuration)
{
    struct rate_sharing_rule rules[REQUEST_RATES_MAXIMUM];
    struct buffer texts[REQUEST_RATES_MAXIMUM] = {{0}};
    for (uint32_t index = 0; index < rates->count; index++) {
        const struct rate_rule *rule = &rates->rules[index];
        buffer_append_format(&texts[index], "%s %.*s %" PRId64 "/%" PRId64, module, (int)rule->name.length,
                             rule->name.data, rule->limits[RATE_OTHERS].count, rule->limits[RATE_OTHERS].period_ms);
        rules[index] = (struct rate_sharing_rule){rule, buffer_slice(&texts[index])};
    }
    bool good = rate_sharing_open(&rates->sharing, setup, configuration, rules, rates->count);
    *setup->waits = *setup->waits && rates->count > 0;
    for (uint32_t index = 0; index < rates->count; index++)
        buffer_free(&texts[index]);
    return good;
}

struct dues {
    struct rate_due items[REQUEST_RATES_MAXIMUM];
    uint32_t numbers[REQUEST_RATES_MAXIMUM]; /* of their rules */
    uint32_t count;
};

static void find_dues(struct request_rates *rates, const struct callback_arguments *arguments, struct dues *dues)
{
    dues->count = 0;
    for (uint32_t index = 0; index < rates->count; index++)
        if (rate_rule_concerns(&rates->rules[index], arguments, rates->seed, false, &dues->items[dues->count]))
            dues->numbers[dues->count++] = index;
}

static bool conclude(const struct dues *dues, enum rate_asked asked, uint32_t beyond, struct result *result)
{
    if (asked == RATE_ASKED_NOBODY && beyond)
        rate_due_explain(&dues->items[beyond - 1], result);
    return asked == RATE_ASKED_DENY || (asked == RATE_ASKED_NOBODY && beyond);
}

bool request_rates_refuse(struct request_rates *rates, const struct callback_arguments *arguments,
                          struct result *result)
{
    struct dues dues;
    uint32_t beyond;
    find_dues(rates, arguments, &dues);
    enum rate_asked asked =
        rate_sharing_ask(&rates->sharing, dues.items, dues.numbers, dues.count, arguments, &beyond, result);
    return conclude(&dues, asked, beyond, result);
}

bool request_rates_answer(struct request_rates *rates, const struct callback_arguments *arguments,
                          const struct service_answer *answer, struct result *result)
{
    struct dues dues;
    uint32_t beyond;
    find_dues(rates, arguments, &dues);
    enum rate_asked asked =
        rate_sharing_answer(&rates->sharing, dues.items, dues.numbers, dues.count, arguments, answer, &beyond, result);
    return conclude(&dues, asked, beyond, result);
}

void request_rates_save(const struct request_rates *rates, struct buffer *output)
{
    parts_put_head(output, SAVED_VERSION, rates->seed);
    for (uint32_t index = 0; index < rates->count; index++)
        rate_rule_save(&rates->rules[index], output);
}

bool request_rates_restore(struct request_rates *rates, struct slice saved)
{
    uint64_t seed;
    bool good = parts_take_head(&saved, SAVED_VERSION, &seed);
    for (uint32_t index = 0; good && index < rates->count; index++)
        good = rate_rule_restore(&rates->rules[index], &saved);
    if (good && saved.length == 0) {
        rates->seed = seed;
        return true;
    }
    for (uint32_t index = 0; index < rates->count; index++)
        rate_rule_clear(&rates->rules[index]);
    return false;
}

void request_rates_figures(const struct request_rates *rates, module_figure_function *figure, void *context)
{
    const struct rate_rule *rules[REQUEST_RATES_MAXIMUM];
    for (uint32_t index = 0; index < rates->count; index++)
        rules[index] = &rates->rules[index];
    rate_rules_figures(rules, rates->count, figure, context);
}
