/* A question owns all that it needs: an arena, and an event reader once it was about an event. One that has to wait is
 * set aside as it stands, and the next one gets another; those that are done with are used again.
 *
 * `ended` may ask, or forget, while questions are being ended in a row: those are first taken out of the table of what
 * waits, and are marked, so that forgetting one of them does not free it under the row's feet. */
#include "engine/questions.h"

#include <stddef.h>
#include <stdlib.h>
#include <uthash.h>

#include "base/memory.h"
#include "engine/answer_cache.h"
#include "engine/chain_question.h"
#include "engine/clock.h"
#include "engine/log.h"
#include "engine/question_metrics.h"
#include "engine/waiting_shares.h"
#include "filters/chain_sample.h"
#include "filters/subject.h"

#define SPARE_MAXIMUM 16

struct question {
    struct question *next; /* among the spare ones, or in a row that is being ended */
    struct question_asked asked;
    struct buffer args, asker; /* copies, while it waits */
    struct buffer dry_runs;    /* rows of modules in dry_run */
    struct chain_question read;
    struct walk walk;
    uint64_t received_ns;
    int64_t received_ms; /* since 1970 */
    uint64_t failures;   /* of the chain's modules, before it was asked */
    uint64_t forgetting; /* of `questions`, then */
    uint64_t asker_hash, room_hash;
    bool in_row;
    UT_hash_handle hh; /* by walk.ticket */
};

struct questions {
    struct chain *chain;
    struct chain_sampler sampler;
    struct questions_settings settings;
    struct answer_cache *cache;
    uint64_t forgetting; /* how often all answers were forgotten */
    struct question *spare;
    uint32_t spare_count;
    struct question *waiting; /* by ticket */
    struct waiting_shares *askers, *rooms;
    struct event *deadline; /* of the question that is the first to expire */
    int64_t deadline_ms;    /* for which it is set; 0: it is not */
    struct buffer json;
    struct questions_counts counts;
    struct question_metrics metrics;
    struct log_gate malformed_gate, expired_gate, overloaded_gate;
};

static struct question *new_question(struct questions *questions)
{
    struct question *question = questions->spare;
    if (!question)
        return memory_allocate_zeroed(1, sizeof *question);
    questions->spare = question->next;
    questions->spare_count--;
    return question;
}

static void free_question(struct question *question)
{
    chain_question_free(&question->read);
    buffer_free(&question->args);
    buffer_free(&question->asker);
    buffer_free(&question->dry_runs);
    free(question);
}

static void release(struct questions *questions, struct question *question)
{
    if (questions->spare_count == SPARE_MAXIMUM) {
        free_question(question);
        return;
    }
    chain_question_reset(&question->read);
    buffer_clear(&question->dry_runs);
    question->in_row = false;
    question->next = questions->spare;
    questions->spare = question;
    questions->spare_count++;
}

/* ---- ends. The question is gone afterwards. */

static void end(struct questions *questions, struct question *question, struct question_end *ending)
{
    ending->callback = question->read.callback;
    if (question->asked.ended)
        question->asked.ended(question->asked.context, ending);
    latency_record(questions->metrics.latency, clock_now_ns() - question->received_ns);
    release(questions, question);
}

static void end_malformed(struct questions *questions, struct question *question, const char *problem)
{
    uint64_t suppressed;
    questions->counts.malformed++;
    if (log_gate_pass(&questions->malformed_gate, &suppressed))
        log_warning("a request could not be read; its sender was told", LOG_STRING("reason", problem),
                    LOG_TEXT("asker", question->asked.asker), LOG_INTEGER("suppressed", suppressed));
    struct buffer json = {0};
    struct value failure = value_raise(&question->read.arena, RAISED_OTHER, "%s", problem);
    value_append_json(&failure, &json);
    end(questions, question,
        &(struct question_end){.ending = QUESTION_MALFORMED, .json = buffer_slice(&json), .problem = problem});
    buffer_free(&json);
}

static void end_expired(struct questions *questions, struct question *question)
{
    uint64_t suppressed;
    questions->counts.expired++;
    if (log_gate_pass(&questions->expired_gate, &suppressed))
        log_warning("a request was dropped past its deadline", LOG_INTEGER("deadline_ms", question->asked.deadline_ms),
                    LOG_TEXT("asker", question->asked.asker), LOG_INTEGER("suppressed", suppressed));
    end(questions, question, &(struct question_end){.ending = QUESTION_EXPIRED});
}

static void end_overloaded(struct questions *questions, struct question *question, const char *who)
{
    uint64_t suppressed;
    questions->counts.overloaded++;
    if (log_gate_pass(&questions->overloaded_gate, &suppressed))
        log_warning("requests are turned away: too many wait for services of modules", LOG_STRING("too_many_of", who),
                    LOG_TEXT("asker", question->asked.asker), LOG_INTEGER("waiting", questions->counts.waiting),
                    LOG_INTEGER("suppressed", suppressed));
    end(questions, question, &(struct question_end){.ending = QUESTION_OVERLOADED});
}

static uint64_t module_failures(const struct chain *chain)
{
    uint64_t failures = 0;
    for (uint32_t index = 0; index < chain_module_count(chain); index++) {
        struct module_counts counts = chain_module_counts(chain, index);
        failures += counts.raised + counts.illegal;
    }
    return failures;
}

/* An answer that lacks what some module failed to add is not worth remembering; nor is one that was begun before all
 * were forgotten. */
static void remember(struct questions *questions, const struct question *question, struct slice json)
{
    if (question->read.callback == CALLBACK_get_interested_users && question->forgetting == questions->forgetting &&
        question->failures == module_failures(questions->chain))
        answer_cache_store(questions->cache, callback_argument_text(&question->read.arguments, "user_id"), json,
                           clock_now_ns());
}

/* ---- verdicts of what was refused */

static bool is_recorded(enum callback callback)
{
    enum callback_family family = callback_definitions[callback].family;
    return family == FAMILY_SPAM_CHECKER || family == FAMILY_THIRD_PARTY_RULES;
}

static struct verdict make_verdict(const struct question *question, const struct event *event,
                                   const struct outcome *outcome)
{
    return (struct verdict){.event = event,
                            .outcome = outcome,
                            .stream = SLICE("requests"),
                            .instance = question->asked.asker,
                            .received_ns = question->received_ns,
                            .request = true};
}

static void record(const struct questions *questions, const struct question *question)
{
    const struct outcome *outcome = &question->walk.outcome;
    const struct callback_arguments *arguments = &question->read.arguments;
    if (!questions->settings.judged || !is_recorded(question->read.callback) ||
        (outcome->kind == OUTCOME_PASSED && !question->dry_runs.length))
        return;
    struct event known = arguments->event ? *arguments->event : subject_as_event(arguments);
    struct verdict verdict = make_verdict(question, &known, outcome);
    verdict.dry_runs = buffer_slice(&question->dry_runs);
    questions->settings.judged(questions->settings.context, &verdict);
}

static void on_dry_run(void *context, const struct callback_arguments *arguments, const struct outcome *outcome)
{
    struct question *question = context;
    if (!is_recorded(question->read.callback))
        return;
    struct event known = arguments->event ? *arguments->event : subject_as_event(arguments);
    struct verdict verdict = make_verdict(question, &known, outcome);
    verdict.dry_run = true;
    verdict_append_row(&verdict, &question->dry_runs);
    buffer_append_char(&question->dry_runs, '\n');
}

/* The buffer for the text is taken along, since whoever hears of the end may ask again. */
static void end_with_outcome(struct questions *questions, struct question *question)
{
    struct buffer json = questions->json;
    const struct outcome *outcome = &question->walk.outcome;
    bool raised = outcome->kind == OUTCOME_FAILED;
    questions->json = (struct buffer){0};
    buffer_clear(&json);
    if (outcome->kind == OUTCOME_DENIED && is_recorded(question->read.callback)) {
        questions->counts.denied++;
        chain_count_denied_question(questions->chain, outcome->module_index);
    }
    record(questions, question);
    chain_question_append_outcome(&question->read, outcome, &json);
    if (raised) {
        questions->counts.raised++;
    } else {
        questions->counts.answered++;
        remember(questions, question, buffer_slice(&json));
    }
    end(questions, question,
        &(struct question_end){
            .ending = raised ? QUESTION_RAISED : QUESTION_ANSWERED, .json = buffer_slice(&json), .outcome = outcome});
    buffer_free(&questions->json);
    questions->json = json;
}

/* ---- deadlines */

static bool has_expired(const struct question *question)
{
    return question->asked.deadline_ms && clock_wall_ms() > question->asked.deadline_ms;
}

static void set_deadline(struct questions *questions, int64_t deadline_ms)
{
    int64_t delay = deadline_ms - clock_wall_ms() + 1;
    delay = delay < 1 ? 1 : delay;
    struct timeval after = {.tv_sec = delay / 1000, .tv_usec = delay % 1000 * 1000};
    questions->deadline_ms = deadline_ms;
    event_add(questions->deadline, &after);
}

static void watch_deadline(struct questions *questions, const struct question *question)
{
    int64_t deadline_ms = question->asked.deadline_ms;
    if (deadline_ms && (!questions->deadline_ms || deadline_ms < questions->deadline_ms))
        set_deadline(questions, deadline_ms);
}

/* ---- waiting */

static void take_out(struct questions *questions, struct question *question)
{
    HASH_DEL(questions->waiting, question);
    questions->counts.waiting--;
    waiting_shares_give_back(questions->askers, question->asker_hash);
    waiting_shares_give_back(questions->rooms, question->room_hash);
}

static void keep(struct buffer *copy, struct slice *text)
{
    if (text->data == copy->data || !slice_present(*text))
        return;
    buffer_clear(copy);
    buffer_append_slice(copy, *text);
    *text = slice_of(buffer_string(copy), copy->length);
}

static struct question *wait(struct questions *questions, struct question *question)
{
    keep(&question->args, &question->asked.args);
    keep(&question->asker, &question->asked.asker);
    HASH_ADD(hh, questions->waiting, walk.ticket, sizeof question->walk.ticket, question);
    questions->counts.waiting++;
    waiting_shares_take(questions->askers, question->asker_hash);
    waiting_shares_take(questions->rooms, question->room_hash);
    watch_deadline(questions, question);
    return question;
}

/* All that wait, or only those that have expired, taken out, the oldest first. */
static struct question *take_row(struct questions *questions, bool all)
{
    struct question *row = NULL, **last = &row, *question, *next;
    HASH_ITER(hh, questions->waiting, question, next)
    {
        if (!all && !has_expired(question)) {
            watch_deadline(questions, question);
            continue;
        }
        take_out(questions, question);
        question->in_row = true;
        question->next = NULL;
        *last = question;
        last = &question->next;
    }
    return row;
}

static void on_deadline(evutil_socket_t socket, short what, void *argument)
{
    (void)socket, (void)what;
    struct questions *questions = argument;
    questions->deadline_ms = 0;
    struct question *row = take_row(questions, false);
    while (row) {
        struct question *next = row->next;
        end_expired(questions, row);
        row = next;
    }
}

/* ---- asking */

static bool answer_from_cache(struct questions *questions, struct question *question)
{
    if (question->read.callback != CALLBACK_get_interested_users)
        return false;
    struct slice user_id = callback_argument_text(&question->read.arguments, "user_id");
    struct slice json = answer_cache_find(questions->cache, user_id, clock_now_ns());
    if (!slice_present(json)) {
        questions->counts.cache_misses++;
        question->failures = module_failures(questions->chain);
        question->forgetting = questions->forgetting;
        return false;
    }
    questions->counts.cache_hits++;
    questions->counts.answered++;
    end(questions, question, &(struct question_end){.ending = QUESTION_ANSWERED, .json = json});
    return true;
}

/* Whose share is used up, or NULL. Asked before the chain is: a question that a service has got costs it work. */
static const char *too_many(struct questions *questions, struct question *question)
{
    const struct callback_arguments *arguments = &question->read.arguments;
    if (!chain_may_wait(questions->chain, question->read.callback))
        return NULL;
    question->asker_hash = waiting_shares_hash(question->asked.asker);
    question->room_hash = waiting_shares_hash(arguments->event ? arguments->event->room_id
                                                               : callback_argument_text(arguments, "room_id"));
    return questions->counts.waiting >= questions->settings.waiting       ? "all"
           : waiting_shares_full(questions->askers, question->asker_hash) ? "this asker"
           : waiting_shares_full(questions->rooms, question->room_hash)   ? "this room"
                                                                          : NULL;
}

static enum walk_state walk_on(struct questions *questions, struct question *question,
                               const struct service_answer *answer)
{
    struct chain_dry_run before = chain_on_dry_run(questions->chain, on_dry_run, question);
    bool sampled = !answer && chain_sampler_is_due(&questions->sampler);
    if (sampled)
        chain_sample_begin(questions->chain, &questions->sampler);
    enum walk_state state =
        answer ? walk_resume(&question->walk, answer)
               : walk_begin(&question->walk, questions->chain, question->read.callback, &question->read.arguments);
    if (sampled)
        chain_sample_end(questions->chain);
    chain_on_dry_run(questions->chain, before.report, before.context);
    return state;
}

static struct question *ask(struct questions *questions, struct question *question)
{
    const char *problem =
        chain_question_read(&question->read, questions->chain, question->read.callback, question->asked.args);
    if (problem) {
        end_malformed(questions, question, problem);
        return NULL;
    }
    question->read.arguments.now_ms = question->received_ms;
    if (answer_from_cache(questions, question))
        return NULL;
    const char *who = too_many(questions, question);
    if (who) {
        end_overloaded(questions, question, who);
        return NULL;
    }
    if (walk_on(questions, question, NULL) == WALK_PENDING)
        return wait(questions, question);
    end_with_outcome(questions, question);
    return NULL;
}

struct question *questions_ask(struct questions *questions, const struct question_asked *asked)
{
    struct question *question = new_question(questions);
    question->asked = *asked;
    question->read.callback = asked->callback;
    question->received_ns = clock_now_ns();
    question->received_ms = clock_wall_ms();
    questions->counts.asked++;
    questions->metrics.callbacks[asked->callback]++;
    const char *problem = asked->problem ? asked->problem
                          : asked->callback == CALLBACK_UNKNOWN
                              ? "the field `callback` is missing or names no callback of Synapse's module API"
                              : NULL;
    if (problem) {
        end_malformed(questions, question, problem);
        return NULL;
    }
    if (has_expired(question)) {
        end_expired(questions, question);
        return NULL;
    }
    return ask(questions, question);
}

void questions_forget(struct questions *questions, struct question *question)
{
    questions->counts.forgotten++;
    question->asked.ended = NULL;
    if (question->in_row)
        return;
    take_out(questions, question);
    release(questions, question);
}

bool questions_resume(struct questions *questions, uint64_t ticket, const struct service_answer *answer)
{
    struct question *question;
    HASH_FIND(hh, questions->waiting, &ticket, sizeof ticket, question);
    if (!question)
        return false;
    take_out(questions, question);
    if (walk_on(questions, question, answer) == WALK_PENDING)
        wait(questions, question);
    else if (has_expired(question))
        end_expired(questions, question);
    else
        end_with_outcome(questions, question);
    return true;
}

/* ---- the chain */

static void free_list(struct question *question)
{
    while (question) {
        struct question *next = question->next;
        free_question(question);
        question = next;
    }
}

/* Its reader looks for the fields of the old chain. Its copies of the texts stay. */
static void ask_again(struct questions *questions, struct question *question)
{
    enum callback callback = question->read.callback;
    question->in_row = false;
    chain_question_free(&question->read);
    question->read.callback = callback;
    buffer_clear(&question->dry_runs);
    if (!question->asked.ended)
        release(questions, question);
    else if (has_expired(question))
        end_expired(questions, question);
    else
        ask(questions, question);
}

void questions_use_chain(struct questions *questions, struct chain *chain)
{
    struct question *row = take_row(questions, true);
    questions->chain = chain;
    chain_sampler_start(&questions->sampler);
    answer_cache_clear(questions->cache);
    free_list(questions->spare);
    questions->spare = NULL;
    questions->spare_count = 0;
    while (row) {
        struct question *next = row->next;
        ask_again(questions, row);
        row = next;
    }
}

void questions_forget_answers(struct questions *questions)
{
    questions->forgetting++;
    answer_cache_clear(questions->cache);
}

struct chain *questions_chain(const struct questions *questions)
{
    return questions->chain;
}

struct questions_counts questions_counts(const struct questions *questions)
{
    return questions->counts;
}

const struct latency *questions_latency(const struct questions *questions)
{
    return questions->metrics.latency;
}

/* ---- life */

struct questions *questions_create(struct event_base *base, struct chain *chain,
                                   const struct questions_settings *settings, struct metrics *metrics)
{
    struct questions *questions = memory_allocate_zeroed(1, sizeof *questions);
    questions->chain = chain;
    chain_sampler_start(&questions->sampler);
    questions->settings = *settings;
    questions->askers = waiting_shares_create(settings->waiting_per_asker);
    questions->rooms = waiting_shares_create(settings->waiting_per_room);
    questions->cache = answer_cache_create(settings->cache, (uint64_t)settings->cache_for_ms * 1000000u);
    questions->deadline = evtimer_new(base, on_deadline, questions);
    questions->metrics = question_metrics_register(metrics, &questions->counts);
    return questions;
}

void questions_destroy(struct questions *questions)
{
    if (!questions)
        return;
    free_list(take_row(questions, true));
    free_list(questions->spare);
    event_free(questions->deadline);
    waiting_shares_destroy(questions->askers);
    waiting_shares_destroy(questions->rooms);
    answer_cache_destroy(questions->cache);
    buffer_free(&questions->json);
    free(questions);
}
