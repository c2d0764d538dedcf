/* The tables say what is kept, so that a stream of a newer Synapse, which is in neither, is blanked and not leaked. */
#include "engine/record_redaction.h"

#include <stdlib.h>

#include "engine/record_content.h"
#include "replication/stream.h"

enum keeping {
    KEEP_BLANK, /* the row's shape; what --all-streams keeps is in `secrets` */
    KEEP_WHOLE,
};

#define SECRETS_MAXIMUM 2

/* Fields by their place in the row, counted from 0. */
static const struct stream_rule {
    enum stream stream;
    enum keeping keeping;
    bool all_blank; /* also with --all-streams: what is in it has no fixed form */
    uint8_t secret_count;
    uint8_t secrets[SECRETS_MAXIMUM];
} rules[] = {
    {STREAM_events, KEEP_WHOLE, false, 0, {0}},
    {STREAM_backfill, KEEP_WHOLE, false, 0, {0}},
    {STREAM_presence, KEEP_WHOLE, false, 0, {0}},
    {STREAM_presence_federation, KEEP_BLANK, false, 0, {0}},
    {STREAM_typing, KEEP_BLANK, false, 0, {0}},
    {STREAM_receipts, KEEP_BLANK, false, 0, {0}},
    {STREAM_push_rules, KEEP_BLANK, false, 0, {0}},
    {STREAM_pushers, KEEP_BLANK, false, 1, {2}}, /* the push key is what lets one send to the device */
    {STREAM_caches, KEEP_BLANK, false, 1, {1}},  /* the keys of get_user_by_access_token are access tokens */
    {STREAM_device_lists, KEEP_BLANK, false, 0, {0}},
    {STREAM_to_device, KEEP_BLANK, false, 0, {0}},
    {STREAM_federation, KEEP_BLANK, false, 1, {1}}, /* whole transactions, with messages to devices */
    {STREAM_account_data, KEEP_BLANK, false, 0, {0}},
    {STREAM_tag_account_data, KEEP_BLANK, false, 1, {2}},
    {STREAM_user_signature, KEEP_BLANK, false, 0, {0}},
    {STREAM_groups, KEEP_BLANK, false, 1, {3}},
    {STREAM_public_rooms, KEEP_BLANK, false, 0, {0}},
    {STREAM_un_partial_stated_room, KEEP_BLANK, false, 0, {0}},
    {STREAM_un_partial_stated_event, KEEP_BLANK, false, 0, {0}},
    {STREAM_thread_subscriptions, KEEP_BLANK, false, 0, {0}},
    {STREAM_sticky_events, KEEP_BLANK, false, 0, {0}},
    {STREAM_quarantined_media, KEEP_BLANK, false, 0, {0}},
};

static const struct stream_rule unknown_stream = {STREAM_UNKNOWN, KEEP_BLANK, true, 0, {0}};

/* Commands beside RDATA. Their arguments are names of users, devices, servers and locks. */
static const struct {
    enum command_name name;
    enum { COMMAND_KEPT, COMMAND_KEPT_WITH_ALL } keeping;
} command_rules[] = {
    {COMMAND_POSITION, COMMAND_KEPT},
    {COMMAND_REPLICATE, COMMAND_KEPT},
    {COMMAND_USER_SYNC, COMMAND_KEPT_WITH_ALL},
    {COMMAND_CLEAR_USER_SYNC, COMMAND_KEPT_WITH_ALL},
    {COMMAND_FEDERATION_ACK, COMMAND_KEPT_WITH_ALL},
    {COMMAND_REMOTE_SERVER_UP, COMMAND_KEPT_WITH_ALL},
    {COMMAND_LOCK_RELEASED, COMMAND_KEPT_WITH_ALL},
    {COMMAND_NEW_ACTIVE_TASK, COMMAND_KEPT_WITH_ALL},
    {COMMAND_CANCEL_TASK, COMMAND_KEPT_WITH_ALL},
};

void record_redaction_free(struct record_redaction *redaction)
{
    json_pool_free(&redaction->pool);
    buffer_free(&redaction->line);
}

static const struct stream_rule *rule_of(enum stream stream)
{
    for (size_t index = 0; index < sizeof rules / sizeof *rules; index++)
        if (rules[index].stream == stream)
            return &rules[index];
    return &unknown_stream;
}

static bool is_secret(const struct stream_rule *rule, size_t field)
{
    for (uint8_t index = 0; index < rule->secret_count; index++)
        if (rule->secrets[index] == field)
            return true;
    return false;
}

/* Of the same type, with nothing in it. What says nothing of anybody stays. */
static void append_blank(struct buffer *output, yyjson_val *value)
{
    buffer_append_string(output, yyjson_is_str(value)                           ? "\"\""
                                 : yyjson_is_num(value) || yyjson_is_raw(value) ? "0"
                                 : yyjson_is_arr(value)                         ? "[]"
                                 : yyjson_is_obj(value)                         ? "{}"
                                 : yyjson_is_true(value)                        ? "true"
                                 : yyjson_is_null(value)                        ? "null"
                                                                                : "false");
}

static void append_value(struct buffer *output, yyjson_val *value)
{
    size_t length;
    char *text = yyjson_val_write(value, YYJSON_WRITE_ESCAPE_UNICODE, &length);
    if (text)
        buffer_append(output, text, length);
    else
        append_blank(output, value);
    free(text);
}

/* The row is an array in every known stream; of anything else nothing is known. */
static void append_row(struct record_redaction *redaction, const struct stream_rule *rule, yyjson_val *row)
{
    struct buffer *output = &redaction->line;
    size_t index, count;
    yyjson_val *value;
    if (!yyjson_is_arr(row)) {
        append_blank(output, row);
        return;
    }
    buffer_append_char(output, '[');
    yyjson_arr_foreach(row, index, count, value)
    {
        if (index)
            buffer_append_char(output, ',');
        if (!redaction->all_streams || rule->all_blank || is_secret(rule, index))
            append_blank(output, value);
        else
            append_value(output, value);
    }
    buffer_append_char(output, ']');
}

/* user_id, state, three times, status_msg, currently_active: the message is somebody's text. */
#define PRESENCE_MESSAGE 5

static void append_presence(struct record_redaction *redaction, yyjson_val *row)
{
    struct buffer *output = &redaction->line;
    size_t index, count;
    yyjson_val *value;
    buffer_append_char(output, '[');
    yyjson_arr_foreach(row, index, count, value)
    {
        if (index)
            buffer_append_char(output, ',');
        if (index == PRESENCE_MESSAGE && yyjson_is_str(value))
            record_content_append_masked(slice_of(yyjson_get_str(value), yyjson_get_len(value)), output);
        else
            append_value(output, value);
    }
    buffer_append_char(output, ']');
}

static struct slice redact_row(struct record_redaction *redaction, struct slice line, const struct command *command)
{
    enum stream stream = stream_find(command->stream_name);
    const struct stream_rule *rule = rule_of(stream);
    bool masked = stream == STREAM_presence && redaction->without_content;
    if (rule->keeping == KEEP_WHOLE && !masked)
        return line;
    yyjson_doc *document = json_pool_read(&redaction->pool, command->json, YYJSON_READ_BIGNUM_AS_RAW);
    yyjson_val *row = yyjson_doc_get_root(document);
    if (!row)
        return SLICE_ABSENT;
    buffer_clear(&redaction->line);
    buffer_append(&redaction->line, line.data, (size_t)(command->json.data - line.data));
    if (masked && yyjson_is_arr(row))
        append_presence(redaction, row);
    else
        append_row(redaction, rule, row);
    return buffer_slice(&redaction->line);
}

struct slice record_redact(struct record_redaction *redaction, struct slice line, const struct command *command)
{
    if (command->name == COMMAND_RDATA)
        return redact_row(redaction, line, command);
    for (size_t index = 0; index < sizeof command_rules / sizeof *command_rules; index++)
        if (command_rules[index].name == command->name)
            return command_rules[index].keeping == COMMAND_KEPT || redaction->all_streams ? line : SLICE_ABSENT;
    return SLICE_ABSENT;
}
