/* Recordings run to gigabytes, so a file passes through one window: bytes are read (or decompressed) behind what is not
 * yet given out, and only the rest of a line is ever moved. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "base/memory.h"
#include "replication/recording.h"

#define READ_SIZE (256u << 10)

static const unsigned char zstd_magic[4] = {0x28, 0xb5, 0x2f, 0xfd};

struct line_reader {
    int descriptor;
    bool end_of_file;
    bool failed;
    bool started;         /* the first bytes were looked at */
    bool skipping;        /* within a line that is too long */
    ZSTD_DStream *stream; /* NULL for a plain file */
    bool frame_open;      /* a frame of zstd has begun and not ended */
    bool more_output;     /* the decompressor holds text that had no room */
    bool cut_short;       /* a frame broke off before its end */
    struct buffer input;  /* compressed bytes; unused for a plain file */
    size_t input_position;
    struct buffer window; /* text; [start, length) is not given out */
    size_t start;
    size_t searched; /* no line break in [start, searched) */
    uint64_t number;
    uint64_t done;
    uint64_t size;
    char *path;
    struct buffer fault; /* why line_reader_block cannot go on */
};

static void fail(struct line_reader *reader, struct buffer *error, const char *what)
{
    reader->failed = true;
    buffer_append_format(error, "%s: %s", reader->path, what);
}

struct line_reader *line_reader_open(const char *path, struct buffer *error)
{
    int descriptor = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (descriptor < 0 || fstat(descriptor, &status) != 0) {
        buffer_append_format(error, "%s: %s", path, strerror(errno));
        if (descriptor >= 0)
            close(descriptor);
        return NULL;
    }
    struct line_reader *reader = memory_allocate_zeroed(1, sizeof *reader);
    reader->descriptor = descriptor;
    reader->size = S_ISREG(status.st_mode) ? (uint64_t)status.st_size : 0;
    reader->path = memory_copy_text(path, strlen(path));
    return reader;
}

void line_reader_close(struct line_reader *reader)
{
    if (!reader)
        return;
    close(reader->descriptor);
    ZSTD_freeDStream(reader->stream);
    buffer_free(&reader->input);
    buffer_free(&reader->window);
    buffer_free(&reader->fault);
    free(reader->path);
    free(reader);
}

/* Reads behind the content of `buffer`. False at an error; at the end of the file `end_of_file` is set. */
static bool read_file(struct line_reader *reader, struct buffer *buffer, struct buffer *error)
{
    char *target = buffer_reserve(buffer, READ_SIZE);
    ssize_t count;
    do
        count = read(reader->descriptor, target, READ_SIZE);
    while (count < 0 && errno == EINTR);
    if (count < 0) {
        fail(reader, error, strerror(errno));
        return false;
    }
    reader->end_of_file = count == 0;
    buffer->length += (size_t)count;
    reader->done += (uint64_t)count;
    return true;
}

/* Up to where the decompressor may read at once: to what looks like the beginning of another frame, since a call that
 * fails gives nothing of what it had read before. By chance that is found once in four gigabytes, and does no harm. */
static size_t next_frame(const struct line_reader *reader)
{
    size_t from = reader->input_position + 1;
    const char *found = from < reader->input.length ? memmem(reader->input.data + from, reader->input.length - from,
                                                             zstd_magic, sizeof zstd_magic)
                                                    : NULL;
    return found ? (size_t)(found - reader->input.data) : reader->input.length;
}

/* Where files were put together of which one broke off (its writer was killed), the next one's frame begins in the
 * middle of a frame. What was read of the broken line ends there. False if no frame begins at the place or behind. */
static bool skip_to_next_frame(struct line_reader *reader)
{
    const char *from = reader->input.data + reader->input_position;
    size_t rest = reader->input.length - reader->input_position;
    const char *found = reader->frame_open ? memmem(from, rest, zstd_magic, sizeof zstd_magic) : NULL;
    if (!found)
        return false;
    ZSTD_DCtx_reset(reader->stream, ZSTD_reset_session_only);
    reader->input_position = (size_t)(found - reader->input.data);
    reader->frame_open = reader->more_output = false;
    reader->cut_short = true;
    if (reader->window.length > reader->start)
        buffer_append_char(&reader->window, '\n');
    return true;
}

/* More of a compressed file's text, or its end. A file that ends within a frame was cut short: what is there counts. */
static bool decompress(struct line_reader *reader, struct buffer *error)
{
    if (reader->input_position == reader->input.length && !reader->more_output) {
        buffer_clear(&reader->input);
        reader->input_position = 0;
        if (!read_file(reader, &reader->input, error))
            return false;
        if (reader->end_of_file) {
            reader->cut_short = reader->cut_short || reader->frame_open;
            return true;
        }
    }
    ZSTD_inBuffer input = {reader->input.data, next_frame(reader), reader->input_position};
    ZSTD_outBuffer output = {buffer_reserve(&reader->window, READ_SIZE), READ_SIZE, 0};
    size_t result = ZSTD_decompressStream(reader->stream, &output, &input);
    if (ZSTD_isError(result) && skip_to_next_frame(reader))
        return true;
    if (ZSTD_isError(result)) {
        buffer_append_format(error, "%s: not readable as zstd: %s", reader->path, ZSTD_getErrorName(result));
        reader->failed = true;
        return false;
    }
    reader->frame_open = result != 0;
    reader->more_output = reader->frame_open && output.pos == output.size;
    reader->input_position = input.pos;
    reader->window.length += output.pos;
    return true;
}

/* Decides from the first bytes whether the file is compressed. A file may be shorter than the magic number, and a pipe
 * may give it in pieces. */
static bool begin(struct line_reader *reader, struct buffer *error)
{
    while (reader->window.length < sizeof zstd_magic && !reader->end_of_file)
        if (!read_file(reader, &reader->window, error))
            return false;
    reader->started = true;
    if (reader->window.length < sizeof zstd_magic || memcmp(reader->window.data, zstd_magic, sizeof zstd_magic) != 0)
        return true;
    reader->stream = ZSTD_createDStream();
    if (!reader->stream) {
        fail(reader, error, "zstd has no memory");
        return false;
    }
    struct buffer empty = reader->input;
    reader->input = reader->window;
    reader->window = empty;
    reader->end_of_file = false;
    return true;
}

/* Puts more text into the window, or finds the end of the file. */
static bool fill(struct line_reader *reader, struct buffer *error)
{
    if (!reader->started && !begin(reader, error))
        return false;
    if (reader->start) {
        reader->window.length -= reader->start;
        memmove(reader->window.data, reader->window.data + reader->start, reader->window.length);
        reader->searched -= reader->start;
        reader->start = 0;
    }
    if (reader->window.length > reader->searched || reader->end_of_file)
        return true;
    return reader->stream ? decompress(reader, error) : read_file(reader, &reader->window, error);
}

/* Whether the file ended within a frame: what stands behind its last line break is no line. */
static bool broke_off(const struct line_reader *reader)
{
    return reader->cut_short && reader->frame_open;
}

/* The text [start, end) as a line, whose next one begins at `next`. */
static enum line_status give_line(struct line_reader *reader, size_t end, size_t next, struct slice *line)
{
    const char *text = reader->window.data + reader->start;
    size_t length = end - reader->start;
    bool too_long = reader->skipping || length > RECORDING_LINE_MAXIMUM;
    if (next > end && length && text[length - 1] == '\r')
        length--;
    *line = too_long ? SLICE_ABSENT : slice_of(text, length);
    reader->start = reader->searched = next;
    reader->skipping = false;
    reader->number++;
    return too_long ? LINE_TOO_LONG : LINE_OK;
}

enum line_status line_reader_next(struct line_reader *reader, struct slice *line, struct buffer *error)
{
    *line = SLICE_ABSENT;
    while (!reader->failed) {
        size_t rest = reader->window.length - reader->searched;
        const char *found = rest ? memchr(reader->window.data + reader->searched, '\n', rest) : NULL;
        if (found) {
            size_t end = (size_t)(found - reader->window.data);
            return give_line(reader, end, end + 1, line);
        }
        reader->searched = reader->window.length;
        if (reader->window.length - reader->start > RECORDING_LINE_MAXIMUM) {
            reader->skipping = true;
            reader->start = reader->searched;
        }
        if (reader->started && reader->end_of_file) {
            if ((reader->start == reader->window.length && !reader->skipping) || broke_off(reader))
                return LINE_END;
            return give_line(reader, reader->window.length, reader->window.length, line);
        }
        if (!fill(reader, error))
            break;
    }
    if (error->length == 0)
        buffer_append_format(error, "%s: cannot be read any further", reader->path);
    return LINE_FAILED;
}

/* What line_reader_block knows of the text in the window, from its start on. */
struct looked {
    size_t whole; /* bytes of whole lines */
    size_t length;
};

/* Looks at what is new. A last line without a line break is whole at the end of the file, unless that broke off. */
static void look_for_lines(const struct line_reader *reader, struct looked *looked)
{
    size_t length = reader->window.length - reader->start;
    const char *text = buffer_slice(&reader->window).data + reader->start;
    const char *last = memrchr(text + looked->length, '\n', length - looked->length);
    if (last)
        looked->whole = (size_t)(last - text) + 1;
    if (reader->started && reader->end_of_file && !reader->failed && !broke_off(reader))
        looked->whole = length;
    looked->length = length;
}

/* Passes over a line that is longer than any may be, as far as it was read; true once its end was found. */
static bool skip_long_line(struct line_reader *reader)
{
    const char *text = buffer_slice(&reader->window).data + reader->start;
    const char *end = memchr(text, '\n', reader->window.length - reader->start);
    reader->skipping = !end;
    reader->start = end ? (size_t)(end + 1 - reader->window.data) : reader->window.length;
    return end || (reader->started && reader->end_of_file);
}

/* Gives the window itself out where that is possible: only what stands behind the lines is copied. */
static void give_block(struct line_reader *reader, size_t whole, size_t size, struct buffer *block)
{
    if (block->length || reader->start) {
        buffer_append(block, reader->window.data + reader->start, whole);
        reader->start += whole;
    } else {
        struct buffer window = *block;
        *block = reader->window;
        (void)buffer_reserve(&window, size + READ_SIZE);
        buffer_append(&window, block->data + whole, block->length - whole);
        block->length = whole;
        reader->window = window;
    }
    reader->searched = reader->start;
}

enum line_status line_reader_block(struct line_reader *reader, size_t size, struct buffer *block, uint64_t *too_long,
                                   struct buffer *error)
{
    struct looked looked = {0};
    for (;;) {
        if (reader->skipping) {
            *too_long += skip_long_line(reader);
            looked = (struct looked){0};
        }
        bool ended = reader->failed || (reader->started && reader->end_of_file);
        if (!reader->skipping)
            look_for_lines(reader, &looked);
        if (looked.whole && (ended || looked.whole >= size)) {
            give_block(reader, looked.whole, size, block);
            return LINE_OK;
        }
        if (ended)
            break;
        if (!looked.whole && looked.length > RECORDING_LINE_MAXIMUM)
            reader->skipping = true;
        reader->searched = reader->window.length;
        (void)fill(reader, &reader->fault);
    }
    if (reader->failed)
        buffer_append_slice(error, buffer_slice(&reader->fault));
    return reader->failed ? LINE_FAILED : LINE_END;
}

uint64_t line_reader_number(const struct line_reader *reader)
{
    return reader->number;
}

void line_reader_progress(const struct line_reader *reader, uint64_t *done, uint64_t *size)
{
    *done = reader->done;
    *size = reader->size;
}

bool line_reader_cut_short(const struct line_reader *reader)
{
    return reader->cut_short;
}

bool recording_load(const char *path, size_t limit, struct buffer *content, bool *cut_short, struct buffer *error)
{
    struct line_reader *reader = line_reader_open(path, error);
    if (!reader)
        return false;
    bool good = true;
    while (good && !(reader->started && reader->end_of_file)) {
        reader->searched = reader->window.length;
        good = fill(reader, error);
        if (good && reader->window.length > limit) {
            fail(reader, error, "the file is too large");
            good = false;
        }
    }
    if (good) {
        *content = reader->window;
        reader->window = (struct buffer){0};
        if (cut_short)
            *cut_short = reader->cut_short;
    }
    line_reader_close(reader);
    return good;
}
