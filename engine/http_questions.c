/* Most questions end in the call that asks them, so that what one needs is kept for the next. */
#include "engine/http_questions.h"

#include <stdlib.h>
#include <sys/queue.h>

#include "base/memory.h"
#include "engine/clock.h"

struct asking {
    TAILQ_ENTRY(asking) others;
    struct http_questions *owner;
    struct http_exchange *exchange;
    struct question *question; /* NULL until it waits */
    const void *tag;
};
TAILQ_HEAD(askings, asking);

struct http_questions {
    struct questions *questions;
    http_question_answer *answer;
    void *context;
    struct askings waiting;
    struct askings spare;
};

struct http_questions *http_questions_create(struct questions *questions, http_question_answer *answer, void *context)
{
    struct http_questions *owner = memory_allocate_zeroed(1, sizeof *owner);
    owner->questions = questions;
    owner->answer = answer;
    owner->context = context;
    TAILQ_INIT(&owner->waiting);
    TAILQ_INIT(&owner->spare);
    return owner;
}

void http_questions_destroy(struct http_questions *owner)
{
    if (!owner)
        return;
    struct asking *asking;
    while ((asking = TAILQ_FIRST(&owner->spare))) {
        TAILQ_REMOVE(&owner->spare, asking, others);
        free(asking);
    }
    free(owner);
}

static void release(struct asking *asking)
{
    if (asking->question)
        TAILQ_REMOVE(&asking->owner->waiting, asking, others);
    TAILQ_INSERT_HEAD(&asking->owner->spare, asking, others);
}

static void on_ended(void *context, const struct question_end *end)
{
    struct asking *asking = context;
    struct http_questions *owner = asking->owner;
    owner->answer(owner->context, asking->tag, asking->exchange, end);
    release(asking);
}

static void on_gone(void *context)
{
    struct asking *asking = context;
    questions_forget(asking->owner->questions, asking->question);
    release(asking);
}

void http_questions_stop(struct http_questions *owner)
{
    struct asking *asking;
    while ((asking = TAILQ_FIRST(&owner->waiting))) {
        questions_forget(owner->questions, asking->question);
        on_ended(asking, NULL);
    }
}

void http_questions_ask(struct http_questions *owner, struct http_exchange *exchange, enum callback callback,
                        struct slice args, struct slice asker, int64_t timeout_ms, const void *tag)
{
    struct asking *asking = TAILQ_FIRST(&owner->spare);
    if (asking)
        TAILQ_REMOVE(&owner->spare, asking, others);
    else
        asking = memory_allocate(sizeof *asking);
    *asking = (struct asking){.owner = owner, .exchange = exchange, .tag = tag};
    const struct question_asked asked = {.callback = callback,
                                         .args = args,
                                         .asker = asker,
                                         .deadline_ms = clock_wall_ms() + timeout_ms,
                                         .ended = on_ended,
                                         .context = asking};
    struct question *question = questions_ask(owner->questions, &asked);
    if (!question)
        return; /* it has ended, and the asking may be another's already */
    asking->question = question;
    TAILQ_INSERT_TAIL(&owner->waiting, asking, others);
    http_exchange_on_gone(exchange, on_gone, asking);
}
