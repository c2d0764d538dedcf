/* What is recorded of questions, and questions whose asker goes away. How they are answered, answerer_test.c tests. */
#include "engine/questions.h"

#include "engine/clock.h"
#include "tests/engine/router_fixture.h"

static struct chain *chain;
static struct metrics *metrics;
static struct event_base *base;
static struct questions *questions;
static struct buffer rows;  /* of `verdicts`, each with the rows of modules in dry_run before it */
static struct buffer ended; /* the endings, a letter each */

static void on_judged(void *context, const struct verdict *verdict)
{
    (void)context;
    buffer_append_slice(&rows, verdict->dry_runs);
    verdict_append_row(verdict, &rows);
    buffer_append_char(&rows, '\n');
}

static void on_ended(void *context, const struct question_end *end)
{
    static const char letters[] = {[QUESTION_ANSWERED] = 'A',
                                   [QUESTION_RAISED] = 'R',
                                   [QUESTION_MALFORMED] = 'M',
                                   [QUESTION_OVERLOADED] = 'O',
                                   [QUESTION_EXPIRED] = 'E'};
    (void)context;
    buffer_append_char(&ended, letters[end->ending]);
}

static struct question *ask_by(const char *callback, const char *args, int64_t deadline_ms,
                               void (*on_end)(void *context, const struct question_end *end), void *context)
{
    struct question_asked asked = {.callback = callback_find(slice_from_string(callback)),
                                   .args = slice_from_string(args),
                                   .asker = SLICE("worker1"),
                                   .deadline_ms = deadline_ms,
                                   .ended = on_end,
                                   .context = context};
    return questions_ask(questions, &asked);
}

static struct question *ask(const char *callback, const char *args)
{
    return ask_by(callback, args, 0, on_ended, NULL);
}

#define INVITE "{\"inviter\": \"@a:x\", \"invitee\": \"@b:x\", \"room_id\": \"!r:x\"}"
#define SLOW "{\"user_id\": \"@slow:x\"}"

static void append(const char *module, const char *config, bool dry_run)
{
    json_t *object = json_loads(config, 0, NULL);
    struct module_options options = {.dry_run = dry_run};
    cr_assert(chain_append(chain, module_find(module), object, &options, &router_fixture_host));
    json_decref(object);
}

/* A module that lets @evil:x invite nobody. */
static void guard_invite(void *state, const struct callback_arguments *arguments, struct result *result)
{
    (void)state;
    result->value.kind = slice_equal(arguments->values[0].text, SLICE("@evil:x")) ? VALUE_REFUSE : VALUE_PASS;
}

static void *guard_create(const struct module_setup *setup)
{
    return (void *)(uintptr_t)setup->server_name;
}

static const struct module_callback guard_callbacks[] = {
    {.callback = CALLBACK_user_may_invite, .function = guard_invite}};
static const struct module_definition guard = {.name = "guard",
                                               .callbacks = guard_callbacks,
                                               .callback_count = 1,
                                               .create = guard_create,
                                               .destroy = router_fixture_destroy};

static void set_up(void)
{
    router_fixture_tickets = 0;
    metrics = metrics_create();
    base = event_base_new();
    chain = chain_create(&(struct chain_settings){.server_name = "lab.test"});
    json_t *config = json_loads("{\"to\": [\"@w:x\"], \"slow\": [\"@slow:x\"]}", 0, NULL);
    cr_assert(chain_append(chain, &router_fixture_module, config, NULL, &router_fixture_host));
    json_decref(config);
    append("keywords", "{\"patterns\": [\"dry\"]}", true);
    append("keywords", "{\"patterns\": [\"spam\"]}", false);
    cr_assert(chain_append(chain, &guard, NULL, NULL, &router_fixture_host));
    cr_assert(chain_seal(chain, NULL, NULL));
    struct questions_settings settings = {
        .waiting = 8, .waiting_per_asker = 8, .waiting_per_room = 8, .judged = on_judged};
    questions = questions_create(base, chain, &settings, metrics);
}

static void tear_down(void)
{
    questions_destroy(questions);
    event_base_free(base);
    chain_destroy(chain);
    metrics_destroy(metrics);
    buffer_free(&rows);
    buffer_free(&ended);
}

TestSuite(questions, .init = set_up, .fini = tear_down);

static void ask_about_message(const char *body)
{
    struct buffer args = {0};
    buffer_append_format(&args,
                         "{\"event\":{\"event_id\":\"$1\",\"type\":\"m.room.message\",\"sender\":\"@a:x\","
                         "\"room_id\":\"!r:x\",\"content\":{\"body\":\"%s\"}}}",
                         body);
    ask("check_event_for_spam", buffer_string(&args));
    buffer_free(&args);
}

#define MESSAGE_ROW(module, rule, dry_run)                                                                             \
    "{\"event_id\":\"$1\",\"room_id\":\"!r:x\",\"sender\":\"@a:x\",\"type\":\"m.room.message\","                       \
    "\"callback\":\"check_event_for_spam\",\"result\":{\"code\":\"M_FORBIDDEN\",\"fields\":{}},\"module\":\"" module   \
    "\",\"rule\":\"" rule                                                                                              \
    "\",\"reason\":\"body holds a keyword\",\"stream\":\"requests\",\"instance\":\"worker1\",\"token\":null,"          \
    "\"origin\":\"request\",\"dry_run\":" dry_run "}\n"

static void expect_rows(const char *wanted)
{
    cr_expect_str_eq(buffer_string(&rows), wanted);
    buffer_clear(&rows);
}

Test(questions, what_was_refused_is_recorded)
{
    ask_about_message("eggs");
    expect_rows("");
    ask_about_message("spam");
    expect_rows(MESSAGE_ROW("keywords", "spam", "false"));
    cr_expect_eq(questions_counts(questions).denied, 1);
    cr_expect_eq(questions_counts(questions).answered, 2, "what was refused was answered");
    cr_expect_eq(chain_module_counts(chain, 1).denied_questions, 0, "the one in dry_run denies nothing");
    cr_expect_eq(chain_module_counts(chain, 2).denied_questions, 1);
}

Test(questions, what_modules_take_is_measured)
{
    for (int turn = 0; turn < 3; turn++)
        ask_about_message("eggs");
    cr_expect_eq(chain_module_counts(chain, 2).asked, 2, "the first and the second stand for themselves");
    ask_about_message("eggs");
    cr_expect_eq(chain_module_counts(chain, 2).asked, 4);
}

Test(questions, a_dry_run_is_recorded_with_the_question_and_not_with_another)
{
    ask_about_message("dry spam");
    cr_expect_eq(strncmp(buffer_string(&rows), MESSAGE_ROW("keywords", "dry", "true"),
                         strlen(MESSAGE_ROW("keywords", "dry", "true"))),
                 0, "%s", buffer_string(&rows));
    buffer_clear(&rows);
    ask_about_message("spam");
    expect_rows(MESSAGE_ROW("keywords", "spam", "false"));
}

Test(questions, a_question_about_no_event_is_recorded_with_what_it_is_about)
{
    ask("user_may_invite", "{\"inviter\": \"@evil:x\", \"invitee\": \"@b:x\", \"room_id\": \"!r:x\"}");
    const char *row = buffer_string(&rows);
    cr_expect_not_null(strstr(row, "{\"event_id\":null,\"room_id\":\"!r:x\",\"sender\":\"@evil:x\",\"type\":null,"
                                   "\"callback\":\"user_may_invite\""),
                       "%s", row);
}

/* Answers that are no refusals: whose presence a user gets. */
Test(questions, other_callbacks_leave_no_rows)
{
    ask("get_interested_users", "{\"user_id\": \"@a:x\"}");
    expect_rows("");
}

Test(questions, a_dry_run_of_somebody_else_goes_where_it_went)
{
    ask_about_message("dry");
    struct chain_dry_run before = chain_on_dry_run(chain, NULL, NULL);
    cr_expect_null((void *)(uintptr_t)before.report);
}

Test(questions, who_goes_away_is_not_told)
{
    struct question *first = ask("get_interested_users", SLOW), *second = ask("get_interested_users", SLOW);
    cr_assert(first && second);
    questions_forget(questions, first);
    cr_expect_not(questions_resume(questions, 1, &(struct service_answer){.arrived = true}));
    cr_expect(questions_resume(questions, 2, &(struct service_answer){.arrived = true}));
    cr_expect_str_eq(buffer_string(&ended), "A");
    cr_expect_eq(questions_counts(questions).forgotten, 1);
    cr_expect_eq(questions_counts(questions).waiting, 0);
}

/* While several expire at once, the end of one takes another along. */
static void forget_other(void *context, const struct question_end *end)
{
    struct question **other = context;
    on_ended(NULL, end);
    if (*other)
        questions_forget(questions, *other);
    *other = NULL;
    cr_expect_null(ask("user_may_invite", INVITE));
}

Test(questions, an_end_may_ask_and_forget)
{
    struct question *other = NULL;
    int64_t deadline_ms = clock_wall_ms() + 30;
    ask_by("get_interested_users", SLOW, deadline_ms, forget_other, &other);
    other = ask_by("get_interested_users", SLOW, deadline_ms, on_ended, NULL);
    while (questions_counts(questions).waiting)
        event_base_loop(base, EVLOOP_ONCE);
    cr_expect_str_eq(buffer_string(&ended), "EA");
}

/* What is answered while a module is switched was asked of the chain as it was. */
Test(questions, an_answer_from_before_they_were_forgotten_is_not_remembered)
{
    struct questions_settings settings = {
        .waiting = 8, .waiting_per_asker = 8, .waiting_per_room = 8, .cache = 8, .cache_for_ms = 60000};
    struct metrics *others = metrics_create();
    struct questions *before = questions;
    questions = questions_create(base, chain, &settings, others);
    cr_expect(ask("get_interested_users", SLOW));
    questions_forget_answers(questions);
    cr_expect(questions_resume(questions, 1, &(struct service_answer){.arrived = true}));
    cr_expect(ask("get_interested_users", SLOW));
    cr_expect(questions_resume(questions, 2, &(struct service_answer){.arrived = true}));
    cr_expect_null(ask("get_interested_users", SLOW));
    cr_expect_eq(questions_counts(questions).cache_hits, 1);
    questions_destroy(questions);
    metrics_destroy(others);
    questions = before;
}

Test(questions, what_waits_at_the_end_is_forgotten)
{
    cr_expect(ask("get_interested_users", SLOW));
    cr_expect_str_eq(buffer_string(&ended), "");
}
