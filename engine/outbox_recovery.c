/* What Redis holds of this engine, compared with what it has acknowledged: at a start, with what the state file says;
 * after a lost connection, with our own copy; and with each answer, since data may also go while the connection holds
 * (FLUSHALL). HSET answers 1 for a field that was not there: if it ought to have been, the data is gone.
 *
 * Rows of the durable stream and positions move in one transaction, so what became of the positions tells what became
 * of the rows: positions that fell back mean that the rows behind them are lost, and going on from those positions
 * makes exactly these rows again. */
#include <stdlib.h>

#include "base/memory.h"
#include "engine/outbox_parts.h"
#include "engine/verdict_log.h"
#include "replication/command.h"

/* As many of the newest rows of the durable stream are looked at where nothing else tells the positions. */
#define LOG_ROWS "10000"

static struct slice reply_text(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_STRING ? slice_of(reply->str, reply->len) : SLICE_ABSENT;
}

/* The words of a field of ours, "<instance> <stream> <writer>". Fields of other instances are theirs. */
static bool split_field(const struct outbox *outbox, struct slice field, struct slice *name, struct slice *writer)
{
    struct slice instance = slice_from_string(outbox->settings.instance_name);
    if (!slice_starts_with(field, instance) || field.length <= instance.length + 1 ||
        field.data[instance.length] != ' ')
        return false;
    struct slice rest = slice_of(field.data + instance.length + 1, field.length - instance.length - 1);
    const char *space = memchr(rest.data, ' ', rest.length);
    if (!space)
        return false;
    *name = slice_of(rest.data, (size_t)(space - rest.data));
    *writer = slice_of(space + 1, rest.length - name->length - 1);
    return true;
}

static void tell_changed(struct outbox *outbox)
{
    if (outbox->callbacks.stored_changed)
        outbox->callbacks.stored_changed(outbox->callbacks.context);
}

/* ---- asking */

void outbox_ask_stored(struct outbox *outbox)
{
    struct slice key = buffer_slice(&outbox->streams.positions_key);
    if (outbox->first_load == LOAD_ASKED) {
        redis_link_command(outbox->link, (struct slice[]){SLICE("HGETALL"), key}, 2);
        return;
    }
    size_t count = 2 + OWN_STREAM_COUNT + outbox->stored.count;
    struct slice *arguments = memory_allocate(count * sizeof *arguments);
    arguments[0] = SLICE("HMGET");
    arguments[1] = key;
    for (size_t stream = 0; stream < OWN_STREAM_COUNT; stream++)
        arguments[2 + stream] = buffer_slice(&outbox->streams.fields[stream]);
    for (size_t index = 0; index < outbox->stored.count; index++)
        arguments[2 + OWN_STREAM_COUNT + index] = outbox->stored.fields[index].name;
    redis_link_command(outbox->link, arguments, count);
    free(arguments);
}

static void ask_log(struct outbox *outbox)
{
    outbox->first_load = LOAD_ASKED_LOG;
    redis_link_command(outbox->link,
                       (struct slice[]){SLICE("XREVRANGE"), buffer_slice(&outbox->streams.keys[OWN_STREAM_VERDICTS]),
                                        SLICE("+"), SLICE("-"), SLICE("COUNT"), SLICE(LOG_ROWS)},
                       6);
}

/* ---- a start */

/* Takes over positions to go on from. */
static void take_positions(struct outbox *outbox, const struct positions_copy *positions)
{
    for (size_t index = 0; index < positions->count; index++) {
        struct slice name, writer, value = buffer_slice(&positions->fields[index].value);
        int64_t token;
        if (!split_field(outbox, positions->fields[index].name, &name, &writer))
            continue;
        if (!command_parse_integer(value, &token) || !own_streams_restore(&outbox->streams, name, token))
            stored_positions_restore(&outbox->positions, name, writer, value, &outbox->callbacks);
    }
}

/* Our own streams' tokens never go back: whoever reads them would take the rows for old ones. */
static void take_least_tokens(struct outbox *outbox, const struct positions_copy *found)
{
    struct own_streams *streams = &outbox->streams;
    for (size_t stream = 0; stream < OWN_STREAM_COUNT; stream++) {
        uint64_t least = outbox->settings.least_tokens[stream];
        for (size_t index = 0; found && index < found->count; index++) {
            int64_t token;
            if (slice_equal(found->fields[index].name, buffer_slice(&streams->fields[stream])) &&
                positions_copy_number(&found->fields[index], &token) && token > 0 && (uint64_t)token > least)
                least = (uint64_t)token;
        }
        if (streams->tokens[stream] < least)
            streams->tokens[stream] = streams->announced[stream] = least;
    }
}

void outbox_store_all(struct outbox *outbox)
{
    outbox->streams.store_all = true;
    stored_positions_set_all(&outbox->positions);
    outbox_open_transaction(outbox);
}

/* Redis holds positions, and the state file others. */
static bool compare_with_found(struct outbox *outbox, struct positions_copy *use)
{
    const struct positions_copy *found = outbox->settings.found;
    bool added = false;
    if (!found)
        return false;
    if (positions_copy_is_behind(use, found)) {
        outbox->counts.losses++;
        log_error("Redis holds older positions than it had acknowledged: it was restored from an older copy, and rows "
                  "of the durable log were lost; goes on from Redis's positions and judges again what came after them");
        return false;
    }
    for (size_t index = 0; index < found->count; index++) {
        int64_t token;
        if (!positions_copy_number(&found->fields[index], &token) ||
            slice_present(positions_copy_find(use, found->fields[index].name)))
            continue;
        positions_copy_set(use, found->fields[index].name, buffer_slice(&found->fields[index].value));
        added = true;
    }
    if (added) {
        outbox->counts.losses++;
        log_error("Redis lacks some of the positions that it had acknowledged: its data was lost while the engine "
                  "ran; takes the missing ones from the state file");
    }
    return added;
}

/* What was judged ahead belongs to the position that it was stored with. */
static void drop_ahead(struct positions_copy *use, struct slice position)
{
    const char *writer = memrchr(position.data, ' ', position.length);
    struct buffer name = {0};
    buffer_append(&name, position.data, (size_t)(writer - position.data));
    buffer_append_string(&name, ".ahead");
    buffer_append(&name, writer, position.length - (size_t)(writer - position.data));
    positions_copy_set(use, buffer_slice(&name), SLICE_ABSENT);
    buffer_free(&name);
}

/* Redis holds nothing: the newest that the state file or the durable log tell. */
static bool take_newest(struct outbox *outbox, const struct positions_copy *logged, struct positions_copy *use)
{
    const struct positions_copy *found = outbox->settings.found;
    size_t newer = 0;
    if (found)
        positions_copy_add(use, found);
    for (size_t index = 0; index < logged->count; index++) {
        const struct copied_field *field = &logged->fields[index];
        int64_t token, before;
        struct slice known = positions_copy_find(use, field->name);
        if (!positions_copy_number(field, &token) ||
            (slice_present(known) && command_parse_integer(known, &before) && before >= token))
            continue;
        positions_copy_set(use, field->name, buffer_slice(&field->value));
        drop_ahead(use, field->name);
        newer++;
    }
    if (!use->count)
        return false;
    outbox->counts.losses++;
    const char *source = !newer ? "the state file" : found ? "the durable log, and the state file" : "the durable log";
    log_error("Redis has lost the positions; goes on from the newest that is known otherwise",
              LOG_STRING("source", source), LOG_INTEGER("positions", use->count));
    if (newer)
        log_warning("events that waited for a body or a service when the newest row of the durable log was written "
                    "are not judged");
    return true;
}

/* How far an audit came says from where on the durable log tells what was judged. Where that is lost, it tells nothing,
 * and all would be judged again. */
static void drop_audited(struct positions_copy *use)
{
    for (size_t index = use->count; index-- > 0;) {
        struct slice name = use->fields[index].name;
        if (memmem(name.data, name.length, ".audited ", sizeof ".audited " - 1))
            positions_copy_set(use, name, SLICE_ABSENT);
    }
}

/* The form of positions, 1 where they do not say. */
static int64_t format_of(const struct outbox *outbox, const struct positions_copy *positions)
{
    int64_t format = 1;
    for (size_t index = 0; index < positions->count; index++) {
        const struct copied_field *field = &positions->fields[index];
        if (slice_equal(field->name, buffer_slice(&outbox->streams.format_field)) &&
            !positions_copy_number(field, &format))
            format = INT64_MAX;
    }
    return format;
}

/* Whether a newer Weir stored what is there; then the owner was told. */
static bool refuse_format(struct outbox *outbox)
{
    int64_t format = format_of(outbox, &outbox->stored);
    if (outbox->settings.found && format_of(outbox, outbox->settings.found) > format)
        format = format_of(outbox, outbox->settings.found);
    if (format <= STORED_FORMAT)
        return false;
    outbox->held = true;
    outbox->callbacks.unreadable(outbox->callbacks.context, format);
    return true;
}

static void begin(struct outbox *outbox, const struct positions_copy *logged)
{
    struct positions_copy use = {0};
    if (refuse_format(outbox))
        return;
    outbox->streams.format_stored =
        slice_present(positions_copy_find(&outbox->stored, buffer_slice(&outbox->streams.format_field)));
    positions_copy_add(&use, &outbox->stored);
    bool differs = use.count ? compare_with_found(outbox, &use) : take_newest(outbox, logged, &use);
    if (differs)
        drop_audited(&use);
    take_positions(outbox, &use);
    take_least_tokens(outbox, outbox->settings.found);
    positions_copy_free(&use);
    outbox->first_load = LOAD_DONE;
    outbox_end_refusal(outbox);
    if (differs)
        outbox_store_all(outbox);
    else
        tell_changed(outbox);
    outbox->callbacks.loaded(outbox->callbacks.context);
    outbox_announce(outbox);
}

/* An entry of the durable stream: [id, [name, value, …]]. */
static void take_log_entry(struct outbox *outbox, const redisReply *entry, struct positions_copy *logged)
{
    if (entry->type != REDIS_REPLY_ARRAY || entry->elements != 2 || entry->element[1]->type != REDIS_REPLY_ARRAY)
        return;
    const redisReply *members = entry->element[1];
    for (size_t index = 0; index + 1 < members->elements; index += 2) {
        struct slice name = reply_text(members->element[index]), value = reply_text(members->element[index + 1]);
        int64_t token;
        if (!slice_present(value))
            continue;
        if (slice_equal(name, SLICE("row")))
            verdict_log_take_row(logged, outbox->settings.instance_name, value);
        else if (slice_equal(name, SLICE("token")) && command_parse_integer(value, &token))
            verdict_log_raise(logged, buffer_slice(&outbox->streams.fields[OWN_STREAM_VERDICTS]), token);
    }
}

static void take_log(struct outbox *outbox, const redisReply *reply)
{
    struct positions_copy logged = {0};
    if (reply->type == REDIS_REPLY_ERROR)
        log_warning("the durable log cannot be read, to see whether positions were lost; goes on without",
                    LOG_STRING("error", reply->str));
    for (size_t index = 0; reply->type == REDIS_REPLY_ARRAY && index < reply->elements; index++)
        take_log_entry(outbox, reply->element[index], &logged);
    begin(outbox, &logged);
    positions_copy_free(&logged);
}

void outbox_take_first_load(struct outbox *outbox, const redisReply *reply)
{
    if (outbox->first_load == LOAD_ASKED_LOG) {
        take_log(outbox, reply);
        return;
    }
    if (reply->type != REDIS_REPLY_ARRAY) {
        outbox_reading_refused(outbox, reply->type == REDIS_REPLY_ERROR ? reply->str : "unexpected answer to HGETALL");
        return;
    }
    positions_copy_free(&outbox->stored);
    for (size_t index = 0; index + 1 < reply->elements; index += 2) {
        struct slice field = reply_text(reply->element[index]), value = reply_text(reply->element[index + 1]);
        struct slice name, writer;
        if (slice_present(field) && slice_present(value) && split_field(outbox, field, &name, &writer))
            positions_copy_set(&outbox->stored, field, value);
    }
    /* A hash with the fields of others alone has lost nothing: this instance is new. */
    if (reply->elements == 0)
        ask_log(outbox);
    else
        begin(outbox, &(struct positions_copy){0});
}

/* ---- after a reconnection */

enum stored_state { STORED_KEPT, STORED_GONE, STORED_FELL_BACK };

/* `values` answer for the fields of outbox->stored, in their order. */
static enum stored_state compare(const struct outbox *outbox, redisReply *const *values)
{
    size_t numbers = 0, missing = 0, lower = 0;
    for (size_t index = 0; index < outbox->stored.count; index++) {
        int64_t before, after;
        if (!positions_copy_number(&outbox->stored.fields[index], &before))
            continue;
        struct slice value = reply_text(values[index]);
        numbers++;
        if (!slice_present(value))
            missing++;
        else if (!command_parse_integer(value, &after) || after < before)
            lower++;
    }
    if (numbers && missing == numbers)
        return STORED_GONE;
    return missing + lower ? STORED_FELL_BACK : STORED_KEPT;
}

/* Puts back all that Redis has acknowledged, ahead of what is sent again: the positions are never there in part. */
static void put_back(struct outbox *outbox)
{
    struct transaction *transaction = outbox_take_spare(outbox);
    uint64_t tokens[OWN_STREAM_COUNT] = {0};
    for (size_t index = 0; index < outbox->stored.count; index++) {
        const struct copied_field *field = &outbox->stored.fields[index];
        transaction_set_text(transaction, buffer_slice(&outbox->streams.positions_key), field->name,
                             buffer_slice(&field->value));
        int64_t token;
        for (size_t stream = 0; stream < OWN_STREAM_COUNT; stream++)
            if (slice_equal(field->name, buffer_slice(&outbox->streams.fields[stream])) &&
                positions_copy_number(field, &token) && token > 0)
                tokens[stream] = (uint64_t)token;
    }
    transaction->puts_back = true;
    transaction_end(transaction, tokens);
    outbox_put_first(outbox, transaction);
}

void outbox_take_stored(struct outbox *outbox, const redisReply *reply)
{
    uint64_t tokens[OWN_STREAM_COUNT] = {0};
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != OWN_STREAM_COUNT + outbox->stored.count) {
        outbox_reading_refused(outbox, reply->type == REDIS_REPLY_ERROR ? reply->str : "unexpected answer to HMGET");
        return;
    }
    for (size_t stream = 0; stream < OWN_STREAM_COUNT; stream++) {
        struct slice value = reply_text(reply->element[stream]);
        int64_t token;
        if (slice_present(value) && command_parse_integer(value, &token) && token > 0)
            tokens[stream] = (uint64_t)token;
    }
    enum stored_state state = compare(outbox, reply->element + OWN_STREAM_COUNT);
    if (state != STORED_KEPT)
        outbox->counts.losses++;
    if (state == STORED_FELL_BACK && outbox->callbacks.fell_back &&
        outbox->callbacks.fell_back(outbox->callbacks.context))
        return;
    if (state == STORED_GONE)
        log_error("Redis has lost its data, also the rows of the durable log that it had acknowledged; stores the "
                  "positions again, and goes on");
    if (state == STORED_FELL_BACK)
        log_error("Redis came back with older data and has lost rows of the durable log that it had acknowledged; "
                  "there is nobody to fetch these events from, so stores the newer positions again, and goes on");
    if (state != STORED_KEPT)
        put_back(outbox);
    outbox_resend(outbox, tokens);
}

/* ---- with each answer */

void outbox_take_stores(struct outbox *outbox, const struct transaction *transaction)
{
    for (size_t index = 0; index < transaction->store_count; index++)
        positions_copy_set(&outbox->stored, transaction_store_field(transaction, &transaction->stores[index]),
                           transaction_store_value(transaction, &transaction->stores[index]));
    if (transaction->store_count)
        tell_changed(outbox);
}

/* Whether the store made a field anew that had been there. */
static bool was_lost(struct outbox *outbox, const struct transaction *transaction,
                     const struct transaction_store *store, const redisReply *reply)
{
    const redisReply *answer = store->command < reply->elements ? reply->element[store->command] : NULL;
    return answer && !store->removes && answer->type == REDIS_REPLY_INTEGER && answer->integer == 1 &&
           slice_present(positions_copy_find(&outbox->stored, transaction_store_field(transaction, store)));
}

void outbox_acknowledged(struct outbox *outbox, const redisReply *reply)
{
    const struct transaction *transaction = outbox->sent;
    bool lost = false, look = !transaction->puts_back && reply->type == REDIS_REPLY_ARRAY;
    for (size_t index = 0; look && index < transaction->store_count && !lost; index++)
        lost = was_lost(outbox, transaction, &transaction->stores[index], reply);
    outbox_take_stores(outbox, transaction);
    uint64_t suppressed;
    if (!lost)
        return;
    if (log_gate_pass(&outbox->loss_gate, &suppressed)) {
        outbox->counts.losses++;
        log_error("Redis has lost its data while it was connected (FLUSHALL?), also the rows of the durable log that "
                  "it had acknowledged; stores all positions again, and goes on");
    }
    outbox_store_all(outbox);
}
