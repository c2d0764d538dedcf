/* A book for each (stream, writer), as in replication.md 5.1 and 5.3. A writer whose first recorded line is a POSITION
 * stood at its previous token; one that begins with a row stood below that row, and the row of a batch has no token of
 * its own but that of the batch's last row. */
#include "engine/playback.h"

#include <stdlib.h>

#include "base/memory.h"
#include "base/string_table.h"
#include "replication/command.h"

/* More (stream, writer) pairs than any deployment has; those beyond are played and not answered for. */
#define BOOKS_MAXIMUM 65536

struct book {
    char *stream;
    char *writer;
    uint32_t stream_index;
    bool known; /* its initial token was found */
    int64_t initial;
    int64_t current;
};

struct stream_tokens {
    int64_t greatest;
    int64_t offset;
};

struct playback {
    struct string_table *book_index; /* "<stream> <writer>" */
    struct book *books;
    size_t book_count;
    struct string_table *stream_index;
    struct stream_tokens *streams;
    size_t stream_count;
    bool first_round;
    struct buffer line;
};

struct playback *playback_create(void)
{
    struct playback *playback = memory_allocate_zeroed(1, sizeof *playback);
    playback->book_index = string_table_create();
    playback->stream_index = string_table_create();
    playback->first_round = true;
    return playback;
}

void playback_destroy(struct playback *playback)
{
    if (!playback)
        return;
    for (size_t index = 0; index < playback->book_count; index++) {
        free(playback->books[index].stream);
        free(playback->books[index].writer);
    }
    free(playback->books);
    free(playback->streams);
    string_table_destroy(playback->book_index);
    string_table_destroy(playback->stream_index);
    buffer_free(&playback->line);
    free(playback);
}

/* True if `line` is an RDATA or a POSITION, which alone have positions. */
static bool read_positioned(struct slice line, struct command *command)
{
    const char *problem;
    if (!slice_starts_with(line, SLICE("RDATA ")) && !slice_starts_with(line, SLICE("POSITION ")))
        return false;
    return command_parse(line, command, &problem) == COMMAND_OK;
}

/* Stream and writer stand side by side in the line, one space between them. */
static struct slice key_of(const struct command *command)
{
    const char *end = command->instance_name.data + command->instance_name.length;
    return slice_of(command->stream_name.data, (size_t)(end - command->stream_name.data));
}

static uint32_t add_stream(struct playback *playback, struct slice name)
{
    uint32_t index = string_table_find(playback->stream_index, name);
    if (index != STRING_TABLE_NONE)
        return index;
    index = (uint32_t)playback->stream_count++;
    playback->streams = memory_reallocate(playback->streams, playback->stream_count * sizeof *playback->streams);
    playback->streams[index] = (struct stream_tokens){0};
    string_table_add(playback->stream_index, name, index);
    return index;
}

static struct book *find_book(struct playback *playback, const struct command *command)
{
    uint32_t index = string_table_find(playback->book_index, key_of(command));
    return index == STRING_TABLE_NONE ? NULL : &playback->books[index];
}

static struct book *add_book(struct playback *playback, const struct command *command)
{
    struct book *book = find_book(playback, command);
    if (book || playback->book_count == BOOKS_MAXIMUM)
        return book;
    size_t index = playback->book_count++;
    playback->books = memory_reallocate(playback->books, playback->book_count * sizeof *playback->books);
    book = &playback->books[index];
    *book = (struct book){
        .stream = memory_copy_text(command->stream_name.data, command->stream_name.length),
        .writer = memory_copy_text(command->instance_name.data, command->instance_name.length),
        .stream_index = add_stream(playback, command->stream_name),
    };
    string_table_add(playback->book_index, key_of(command), (uint32_t)index);
    return book;
}

void playback_scan(struct playback *playback, struct slice line)
{
    struct command command;
    struct book *book = read_positioned(line, &command) ? add_book(playback, &command) : NULL;
    if (!book || command.batch)
        return;
    bool is_position = command.name == COMMAND_POSITION;
    int64_t token = is_position ? command.new_token : command.token;
    if (!book->known) {
        book->known = true;
        book->initial = is_position ? command.previous_token : token > INT64_MIN ? token - 1 : token;
        book->current = book->initial;
    }
    struct stream_tokens *stream = &playback->streams[book->stream_index];
    if (is_position && command.previous_token > token)
        token = command.previous_token;
    if (token > stream->greatest)
        stream->greatest = token;
}

static void append_position(struct buffer *output, const struct book *book, int64_t previous, int64_t token)
{
    buffer_append_format(output, "POSITION %s %s %lld %lld", book->stream, book->writer, (long long)previous,
                         (long long)token);
}

static void append_row(struct buffer *output, const struct command *command, int64_t token)
{
    buffer_append_string(output, "RDATA ");
    buffer_append_slice(output, key_of(command));
    buffer_append_char(output, ' ');
    buffer_append_integer(output, token);
    buffer_append_char(output, ' ');
    buffer_append_slice(output, command->json);
}

struct slice playback_play(struct playback *playback, struct slice line, struct buffer *scratch)
{
    struct command command;
    struct book *book = read_positioned(line, &command) ? find_book(playback, &command) : NULL;
    if (!book || command.batch)
        return line;
    /* The greatest token and its offset were seen to fit together; smaller ones do too. */
    int64_t offset = playback->streams[book->stream_index].offset;
    bool is_position = command.name == COMMAND_POSITION;
    book->current = offset + (is_position ? command.new_token : command.token);
    if (playback->first_round)
        return line;
    buffer_clear(scratch);
    if (is_position)
        append_position(scratch, book, offset + command.previous_token, book->current);
    else
        append_row(scratch, &command, book->current);
    return buffer_slice(scratch);
}

bool playback_next_round(struct playback *playback)
{
    for (size_t index = 0; index < playback->stream_count; index++) {
        const struct stream_tokens *stream = &playback->streams[index];
        int64_t after;
        if (__builtin_mul_overflow(stream->greatest, 2, &after) ||
            __builtin_add_overflow(after, stream->offset, &after))
            return false;
    }
    for (size_t index = 0; index < playback->stream_count; index++)
        playback->streams[index].offset += playback->streams[index].greatest;
    playback->first_round = false;
    return true;
}

void playback_positions(struct playback *playback, void (*publish)(void *context, struct slice line), void *context)
{
    for (size_t index = 0; index < playback->book_count; index++) {
        const struct book *book = &playback->books[index];
        if (!book->known)
            continue;
        buffer_clear(&playback->line);
        append_position(&playback->line, book, book->current, book->current);
        publish(context, buffer_slice(&playback->line));
    }
}

void playback_bridge(struct playback *playback, void (*publish)(void *context, struct slice line), void *context)
{
    for (size_t index = 0; index < playback->book_count; index++) {
        struct book *book = &playback->books[index];
        int64_t start = book->initial + playback->streams[book->stream_index].offset;
        if (!book->known || start <= book->current)
            continue;
        buffer_clear(&playback->line);
        append_position(&playback->line, book, book->current, start);
        book->current = start;
        publish(context, buffer_slice(&playback->line));
    }
}
