/* The table of subcommands, from subcommands.def. */
#include "engine/option.h"

#define SUBCOMMAND(name) extern const struct subcommand subcommand_##name;
#include "engine/subcommands.def"
#undef SUBCOMMAND

const struct subcommand *const subcommands[] = {
#define SUBCOMMAND(name) &subcommand_##name,
#include "engine/subcommands.def"
#undef SUBCOMMAND
    NULL,
};
