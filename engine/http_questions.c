/* Most questions end in the call that asks them, so that what one needs is kept for the next. */
#include "engine/http_questions.h"

#include <stdlib.h>

#include "base/memory.h"
#include "engine/clock.h"

struct asking {
    struct asking *next; /* while it is spare */
    struct http_questions *owner;
    struct http_exchange *exchange;
    struct question *question; /* NULL until it waits */
    const void *tag;
};

struct http_questions {
    struct questions *questions;
    http_question_answer *answer;
    void *context;
    struct asking *spare;
};

struct http_questions *http_questions_create(struct questions *questions, http_question_answer *answer, void *context)
{
    struct http_questions *owner = memory_allocate_zeroed(1, sizeof *owner);
    owner->questions = questions;
    owner->answer = answer;
    owner->context = context;
    return owner;
}

void http_questions_destroy(struct http_questions *owner)
{
    if (!owner)
        return;
    while (owner->spare) {
        struct asking *next = owner->spare->next;
        free(owner->spare);
        owner->spare = next;
    }
    free(owner);
}

static void release(struct asking *asking)
{
    asking->next = asking->owner->spare;
    asking->owner->spare = asking;
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

void http_questions_ask(struct http_questions *owner, struct http_exchange *exchange, enum callback callback,
                        struct slice args, struct slice asker, int64_t timeout_ms, const void *tag)
{
    struct asking *asking = owner->spare;
    if (asking)
        owner->spare = asking->next;
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
    http_exchange_on_gone(exchange, on_gone, asking);
}
