/* Tens of thousands of lines a second pass here and most are of streams that nobody asks about, so a line is only
 * split: a table of letters says which argument goes where, and the one pass over every byte is the check for UTF-8. */
#include "replication/command.h"

#include "base/utf8.h"
#include "replication/json.h"

struct command_definition {
    const char *name;
    const char *fields;
    uint8_t name_length;
    bool secret;
};

static const struct command_definition definitions[COMMAND_COUNT] = {
#define COMMAND(name, fields, secret) {#name, fields, sizeof(#name) - 1, secret},
#include "replication/commands.def"
#undef COMMAND
};

enum field_kind {
    FIELD_NONE,
    FIELD_TEXT,
    FIELD_INTEGER,
    FIELD_LONE_INTEGER,   /* FEDERATION_ACK splits at every space, so that none may follow (replication.md 2.1, 4) */
    FIELD_TOKEN_OR_BATCH, /* `batch` in place of an integer */
};

struct field {
    uint16_t offset; /* in struct command */
    uint16_t kind;
};

/* The letters of commands.def. */
static const struct field fields_by_letter[128] = {
    ['s'] = {offsetof(struct command, stream_name), FIELD_TEXT},
    ['w'] = {offsetof(struct command, instance_name), FIELD_TEXT},
    ['t'] = {offsetof(struct command, token), FIELD_TOKEN_OR_BATCH},
    ['T'] = {offsetof(struct command, token), FIELD_LONE_INTEGER},
    ['p'] = {offsetof(struct command, previous_token), FIELD_INTEGER},
    ['n'] = {offsetof(struct command, new_token), FIELD_INTEGER},
    ['j'] = {offsetof(struct command, json), FIELD_TEXT},
    ['d'] = {offsetof(struct command, data), FIELD_TEXT},
    ['i'] = {offsetof(struct command, instance_id), FIELD_TEXT},
    ['u'] = {offsetof(struct command, user_id), FIELD_TEXT},
};

static const char no_utf8[] = "the line is not UTF-8";
static const char too_few_arguments[] = "the command has too few arguments";
static const char no_integer[] = "a token or time is no integer of 64 bits";
static const char no_sync_state[] = "USER_SYNC says neither `start` nor `end`";
static const char line_break[] = "the command holds a line break";

const char *command_name_text(enum command_name name)
{
    return definitions[name].name;
}

bool command_is_secret(enum command_name name)
{
    return definitions[name].secret;
}

/* What str.isspace() of Python calls white space. */
static bool is_space(uint32_t point)
{
    return (point >= 9 && point <= 13) || (point >= 28 && point <= 32) || point == 0x85 || point == 0xa0 ||
           point == 0x1680 || (point >= 0x2000 && point <= 0x200a) || point == 0x2028 || point == 0x2029 ||
           point == 0x202f || point == 0x205f || point == 0x3000;
}

static bool is_blank(struct slice line)
{
    const unsigned char *cursor = (const unsigned char *)line.data;
    const unsigned char *end = cursor + line.length;
    while (cursor < end)
        if (!is_space(utf8_decode(&cursor, end)))
            return false;
    return true;
}

static inline uint64_t load_word(const char *cursor)
{
    uint64_t word;
    memcpy(&word, cursor, sizeof word);
    return word;
}

/* The last eight bytes may be looked at twice. */
static inline bool is_ascii(struct slice text)
{
    const char *cursor = text.data;
    const char *end = cursor + text.length;
    uint64_t seen = 0;
    for (; end - cursor >= 32; cursor += 32)
        seen |= (load_word(cursor) | load_word(cursor + 8)) | (load_word(cursor + 16) | load_word(cursor + 24));
    for (; end - cursor >= 8; cursor += 8)
        seen |= load_word(cursor);
    if (text.length >= 8)
        seen |= load_word(end - 8);
    else
        for (; cursor < end; cursor++)
            seen |= (unsigned char)*cursor;
    return (seen & 0x8080808080808080u) == 0;
}

/* Member by member: of the whole at once the compiler makes a string instruction, which costs as much as the parsing.
 */
static inline void clear_command(struct command *command)
{
    command->name = COMMAND_COUNT;
    command->stream_name = command->instance_name = command->json = command->data = SLICE_ABSENT;
    command->instance_id = command->user_id = command->device_id = SLICE_ABSENT;
    command->batch = command->has_device_id = command->is_syncing = false;
    command->token = command->previous_token = command->new_token = command->last_sync_ms = 0;
}

/* The first space, or `end`. Eight bytes at once: arguments are too short for memchr to pay. */
static inline const char *find_space(const char *cursor, const char *end)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    while (end - cursor >= 8) {
        uint64_t word;
        memcpy(&word, cursor, sizeof word);
        word ^= 0x2020202020202020u;
        uint64_t zero = (word - 0x0101010101010101u) & ~word & 0x8080808080808080u;
        if (zero)
            return cursor + (__builtin_ctzll(zero) >> 3);
        cursor += 8;
    }
#endif
    while (cursor < end && *cursor != ' ')
        cursor++;
    return cursor;
}

/* Takes what stands before the next space off `rest`; false if there is no space. */
static inline bool take_argument(struct slice *rest, struct slice *argument)
{
    const char *end = rest->data + rest->length;
    const char *space = find_space(rest->data, end);
    if (space == end)
        return false;
    *argument = slice_of(rest->data, (size_t)(space - rest->data));
    *rest = slice_of(space + 1, (size_t)(end - space - 1));
    return true;
}

/* int() without white space around it: sign, digits, single underscores between them. */
static bool parse_digits(struct slice text, int64_t *value)
{
    enum { DIGITS_MAXIMUM = 4300 };
    const char *cursor = text.data;
    const char *end = cursor + text.length;
    bool negative = cursor < end && *cursor == '-';
    if (cursor < end && (*cursor == '-' || *cursor == '+'))
        cursor++;
    uint64_t limit = (uint64_t)INT64_MAX + negative;
    uint64_t number = 0;
    size_t digits = 0;
    bool after_digit = false;
    for (; cursor < end; cursor++) {
        unsigned digit = (unsigned char)*cursor - (unsigned)'0';
        if (*cursor == '_' && after_digit) {
            after_digit = false;
            continue;
        }
        if (digit > 9 || ++digits > DIGITS_MAXIMUM)
            return false;
        if (number > limit / 10 || number * 10 > limit - digit)
            return false;
        number = number * 10 + digit;
        after_digit = true;
    }
    if (!after_digit)
        return false;
    *value = (int64_t)(negative ? 0 - number : number);
    return true;
}

bool command_parse_integer(struct slice text, int64_t *value)
{
    /* As all writers write it: at most 18 digits, which cannot overflow. */
    if (text.length - 1 < 18) {
        int64_t number = 0;
        size_t index = 0;
        for (; index < text.length; index++) {
            unsigned digit = (unsigned char)text.data[index] - (unsigned)'0';
            if (digit > 9)
                break;
            number = number * 10 + digit;
        }
        if (index == text.length) {
            *value = number;
            return true;
        }
    }
    while (text.length && (unsigned char)text.data[0] < 128 && is_space((unsigned char)text.data[0]))
        text = slice_of(text.data + 1, text.length - 1);
    while (text.length && (unsigned char)text.data[text.length - 1] < 128 &&
           is_space((unsigned char)text.data[text.length - 1]))
        text.length--;
    return parse_digits(text, value);
}

static inline bool store_field(struct command *command, struct field field, struct slice argument)
{
    void *target = (char *)command + field.offset;
    if (field.kind == FIELD_TEXT) {
        *(struct slice *)target = argument;
        return true;
    }
    if (field.kind == FIELD_TOKEN_OR_BATCH && argument.length && argument.data[0] == 'b' &&
        slice_equal(argument, SLICE("batch"))) {
        command->batch = true;
        return true;
    }
    if (field.kind == FIELD_LONE_INTEGER && memchr(argument.data, ' ', argument.length))
        return false;
    return command_parse_integer(argument, target);
}

static bool parse_fields(const char *letters, struct slice rest, struct command *command, const char **problem)
{
    for (; *letters; letters++) {
        struct slice argument = rest;
        if (letters[1] && !take_argument(&rest, &argument)) {
            *problem = too_few_arguments;
            return false;
        }
        if (!store_field(command, fields_by_letter[(unsigned char)*letters], argument)) {
            *problem = no_integer;
            return false;
        }
    }
    return true;
}

/* What follows the ids: `[device_id] start|end last_sync_ms`. */
static bool parse_sync_state(struct slice rest, bool with_device, struct command *command, const char **problem)
{
    struct slice device = SLICE_ABSENT;
    struct slice state;
    if ((with_device && !take_argument(&rest, &device)) || !take_argument(&rest, &state)) {
        *problem = too_few_arguments;
        return false;
    }
    bool start = slice_equal(state, SLICE("start"));
    if (!start && !slice_equal(state, SLICE("end"))) {
        *problem = no_sync_state;
        return false;
    }
    if (!command_parse_integer(rest, &command->last_sync_ms)) {
        *problem = no_integer;
        return false;
    }
    command->is_syncing = start;
    command->has_device_id = with_device;
    command->device_id = slice_equal(device, SLICE("None")) ? SLICE_ABSENT : device;
    return true;
}

/* Two forms, the newer with a device id. A line that the newer refuses may still be good in the older, whose time may
 * be followed by a space. */
static bool parse_user_sync(struct slice rest, struct command *command, const char **problem)
{
    if (!take_argument(&rest, &command->instance_id) || !take_argument(&rest, &command->user_id)) {
        *problem = too_few_arguments;
        return false;
    }
    return parse_sync_state(rest, true, command, problem) || parse_sync_state(rest, false, command, problem);
}

static inline const struct command_definition *find_definition(struct slice name)
{
    for (size_t index = 0; index < COMMAND_COUNT && name.length; index++)
        if (definitions[index].name_length == name.length && definitions[index].name[0] == name.data[0] &&
            memcmp(definitions[index].name, name.data, name.length) == 0)
            return &definitions[index];
    return NULL;
}

enum command_status command_parse(struct slice line, struct command *command, const char **problem)
{
    clear_command(command);
    *problem = NULL;
    if (line.length == 0)
        return COMMAND_BLANK;
    if (!is_ascii(line) && !utf8_valid(line)) {
        *problem = no_utf8;
        return COMMAND_INVALID;
    }
    struct slice rest = line;
    struct slice name;
    if (!take_argument(&rest, &name)) {
        name = line;
        rest = slice_of(line.data + line.length, 0);
    }
    const struct command_definition *definition = find_definition(name);
    if (!definition) {
        if (is_blank(line))
            return COMMAND_BLANK;
        *problem = "the command is not known";
        return COMMAND_UNKNOWN;
    }
    command->name = (enum command_name)(definition - definitions);
    bool good = definition->fields[0] == 'y' ? parse_user_sync(rest, command, problem)
                                             : parse_fields(definition->fields, rest, command, problem);
    if (!good)
        return COMMAND_INVALID;
    *problem = NULL;
    return COMMAND_OK;
}

/* The elements that Synapse unpacks, of the commands that are an array. */
static size_t elements_wanted(enum command_name name)
{
    return name == COMMAND_USER_IP ? 5 : name == COMMAND_LOCK_RELEASED ? 3 : 0;
}

yyjson_doc *command_json(const struct command *command, const yyjson_alc *allocator, const char **problem)
{
    yyjson_doc *document = json_read(command->json, allocator, problem);
    size_t wanted = elements_wanted(command->name);
    if (document && wanted && yyjson_arr_size(yyjson_doc_get_root(document)) != wanted) {
        *problem = "the command's array has the wrong number of elements";
        yyjson_doc_free(document);
        return NULL;
    }
    return document;
}

static bool write_json(const struct command *command, struct buffer *output, const char **problem)
{
    yyjson_doc *document = command_json(command, NULL, problem);
    if (!document)
        return false;
    bool written = json_write(yyjson_doc_get_root(document), output, problem);
    yyjson_doc_free(document);
    return written;
}

static bool write_field(const struct command *command, char letter, struct buffer *output, const char **problem)
{
    struct field field = fields_by_letter[(unsigned char)letter];
    const void *source = (const char *)command + field.offset;
    if (letter == 'j')
        return write_json(command, output, problem);
    if (field.kind == FIELD_TEXT)
        buffer_append_slice(output, *(const struct slice *)source);
    else if (field.kind == FIELD_TOKEN_OR_BATCH && command->batch)
        buffer_append_string(output, "batch");
    else
        buffer_append_integer(output, *(const int64_t *)source);
    return true;
}

static bool write_fields(const struct command *command, struct buffer *output, const char **problem)
{
    for (const char *letter = definitions[command->name].fields; *letter; letter++) {
        if (!write_field(command, *letter, output, problem))
            return false;
        if (letter[1])
            buffer_append_char(output, ' ');
    }
    return true;
}

static void write_user_sync(const struct command *command, struct buffer *output)
{
    buffer_append_slice(output, command->instance_id);
    buffer_append_char(output, ' ');
    buffer_append_slice(output, command->user_id);
    buffer_append_char(output, ' ');
    if (command->has_device_id) {
        buffer_append_slice(output, slice_present(command->device_id) ? command->device_id : SLICE("None"));
        buffer_append_char(output, ' ');
    }
    buffer_append_string(output, command->is_syncing ? "start " : "end ");
    buffer_append_integer(output, command->last_sync_ms);
}

bool command_write(const struct command *command, struct buffer *output, const char **problem)
{
    size_t start = output->length;
    bool written = true;
    buffer_append_string(output, definitions[command->name].name);
    buffer_append_char(output, ' ');
    if (definitions[command->name].fields[0] == 'y')
        write_user_sync(command, output);
    else
        written = write_fields(command, output, problem);
    if (written && memchr(output->data + start, '\n', output->length - start)) {
        *problem = line_break;
        written = false;
    }
    if (!written)
        output->length = start;
    return written;
}
