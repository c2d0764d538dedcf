/* Text gathers until it is flushed, and only then is it compressed and written: so the file grows by whole blocks. A
 * writer that is killed between two flushes leaves a frame that has no end, of which every block can be read. */
#include "replication/line_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "base/memory.h"

#define GATHERED_MAXIMUM (1u << 20)
/* Enough for the compressor to know the texts by; little enough to lose. */
#define FRAME_TEXT ((uint64_t)16 << 20)

struct line_writer {
    char *path;
    int descriptor;
    ZSTD_CCtx *compressor;  /* NULL: not compressed */
    struct buffer gathered; /* text that is not flushed */
    struct buffer packed;
    uint64_t size;
    uint64_t text_size;
    uint64_t frame_text; /* in the frame that is open */
    int failure;         /* errno of the write that failed; 0: none */
};

static ZSTD_CCtx *compressor_create(int level)
{
    ZSTD_CCtx *compressor = ZSTD_createCCtx();
    if (compressor) {
        ZSTD_CCtx_setParameter(compressor, ZSTD_c_compressionLevel, level);
        ZSTD_CCtx_setParameter(compressor, ZSTD_c_checksumFlag, 1);
    }
    return compressor;
}

struct line_writer *line_writer_create(const char *path, int level, struct buffer *error)
{
    int descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (descriptor < 0) {
        buffer_append_format(error, "%s: %s", path, strerror(errno));
        return NULL;
    }
    ZSTD_CCtx *compressor = level > 0 ? compressor_create(level) : NULL;
    if (level > 0 && !compressor) {
        buffer_append_format(error, "%s: zstd has no memory", path);
        close(descriptor);
        errno = ENOMEM;
        return NULL;
    }
    struct line_writer *writer = memory_allocate_zeroed(1, sizeof *writer);
    writer->path = memory_copy_text(path, strlen(path));
    writer->descriptor = descriptor;
    writer->compressor = compressor;
    return writer;
}

static void write_out(struct line_writer *writer, struct slice bytes)
{
    size_t written = 0;
    while (!writer->failure && written < bytes.length) {
        ssize_t count = write(writer->descriptor, bytes.data + written, bytes.length - written);
        if (count > 0)
            written += (size_t)count;
        else if (errno != EINTR)
            writer->failure = errno;
    }
    writer->size += written;
}

static void compress(struct line_writer *writer, ZSTD_EndDirective end)
{
    ZSTD_inBuffer input = {writer->gathered.data, writer->gathered.length, 0};
    size_t rest;
    buffer_clear(&writer->packed);
    do {
        size_t room = ZSTD_CStreamOutSize();
        ZSTD_outBuffer output = {buffer_reserve(&writer->packed, room), room, 0};
        rest = ZSTD_compressStream2(writer->compressor, &output, &input, end);
        writer->packed.length += output.pos;
    } while (!ZSTD_isError(rest) && rest > 0);
    if (ZSTD_isError(rest))
        writer->failure = EIO;
    else
        write_out(writer, buffer_slice(&writer->packed));
}

/* Nothing is written where nothing came, so that an idle writer does not make empty blocks. */
static void put_out(struct line_writer *writer, bool last)
{
    bool ends = last || writer->frame_text >= FRAME_TEXT;
    if (writer->gathered.length == 0 && !(last && writer->frame_text))
        return;
    if (!writer->compressor)
        write_out(writer, buffer_slice(&writer->gathered));
    else
        compress(writer, ends ? ZSTD_e_end : ZSTD_e_flush);
    if (ends)
        writer->frame_text = 0;
    buffer_clear(&writer->gathered);
}

void line_writer_append(struct line_writer *writer, struct slice line)
{
    buffer_append_slice(&writer->gathered, line);
    buffer_append_char(&writer->gathered, '\n');
    writer->text_size += line.length + 1;
    writer->frame_text += line.length + 1;
    if (writer->gathered.length >= GATHERED_MAXIMUM)
        put_out(writer, false);
}

static bool report(const struct line_writer *writer, struct buffer *error)
{
    if (writer->failure)
        buffer_append_format(error, "%s cannot be written: %s", writer->path, strerror(writer->failure));
    return !writer->failure;
}

bool line_writer_flush(struct line_writer *writer, struct buffer *error)
{
    put_out(writer, false);
    return report(writer, error);
}

bool line_writer_close(struct line_writer *writer, struct buffer *error)
{
    if (!writer)
        return true;
    put_out(writer, true);
    if (!writer->failure && (fsync(writer->descriptor) != 0 && errno != EINVAL))
        writer->failure = errno;
    if (close(writer->descriptor) != 0 && !writer->failure)
        writer->failure = errno;
    bool good = report(writer, error);
    ZSTD_freeCCtx(writer->compressor);
    buffer_free(&writer->gathered);
    buffer_free(&writer->packed);
    free(writer->path);
    free(writer);
    return good;
}

uint64_t line_writer_size(const struct line_writer *writer)
{
    return writer->size;
}

uint64_t line_writer_text_size(const struct line_writer *writer)
{
    return writer->text_size;
}

const char *line_writer_path(const struct line_writer *writer)
{
    return writer->path;
}
