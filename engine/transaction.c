/* Commands are appended in Redis's protocol as they arise; nothing is kept twice. */
#include "engine/transaction.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "engine/redis_link.h"

/* The head of the EVAL, "*<count>\r\n", is known last. */
#define HEAD_ROOM 16u

/* ARGV is the number, and then each command as the count of its arguments and these.
 *
 * SETRANGE of nothing changes nothing, but Redis refuses it where it refuses writes (out of memory, read-only, a disk
 * that is full), before anything of the transaction was done or published. What a single command meets later is as in
 * a MULTI: the others are carried out, and the answer holds the first error, within an array as that of EXEC. */
static const char fenced_script[] = "local fence=redis.call('GET',KEYS[1])\n"
                                    "if fence~=ARGV[1] then return redis.error_reply('FENCED '..(fence or '-')) end\n"
                                    "redis.call('SETRANGE',KEYS[1],0,'')\n"
                                    "local at,failed=2,nil\n"
                                    "while at<=#ARGV do\n"
                                    "local last=at+ARGV[at]\n"
                                    "local answer=redis.pcall(unpack(ARGV,at+1,last))\n"
                                    "if type(answer)=='table' and answer.err and not failed then failed=answer end\n"
                                    "at=last+1\n"
                                    "end\n"
                                    "return failed and {failed} or 1\n";

static struct slice number_text(char *digits, size_t size, int64_t number)
{
    return slice_of(digits, (size_t)snprintf(digits, size, "%" PRId64, number));
}

static void append_argument(struct transaction *transaction, struct slice argument)
{
    redis_append_argument(&transaction->commands, argument);
    transaction->argument_count++;
}

static void append_command(struct transaction *transaction, const struct slice *arguments, size_t count)
{
    char digits[24];
    if (!transaction->fenced) {
        redis_append_command(&transaction->commands, arguments, count);
        return;
    }
    append_argument(transaction, number_text(digits, sizeof digits, (int64_t)count));
    for (size_t index = 0; index < count; index++)
        append_argument(transaction, arguments[index]);
}

#define COMMAND(transaction, ...)                                                                                      \
    append_command((transaction), (const struct slice[]){__VA_ARGS__},                                                 \
                   sizeof((const struct slice[]){__VA_ARGS__}) / sizeof(struct slice))

static void begin_fenced(struct transaction *transaction, const struct transaction_fence *fence)
{
    char digits[24];
    buffer_reserve(&transaction->commands, HEAD_ROOM);
    transaction->commands.length = HEAD_ROOM;
    append_argument(transaction, SLICE("EVAL"));
    append_argument(transaction, SLICE(fenced_script));
    append_argument(transaction, SLICE("1"));
    append_argument(transaction, fence->key);
    append_argument(transaction, number_text(digits, sizeof digits, (int64_t)fence->number));
}

static void end_fenced(struct transaction *transaction)
{
    char head[HEAD_ROOM];
    size_t length = (size_t)snprintf(head, sizeof head, "*%" PRIu32 "\r\n", transaction->argument_count);
    transaction->begins = HEAD_ROOM - length;
    memcpy(transaction->commands.data + transaction->begins, head, length);
}

void transaction_begin(struct transaction *transaction, const struct transaction_fence *fence)
{
    transaction->next = NULL;
    buffer_clear(&transaction->commands);
    transaction->command_count = 0;
    transaction->run_count = 0;
    transaction->store_count = 0;
    transaction->rows = 0;
    transaction->raises_tokens = false;
    transaction->refused = false;
    transaction->puts_back = false;
    transaction->begins = 0;
    transaction->argument_count = 0;
    transaction->fenced = slice_present(fence->key);
    if (transaction->fenced)
        begin_fenced(transaction, fence);
    else
        COMMAND(transaction, SLICE("MULTI"));
}

void transaction_publish(struct transaction *transaction, struct slice channel, struct slice message)
{
    COMMAND(transaction, SLICE("PUBLISH"), channel, message);
    transaction->command_count++;
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

void transaction_settle_entries(struct transaction *transaction, struct slice key, struct slice group,
                                const struct slice *entries, size_t count)
{
    struct slice arguments[3 + TRANSACTION_ENTRIES_MAXIMUM] = {SLICE("XACK"), key, group};
    memcpy(arguments + 3, entries, count * sizeof *entries);
    append_command(transaction, arguments, 3 + count);
    arguments[1] = SLICE("XDEL");
    arguments[2] = key;
    append_command(transaction, arguments + 1, 2 + count);
    transaction->command_count += 2;
}

void transaction_add_entry(struct transaction *transaction, struct slice key, int64_t keep, const struct slice *texts,
                           size_t count)
{
    char keep_digits[24];
    struct slice arguments[6 + TRANSACTION_ENTRIES_MAXIMUM] = {
        SLICE("XADD"), key, SLICE("MAXLEN"), SLICE("~"), number_text(keep_digits, sizeof keep_digits, keep),
        SLICE("*")};
    memcpy(arguments + 6, texts, count * sizeof *texts);
    append_command(transaction, arguments, 6 + count);
    transaction->command_count++;
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
    if (transaction->fenced)
        end_fenced(transaction);
    else
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

bool transaction_is_the_last(const struct transaction *transaction, const uint64_t *stored_tokens)
{
    return transaction->raises_tokens && memcmp(transaction->tokens, stored_tokens, sizeof transaction->tokens) == 0;
}

uint32_t transaction_replies(const struct transaction *transaction)
{
    return transaction->fenced ? 1 : transaction->command_count + 2;
}

struct slice transaction_text(const struct transaction *transaction)
{
    struct slice all = buffer_slice(&transaction->commands);
    return slice_of(all.data + transaction->begins, all.length - transaction->begins);
}

bool transaction_error_is_fence(const char *error)
{
    static const char prefix[] = "FENCED ";
    return strncmp(error, prefix, sizeof prefix - 1) == 0 && strcmp(error + sizeof prefix - 1, "-") != 0;
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
