/* What the subcommands that ask a running engine have in common: which engine it is, the question and its answer as a
 * document, and what is said when there is none. */
#ifndef WEIR_ENGINE_ADMIN_COMMAND_H
#define WEIR_ENGINE_ADMIN_COMMAND_H

#include <yyjson.h>

#include "engine/admin_client.h"
#include "engine/option.h"

/* The first member of the options of each. */
struct admin_options {
    const char *configuration;
    const char *socket;
    bool json;
};

/* Their rows in the table of options; the text is that of --json. */
#define ADMIN_OPTIONS(json_text)                                                                                       \
    {.name = "config",                                                                                                 \
     .letter = 'c',                                                                                                    \
     .type = OPTION_TEXT,                                                                                              \
     .offset = offsetof(struct admin_options, configuration),                                                          \
     .argument = "FILE",                                                                                               \
     .text = "The engine's configuration, which says where its `admin_socket` is. Default, without "                   \
             "--socket: " OPTION_CONFIGURATION_DEFAULT "."},                                                           \
        {.name = "socket",                                                                                             \
         .letter = 's',                                                                                                \
         .type = OPTION_TEXT,                                                                                          \
         .offset = offsetof(struct admin_options, socket),                                                             \
         .argument = "FILE",                                                                                           \
         .text = "The admin socket itself, in place of a configuration."},                                             \
    {                                                                                                                  \
        .name = "json", .letter = 'j', .type = OPTION_FLAG, .offset = offsetof(struct admin_options, json),            \
        .text = json_text                                                                                              \
    }

#define ADMIN_JSON_TEXT "Print the engine's answer as it is: JSON, one line (docs/admin-api.md)."

/* What their help says of exit codes. */
#define ADMIN_EXIT_STATUS                                                                                              \
    "1 also when the engine does not run, or may not be asked by this user; the reason is on stderr."

struct admin_command {
    const char *name; /* of the subcommand */
    const struct admin_options *options;
    struct event_base *base;
    struct admin_client *client;
    struct buffer text;   /* of the last answer */
    int status;           /* of the last answer; 0: there was none */
    yyjson_doc *document; /* its document; NULL without one */
};

/* Finds the engine. EXIT_CODE_OK, or what `weir` ends with, told; to be closed in any case. */
int admin_command_open(struct admin_command *command, const char *name, const struct admin_options *options);
void admin_command_close(struct admin_command *command);

/* Puts a question. EXIT_CODE_OK with the document of an answer of status 200; otherwise what `weir` ends with, told,
 * unless the status is `expected`, which is left to the caller, told nothing. */
int admin_command_ask(struct admin_command *command, const struct admin_question *question, int expected);

/* Prints the last answer as JSON in one line. For these two, false: whoever reads is gone. */
bool admin_command_print_json(const struct admin_command *command);
bool admin_command_print(struct slice text);

/* Whether colours are for this output: a terminal, TERM and NO_COLOR. */
bool admin_command_colours(void);

#endif
