/* Rows stand in the order in which events were judged, which is nearly that of their tokens: so many rows in a row
 * without interest, more than may ever wait, and the older ones are without interest as well. A page begins with the
 * last entry of the one before, since an open end of a range is unknown to Redis before 6.2. */
#include "engine/audit_log.h"

#include <stdlib.h>

#include "base/memory.h"
#include "engine/log.h"

#define PAGE_TEXT "1000"
#define PAGE 1000u
#define WITHOUT_INTEREST_MAXIMUM 50000u

struct audit_log {
    struct redis_link *link;
    struct audit_log_callbacks callbacks;
    struct buffer key;
    struct buffer end; /* the id of the last entry that was read; "+" before the first */
    size_t without_interest;
    bool ended;
};

static void ask(struct audit_log *log)
{
    struct slice arguments[] = {SLICE("XREVRANGE"), buffer_slice(&log->key), buffer_slice(&log->end),
                                SLICE("-"),         SLICE("COUNT"),          SLICE(PAGE_TEXT)};
    redis_link_command(log->link, arguments, sizeof arguments / sizeof *arguments);
}

static void on_ready(void *context)
{
    struct audit_log *log = context;
    if (!log->ended)
        ask(log);
}

static void end(struct audit_log *log, bool whole)
{
    log->ended = true;
    log->callbacks.ended(log->callbacks.context, whole);
}

/* [id, [name, value, …]] */
static void take_entry(struct audit_log *log, const redisReply *entry)
{
    if (entry->type != REDIS_REPLY_ARRAY || entry->elements != 2 || entry->element[0]->type != REDIS_REPLY_STRING ||
        entry->element[1]->type != REDIS_REPLY_ARRAY)
        return;
    struct slice id = slice_of(entry->element[0]->str, entry->element[0]->len);
    if (slice_equal(id, buffer_slice(&log->end)))
        return;
    buffer_clear(&log->end);
    buffer_append_slice(&log->end, id);
    const redisReply *members = entry->element[1];
    for (size_t index = 0; index + 1 < members->elements; index += 2) {
        const redisReply *name = members->element[index], *value = members->element[index + 1];
        if (name->type != REDIS_REPLY_STRING || value->type != REDIS_REPLY_STRING || strcmp(name->str, "row") != 0)
            continue;
        bool interest = log->callbacks.row(log->callbacks.context, slice_of(value->str, value->len));
        log->without_interest = interest ? 0 : log->without_interest + 1;
    }
}

static void on_reply(void *context, const redisReply *reply)
{
    struct audit_log *log = context;
    if (log->ended)
        return;
    if (reply->type != REDIS_REPLY_ARRAY) {
        log_warning("the durable log cannot be read for the audit; what an earlier run judged is not audited",
                    LOG_STRING("error", reply->type == REDIS_REPLY_ERROR ? reply->str : "unexpected answer"));
        end(log, false);
        return;
    }
    for (size_t index = 0; index < reply->elements; index++)
        take_entry(log, reply->element[index]);
    if (reply->elements < PAGE || log->without_interest >= WITHOUT_INTEREST_MAXIMUM)
        end(log, true);
    else
        ask(log);
}

struct audit_log *audit_log_create(struct event_base *base, const struct redis_address *address,
                                   const char *server_name, const struct audit_log_callbacks *callbacks)
{
    struct audit_log *log = memory_allocate_zeroed(1, sizeof *log);
    log->callbacks = *callbacks;
    buffer_append_format(&log->key, "%s/weir/verdicts", server_name);
    buffer_append_char(&log->end, '+');
    struct redis_link_callbacks link_callbacks = {.context = log, .ready = on_ready, .reply = on_reply};
    log->link = redis_link_create(base, address, "audit", &link_callbacks);
    return log;
}

void audit_log_destroy(struct audit_log *log)
{
    if (!log)
        return;
    redis_link_destroy(log->link);
    buffer_free(&log->key);
    buffer_free(&log->end);
    free(log);
}
