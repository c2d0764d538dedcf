/* An entry that was delivered and not acknowledged stays pending, with a count of its deliveries. Those of another
 * engine are claimed when they have been left alone for `claim_after`; those of this one, of an earlier life or of a
 * connection that broke, when a connection begins. What is in hand here is claimed again and again, which sets the time
 * for which it was left alone to 0: it may wait long in the queue, or for a service.
 *
 * A request that engines die of would take down one after the other. It is asked so many times, and then set aside. An
 * engine that dies has many others in hand, whose deliveries are counted with it: so the last try that a request has is
 * made alone. One is claimed, asked and acknowledged before the next is claimed, and only the one that kills is in hand
 * when the engine dies. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/string_table.h"
#include "engine/clock.h"
#include "engine/requests_parts.h"

/* So many rows of what is pending are looked at at once, and so many entries claimed. */
#define PAGE_ROWS 500
#define CLAIM_MAXIMUM 100
#define RENEW_MAXIMUM 500
#define POISONED_KEPT 1000
/* Of a poisoned request's arguments as much is kept. */
#define POISONED_ARGS_MAXIMUM ((size_t)64 << 10)
#define MS_NS UINT64_C(1000000)
/* A last try that takes longer, since it waits for a service, does not keep the others from being read. */
#define LAST_TRY_NS (10 * MS_NS)

/* ---- lists of ids */

static bool is_empty(const struct request_ids *ids)
{
    return ids->next == ids->text.length;
}

static void clear(struct request_ids *ids)
{
    buffer_clear(&ids->text);
    ids->next = 0;
}

static void append_id(struct request_ids *ids, struct slice id)
{
    buffer_append_slice(&ids->text, id);
    buffer_append_char(&ids->text, ' ');
}

/* Takes up to `room` ids from the front; they live until the list is changed. */
static size_t take_ids(struct request_ids *ids, struct slice *taken, size_t room)
{
    size_t count = 0;
    for (; !is_empty(ids) && count < room; count++) {
        const char *begins = ids->text.data + ids->next;
        const char *space = memchr(begins, ' ', ids->text.length - ids->next);
        taken[count] = slice_of(begins, (size_t)(space - begins));
        ids->next += taken[count].length + 1;
    }
    if (is_empty(ids))
        clear(ids);
    return count;
}

/* XCLAIM of some of the list; returns the first id. */
static struct slice send_claim_of(struct requests *requests, struct request_ids *ids, size_t most, bool just_renew)
{
    char digits[REQUESTS_NUMBER_SIZE];
    int64_t idle = just_renew || requests->left_own ? 0 : requests->settings.claim_after_ms;
    struct slice arguments[6 + RENEW_MAXIMUM] = {SLICE("XCLAIM"), buffer_slice(&requests->key), REQUESTS_GROUP,
                                                 slice_from_string(requests->settings.instance_name),
                                                 requests_number(digits, idle)};
    size_t count = 5 + take_ids(ids, arguments + 5, most);
    if (just_renew)
        arguments[count++] = SLICE("JUSTID");
    requests_send(requests, arguments, count);
    return arguments[5];
}

static bool nothing_to_claim(const struct requests *requests)
{
    return is_empty(&requests->claims) && is_empty(&requests->last_tries) && is_empty(&requests->poisoned);
}

/* ---- renewing */

struct renewal {
    struct requests *requests;
    uint64_t before_ns, now_ns;
};

static void renew_waiting(void *context, struct slice entry)
{
    append_id(context, entry);
}

static void renew_queued(void *context, struct queued_request *queued)
{
    struct renewal *renewal = context;
    if (queued->renewed_ns > renewal->before_ns)
        return;
    queued->renewed_ns = renewal->now_ns;
    append_id(&renewal->requests->renewed, queued->fields.entry);
}

static bool is_renew_due(struct requests *requests)
{
    uint64_t now = clock_now_ns();
    if (!is_empty(&requests->renewed))
        return true;
    if (now < requests->renew_at_ns)
        return false;
    uint64_t interval = (uint64_t)requests->settings.claim_after_ms * MS_NS / 3;
    struct renewal renewal = {requests, now - interval / 2, now};
    requests->renew_at_ns = now + interval;
    answerer_each_waiting(requests->answerer, renew_waiting, &requests->renewed);
    request_queue_each(requests->queue, renew_queued, &renewal);
    return !is_empty(&requests->renewed);
}

static void send_renew(struct requests *requests)
{
    send_claim_of(requests, &requests->renewed, RENEW_MAXIMUM, true);
}

static void take_nothing(struct requests *requests, const redisReply *reply)
{
    (void)requests, (void)reply;
}

/* ---- what is pending */

static void set(struct buffer *kept, struct slice text)
{
    buffer_clear(kept);
    buffer_append_slice(kept, text);
}

static void add_queued(void *context, struct queued_request *queued)
{
    string_table_add(context, queued->fields.entry, 0);
}

static void set_aside(struct requests *requests, const struct request_fields *fields);

/* A row is [id, consumer, milliseconds for which it was left alone, deliveries]. */
static void take_row(struct requests *requests, const redisReply *row, const struct string_table *queued)
{
    if (row->type != REDIS_REPLY_ARRAY || row->elements != 4 || row->element[3]->type != REDIS_REPLY_INTEGER)
        return;
    struct slice id = request_reply_text(row->element[0]), consumer = request_reply_text(row->element[1]);
    int64_t deliveries = row->element[3]->integer, tries = requests->settings.tries;
    bool own = slice_equal(consumer, slice_from_string(requests->settings.instance_name));
    if (!slice_present(id) || own != requests->left_own || answerer_is_waiting(requests->answerer, id) ||
        string_table_find(queued, id) != STRING_TABLE_NONE)
        return;
    if (own && requests->poison_asked.length && slice_equal(id, buffer_slice(&requests->poison_asked)))
        set_aside(requests, &(struct request_fields){.entry = id});
    else
        append_id(deliveries >= tries       ? &requests->poisoned
                  : deliveries + 1 >= tries ? &requests->last_tries
                                            : &requests->claims,
                  id);
}

/* The page after the one that ends with `id`, "<milliseconds>-<number>": exclusive ranges came with Redis 6.2. */
static void go_behind(struct requests *requests, struct slice id)
{
    char text[64];
    uint64_t milliseconds, number;
    if (id.length >= sizeof text)
        return;
    memcpy(text, id.data, id.length);
    text[id.length] = '\0';
    buffer_clear(&requests->cursor);
    if (sscanf(text, "%" SCNu64 "-%" SCNu64, &milliseconds, &number) == 2)
        buffer_append_format(&requests->cursor, "%" PRIu64 "-%" PRIu64, milliseconds, number + 1);
}

/* False: that was the last page. */
static bool take_page(struct requests *requests, const redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements == 0)
        return false;
    struct string_table *queued = string_table_create();
    request_queue_each(requests->queue, add_queued, queued);
    for (size_t index = 0; index < reply->elements; index++)
        take_row(requests, reply->element[index], queued);
    string_table_destroy(queued);
    const redisReply *last = reply->element[reply->elements - 1];
    buffer_clear(&requests->cursor);
    if (reply->elements == PAGE_ROWS && last->type == REDIS_REPLY_ARRAY && last->elements)
        go_behind(requests, request_reply_text(last->element[0]));
    return requests->cursor.length > 0;
}

static struct slice page_begins(const struct requests *requests)
{
    return requests->cursor.length ? buffer_slice(&requests->cursor) : SLICE("-");
}

/* Of this engine. It waits until Redis has carried out what was settled on the connection before: that is pending until
 * then, and would be asked twice. */

static bool is_own_due(struct requests *requests)
{
    return requests->own_left && !requests->paused && outbox_has_passed(requests->outbox, requests->settled_mark);
}

static void send_own(struct requests *requests)
{
    char rows[REQUESTS_NUMBER_SIZE];
    requests->settled_at_page = requests->settled;
    requests->left_own = true;
    REQUESTS_SEND(requests, SLICE("XPENDING"), buffer_slice(&requests->key), REQUESTS_GROUP, page_begins(requests),
                  SLICE("+"), requests_number(rows, PAGE_ROWS), slice_from_string(requests->settings.instance_name));
}

static void take_own(struct requests *requests, const redisReply *reply)
{
    /* What was settled since the page was asked for may be in it: it is asked for again. */
    if (requests->settled == requests->settled_at_page)
        requests->own_left = take_page(requests, reply);
}

/* Of others. */

static bool is_left_due(struct requests *requests)
{
    return !requests->own_left && !requests->paused && !requests->claims_nothing && nothing_to_claim(requests) &&
           clock_now_ns() >= requests->claim_at_ns;
}

static void send_left(struct requests *requests)
{
    char idle[REQUESTS_NUMBER_SIZE], rows[REQUESTS_NUMBER_SIZE];
    requests->left_own = false;
    REQUESTS_SEND(requests, SLICE("XPENDING"), buffer_slice(&requests->key), REQUESTS_GROUP, SLICE("IDLE"),
                  requests_number(idle, requests->settings.claim_after_ms), page_begins(requests), SLICE("+"),
                  requests_number(rows, PAGE_ROWS));
}

static void take_left(struct requests *requests, const redisReply *reply)
{
    if (!take_page(requests, reply))
        requests->claim_at_ns = clock_now_ns() + (uint64_t)requests->settings.claim_after_ms * MS_NS / 2;
}

/* A Redis that does not know the command, or not all of it. */
static bool pending_forgives(struct requests *requests, struct slice error)
{
    if (!slice_starts_with(error, SLICE("ERR syntax error")) && !slice_starts_with(error, SLICE("ERR unknown command")))
        return false;
    if (!requests->claims_nothing)
        log_warning("this Redis knows no XPENDING with IDLE (it is older than 6.2): requests that a dead engine left "
                    "are not taken over");
    requests->claims_nothing = true;
    return true;
}

/* ---- claiming */

static bool is_claim_due(struct requests *requests)
{
    return !requests->paused && !requests->own_left && !is_empty(&requests->claims);
}

static void send_claim(struct requests *requests)
{
    send_claim_of(requests, &requests->claims,
                  requests->batch < CLAIM_MAXIMUM ? (size_t)requests->batch : CLAIM_MAXIMUM, false);
}

static void take_claim(struct requests *requests, const redisReply *reply)
{
    size_t taken = requests_take_entries(requests, reply);
    if (!requests->left_own)
        requests->counts.claimed += taken;
}

static bool is_last_try_due(struct requests *requests)
{
    return !requests->paused && !requests->own_left && !is_empty(&requests->last_tries) &&
           requests->last_try.length == 0 && outbox_has_passed(requests->outbox, requests->last_try_mark);
}

static void send_last_try(struct requests *requests)
{
    set(&requests->last_try, send_claim_of(requests, &requests->last_tries, 1, false));
    requests->last_try_ns = clock_now_ns();
    requests->read_between = true;
}

/* Whether the answer to a claim of one holds it. Redis before 7 has a null in place of one that was deleted: it is
 * settled, or it would be pending for ever. */
static bool holds_entry(struct requests *requests, const redisReply *reply, struct slice id)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 1)
        return false;
    if (reply->element[0]->type == REDIS_REPLY_ARRAY)
        return true;
    requests_drop_entry(requests, id);
    return false;
}

static void take_last_try(struct requests *requests, const redisReply *reply)
{
    struct slice id = buffer_slice(&requests->last_try);
    if (!holds_entry(requests, reply, id))
        buffer_clear(&requests->last_try);
    else
        take_claim(requests, reply);
}

/* ---- setting aside */

static bool is_poisoned_due(struct requests *requests)
{
    return !requests->paused && !requests->own_left && !is_empty(&requests->poisoned);
}

static void send_poisoned(struct requests *requests)
{
    set(&requests->poison_asked, send_claim_of(requests, &requests->poisoned, 1, false));
}

static void copy_poisoned(struct requests *requests, const struct request_fields *fields)
{
    struct slice args = fields->args;
    if (args.length > POISONED_ARGS_MAXIMUM)
        args.length = POISONED_ARGS_MAXIMUM;
    const struct {
        struct slice name, text;
    } kept[] = {
        {SLICE("engine"), slice_from_string(requests->settings.instance_name)},
        {SLICE("entry"), fields->entry},
        {SLICE("callback"), fields->callback},
        {SLICE("args"), args},
        {SLICE("reply_to"), fields->reply_to},
        {SLICE("id"), fields->id},
        {SLICE("deadline"), fields->deadline},
        {SLICE("room"), fields->room},
    };
    struct slice texts[2 * sizeof kept / sizeof *kept];
    size_t count = 0;
    for (size_t index = 0; index < sizeof kept / sizeof *kept; index++) {
        if (!slice_present(kept[index].text))
            continue;
        texts[count++] = kept[index].name;
        texts[count++] = kept[index].text;
    }
    outbox_add_entry(requests->outbox, buffer_slice(&requests->poisoned_key), POISONED_KEPT, texts, count);
}

static void set_aside(struct requests *requests, const struct request_fields *fields)
{
    uint64_t suppressed;
    requests->counts.poisoned++;
    if (log_gate_pass(&requests->poisoned_gate, &suppressed))
        log_error("a request was delivered too often without an answer: engines may have died of it; it is set aside",
                  LOG_TEXT("entry", fields->entry), LOG_TEXT("callback", fields->callback),
                  LOG_TEXT("copy_in", buffer_slice(&requests->poisoned_key)), LOG_INTEGER("suppressed", suppressed));
    copy_poisoned(requests, fields);
    answerer_answer(requests->answerer, fields,
                    SLICE("{\"raise\":{\"type\":\"PoisonedRequest\",\"msg\":\"the request was delivered too often "
                          "without an answer\"}}"));
}

static void take_poisoned(struct requests *requests, const redisReply *reply)
{
    struct request_fields fields;
    const char *problem;
    if (holds_entry(requests, reply, buffer_slice(&requests->poison_asked)) &&
        request_entry_read(reply->element[0], &fields, &problem) != REQUEST_ENTRY_NONE)
        set_aside(requests, &fields);
    buffer_clear(&requests->poison_asked);
}

/* ---- what the others ask for */

void requests_takeover_begin(struct requests *requests)
{
    clear(&requests->renewed);
    clear(&requests->claims);
    clear(&requests->last_tries);
    clear(&requests->poisoned);
    buffer_clear(&requests->cursor);
    requests->own_left = true;
}

void requests_takeover_settled(struct requests *requests, struct slice entry)
{
    requests->settled++;
    requests->settled_mark = outbox_mark(requests->outbox);
    if (requests->last_try.length == 0 || !slice_equal(entry, buffer_slice(&requests->last_try)))
        return;
    buffer_clear(&requests->last_try);
    requests->last_try_mark = requests->settled_mark;
}

/* A read that waits for requests would keep the next last try waiting, and Redis ends such a wait ten times a second
 * only: between two of them there is one that does not wait. */
enum request_reading requests_takeover_allows(const struct requests *requests)
{
    if (requests->own_left)
        return REQUEST_READING_NOT;
    if (is_empty(&requests->last_tries) || clock_now_ns() - requests->last_try_ns > LAST_TRY_NS)
        return REQUEST_READING_WAITS;
    return requests->read_between ? REQUEST_READING_AT_ONCE : REQUEST_READING_NOT;
}

uint64_t requests_takeover_due_in(const struct requests *requests, uint64_t now)
{
    uint64_t at = requests->renew_at_ns < requests->claim_at_ns || requests->claims_nothing ? requests->renew_at_ns
                                                                                            : requests->claim_at_ns;
    return at > now ? at - now : 0;
}

void requests_takeover_free(struct requests *requests)
{
    buffer_free(&requests->renewed.text);
    buffer_free(&requests->claims.text);
    buffer_free(&requests->last_tries.text);
    buffer_free(&requests->poisoned.text);
    buffer_free(&requests->cursor);
    buffer_free(&requests->last_try);
    buffer_free(&requests->poison_asked);
}

const struct request_step_definition request_step_renew = {is_renew_due, send_renew, take_nothing, NULL};
const struct request_step_definition request_step_poisoned = {is_poisoned_due, send_poisoned, take_poisoned, NULL};
const struct request_step_definition request_step_claim = {is_claim_due, send_claim, take_claim, NULL};
const struct request_step_definition request_step_last_try = {is_last_try_due, send_last_try, take_last_try, NULL};
const struct request_step_definition request_step_own = {is_own_due, send_own, take_own, pending_forgives};
const struct request_step_definition request_step_left = {is_left_due, send_left, take_left, pending_forgives};
