/* `weir run`: the engine. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/slice.h"
#include "engine/engine.h"
#include "engine/option.h"
#include "replication/command.h"

struct run_options {
    const char *configuration;
    const char *from;
};

static const struct option_definition options[] = {
    {"config", 'c', OPTION_CONFIGURATION, offsetof(struct run_options, configuration), "FILE", false,
     "the configuration"},
    {"from", 0, OPTION_TEXT, offsetof(struct run_options, from), "now|stored|TOKEN", false,
     "where the events begin that are judged, for this start alone: `stored` (the default), where the last run of this "
     "instance ended; `now`, where each writer is, so that what happened while no engine ran is left out; a token, "
     "behind it for every writer"},
    {0},
};

static bool parse_from(const char *text, struct engine_options *engine)
{
    if (!text || strcmp(text, "stored") == 0)
        engine->from = ENGINE_FROM_STORED;
    else if (strcmp(text, "now") == 0)
        engine->from = ENGINE_FROM_NOW;
    else if (*text >= '0' && *text <= '9' && command_parse_integer(slice_from_string(text), &engine->from_token))
        engine->from = ENGINE_FROM_TOKEN;
    else
        return false;
    return true;
}

static int run(const void *filled, char **operands, size_t operand_count)
{
    (void)operands, (void)operand_count;
    const struct run_options *chosen = filled;
    struct engine_options engine = {.configuration = chosen->configuration};
    if (!parse_from(chosen->from, &engine)) {
        fprintf(stderr, "weir run: --from must be `now`, `stored` or a token of the stream `events`, not \"%s\"\n",
                chosen->from);
        return EXIT_CODE_USAGE;
    }
    return engine_run(&engine);
}

const struct subcommand subcommand_run = {
    .name = "run",
    .summary = "follow Synapse's replication on Redis, judge every event, publish the verdicts",
    .synopsis = "weir run [-c FILE] [--from now|stored|TOKEN]",
    .description =
        "Connects to Synapse's Redis, subscribes to the replication channel of the homeserver, asks every writer for "
        "its position, and judges each row of the `events` stream by the chain of modules in the configuration. "
        "Verdicts go to the channel <server_name>/weir and to the stream key <server_name>/weir/verdicts; the "
        "positions reached are stored in the hash <server_name>/weir/positions in the same transaction.\n\n"
        "With --from TOKEN, events above the token are judged again that were judged before: their verdicts are "
        "published, and stand in the durable stream, a second time. With --from now, events are left out that no "
        "engine "
        "has judged.\n\n"
        "SIGHUP loads the configuration again: the chain, publish and log are taken over between two events; a broken "
        "file changes nothing and says why. SIGTERM and SIGINT finish what is in hand and stop; a second one stops at "
        "once. Log lines go to standard error: text on a terminal, JSON otherwise.\n\n"
        "On the HTTP listener: GET /metrics (Prometheus), /healthz (the process answers), /readyz (it is connected "
        "and follows the stream).",
    .examples = "weir run -c /etc/weir/weir.yaml\n"
                "weir run -c /etc/weir/weir.yaml --from now",
    .options = options,
    .options_size = sizeof(struct run_options),
    .run = run,
};
