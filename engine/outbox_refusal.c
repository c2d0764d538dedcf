/* A Redis may refuse what it took a moment ago and take it again a moment later: its memory is full, it cannot save, a
 * script runs, a fail-over made it a replica. An error among the answers to a transaction means that nothing of it was
 * done; an error within the answer of EXEC that all of it was, but for one command that Redis could not do.
 *
 * The connection is kept, since only its answers tell what became of each transaction: one may be refused, and the one
 * behind it, sent already, be carried out. The stored tokens would then say of both that they are there. The first one
 * is sent again, late; what it stores is older than what is there, so everything is stored once more behind it. */
#include "engine/outbox_parts.h"

#include "engine/clock.h"
#include "engine/redis_error.h"

/* The same refusal is told again after so long. */
#define TOLD_AGAIN_NS (UINT64_C(60) * 1000000000)

static void tell(struct outbox *outbox, const char *message, const char *error)
{
    uint64_t now = clock_now_ns();
    struct slice text = slice_from_string(error);
    bool changed = outbox->refusal_error.length == 0 || !slice_equal(text, buffer_slice(&outbox->refusal_error));
    /* Redis puts EXECABORT after the error that says why. */
    if (slice_starts_with(text, SLICE("EXECABORT")) || (!changed && now - outbox->refusal_logged_ns < TOLD_AGAIN_NS))
        return;
    buffer_clear(&outbox->refusal_error);
    buffer_append_string(&outbox->refusal_error, error);
    outbox->refusal_logged_ns = now;
    log_error(message, LOG_STRING("error", error), LOG_STRING("advice", redis_error_advice(text)),
              LOG_INTEGER("transactions_waiting", outbox->sent_count));
}

void outbox_end_refusal(struct outbox *outbox)
{
    if (outbox->refusal_error.length == 0)
        return;
    log_info("Redis takes what it had refused",
             LOG_INTEGER("seconds", (clock_now_ns() - outbox->refused_since_ns) / UINT64_C(1000000000)));
    buffer_clear(&outbox->refusal_error);
}

static void begin_refusal(struct outbox *outbox)
{
    if (outbox->refusal_error.length == 0)
        outbox->refused_since_ns = clock_now_ns();
}

void outbox_reading_refused(struct outbox *outbox, const char *error)
{
    begin_refusal(outbox);
    tell(outbox, "Redis refused to tell the stored positions; it is asked again every second", error);
    outbox_resume_later(outbox);
}

void outbox_refused(struct outbox *outbox, const char *error)
{
    begin_refusal(outbox);
    tell(outbox, "Redis refused a write; it is tried again every second, and nothing is lost", error);
    outbox->refusal = REFUSAL_ANSWERS;
    if (!outbox->answer_refused)
        outbox->counts.refused++;
    outbox->awaited->refused = outbox->answer_refused = true;
    /* The sentinels may know a better one by now. */
    if (outbox->settings.address->sentinels.master_name &&
        slice_starts_with(slice_from_string(error), SLICE("READONLY")))
        redis_link_reset(outbox->link, error);
}

void outbox_await_next(struct outbox *outbox)
{
    outbox->awaited = --outbox->in_flight ? outbox->awaited->next : NULL;
    outbox->answer_refused = false;
    if (outbox->awaited)
        outbox->replies_left = transaction_replies(outbox->awaited);
    else if (outbox->refusal == REFUSAL_ANSWERS) {
        outbox->refusal = REFUSAL_PAUSE;
        outbox_resume_later(outbox);
    }
}

void outbox_move_first(struct outbox *outbox, struct transaction *transaction)
{
    struct transaction **place = &outbox->sent;
    if (*place == transaction)
        return;
    while (*place != transaction)
        place = &(*place)->next;
    *place = transaction->next;
    if (outbox->sent_last == &transaction->next)
        outbox->sent_last = place;
    transaction->next = outbox->sent;
    outbox->sent = transaction;
    log_warning("Redis took a transaction and had refused the one before it: rows of verdicts are stored out of order");
    outbox->overtaken = true;
}

/* A command of EXEC that failed, while the others were done, fails however often it is sent. */
static void tell_of_failures(struct outbox *outbox, const redisReply *reply)
{
    uint64_t suppressed;
    for (size_t index = 0; reply->type == REDIS_REPLY_ARRAY && index < reply->elements; index++) {
        const redisReply *part = reply->element[index];
        if (part->type != REDIS_REPLY_ERROR || !log_gate_pass(&outbox->failure_gate, &suppressed))
            continue;
        log_error("Redis could not do a part of what it was asked to, and what it should have stored is missing there",
                  LOG_STRING("error", part->str),
                  LOG_STRING("advice", redis_error_advice(slice_of(part->str, part->len))),
                  LOG_INTEGER("suppressed", suppressed));
    }
}

void outbox_carried_out(struct outbox *outbox, const redisReply *reply)
{
    struct transaction *transaction = outbox->awaited;
    bool probe = outbox->refusal == REFUSAL_PROBE;
    tell_of_failures(outbox, reply);
    outbox_await_next(outbox);
    outbox_move_first(outbox, transaction);
    outbox_acknowledged(outbox, reply);
    outbox_drop_oldest(outbox);
    if (!probe)
        return;
    outbox->refusal = REFUSAL_NONE;
    outbox_send_again(outbox);
    if (outbox->overtaken)
        outbox_store_all(outbox);
    outbox->overtaken = false;
}

uint64_t outbox_send_again(struct outbox *outbox)
{
    uint64_t count = 0, sent = 0;
    bool probe = outbox->refusal != REFUSAL_NONE && outbox->sent;
    outbox->refusal = probe ? REFUSAL_PROBE : REFUSAL_NONE;
    if (!probe)
        outbox_end_refusal(outbox);
    for (struct transaction *transaction = outbox->sent; transaction; transaction = transaction->next, count++) {
        if (probe && sent)
            continue;
        transaction->refused = outbox->overtaken;
        outbox_send(outbox, transaction);
        sent++;
    }
    outbox->counts.resent += sent;
    return count;
}
