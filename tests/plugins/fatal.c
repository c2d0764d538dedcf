/* What a plug-in must not do: an invite of @fatal:lab.test ends the process, one of @slow:lab.test holds it up for a
 * millisecond. */
#include <stdlib.h>
#include <time.h>

#include <weir/plugin.h>

static const struct weir_host *host;

static int is(struct weir_text text, const char *expected)
{
    return text.length == strlen(expected) && memcmp(text.data, expected, text.length) == 0;
}

static void user_may_invite(void *state, struct weir_question *question, struct weir_answer *answer)
{
    const struct weir_text invitee = host->argument_text(question, host->argument_find(question, "invitee"));
    const clock_t begun = clock();
    (void)state;
    if (is(invitee, "@fatal:lab.test"))
        _Exit(99);
    while (is(invitee, "@slow:lab.test") && clock() - begun < CLOCKS_PER_SEC / 1000)
        continue;
    if (is(invitee, "@refused:lab.test"))
        host->refuse(answer, weir_text_from(NULL), weir_text_from(NULL));
    else
        host->pass(answer);
}

static void *create(const struct weir_host *given, struct weir_instance *instance)
{
    (void)instance;
    host = given;
    return &host;
}

static const struct weir_callback callbacks[] = {{"user_may_invite", user_may_invite, NULL, NULL}};

WEIR_PLUGIN = {WEIR_PLUGIN_ABI_VERSION,
               sizeof(struct weir_plugin),
               sizeof(struct weir_callback),
               sizeof callbacks / sizeof *callbacks,
               callbacks,
               "fatal",
               "Ends the process, or holds it up.",
               create,
               NULL};
