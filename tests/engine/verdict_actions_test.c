/* The actions of a verdict's row: only those that can be carried out, and none of a dry run. */
#include <criterion/criterion.h>

#include "engine/verdict_actions.h"
#include "filters/action.h"

static const struct event stored = {.event_id = {"$e", 2}, .room_id = {"!r", 2}, .sender = {"@a:x", 4}};
static const struct event nameless = {.room_id = {"!r", 2}};

#define ALL ((1u << ACTION_COUNT) - 1)

static const struct {
    const struct event *event;
    enum outcome_kind kind;
    uint32_t actions;
    bool request;
    bool dry_run;
    const char *wanted;
} cases[] = {
    {&stored, OUTCOME_DENIED, 0, false, false, ""},
    {&stored, OUTCOME_PASSED, ALL, false, false, ""},
    {&stored, OUTCOME_FAILED, ALL, false, false, ""},
    {&stored, OUTCOME_DENIED, ACTION_BIT(ACTION_redact) | ACTION_BIT(ACTION_ban), false, false,
     ",\"actions\":[{\"type\":\"redact\"},{\"type\":\"ban\"}]"},
    {&stored, OUTCOME_CHANGED, ACTION_BIT(ACTION_redact), false, false, ",\"actions\":[{\"type\":\"redact\"}]"},
    {&stored, OUTCOME_DENIED, ACTION_BIT(ACTION_redact) | ACTION_BIT(ACTION_notify), false, true,
     ",\"would_actions\":[{\"type\":\"redact\"},{\"type\":\"notify\"}]"},
    {&stored, OUTCOME_DENIED, ALL, true, false,
     ",\"actions\":[{\"type\":\"kick\"},{\"type\":\"ban\"},{\"type\":\"notify\"}]"},
    {&nameless, OUTCOME_DENIED, ALL, false, false, ",\"actions\":[{\"type\":\"notify\"}]"},
    {&nameless, OUTCOME_DENIED, ALL & ~ACTION_BIT(ACTION_notify), false, false, ""},
};

Test(verdict_actions, what_can_be_carried_out)
{
    struct buffer row = {0};
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        struct outcome outcome = {.kind = cases[index].kind, .result = {.actions = cases[index].actions}};
        struct verdict verdict = {.event = cases[index].event,
                                  .outcome = &outcome,
                                  .request = cases[index].request,
                                  .dry_run = cases[index].dry_run};
        buffer_clear(&row);
        verdict_append_actions(&verdict, &row);
        cr_expect_str_eq(buffer_string(&row), cases[index].wanted, "case %zu", index);
    }
    buffer_free(&row);
}
