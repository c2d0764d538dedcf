/* `weir policy-key`: makes the key of a policy server, on request only, for every room has to be told of a new one. */
#include <stddef.h>
#include <stdio.h>

#include "engine/option.h"
#include "engine/signing_key.h"

struct policy_key_options {
    bool show;
};

static const struct option_definition policy_key_options[] = {
    {.name = "show",
     .type = OPTION_FLAG,
     .offset = offsetof(struct policy_key_options, show),
     .text = "Shows the public key of a file that is there, and makes nothing."},
    {.name = NULL},
};

static int policy_key_run(const void *options_, char **operands, size_t operand_count)
{
    const struct policy_key_options *options = options_;
    (void)operand_count;
    struct buffer error = {0};
    struct signing_key *key =
        options->show ? signing_key_load(operands[0], &error) : signing_key_make(operands[0], "policy_server", &error);
    if (key)
        printf("public key: %s\n\nstate event for each room that it shall serve, with the state key \"\":\n"
               "  m.room.policy {\"via\": \"SERVER_NAME\", \"public_keys\": {\"ed25519\": \"%s\"}}\n",
               signing_key_public(key), signing_key_public(key));
    else
        fprintf(stderr, "weir policy-key: %s\n", buffer_string(&error));
    int code = key && fflush(stdout) == 0 ? EXIT_CODE_OK : EXIT_CODE_FAILED;
    signing_key_destroy(key);
    buffer_free(&error);
    return code;
}

const struct subcommand subcommand_policy_key = {
    .name = "policy-key",
    .summary = "make the signing key of a policy server",
    .synopsis = "weir policy-key FILE [--show]",
    .description =
        "Makes an ed25519 key, writes it to FILE as Synapse writes its signing keys, readable by its owner alone, and "
        "prints the public key with the state event by which a room chooses the policy server. A file that is there "
        "is never written over. Use no key that a homeserver signs with.",
    .examples = " weir policy-key /etc/weir/policy.key\n weir policy-key --show /etc/weir/policy.key",
    .options = policy_key_options,
    .options_size = sizeof(struct policy_key_options),
    .operand = "FILE",
    .minimum_operands = 1,
    .maximum_operands = 1,
    .run = policy_key_run,
};
