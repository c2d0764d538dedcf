/* Any line: parsed, its JSON and row read, and written again. What is written must parse to the same text, however
 * often it is done. */
#include <stdlib.h>

#include "replication/command.h"
#include "replication/stream.h"

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void read_row(const struct command *command)
{
    const char *problem;
    struct stream_row row;
    struct event_row event;
    yyjson_doc *document = command_json(command, NULL, &problem);
    yyjson_val *root = yyjson_doc_get_root(document);
    for (int stream = 0; document && stream < STREAM_COUNT; stream++)
        if (stream_row_read((enum stream)stream, root, &row, &problem))
            require(row.count <= STREAM_FIELDS_MAXIMUM);
    if (document)
        (void)event_row_read(root, &event, &problem);
    yyjson_doc_free(document);
}

static void write_again(const struct command *command)
{
    struct buffer first = {0}, second = {0};
    struct command again;
    const char *problem = NULL;
    if (command_write(command, &first, &problem)) {
        require(command_parse(buffer_slice(&first), &again, &problem) == COMMAND_OK);
        require(again.name == command->name);
        require(again.token == command->token && again.batch == command->batch);
        require(again.previous_token == command->previous_token && again.new_token == command->new_token);
        require(again.last_sync_ms == command->last_sync_ms && again.is_syncing == command->is_syncing);
        require(command_write(&again, &second, &problem));
        require(slice_equal(buffer_slice(&first), buffer_slice(&second)));
    } else {
        require(problem != NULL && first.length == 0);
    }
    buffer_free(&first);
    buffer_free(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct command command;
    const char *problem;
    if (command_parse(slice_of((const char *)data, size), &command, &problem) != COMMAND_OK)
        return 0;
    (void)stream_find(command.stream_name);
    if (slice_present(command.json))
        read_row(&command);
    write_again(&command);
    return 0;
}
