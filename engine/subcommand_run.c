/* `weir run`: the engine. */
#include <stddef.h>

#include "engine/engine.h"
#include "engine/option.h"

struct run_options {
    const char *configuration;
};

static const struct option_definition options[] = {
    {"config", 'c', OPTION_TEXT, offsetof(struct run_options, configuration), "FILE", true, "the configuration"},
    {0},
};

static int run(const void *filled, char **operands, size_t operand_count)
{
    (void)operands, (void)operand_count;
    const struct run_options *chosen = filled;
    return engine_run(chosen->configuration);
}

const struct subcommand subcommand_run = {
    .name = "run",
    .summary = "follow Synapse's replication on Redis, judge every event, publish the verdicts",
    .synopsis = "weir run -c FILE",
    .description =
        "Connects to Synapse's Redis, subscribes to the replication channel of the homeserver, asks every writer for "
        "its position, and judges each row of the `events` stream by the chain of modules in the configuration. "
        "Verdicts go to the channel <server_name>/weir and to the stream key <server_name>/weir/verdicts; the "
        "positions reached are stored in the hash <server_name>/weir/positions in the same transaction.\n\n"
        "SIGHUP loads the configuration again: the chain, publish and log are taken over between two events; a broken "
        "file changes nothing and says why. SIGTERM and SIGINT finish what is in hand and stop; a second one stops at "
        "once. Log lines go to standard error: text on a terminal, JSON otherwise.\n\n"
        "On the HTTP listener: GET /metrics (Prometheus), /healthz (the process answers), /readyz (it is connected "
        "and follows the stream).",
    .examples = "weir run -c /etc/weir/weir.yaml",
    .options = options,
    .options_size = sizeof(struct run_options),
    .run = run,
};
