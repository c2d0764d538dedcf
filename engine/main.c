/* The program's entry: everything else can be linked into tests. */
#include <signal.h>

#include "engine/option.h"

int main(int argc, char **argv)
{
    /* A reader that went away shows as EPIPE where it is written to. */
    signal(SIGPIPE, SIG_IGN);
    return subcommand_main(argc - 1, argv + 1);
}
