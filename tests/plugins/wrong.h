/* A plug-in that answers one callback with nothing; those that include it get one thing wrong. */
#ifndef WEIR_TESTS_PLUGINS_WRONG_H
#define WEIR_TESTS_PLUGINS_WRONG_H

#include <weir/plugin.h>

static int wrong_state;

static void wrong_answer(void *state, struct weir_question *question, struct weir_answer *answer)
{
    (void)state, (void)question, (void)answer;
}

static void *wrong_create(const struct weir_host *host, struct weir_instance *instance)
{
    (void)host, (void)instance;
    return &wrong_state;
}

#define WRONG_PLUGIN(version, plugin_size, table)                                                                      \
    {                                                                                                                  \
        (version), (plugin_size), sizeof(struct weir_callback), sizeof(table) / sizeof *(table), (table), "wrong",     \
            "Has one thing wrong.", wrong_create, NULL                                                                 \
    }

#endif
