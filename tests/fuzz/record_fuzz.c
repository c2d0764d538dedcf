/* Lines and bodies on their way into a recording: what is kept of a line must parse as the same command at the same
 * place, with none of its secrets; a body without its content must be JSON again. */
#include <stdlib.h>
#include <yyjson.h>

#include "engine/record_content.h"
#include "engine/record_marks.h"
#include "engine/record_redaction.h"
#include "replication/stream.h"

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void redact(struct record_redaction *redaction, struct slice line)
{
    struct command command, again;
    const char *problem;
    if (command_parse(line, &command, &problem) != COMMAND_OK)
        return;
    struct slice kept = record_redact(redaction, line, &command);
    if (!slice_present(kept))
        return;
    require(!command_is_secret(command.name));
    require(command_parse(kept, &again, &problem) == COMMAND_OK);
    require(again.name == command.name && again.token == command.token && again.batch == command.batch);
    require(slice_equal(again.stream_name, command.stream_name));
    require(slice_equal(again.instance_name, command.instance_name));
    if (kept.data == line.data || command.name != COMMAND_RDATA)
        return;
    yyjson_doc *document = yyjson_read(again.json.data, again.json.length, 0);
    require(document != NULL);
    yyjson_val *row = yyjson_doc_get_root(document);
    if (stream_find(command.stream_name) == STREAM_caches && yyjson_arr_size(row) > 1) {
        yyjson_val *keys = yyjson_arr_get(row, 1);
        require(!yyjson_is_ctn(keys) || yyjson_get_len(keys) == 0);
        require(!yyjson_is_str(keys) || yyjson_get_len(keys) == 0);
    }
    yyjson_doc_free(document);
}

static void mask(struct slice body)
{
    struct buffer output = {0};
    if (record_content_append(body, &output)) {
        yyjson_doc *document = yyjson_read(output.data, output.length, YYJSON_READ_NUMBER_AS_RAW);
        require(document != NULL);
        yyjson_doc_free(document);
    }
    buffer_free(&output);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct record_redaction redaction;
    struct record_gap gap, again;
    struct record_format format;
    if (size == 0)
        return 0;
    redaction.all_streams = data[0] & 1;
    redaction.without_content = data[0] & 2;
    struct slice text = slice_of((const char *)data + 1, size - 1);
    redact(&redaction, text);
    mask(text);
    if (record_format_read(text, &format)) {
        struct buffer error = {0};
        require(format.number >= 1 && record_format_refuse(text, &error) == (format.number > RECORD_FORMAT));
        buffer_free(&error);
    }
    if (record_gap_read(text, &gap)) {
        struct buffer written = {0};
        record_gap_append(&gap, &written);
        require(record_gap_read(buffer_slice(&written), &again) && again.from_ms == gap.from_ms &&
                again.to_ms == gap.to_ms && slice_equal(again.reason, gap.reason));
        buffer_free(&written);
    }
    return 0;
}
