/* The program's entry: everything else can be linked into tests. */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "engine/option.h"
#include "engine/terminal_screen.h"
#include "engine/worker.h"

extern const struct terminal_screen terminal_ncurses;

int main(int argc, char **argv)
{
    /* A reader that went away shows as EPIPE where it is written to. */
    signal(SIGPIPE, SIG_IGN);
    terminal_screen = &terminal_ncurses;
    int exit_code = subcommand_main(argc - 1, argv + 1);
    if (!worker_left_behind())
        return exit_code;
    /* A thread still works with what exit() would take down. */
    fflush(NULL);
    _exit(exit_code);
}
