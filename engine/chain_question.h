/* A question from outside: a callback with its arguments as JSON, read into what the chain is asked with.
 *
 * A question owns all that it needs, and is used again from question to question. */
#ifndef WEIR_ENGINE_CHAIN_QUESTION_H
#define WEIR_ENGINE_CHAIN_QUESTION_H

#include "filters/chain.h"

/* A zeroed struct is a question that was never asked. */
struct chain_question {
    enum callback callback;
    struct arena arena;
    struct event_reader *reader; /* of the chain's fields; made when an event first needs it */
    struct event event;
    struct callback_arguments arguments;
    struct buffer scratch;
};

/* Arguments above this are refused unread. */
#define CHAIN_QUESTION_ARGUMENTS_MAXIMUM ((size_t)16 << 20)

/* Reads the JSON object `args`: the callback's arguments by name, `event` being the event itself. NULL, or what is
 * wrong with them, a sentence that lives as long as the question's arena. The question must be new or reset. */
const char *chain_question_read(struct chain_question *question, const struct chain *chain, enum callback callback,
                                struct slice args);
/* For the next one, of the same chain. */
void chain_question_reset(struct chain_question *question);
/* For the next one, of any chain. */
void chain_question_free(struct chain_question *question);

/* Appends the chain's value with its tag. Of a callback that lets modules edit an argument, the object has the edited
 * one beside the tag, as "after". */
void chain_question_append_outcome(const struct chain_question *question, const struct outcome *outcome,
                                   struct buffer *json);

#endif
