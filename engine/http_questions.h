/* Questions that came over HTTP: asked with a deadline, answered when they end, forgotten when the client hangs up. */
#ifndef WEIR_ENGINE_HTTP_QUESTIONS_H
#define WEIR_ENGINE_HTTP_QUESTIONS_H

#include "engine/http_server.h"
#include "engine/questions.h"

struct http_questions;

/* Answers the exchange with what the question came to. `tag` is what was given with it. `end` is NULL where it came to
 * nothing because the engine stops. */
typedef void http_question_answer(void *context, const void *tag, struct http_exchange *exchange,
                                  const struct question_end *end);

/* `questions` must outlive it. */
struct http_questions *http_questions_create(struct questions *questions, http_question_answer *answer, void *context);
/* Answers what waits, without an end: before the server goes, which would answer in words of its own. */
void http_questions_stop(struct http_questions *waiting);
/* When nothing waits any more. */
void http_questions_destroy(struct http_questions *waiting);

/* Asks, for `timeout_ms` at most. Nothing but `tag` is kept by reference. `asker` is the client's address. */
void http_questions_ask(struct http_questions *waiting, struct http_exchange *exchange, enum callback callback,
                        struct slice args, struct slice asker, int64_t timeout_ms, const void *tag);

#endif
