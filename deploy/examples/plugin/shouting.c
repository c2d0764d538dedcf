/* A plug-in for Weir that refuses messages in capital letters.
 *
 * It counts the letters A to Z and a to z of a message's `body`; other alphabets are neither. A message with at least
 * `letters` of them, of which more than `share` are capitals, is refused with M_FORBIDDEN.
 *
 *     - module: plugin
 *       config:
 *         path: shouting.so
 *         settings: {share: 0.7, letters: 12}
 *
 * It uses what most plug-ins need: settings with errors that name their place, a key of `content` that is read fast,
 * a rule and a reason for the verdict, and a line in the log. */
#include <stdio.h>
#include <stdlib.h>

#include <weir/plugin.h>

struct shouting {
    const struct weir_host *host;
    const struct weir_instance *instance;
    uint32_t body; /* the slot of content.body */
    double share;
    int64_t letters;
    unsigned long asked;
    unsigned long refused;
};

/* Takes one setting; false, reported, if it is wrong. */
static bool take_setting(struct shouting *shouting, struct weir_instance *instance, const char *name,
                         const struct weir_json *value)
{
    const struct weir_host *host = shouting->host;
    const enum weir_kind kind = host->json_kind(value);
    if (strcmp(name, "share") == 0) {
        shouting->share = host->json_number(value);
        if ((kind == WEIR_KIND_NUMBER || kind == WEIR_KIND_INTEGER) && shouting->share >= 0 && shouting->share <= 1)
            return true;
        host->report(instance, name, "must be a number from 0 to 1");
    } else if (strcmp(name, "letters") == 0) {
        shouting->letters = host->json_integer(value);
        if (kind == WEIR_KIND_INTEGER && shouting->letters >= 1)
            return true;
        host->report(instance, name, "must be a whole number from 1");
    } else {
        host->report(instance, name, "unknown setting: there are `share` and `letters`");
    }
    return false;
}

static void *create(const struct weir_host *host, struct weir_instance *instance)
{
    struct shouting *shouting = (struct shouting *)calloc(1, sizeof *shouting);
    const struct weir_json *settings = host->settings(instance);
    bool good = true;
    size_t index;
    if (!shouting) {
        host->report(instance, "", "out of memory");
        return NULL;
    }
    shouting->host = host;
    shouting->instance = instance;
    shouting->share = 0.7;
    shouting->letters = 12;
    shouting->body = host->declare_content(instance, "body");
    for (index = 0; index < host->json_size(settings); index++)
        good &= take_setting(shouting, instance, host->json_key(settings, index).data, host->json_at(settings, index));
    if (!good) {
        free(shouting);
        return NULL;
    }
    return shouting;
}

static void destroy(void *state)
{
    struct shouting *shouting = (struct shouting *)state;
    char line[80];
    snprintf(line, sizeof line, "%lu messages seen, %lu refused", shouting->asked, shouting->refused);
    shouting->host->log(shouting->instance, WEIR_INFO, weir_text_from(line));
    free(shouting);
}

static void check_event_for_spam(void *state, struct weir_question *question, struct weir_answer *answer)
{
    struct shouting *shouting = (struct shouting *)state;
    const struct weir_host *host = shouting->host;
    const struct weir_text body = host->event_content(question, shouting->body);
    int64_t capitals = 0, letters = 0;
    size_t index;
    char reason[80];
    if (!body.data)
        return; /* no text, so nothing to say: the next module is asked */
    shouting->asked++;
    for (index = 0; index < body.length; index++) {
        const char byte = body.data[index];
        capitals += byte >= 'A' && byte <= 'Z';
        letters += (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z');
    }
    if (letters < shouting->letters || (double)capitals <= shouting->share * (double)letters)
        return;
    shouting->refused++;
    snprintf(reason, sizeof reason, "%.0f %% of the body's letters are capitals",
             100 * (double)capitals / (double)letters);
    host->refuse(answer, weir_text_from("M_FORBIDDEN"), weir_text_from(NULL));
    host->rule(answer, weir_text_from("share"));
    host->reason(answer, weir_text_from(reason));
    host->evidence(answer, body);
}

static const struct weir_callback callbacks[] = {{"check_event_for_spam", check_event_for_spam, NULL, NULL}};

WEIR_PLUGIN = {
    WEIR_PLUGIN_ABI_VERSION,
    sizeof(struct weir_plugin),
    sizeof(struct weir_callback),
    sizeof callbacks / sizeof *callbacks,
    callbacks,
    "shouting",
    "Refuses messages in capital letters.",
    create,
    destroy,
};
