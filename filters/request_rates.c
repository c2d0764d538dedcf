/* A snapshot is the head and the parts of each rule. */
#include "filters/request_rates.h"

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
    for (uint32_t index = 0; index < rates->count; index++)
        rate_rule_free(&rates->rules[index]);
}

bool request_rates_refuse(struct request_rates *rates, const struct callback_arguments *arguments,
                          struct result *result)
{
    struct rate_due dues[REQUEST_RATES_MAXIMUM];
    uint32_t count = 0;
    for (uint32_t index = 0; index < rates->count; index++)
        count += rate_rule_concerns(&rates->rules[index], arguments, rates->seed, false, &dues[count]);
    uint32_t beyond = rate_dues_settle(dues, count, arguments);
    if (beyond)
        rate_due_explain(&dues[beyond - 1], result);
    return beyond != 0;
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
