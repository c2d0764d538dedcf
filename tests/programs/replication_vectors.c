/* Runs replication vectors: `replication_vectors FILE`, a file of JSON lines, plain or zstd, each
 * {"id", "kind", "input", "expect", …}, whose `expect` was recorded from Synapse. What our code makes of an input is
 * written as JSON and compared with it. Prints each failure, ends with `N passed, M failed`; exits 0 only if M is 0 and
 * something was run. */
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "replication/json.h"
#include "replication/position.h"
#include "replication/recording.h"
#include "tests/programs/vector_json.h"

static const char *const fields_of[] = {
#define COMMAND(name, fields, secret) fields,
#include "replication/commands.def"
#undef COMMAND
};

static const char error_result[] = "{\"error\":true}";

static void result_is_error(struct buffer *result)
{
    buffer_clear(result);
    buffer_append_string(result, error_result);
}

static void append_key(struct buffer *result, const char *key)
{
    buffer_append_format(result, ",\"%s\":", key);
}

static void append_text(struct buffer *result, const char *key, struct slice text)
{
    append_key(result, key);
    buffer_append_json_string(result, text);
}

static void append_integer(struct buffer *result, const char *key, int64_t value)
{
    append_key(result, key);
    buffer_append_integer(result, value);
}

static bool append_json(struct buffer *result, const struct command *command)
{
    static const char *const user_ip[] = {"access_token", "ip", "user_agent", "device_id", "last_seen"};
    static const char *const lock_released[] = {"instance_name", "lock_name", "lock_key"};
    static const char *const rdata[] = {"row"};
    const char *problem;
    yyjson_doc *document = command_json(command, NULL, &problem);
    if (!document)
        return false;
    yyjson_val *root = yyjson_doc_get_root(document);
    bool whole = command->name == COMMAND_RDATA;
    const char *const *keys = whole ? rdata : command->name == COMMAND_USER_IP ? user_ip : lock_released;
    size_t count = whole ? 1 : yyjson_arr_size(root);
    bool good = true;
    for (size_t index = 0; index < count && good; index++) {
        append_key(result, keys[index]);
        good = json_write(whole ? root : yyjson_arr_get(root, index), result, &problem);
    }
    yyjson_doc_free(document);
    return good;
}

static bool append_field(struct buffer *result, const struct command *command, char letter)
{
    switch (letter) {
    case 's':
        append_text(result, "stream_name", command->stream_name);
        break;
    case 'w':
        append_text(result, "instance_name", command->instance_name);
        break;
    case 't':
    case 'T':
        if (command->batch)
            append_text(result, "token", SLICE_ABSENT);
        else
            append_integer(result, "token", command->token);
        break;
    case 'p':
        append_integer(result, "prev_token", command->previous_token);
        break;
    case 'n':
        append_integer(result, "new_token", command->new_token);
        break;
    case 'd':
        append_text(result, "data", command->data);
        break;
    case 'i':
        append_text(result, "instance_id", command->instance_id);
        break;
    case 'u':
        append_text(result, "user_id", command->user_id);
        break;
    case 'j':
        return append_json(result, command);
    default:
        append_text(result, "instance_id", command->instance_id);
        append_text(result, "user_id", command->user_id);
        if (command->has_device_id)
            append_text(result, "device_id", command->device_id);
        append_key(result, "is_syncing");
        buffer_append_string(result, command->is_syncing ? "true" : "false");
        append_integer(result, "last_sync_ms", command->last_sync_ms);
    }
    return true;
}

static void run_command(struct slice line, struct buffer *result)
{
    struct command command;
    const char *problem;
    enum command_status status = command_parse(line, &command, &problem);
    if (status == COMMAND_BLANK) {
        buffer_append_string(result, "{\"ignored\":true}");
        return;
    }
    if (status != COMMAND_OK) {
        result_is_error(result);
        return;
    }
    buffer_append_format(result, "{\"name\":\"%s\"", command_name_text(command.name));
    for (const char *letter = fields_of[command.name]; *letter; letter++) {
        if (!append_field(result, &command, *letter)) {
            result_is_error(result);
            return;
        }
    }
    buffer_append_char(result, '}');
}

static void run_roundtrip(struct slice line, struct buffer *result)
{
    struct command command;
    const char *problem;
    struct buffer written = {0};
    if (command_parse(line, &command, &problem) == COMMAND_OK && command_write(&command, &written, &problem)) {
        buffer_append_string(result, "{\"line\":");
        buffer_append_json_string(result, buffer_slice(&written));
        buffer_append_char(result, '}');
    } else {
        result_is_error(result);
    }
    buffer_free(&written);
}

static void run_row(yyjson_val *input, struct buffer *result)
{
    struct stream_row row;
    const char *problem;
    enum stream stream = stream_find(vector_text(yyjson_obj_get(input, "stream")));
    if (!stream_row_read(stream, yyjson_obj_get(input, "row"), &row, &problem)) {
        result_is_error(result);
        return;
    }
    buffer_append_string(result, "{");
    if (slice_present(row.kind)) {
        buffer_append_string(result, "\"type\":");
        buffer_append_json_string(result, row.kind);
        buffer_append_string(result, ",\"data\":{");
    }
    for (uint32_t index = 0; index < row.count; index++) {
        if (index)
            buffer_append_char(result, ',');
        buffer_append_json_string(result, row.names[index]);
        buffer_append_char(result, ':');
        json_write(row.values[index], result, &problem);
    }
    buffer_append_string(result, slice_present(row.kind) ? "}}" : "}");
}

/* A follower whose requests are answered from the vector. */
struct follower {
    struct position_tracker *tracker;
    yyjson_val *catchup;
    bool *used; /* by element of `catchup` */
    struct buffer rows;
    struct buffer fetch;
    struct buffer positions;
    yyjson_val *named; /* the streams whose positions are compared */
    enum stream visited;
};

static const char *stream_name(enum stream stream)
{
    return stream_definitions[stream].name;
}

static void open_entry(struct buffer *list, enum stream stream, struct slice writer)
{
    buffer_append_format(list, "%s[\"%s\",", list->length ? "," : "", stream_name(stream));
    buffer_append_json_string(list, writer);
}

static void follower_hand_on(void *context, const struct position_rows *rows)
{
    struct follower *follower = context;
    open_entry(&follower->rows, rows->stream, rows->writer);
    buffer_append_format(&follower->rows, ",%lld,[", (long long)rows->token);
    for (uint32_t index = 0; index < rows->count; index++) {
        if (index)
            buffer_append_char(&follower->rows, ',');
        buffer_append_slice(&follower->rows, rows->rows[index]);
    }
    buffer_append_string(&follower->rows, "]]");
}

static yyjson_val *find_answer(struct follower *follower, enum stream stream, struct slice writer, int64_t from,
                               int64_t upto)
{
    size_t index, size;
    yyjson_val *answer;
    yyjson_arr_foreach(follower->catchup, index, size, answer)
    {
        if (follower->used[index] || !yyjson_equals_str(yyjson_obj_get(answer, "stream"), stream_name(stream)) ||
            !slice_equal(vector_text(yyjson_obj_get(answer, "instance")), writer) ||
            yyjson_get_sint(yyjson_obj_get(answer, "from")) != from ||
            yyjson_get_sint(yyjson_obj_get(answer, "upto")) != upto)
            continue;
        follower->used[index] = true;
        return answer;
    }
    return NULL;
}

static void give_updates(struct follower *follower, enum stream stream, struct slice writer, yyjson_val *updates)
{
    size_t count = yyjson_arr_size(updates);
    for (size_t first = 0, next; first < count; first = next) {
        struct buffer texts[64] = {{0}};
        struct slice rows[64];
        const char *problem;
        int64_t token = yyjson_get_sint(yyjson_arr_get_first(yyjson_arr_get(updates, first)));
        for (next = first; next < count && next - first < 64; next++) {
            yyjson_val *update = yyjson_arr_get(updates, next);
            if (yyjson_get_sint(yyjson_arr_get_first(update)) != token)
                break;
            json_write(yyjson_arr_get(update, 1), &texts[next - first], &problem);
            rows[next - first] = buffer_slice(&texts[next - first]);
        }
        struct position_rows due = {stream, writer, token, rows, (uint32_t)(next - first)};
        position_fetched(follower->tracker, &due);
        for (size_t index = 0; index < next - first; index++)
            buffer_free(&texts[index]);
    }
}

static bool follower_fetch(void *context, enum stream stream, struct slice writer, int64_t from, int64_t upto)
{
    struct follower *follower = context;
    open_entry(&follower->fetch, stream, writer);
    buffer_append_format(&follower->fetch, ",%lld,%lld]", (long long)from, (long long)upto);
    yyjson_val *answer = find_answer(follower, stream, writer, from, upto);
    if (!answer) {
        position_fetch_done(follower->tracker, stream, writer, upto, false, false);
        return true;
    }
    yyjson_val *limited = yyjson_obj_get(answer, "limited");
    give_updates(follower, stream, writer, yyjson_obj_get(answer, "updates"));
    position_fetch_done(follower->tracker, stream, writer, yyjson_get_sint(yyjson_obj_get(answer, "upto_token")),
                        yyjson_is_true(limited), yyjson_is_str(limited));
    return true;
}

static void follow_line(struct follower *follower, struct slice line)
{
    struct command command;
    const char *problem;
    struct stream_row row;
    if (command_parse(line, &command, &problem) != COMMAND_OK)
        return;
    enum stream stream = stream_find(command.stream_name);
    if (command.name == COMMAND_POSITION)
        position_announced(follower->tracker, stream, &command);
    if (command.name != COMMAND_RDATA || stream == STREAM_UNKNOWN)
        return;
    yyjson_doc *document = command_json(&command, NULL, &problem);
    if (document && stream_row_read(stream, yyjson_doc_get_root(document), &row, &problem))
        position_row(follower->tracker, stream, &command);
    yyjson_doc_free(document);
}

static void visit_position(void *context, enum stream stream, struct slice writer, int64_t token, bool open)
{
    (void)open;
    struct follower *follower = context;
    if (stream != follower->visited)
        return;
    char last = follower->positions.data[follower->positions.length - 1];
    if (last != '{')
        buffer_append_char(&follower->positions, ',');
    buffer_append_json_string(&follower->positions, writer);
    buffer_append_format(&follower->positions, ":%lld", (long long)token);
}

static void write_positions(struct follower *follower)
{
    size_t index, size;
    yyjson_val *name, *value;
    buffer_append_char(&follower->positions, '{');
    yyjson_obj_foreach(follower->named, index, size, name, value)
    {
        if (index)
            buffer_append_char(&follower->positions, ',');
        buffer_append_json_string(&follower->positions, vector_text(name));
        buffer_append_string(&follower->positions, ":{");
        follower->visited = stream_find(vector_text(name));
        position_each(follower->tracker, visit_position, follower);
        buffer_append_char(&follower->positions, '}');
    }
    buffer_append_char(&follower->positions, '}');
}

static void restore_positions(struct follower *follower, yyjson_val *start)
{
    size_t index, size, writer_index, writer_count;
    yyjson_val *name, *writers, *writer, *token;
    yyjson_obj_foreach(start, index, size, name, writers)
    {
        yyjson_obj_foreach(writers, writer_index, writer_count, writer, token)
        {
            position_restore(follower->tracker, stream_find(vector_text(name)), vector_text(writer),
                             yyjson_get_sint(token));
        }
    }
}

static void run_sequence(yyjson_val *input, yyjson_val *expect, struct buffer *result)
{
    struct follower follower = {.catchup = yyjson_obj_get(input, "catchup"),
                                .named = yyjson_obj_get(expect, "positions")};
    struct position_callbacks callbacks = {&follower, follower_hand_on, follower_fetch, NULL};
    const char *name = yyjson_get_str(yyjson_obj_get(input, "follower"));
    follower.tracker = position_tracker_create(&callbacks, name ? name : "", UINT64_MAX);
    follower.used = memory_allocate_zeroed(yyjson_arr_size(follower.catchup), sizeof *follower.used);
    restore_positions(&follower, yyjson_obj_get(input, "start"));
    size_t index, size;
    yyjson_val *line;
    yyjson_arr_foreach(yyjson_obj_get(input, "lines"), index, size, line)
    {
        if (yyjson_is_str(line))
            follow_line(&follower, vector_text(line));
        else
            position_disconnected(follower.tracker);
    }
    write_positions(&follower);
    buffer_append_string(result, "{\"rows\":[");
    buffer_append_slice(result, buffer_slice(&follower.rows));
    buffer_append_string(result, "],\"fetch\":[");
    buffer_append_slice(result, buffer_slice(&follower.fetch));
    buffer_append_string(result, "],\"positions\":");
    buffer_append_slice(result, buffer_slice(&follower.positions));
    buffer_append_char(result, '}');
    position_tracker_destroy(follower.tracker);
    free(follower.used);
    buffer_free(&follower.rows);
    buffer_free(&follower.fetch);
    buffer_free(&follower.positions);
}

/* Appends the bytes of base64 text; false if it is none. */
static bool decode_base64(struct slice text, struct buffer *output)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0;
    int count = 0;
    for (size_t index = 0; index < text.length && text.data[index] != '='; index++) {
        const char *found = text.data[index] ? strchr(alphabet, text.data[index]) : NULL;
        if (!found)
            return false;
        bits = bits << 6 | (uint32_t)(found - alphabet);
        count += 6;
        if (count >= 8) {
            count -= 8;
            buffer_append_char(output, (char)(bits >> count & 0xff));
        }
    }
    return true;
}

static bool is_sequence(yyjson_val *vector)
{
    yyjson_val *input = yyjson_obj_get(vector, "input");
    return yyjson_is_obj(yyjson_obj_get(input, "start")) && yyjson_is_arr(yyjson_obj_get(input, "lines")) &&
           yyjson_is_arr(yyjson_obj_get(input, "catchup")) &&
           yyjson_is_obj(yyjson_obj_get(yyjson_obj_get(vector, "expect"), "positions"));
}

/* Runs one vector; false if it is of no known kind or misses its input. */
static bool run_vector(yyjson_val *vector, struct buffer *result)
{
    yyjson_val *kind = yyjson_obj_get(vector, "kind");
    yyjson_val *input = yyjson_obj_get(vector, "input");
    struct slice line = vector_text(yyjson_obj_get(input, "line"));
    struct slice encoded = vector_text(yyjson_obj_get(input, "line_b64"));
    struct buffer bytes = {0};
    bool good = true;
    if (slice_present(encoded)) {
        good = decode_base64(encoded, &bytes);
        line = buffer_slice(&bytes);
    }
    if (yyjson_equals_str(kind, "command") && slice_present(line))
        run_command(line, result);
    else if (yyjson_equals_str(kind, "roundtrip") && slice_present(line))
        run_roundtrip(line, result);
    else if (yyjson_equals_str(kind, "row"))
        run_row(input, result);
    else if (yyjson_equals_str(kind, "sequence") && is_sequence(vector))
        run_sequence(input, yyjson_obj_get(vector, "expect"), result);
    else
        good = false;
    buffer_free(&bytes);
    return good;
}

/* Every field of `expect` is as expected; what is not listed is not compared. */
static bool is_expected(yyjson_val *vector, yyjson_val *result)
{
    yyjson_val *expect = yyjson_obj_get(vector, "expect");
    bool refused = yyjson_is_true(yyjson_obj_get(result, "error"));
    if (refused && yyjson_is_true(yyjson_obj_get(vector, "may_refuse")))
        return true;
    if (yyjson_equals_str(yyjson_obj_get(vector, "kind"), "row"))
        return vector_equal(expect, result);
    size_t index, size;
    yyjson_val *key, *value;
    if (!yyjson_is_obj(expect))
        return false;
    yyjson_obj_foreach(expect, index, size, key, value)
    {
        yyjson_val *found = vector_get(result, vector_text(key));
        if (!found || !vector_equal(value, found))
            return false;
    }
    return yyjson_obj_size(expect) > 0 && refused == yyjson_is_true(yyjson_obj_get(expect, "error"));
}

static bool run_line(struct slice line, uint64_t number)
{
    const char *problem = "unknown kind or no input";
    struct buffer result = {0};
    struct buffer expected = {0};
    yyjson_doc *document = json_read(line, NULL, &problem);
    yyjson_val *vector = yyjson_doc_get_root(document);
    bool good = false;
    if (!document || !run_vector(vector, &result)) {
        printf("line %llu: %s\n", (unsigned long long)number, problem);
    } else {
        yyjson_doc *got = json_read(buffer_slice(&result), NULL, &problem);
        good = got && is_expected(vector, yyjson_doc_get_root(got));
        yyjson_doc_free(got);
        if (!good) {
            const char *id = yyjson_get_str(yyjson_obj_get(vector, "id"));
            json_write(yyjson_obj_get(vector, "expect"), &expected, &problem);
            printf("%s: expected %s, got %s\n", id ? id : "(no id)", buffer_string(&expected), buffer_string(&result));
        }
    }
    yyjson_doc_free(document);
    buffer_free(&result);
    buffer_free(&expected);
    return good;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: replication_vectors FILE\n");
        return 2;
    }
    struct buffer error = {0};
    struct slice line;
    uint64_t passed = 0, failed = 0;
    struct line_reader *reader = line_reader_open(argv[1], &error);
    enum line_status status = LINE_FAILED;
    while (reader && (status = line_reader_next(reader, &line, &error)) != LINE_END && status != LINE_FAILED) {
        bool good = status == LINE_OK && run_line(line, line_reader_number(reader));
        passed += good;
        failed += !good;
    }
    if (status == LINE_FAILED) {
        printf("%s\n", buffer_string(&error));
        failed++;
    }
    line_reader_close(reader);
    buffer_free(&error);
    printf("%llu passed, %llu failed\n", (unsigned long long)passed, (unsigned long long)failed);
    return failed == 0 && passed > 0 ? 0 : 1;
}
