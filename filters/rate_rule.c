/* What is refused pays nothing, so that whoever goes on at ten times the rate gets the rate through and no less. */
#include "filters/rate_rule.h"

#include <arpa/inet.h>
#include <inttypes.h>

#include "base/keyed_hash.h"
#include "base/memory.h"
#include "base/parts.h"
#include "filters/subject.h"

static const char *const key_texts[] = {"for each sender",           "for each room",    "for each server",
                                        "for each sender in a room", "for each address", "for each network"};

/* ---- life */

static int64_t common_divisor(int64_t left, int64_t right)
{
    while (right) {
        int64_t rest = left % right;
        left = right;
        right = rest;
    }
    return left;
}

/* Beyond what a table can count, trust helps as far as it can. */
static struct rate_limit times(const struct rate_limit *limit, int64_t factor)
{
    int64_t count = limit->count * factor;
    int64_t divisor = common_divisor(count, limit->period_ms);
    struct rate_limit more = {count / divisor, limit->period_ms / divisor, limit->burst * factor};
    if (more.count > RATE_COUNT_MAXIMUM)
        more.count = RATE_COUNT_MAXIMUM;
    if (more.burst > RATE_BURST_MAXIMUM)
        more.burst = RATE_BURST_MAXIMUM;
    return more;
}

/* What verdicts say, made once: "10/m for each sender". */
static void name_rule(struct rate_rule *rule, const struct rate_rule_settings *settings)
{
    struct buffer period = {0};
    duration_append(&period, settings->rate.period_ms);
    const char *unit = buffer_string(&period);
    unit += unit[0] == '1' && (unit[1] < '0' || unit[1] > '9');
    if (settings->name)
        buffer_append_string(&rule->name, settings->name);
    else
        buffer_append_format(&rule->name, "%" PRId64 "%s/%s %s", settings->rate.count, settings->unit, unit,
                             key_texts[rule->key]);
    for (int trust = RATE_OTHERS; trust < RATE_TRUSTS; trust++) {
        int64_t factor = trust == RATE_TRUSTED ? settings->trusted_factor : 1;
        buffer_append_format(&rule->reasons[trust], "more than %" PRId64 "%s at once and then %" PRId64 "/%s%s",
                             rule->limits[trust].burst, settings->unit, settings->rate.count * factor, unit,
                             trust == RATE_TRUSTED ? ", although trusted" : "");
    }
    buffer_free(&period);
}

void rate_rule_open(struct rate_rule *rule, const struct rate_rule_settings *settings)
{
    struct rate rate = settings->rate;
    *rule = (struct rate_rule){.key = settings->key};
    rule->limits[RATE_OTHERS] =
        (struct rate_limit){rate.count, rate.period_ms, settings->burst ? settings->burst : rate.count};
    rule->limits[RATE_TRUSTED] = times(&rule->limits[RATE_OTHERS], settings->trusted_factor);
    rule->tables[RATE_OTHERS] = rate_table_create(&rule->limits[RATE_OTHERS], settings->capacity);
    if (settings->trusted_factor > 1)
        rule->tables[RATE_TRUSTED] = rate_table_create(&rule->limits[RATE_TRUSTED], settings->capacity);
    name_rule(rule, settings);
}

void rate_rule_free(struct rate_rule *rule)
{
    for (int trust = RATE_OTHERS; trust < RATE_TRUSTS; trust++) {
        rate_table_destroy(rule->tables[trust]);
        buffer_free(&rule->reasons[trust]);
    }
    buffer_free(&rule->name);
}

/* ---- keys */

/* The network of an address: of IPv6 the first 64 bits, which one subscriber has at least; mapped IPv4 as IPv4. What is
 * no address has a bucket of its own. */
struct slice rate_network(struct slice address, bool wide, unsigned char bytes[16])
{
    static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    const char *start = (const char *)bytes;
    char text[INET6_ADDRSTRLEN];
    if (address.length >= sizeof text)
        return address;
    memcpy(text, address.data, address.length);
    text[address.length] = '\0';
    size_t length = wide ? 3 : 4;
    if (inet_pton(AF_INET, text, bytes) == 1)
        return slice_of(start, length);
    if (inet_pton(AF_INET6, text, bytes) != 1)
        return address;
    return memcmp(bytes, mapped, sizeof mapped) == 0 ? slice_of(start + 12, length) : slice_of(start, 8);
}

static struct slice address_of(const struct callback_arguments *arguments)
{
    struct subject_origin origin;
    struct slice address = SLICE_ABSENT;
    for (size_t index = 0; subject_origin(arguments, index, &origin); index++)
        if (slice_present(origin.address))
            address = origin.address;
    return address;
}

struct slice rate_key_text(enum rate_key key, const struct callback_arguments *arguments)
{
    switch (key) {
    case RATE_KEY_SENDER:
    case RATE_KEY_SENDER_ROOM:
        return subject_text(arguments, SUBJECT_USER);
    case RATE_KEY_ROOM:
        return subject_text(arguments, SUBJECT_ROOM);
    case RATE_KEY_SERVER:
        return subject_server(arguments);
    case RATE_KEY_IP:
    case RATE_KEY_NETWORK:
        return address_of(arguments);
    }
    return SLICE_ABSENT;
}

bool rate_rule_concerns(struct rate_rule *rule, const struct callback_arguments *arguments, uint64_t seed, bool trusted,
                        struct rate_due *due)
{
    unsigned char network[16];
    struct slice room = SLICE_ABSENT;
    struct slice text = rate_key_text(rule->key, arguments);
    if (!slice_present(text))
        return false;
    if (rule->key == RATE_KEY_SENDER_ROOM && !slice_present(room = subject_text(arguments, SUBJECT_ROOM)))
        return false;
    *due = (struct rate_due){.rule = rule,
                             .trust = trusted && rule->tables[RATE_TRUSTED] ? RATE_TRUSTED : RATE_OTHERS,
                             .text = text,
                             .cost = 1};
    if (rule->key == RATE_KEY_IP || rule->key == RATE_KEY_NETWORK)
        text = rate_network(text, rule->key == RATE_KEY_NETWORK, network);
    due->key = slice_present(room) ? keyed_hash_pair(text, room, seed) : keyed_hash(text, seed);
    return true;
}

/* ---- paying */

static struct rate_table *table_of(const struct rate_due *due)
{
    return due->rule->tables[due->trust];
}

uint32_t rate_dues_look(const struct rate_due *dues, uint32_t count, const struct callback_arguments *arguments)
{
    for (uint32_t place = 0; place < count; place++) {
        const struct rate_due *due = &dues[place];
        /* Nothing is taken, but the table learns the time: else one whose clock was set back would stand still. */
        if (!arguments->trial)
            (void)rate_table_take(table_of(due), due->key, 0, arguments->now_ms);
        if (!rate_table_has(table_of(due), due->key, due->cost, arguments->now_ms))
            return place + 1;
    }
    return 0;
}

void rate_dues_pay(const struct rate_due *dues, uint32_t count, const struct callback_arguments *arguments)
{
    for (uint32_t place = 0; place < count && !arguments->trial; place++)
        rate_table_charge(table_of(&dues[place]), dues[place].key, dues[place].cost, arguments->now_ms);
}

uint32_t rate_dues_settle(const struct rate_due *dues, uint32_t count, const struct callback_arguments *arguments)
{
    uint32_t beyond = rate_dues_look(dues, count, arguments);
    if (beyond)
        dues[beyond - 1].rule->refused += !arguments->trial;
    else
        rate_dues_pay(dues, count, arguments);
    return beyond;
}

void rate_due_explain(const struct rate_due *due, struct result *result)
{
    result->rule = buffer_slice(&due->rule->name);
    result->reason = buffer_slice(&due->rule->reasons[due->trust]);
    result->evidence = due->text;
}

/* ---- snapshots and figures */

void rate_rule_save(const struct rate_rule *rule, struct buffer *output)
{
    for (int trust = RATE_OTHERS; trust < RATE_TRUSTS && rule->tables[trust]; trust++) {
        size_t start = parts_begin(output);
        rate_table_save(rule->tables[trust], output);
        parts_end(output, start);
    }
}

bool rate_rule_restore(struct rate_rule *rule, struct slice *parts)
{
    bool good = true;
    for (int trust = RATE_OTHERS; trust < RATE_TRUSTS && rule->tables[trust]; trust++)
        good = good && rate_table_restore(rule->tables[trust], parts_take(parts));
    return good;
}

void rate_rule_clear(struct rate_rule *rule)
{
    for (int trust = RATE_OTHERS; trust < RATE_TRUSTS && rule->tables[trust]; trust++)
        (void)rate_table_restore(rule->tables[trust], SLICE(""));
}

void rate_rule_take_over(struct rate_rule *rule, struct rate_rule *from)
{
    memory_exchange(rule->tables, from->tables, sizeof rule->tables);
}

void rate_rules_figures(const struct rate_rule *const *rules, uint32_t count, module_figure_function *figure,
                        void *context)
{
    uint64_t keys = 0, refused = 0, forgotten = 0;
    for (uint32_t index = 0; index < count; index++) {
        refused += rules[index]->refused;
        for (int trust = RATE_OTHERS; trust < RATE_TRUSTS && rules[index]->tables[trust]; trust++) {
            keys += rate_table_keys(rules[index]->tables[trust]);
            forgotten += rate_table_forgotten(rules[index]->tables[trust]);
        }
    }
    figure(context, "keys", "Buckets that are not full; of large tables an estimate.", (double)keys);
    figure(context, "refused_total", "Questions that went beyond a rate.", (double)refused);
    figure(context, "forgotten_total", "Buckets that gave way in a full table before they were full again.",
           (double)forgotten);
}
