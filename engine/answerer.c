/* What an answer needs of its request is copied when it comes: a hundred bytes, and then it does not matter whether the
 * answer is there at once. */
#include "engine/answerer.h"

#include <stdlib.h>
#include <uthash.h>

#include "base/memory.h"
#include "engine/log.h"
#include "replication/command.h"

#define SPARE_MAXIMUM 16

struct request {
    struct request *next; /* among the spare ones */
    struct answerer *answerer;
    struct question *question; /* while it waits */
    struct buffer texts;       /* entry, reply_to and id */
    struct slice entry, reply_to, id;
    bool lines;
    UT_hash_handle hh; /* by entry, while it waits */
};

struct answerer {
    struct questions *questions;
    struct answerer_callbacks callbacks;
    struct buffer reply_prefix;
    struct request *spare;
    uint32_t spare_count;
    struct request *waiting;
    struct buffer message;
    struct answerer_counts counts;
    uint64_t *unanswerable;
    struct log_gate unanswerable_gate;
};

static struct slice copy_text(struct buffer *texts, struct slice text)
{
    size_t begins = texts->length;
    buffer_append_slice(texts, text);
    return slice_of(texts->data + begins, text.length);
}

static struct request *new_request(struct answerer *answerer, const struct request_fields *fields)
{
    struct request *request = answerer->spare;
    if (request) {
        answerer->spare = request->next;
        answerer->spare_count--;
    } else {
        request = memory_allocate_zeroed(1, sizeof *request);
    }
    buffer_clear(&request->texts);
    /* So that the copies stay where they are. */
    buffer_reserve(&request->texts, fields->entry.length + fields->reply_to.length + fields->id.length + 1);
    request->answerer = answerer;
    request->question = NULL;
    request->entry = copy_text(&request->texts, fields->entry);
    request->reply_to = copy_text(&request->texts, fields->reply_to);
    request->id = copy_text(&request->texts, fields->id);
    request->lines = slice_equal(fields->lines, SLICE("1"));
    return request;
}

static void free_request(struct request *request)
{
    buffer_free(&request->texts);
    free(request);
}

static void release(struct answerer *answerer, struct request *request)
{
    if (request->question) {
        HASH_DEL(answerer->waiting, request);
        answerer->counts.waiting--;
    }
    if (answerer->spare_count == SPARE_MAXIMUM) {
        free_request(request);
        return;
    }
    request->next = answerer->spare;
    answerer->spare = request;
    answerer->spare_count++;
}

/* Nobody is told. */
static void drop(struct answerer *answerer, struct slice entry)
{
    answerer->callbacks.settle(answerer->callbacks.context, &(struct answer){.entry = entry});
}

static void settle_with_text(struct answerer *answerer, const struct request *request, struct slice json)
{
    struct buffer *message = &answerer->message;
    buffer_clear(message);
    buffer_append_string(message, "VERDICT ");
    buffer_append_slice(message, request->id);
    buffer_append_char(message, ' ');
    buffer_append_slice(message, json);
    answerer->callbacks.settle(answerer->callbacks.context, &(struct answer){.entry = request->entry,
                                                                             .reply_to = request->reply_to,
                                                                             .message = buffer_slice(message),
                                                                             .lines = request->lines});
}

#define OVERLOADED SLICE("{\"overloaded\":true}")

static void on_ended(void *context, const struct question_end *end)
{
    struct request *request = context;
    struct answerer *answerer = request->answerer;
    if (end->ending == QUESTION_EXPIRED)
        drop(answerer, request->entry);
    else
        settle_with_text(answerer, request, end->ending == QUESTION_OVERLOADED ? OVERLOADED : end->json);
    release(answerer, request);
}

static bool is_word(struct slice text, size_t maximum)
{
    if (!slice_present(text) || text.length == 0 || text.length > maximum)
        return false;
    for (size_t index = 0; index < text.length; index++)
        if ((unsigned char)text.data[index] <= ' ' || (unsigned char)text.data[index] >= 0x7f)
            return false;
    return true;
}

/* Answers go to channels made for them and to no other: whoever may write requests shall not write on Synapse's own
 * channels through us. */
static bool can_be_answered(struct answerer *answerer, const struct request_fields *fields)
{
    struct slice prefix = buffer_slice(&answerer->reply_prefix);
    if (is_word(fields->id, REQUEST_ID_MAXIMUM) && is_word(fields->reply_to, REQUEST_CHANNEL_MAXIMUM) &&
        fields->reply_to.length > prefix.length && slice_starts_with(fields->reply_to, prefix))
        return true;
    uint64_t suppressed;
    answerer->counts.unanswerable++;
    ++*answerer->unanswerable;
    if (log_gate_pass(&answerer->unanswerable_gate, &suppressed))
        log_warning("a request was dropped: its `id` or `reply_to` is missing, or is not what may be answered to",
                    LOG_TEXT("channels_under", prefix), LOG_INTEGER("suppressed", suppressed));
    drop(answerer, fields->entry);
    return false;
}

static void ask(struct answerer *answerer, const struct request_fields *fields, const char *problem)
{
    struct request *request = new_request(answerer, fields);
    struct question_asked asked = {.callback = slice_present(fields->callback) ? callback_find(fields->callback)
                                                                               : CALLBACK_UNKNOWN,
                                   .args = fields->args,
                                   .asker = slice_of(request->reply_to.data + answerer->reply_prefix.length,
                                                     request->reply_to.length - answerer->reply_prefix.length),
                                   .problem = problem,
                                   .ended = on_ended,
                                   .context = request};
    if (!problem && (!slice_present(fields->deadline) || !command_parse_integer(fields->deadline, &asked.deadline_ms)))
        asked.problem = "the field `deadline` must be an integer, in milliseconds since 1970";
    /* 0 would be no deadline at all. */
    if (asked.deadline_ms < 1)
        asked.deadline_ms = 1;
    struct question *question = questions_ask(answerer->questions, &asked);
    if (!question)
        return;
    request->question = question;
    HASH_ADD_KEYPTR(hh, answerer->waiting, request->entry.data, request->entry.length, request);
    answerer->counts.waiting++;
}

void answerer_take(struct answerer *answerer, const struct request_fields *fields)
{
    answerer->counts.requests++;
    if (can_be_answered(answerer, fields))
        ask(answerer, fields, NULL);
}

void answerer_refuse(struct answerer *answerer, const struct request_fields *fields, const char *problem)
{
    answerer->counts.requests++;
    if (can_be_answered(answerer, fields))
        ask(answerer, fields, problem);
}

void answerer_answer(struct answerer *answerer, const struct request_fields *fields, struct slice json)
{
    answerer->counts.requests++;
    if (!can_be_answered(answerer, fields))
        return;
    struct request *request = new_request(answerer, fields);
    settle_with_text(answerer, request, json);
    release(answerer, request);
}

void answerer_turn_away(struct answerer *answerer, const struct request_fields *fields)
{
    answerer_answer(answerer, fields, OVERLOADED);
}

bool answerer_is_waiting(const struct answerer *answerer, struct slice entry)
{
    struct request *request;
    HASH_FIND(hh, answerer->waiting, entry.data, entry.length, request);
    return request != NULL;
}

void answerer_each_waiting(const struct answerer *answerer, void (*visit)(void *context, struct slice entry),
                           void *context)
{
    for (const struct request *request = answerer->waiting; request; request = request->hh.next)
        visit(context, request->entry);
}

struct answerer_counts answerer_counts(const struct answerer *answerer)
{
    return answerer->counts;
}

struct answerer *answerer_create(struct questions *questions, const char *server_name,
                                 const struct answerer_callbacks *callbacks, struct metrics *metrics)
{
    static const struct metric_definition unanswerable = {
        "weir_requests_unanswerable_total", METRIC_COUNTER,
        "Requests dropped because they name no channel or no id to answer to.", NULL};
    struct answerer *answerer = memory_allocate_zeroed(1, sizeof *answerer);
    answerer->questions = questions;
    answerer->callbacks = *callbacks;
    answerer->unanswerable = metrics_register(metrics, &unanswerable, 1, NULL, NULL);
    buffer_append_format(&answerer->reply_prefix, "%s/weir/replies/", server_name);
    return answerer;
}

void answerer_destroy(struct answerer *answerer)
{
    if (!answerer)
        return;
    /* The entries keep their order when the table is gone. */
    struct request *request = answerer->waiting;
    HASH_CLEAR(hh, answerer->waiting);
    while (request) {
        struct request *next = request->hh.next;
        questions_forget(answerer->questions, request->question);
        free_request(request);
        request = next;
    }
    while ((request = answerer->spare)) {
        answerer->spare = request->next;
        free_request(request);
    }
    buffer_free(&answerer->reply_prefix);
    buffer_free(&answerer->message);
    free(answerer);
}
