/* Keys stay readable as long as Matrix's ids are: 255 bytes. What is longer, which no homeserver makes, is hashed. */
#include "filters/rate_sharing.h"

#include <inttypes.h>
#include <stdlib.h>
#include <xxhash.h>

#include "base/arena.h"
#include "base/memory.h"
#include "filters/subject.h"

#define TEXT_MAXIMUM 255u

const char *const rate_sharing_choices[] = {"none", "redis", NULL};
const char *const rate_on_error_choices[] = {"local", "pass", "deny", NULL};

static void write_id(char id[RATE_SHARING_ID + 1], uint64_t hash)
{
    snprintf(id, RATE_SHARING_ID + 1, "%016" PRIx64, hash);
}

static bool can_be_shared(const struct rate_rule *rule, const struct module_host *host)
{
    for (int trust = RATE_OTHERS; trust < RATE_TRUSTS && rule->tables[trust]; trust++) {
        const struct rate_limit *limit = &rule->limits[trust];
        if (limit->burst * limit->period_ms / limit->count <= SHARED_FILL_MAXIMUM_MS)
            continue;
        module_host_report(host, "shared",
                           "the bucket of a rule takes too long to fill to be shared: a smaller "
                           "`burst`, or a higher `rate`");
        return false;
    }
    return true;
}

bool rate_sharing_open(struct rate_sharing *sharing, const struct module_setup *setup,
                       const struct rate_sharing_configuration *configuration, const struct rate_sharing_rule *rules,
                       uint32_t count)
{
    bool good = true, shared = configuration->shared != 0;
    uint64_t scope = count;
    *sharing = (struct rate_sharing){.on_error = (enum rate_on_error)configuration->on_error, .rule_count = count};
    *setup->waits = shared;
    if (!shared)
        return true;
    sharing->rules = memory_allocate_zeroed(count, sizeof *sharing->rules);
    for (uint32_t index = 0; index < count; index++) {
        uint64_t hash = XXH3_64bits_withSeed(rules[index].identity.data, rules[index].identity.length, index);
        write_id(sharing->rules[index], hash);
        scope = XXH3_64bits_withSeed(&hash, sizeof hash, scope);
        good = can_be_shared(rules[index].rule, setup->host) && good;
    }
    write_id(sharing->scope, scope);
    if (good && setup->host->services)
        sharing->rates = setup->host->services->rates;
    if (sharing->rates)
        sharing->rates->join(sharing->rates->context);
    return good;
}

void rate_sharing_free(struct rate_sharing *sharing)
{
    if (sharing->rates)
        sharing->rates->leave(sharing->rates->context);
    free(sharing->rules);
    buffer_free(&sharing->key);
}

/* ---- keys */

static void append_text(struct buffer *key, struct slice text)
{
    if (text.length <= TEXT_MAXIMUM) {
        buffer_append_slice(key, text);
        return;
    }
    XXH128_hash_t hash = XXH3_128bits(text.data, text.length);
    buffer_append_format(key, "#%016" PRIx64 "%016" PRIx64, hash.high64, hash.low64);
}

/* An address as what has the bucket: its network, in hexadecimal digits where it is one. */
static void append_network(struct buffer *key, const struct rate_due *due)
{
    unsigned char bytes[16];
    struct slice network = rate_network(due->text, due->rule->key == RATE_KEY_NETWORK, bytes);
    if (network.data == due->text.data) {
        append_text(key, network);
        return;
    }
    for (size_t index = 0; index < network.length; index++)
        buffer_append_format(key, "%02x", (unsigned char)network.data[index]);
}

static struct slice bucket_key(struct rate_sharing *sharing, const struct rate_due *due, uint32_t number,
                               const struct callback_arguments *arguments)
{
    struct buffer *key = &sharing->key;
    buffer_clear(key);
    buffer_append_string(key, sharing->rules[number]);
    buffer_append_string(key, due->trust == RATE_TRUSTED ? "/trusted/" : "/");
    if (due->rule->key == RATE_KEY_IP || due->rule->key == RATE_KEY_NETWORK) {
        append_network(key, due);
    } else {
        append_text(key, due->text);
        if (due->rule->key == RATE_KEY_SENDER_ROOM) {
            buffer_append_char(key, ' ');
            append_text(key, subject_text(arguments, SUBJECT_ROOM));
        }
    }
    return arena_copy(arguments->arena, buffer_slice(key));
}

static struct slice once_key(struct rate_sharing *sharing, const struct callback_arguments *arguments)
{
    struct slice id = arguments->event ? arguments->event->event_id : SLICE_ABSENT;
    struct buffer *key = &sharing->key;
    if (!slice_present(id))
        return SLICE_ABSENT;
    buffer_clear(key);
    buffer_append_format(key, "%s/event/", sharing->scope);
    append_text(key, id);
    return arena_copy(arguments->arena, buffer_slice(key));
}

/* ---- asking */

/* What costs nothing concerns no bucket. */
static uint32_t make_buckets(struct rate_sharing *sharing, const struct rate_due *dues, const uint32_t *numbers,
                             uint32_t count, const struct callback_arguments *arguments, struct shared_bucket *buckets)
{
    uint32_t made = 0;
    for (uint32_t place = 0; place < count && made < SHARED_BUCKETS_MAXIMUM; place++)
        if (dues[place].cost > 0)
            buckets[made++] =
                (struct shared_bucket){.key = bucket_key(sharing, &dues[place], numbers[place], arguments),
                                       .limit = &dues[place].rule->limits[dues[place].trust],
                                       .cost = dues[place].cost,
                                       .number = (int)numbers[place] + 1};
    return made;
}

static enum rate_asked decide_alone(struct rate_sharing *sharing, const struct rate_due *dues, uint32_t count,
                                    const struct callback_arguments *arguments, struct slice reason, uint32_t *beyond,
                                    struct result *result)
{
    *beyond = 0;
    if (sharing->on_error == RATE_ON_ERROR_LOCAL)
        *beyond = rate_dues_settle(dues, count, arguments);
    if (sharing->on_error != RATE_ON_ERROR_DENY)
        return RATE_ASKED_NOBODY;
    result->rule = SLICE("on_error");
    result->reason = arena_copy(arguments->arena, reason);
    result->evidence = dues[0].text;
    return RATE_ASKED_DENY;
}

enum rate_asked rate_sharing_ask(struct rate_sharing *sharing, const struct rate_due *dues, const uint32_t *numbers,
                                 uint32_t count, const struct callback_arguments *arguments, uint32_t *beyond,
                                 struct result *result)
{
    struct shared_bucket buckets[SHARED_BUCKETS_MAXIMUM];
    const char *refusal = "";
    if (!sharing->rates || arguments->trial || rate_dues_look(dues, count, arguments)) {
        *beyond = rate_dues_settle(dues, count, arguments);
        return RATE_ASKED_NOBODY;
    }
    struct shared_question question = {.once = once_key(sharing, arguments),
                                       .buckets = buckets,
                                       .count = make_buckets(sharing, dues, numbers, count, arguments, buckets),
                                       .now_ms = arguments->now_ms};
    *beyond = 0;
    if (!question.count)
        return RATE_ASKED_NOBODY;
    uint64_t ticket = sharing->rates->ask(sharing->rates->context, &question, &refusal);
    if (!ticket)
        return decide_alone(sharing, dues, count, arguments, slice_from_string(refusal), beyond, result);
    result->value = (struct value){.kind = VALUE_PENDING, .ticket = ticket};
    return RATE_ASKED;
}

enum rate_asked rate_sharing_answer(struct rate_sharing *sharing, const struct rate_due *dues, const uint32_t *numbers,
                                    uint32_t count, const struct callback_arguments *arguments,
                                    const struct service_answer *answer, uint32_t *beyond, struct result *result)
{
    if (!answer->arrived)
        return decide_alone(sharing, dues, count, arguments, answer->error, beyond, result);
    *beyond = 0;
    for (uint32_t place = 0; place < count && answer->status; place++)
        if ((int)numbers[place] + 1 == answer->status)
            *beyond = place + 1;
    if (*beyond)
        dues[*beyond - 1].rule->refused++;
    else
        rate_dues_pay(dues, count, arguments);
    return RATE_ASKED_NOBODY;
}
