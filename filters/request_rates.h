/* How often something is asked for, at most: the rates of modules that look at requests (registration, login,
 * room_rules). A few rules of one each, of which a request that is let through pays to all, and one that is refused to
 * none. Each is as large as its period's count, and knows REQUEST_RATES_KEYS keys in RATE_TABLE_BYTES_EACH each.
 * Several engines may keep them together (filters/rate_sharing.h); then the module has an `answer`.
 *
 * Not for several threads. */
#ifndef WEIR_FILTERS_REQUEST_RATES_H
#define WEIR_FILTERS_REQUEST_RATES_H

#include "filters/rate_sharing.h"

#define REQUEST_RATES_MAXIMUM 2u
#define REQUEST_RATES_KEYS 65536u

/* A row of a parameter table: the rate `member_`, called `name_`, of the configuration `struct_`. Without a default, or
 * a value, there is no such rate. */
#define REQUEST_RATE_ROW(struct_, member_, name_, fallback_, text_)                                                    \
    {                                                                                                                  \
        .name = (name_), .type = PARAMETER_RATE, .offset = offsetof(struct_, member_), .fallback = (fallback_),        \
        .minimum = 1, .maximum = RATE_COUNT_MAXIMUM, .text = (text_)                                                   \
    }

struct request_rates {
    struct rate_rule rules[REQUEST_RATES_MAXIMUM];
    uint32_t count;
    uint64_t seed;
    struct rate_sharing sharing;
};

/* Adds a rate, which verdicts call `name` (not copied); nothing if its count is 0. */
void request_rates_add(struct request_rates *rates, enum rate_key key, struct rate rate, const char *name);
/* Once all are there; `module` tells them apart from those of other modules. False, reported, if they cannot be shared;
 * free them in any case. */
bool request_rates_share(struct request_rates *rates, const struct module_setup *setup, const char *module,
                         const struct rate_sharing_configuration *configuration);
void request_rates_free(struct request_rates *rates);

/* Whether the request goes beyond a rate; then rule, reason and evidence of `result` say which. If not, it counts,
 * unless it is a trial. To be asked last: a request that something else refuses shall not count. Where the rates are
 * shared, false with VALUE_PENDING in `result`: request_rates_answer then says the same. */
bool request_rates_refuse(struct request_rates *rates, const struct callback_arguments *arguments,
                          struct result *result);
bool request_rates_answer(struct request_rates *rates, const struct callback_arguments *arguments,
                          const struct service_answer *answer, struct result *result);

/* module_definition.save, restore, figures. */
void request_rates_save(const struct request_rates *rates, struct buffer *output);
bool request_rates_restore(struct request_rates *rates, struct slice saved);
void request_rates_figures(const struct request_rates *rates, module_figure_function *figure, void *context);

#endif
