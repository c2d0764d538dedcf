/* Commands are appended in Redis's protocol as they arise; nothing is kept twice. */
#include "engine/transaction.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "engine/redis_link.h"

#define COMMAND(transaction, ...)                                                                                      \
    redis_append_command(&(transaction)->commands, (const struct slice[]){__VA_ARGS__},                                \
                         sizeof((const struct slice[]){__VA_ARGS__}) / sizeof(struct slice))

void transaction_begin(struct transaction *transaction)
{
    transaction->next = NULL;
    buffer_clear(&transaction->commands);
    transaction->command_count = 0;
    transaction->run_count = 0;
    transaction->store_count = 0;
    transaction->rows = 0;
    transaction->raises_tokens = false;
    transaction->puts_back = false;
    COMMAND(transaction, SLICE("MULTI"));
}

void transaction_publish(struct transaction *transaction, struct slice channel, struct slice message)
{
    COMMAND(transaction, SLICE("PUBLISH"), channel, message);
    transaction->command_count++;
}

static struct slice number_text(char *digits, size_t size, int64_t number)
{
    return slice_of(digits, (size_t)snprintf(digits, size, "%" PRId64, number));
}

void transaction_store_row(struct transaction *transaction, struct slice key, int64_t keep, uint64_t token,
                           struct slice row)
{
    char keep_digits[24];
    char token_digits[24];
    COMMAND(transaction, SLICE("XADD"), key, SLICE("MAXLEN"), SLICE("~"),
            number_text(keep_digits, sizeof keep_digits, keep), SLICE("*"), SLICE("token"),
            number_text(token_digits, sizeof token_digits, (int64_t)token), SLICE("row"), row);
    transaction->command_count++;
    transaction->rows++;
}

void transaction_settle_entry(struct transaction *transaction, struct slice key, struct slice group, struct slice entry)
{
    COMMAND(transaction, SLICE("XACK"), key, group, entry);
    COMMAND(transaction, SLICE("XDEL"), key, entry);
    transaction->command_count += 2;
}

/* Where a command's last argument begins that was just appended: it stands before its line break. */
static size_t last_argument_at(const struct transaction *transaction, size_t length)
{
    return transaction->commands.length - 2 - length;
}

/* Where the argument before the one at `at` begins: "<argument>\r\n$<length>\r\n" lies between. */
static size_t argument_before(size_t at, size_t length, size_t length_before)
{
    return at - 2 - (size_t)snprintf(NULL, 0, "$%zu", length) - 2 - length_before;
}

static struct transaction_store *add_store(struct transaction *transaction)
{
    if (transaction->store_count == transaction->store_capacity) {
        transaction->store_capacity = transaction->store_capacity ? transaction->store_capacity * 2 : 8;
        transaction->stores =
            memory_reallocate(transaction->stores, transaction->store_capacity * sizeof *transaction->stores);
    }
    struct transaction_store *store = &transaction->stores[transaction->store_count++];
    *store = (struct transaction_store){.command = transaction->command_count++};
    return store;
}

void transaction_set_text(struct transaction *transaction, struct slice key, struct slice field, struct slice text)
{
    COMMAND(transaction, SLICE("HSET"), key, field, text);
    struct transaction_store *store = add_store(transaction);
    store->value_length = text.length;
    store->value_at = last_argument_at(transaction, text.length);
    store->field_length = field.length;
    store->field_at = argument_before(store->value_at, text.length, field.length);
}

void transaction_set_number(struct transaction *transaction, struct slice key, struct slice field, int64_t number)
{
    char digits[24];
    transaction_set_text(transaction, key, field, number_text(digits, sizeof digits, number));
}

void transaction_remove_field(struct transaction *transaction, struct slice key, struct slice field)
{
    COMMAND(transaction, SLICE("HDEL"), key, field);
    struct transaction_store *store = add_store(transaction);
    store->removes = true;
    store->field_length = field.length;
    store->field_at = last_argument_at(transaction, field.length);
}

struct slice transaction_store_field(const struct transaction *transaction, const struct transaction_store *store)
{
    return slice_of(transaction->commands.data + store->field_at, store->field_length);
}

struct slice transaction_store_value(const struct transaction *transaction, const struct transaction_store *store)
{
    return store->removes ? SLICE_ABSENT : slice_of(transaction->commands.data + store->value_at, store->value_length);
}

void transaction_add_event(struct transaction *transaction, uint64_t received_ns)
{
    if (transaction->run_count && transaction->events[transaction->run_count - 1].received_ns == received_ns) {
        transaction->events[transaction->run_count - 1].count++;
        return;
    }
    if (transaction->run_count == transaction->run_capacity) {
        transaction->run_capacity = transaction->run_capacity ? transaction->run_capacity * 2 : 16;
        transaction->events =
            memory_reallocate(transaction->events, transaction->run_capacity * sizeof *transaction->events);
    }
    transaction->events[transaction->run_count++] = (struct transaction_events){received_ns, 1};
}

void transaction_end(struct transaction *transaction, const uint64_t *tokens)
{
    COMMAND(transaction, SLICE("EXEC"));
    memcpy(transaction->tokens, tokens, sizeof transaction->tokens);
}

bool transaction_was_carried_out(const struct transaction *transaction, const uint64_t *stored_tokens)
{
    bool passed = transaction->raises_tokens;
    for (size_t stream = 0; stream < OWN_STREAM_COUNT; stream++) {
        if (transaction->tokens[stream] > stored_tokens[stream])
            return false;
        passed = passed || transaction->tokens[stream] < stored_tokens[stream];
    }
    return passed;
}

uint32_t transaction_replies(const struct transaction *transaction)
{
    return transaction->command_count + 2;
}

void transaction_free_all(struct transaction *transaction)
{
    while (transaction) {
        struct transaction *next = transaction->next;
        buffer_free(&transaction->commands);
        free(transaction->events);
        free(transaction->stores);
        free(transaction);
        transaction = next;
    }
}
