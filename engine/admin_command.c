/* Numbers of a document are kept as they are written: what is printed as JSON is what the engine said. */
#include "engine/admin_command.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/configuration.h"
#include "engine/tail_format.h"

static int complain(const struct admin_command *command, const char *sentence)
{
    struct buffer visible = {0};
    tail_append_visible(&visible, slice_from_string(sentence));
    fprintf(stderr, "weir %s: %s\n", command->name, buffer_string(&visible));
    buffer_free(&visible);
    return EXIT_CODE_FAILED;
}

/* The socket that a configuration names, which the caller frees; NULL, told. */
static char *find_socket(const struct admin_command *command)
{
    const char *path = command->options->configuration ? command->options->configuration : OPTION_CONFIGURATION_DEFAULT;
    struct buffer errors = {0};
    struct configuration *configuration = configuration_load(path, CONFIGURATION_FOR_CLIENT, NULL, &errors, NULL);
    char *socket = NULL;
    if (!configuration) {
        fputs(buffer_string(&errors), stderr);
        complain(command, "the configuration does not say where the engine listens; --config FILE names another, "
                          "--socket FILE the socket itself");
    } else if (!configuration->admin_socket) {
        complain(command, "this configuration has no admin socket: set `admin_socket`, or a `state_dir` in which it "
                          "can be");
    } else {
        socket = configuration->admin_socket;
        configuration->admin_socket = NULL;
    }
    configuration_destroy(configuration);
    buffer_free(&errors);
    return socket;
}

int admin_command_open(struct admin_command *command, const char *name, const struct admin_options *options)
{
    struct buffer error = {0};
    int code = EXIT_CODE_OK;
    *command = (struct admin_command){.name = name, .options = options};
    if (options->configuration && options->socket) {
        complain(command, "give either --config or --socket, not both");
        return EXIT_CODE_USAGE;
    }
    char *found = options->socket ? NULL : find_socket(command);
    if (!options->socket && !found)
        return EXIT_CODE_CONFIGURATION;
    command->base = event_base_new();
    command->client =
        command->base ? admin_client_create(command->base, found ? found : options->socket, &error) : NULL;
    if (!command->client)
        code = complain(command, command->base ? buffer_string(&error) : "no event loop can be made");
    buffer_free(&error);
    free(found);
    return code;
}

void admin_command_close(struct admin_command *command)
{
    yyjson_doc_free(command->document);
    admin_client_destroy(command->client);
    if (command->base)
        event_base_free(command->base);
    buffer_free(&command->text);
}

/* What an answer with another status says, by the shape of Matrix's errors. */
static int refuse(const struct admin_command *command, const char *target)
{
    yyjson_val *sentence = yyjson_obj_get(yyjson_doc_get_root(command->document), "error");
    struct buffer text = {0};
    if (command->status == 404)
        buffer_append_format(&text, "the engine does not know %.*s: it is older than this program; restart it",
                             (int)strcspn(target, "?"), target);
    else if (yyjson_is_str(sentence))
        buffer_append_format(&text, "the engine says: %s", yyjson_get_str(sentence));
    else
        buffer_append_format(&text, "the engine answered with the status %d", command->status);
    complain(command, buffer_string(&text));
    buffer_free(&text);
    return command->status == 400 ? EXIT_CODE_USAGE : EXIT_CODE_FAILED;
}

int admin_command_ask(struct admin_command *command, const struct admin_question *question, int expected)
{
    yyjson_doc_free(command->document);
    command->document = NULL;
    struct admin_answer answer = admin_client_wait(command->client, question, &command->text);
    command->status = answer.status;
    if (!answer.status)
        return complain(command, answer.problem ? answer.problem : "the engine was not asked");
    command->document = yyjson_read(answer.body.data, answer.body.length, YYJSON_READ_NUMBER_AS_RAW);
    if (answer.status != 200 && (answer.status != expected || !command->document))
        return refuse(command, question->target);
    return command->document ? EXIT_CODE_OK : complain(command, "the engine's answer is no JSON");
}

bool admin_command_print(struct slice text)
{
    return fwrite(text.data, 1, text.length, stdout) == text.length && fflush(stdout) == 0;
}

bool admin_command_print_json(const struct admin_command *command)
{
    struct buffer line = {0};
    size_t length = 0;
    char *json = yyjson_write(command->document, 0, &length);
    if (isatty(STDOUT_FILENO))
        tail_append_visible(&line, slice_of(json, length));
    else
        buffer_append(&line, json, length);
    buffer_append_char(&line, '\n');
    bool printed = admin_command_print(buffer_slice(&line));
    buffer_free(&line);
    free(json);
    return printed;
}

bool admin_command_colours(void)
{
    const char *refused = getenv("NO_COLOR");
    const char *terminal = getenv("TERM");
    return isatty(STDOUT_FILENO) && !(refused && *refused) && terminal && strcmp(terminal, "dumb") != 0;
}
