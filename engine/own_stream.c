/* A table of two rows, so that what is said of one stream is said of the other in the same words. */
#include "engine/own_stream.h"

#include <inttypes.h>

const struct own_stream_definition own_stream_definitions[OWN_STREAM_COUNT] = {
    [OWN_STREAM_VERDICTS] = {"verdicts", true},
    [OWN_STREAM_PRESENCE_ROUTES] = {"presence_routes", false},
};

void own_streams_open(struct own_streams *streams, const char *server_name, const char *instance_name)
{
    *streams = (struct own_streams){.instance_name = instance_name};
    buffer_append_format(&streams->channel, "%s/weir", server_name);
    buffer_append_format(&streams->positions_key, "%s/weir/positions", server_name);
    for (size_t stream = 0; stream < OWN_STREAM_COUNT; stream++) {
        const char *name = own_stream_definitions[stream].name;
        buffer_append_format(&streams->keys[stream], "%s/weir/%s", server_name, name);
        buffer_append_format(&streams->fields[stream], "%s %s %s", instance_name, name, instance_name);
    }
    buffer_append_format(&streams->format_field, "%s " STORED_FORMAT_NAME " weir", instance_name);
}

void own_streams_close(struct own_streams *streams)
{
    for (size_t stream = 0; stream < OWN_STREAM_COUNT; stream++) {
        buffer_free(&streams->keys[stream]);
        buffer_free(&streams->fields[stream]);
    }
    buffer_free(&streams->format_field);
    buffer_free(&streams->channel);
    buffer_free(&streams->positions_key);
    buffer_free(&streams->line);
}

void own_streams_raise(struct own_streams *streams, enum own_stream stream, struct transaction *transaction)
{
    streams->tokens[stream]++;
    transaction->raises_tokens = true;
}

struct buffer *own_streams_begin_row(struct own_streams *streams, enum own_stream stream, bool more)
{
    struct buffer *line = &streams->line;
    buffer_clear(line);
    buffer_append_string(line, "RDATA ");
    buffer_append_string(line, own_stream_definitions[stream].name);
    buffer_append_char(line, ' ');
    buffer_append_string(line, streams->instance_name);
    buffer_append_char(line, ' ');
    if (more)
        buffer_append_string(line, "batch");
    else
        buffer_append_integer(line, (int64_t)streams->tokens[stream]);
    buffer_append_char(line, ' ');
    streams->row_begins = line->length;
    return line;
}

void own_streams_end_row(struct own_streams *streams, enum own_stream stream, struct transaction *transaction,
                         int64_t keep)
{
    struct slice line = buffer_slice(&streams->line);
    struct slice row = slice_of(line.data + streams->row_begins, line.length - streams->row_begins);
    if (own_stream_definitions[stream].durable)
        transaction_store_row(transaction, buffer_slice(&streams->keys[stream]), keep, streams->tokens[stream], row);
    transaction_publish(transaction, buffer_slice(&streams->channel), line);
    streams->announced[stream] = streams->tokens[stream];
}

static void publish_position(struct own_streams *streams, size_t stream, uint64_t previous,
                             struct transaction *transaction)
{
    buffer_clear(&streams->line);
    buffer_append_format(&streams->line, "POSITION %s %s %" PRIu64 " %" PRIu64, own_stream_definitions[stream].name,
                         streams->instance_name, previous, streams->tokens[stream]);
    transaction_publish(transaction, buffer_slice(&streams->channel), buffer_slice(&streams->line));
}

void own_streams_announce(struct own_streams *streams, struct transaction *transaction)
{
    for (size_t stream = 0; stream < OWN_STREAM_COUNT; stream++)
        publish_position(streams, stream, streams->tokens[stream], transaction);
}

void own_streams_seal(struct own_streams *streams, struct transaction *transaction)
{
    for (size_t stream = 0; stream < OWN_STREAM_COUNT; stream++) {
        if (streams->tokens[stream] != streams->announced[stream])
            publish_position(streams, stream, streams->announced[stream], transaction);
        streams->announced[stream] = streams->tokens[stream];
        if (transaction->raises_tokens || streams->store_all)
            transaction_set_number(transaction, buffer_slice(&streams->positions_key),
                                   buffer_slice(&streams->fields[stream]), (int64_t)streams->tokens[stream]);
    }
    if (streams->store_all || (transaction->raises_tokens && !streams->format_stored)) {
        transaction_set_number(transaction, buffer_slice(&streams->positions_key), buffer_slice(&streams->format_field),
                               STORED_FORMAT);
        streams->format_stored = true;
    }
    streams->store_all = false;
}

bool own_streams_restore(struct own_streams *streams, struct slice name, int64_t token)
{
    for (size_t stream = 0; stream < OWN_STREAM_COUNT; stream++) {
        if (!slice_equal(name, slice_from_string(own_stream_definitions[stream].name)))
            continue;
        streams->tokens[stream] = streams->announced[stream] = token > 0 ? (uint64_t)token : 0;
        return true;
    }
    return false;
}
