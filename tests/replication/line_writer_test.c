/* Files of lines: read back whole, and as a writer that was killed leaves them. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "replication/line_writer.h"
#include "replication/recording.h"

static char folder[64];
static char path[128];

static void begin(void)
{
    snprintf(folder, sizeof folder, "/tmp/weir-writer-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/file", folder);
}

static void end(void)
{
    unlink(path);
    rmdir(folder);
}

/* How many lines the file has, all of which must be their own number; `*cut_short` as the reader says. */
static unsigned count_lines(bool *cut_short)
{
    struct buffer error = {0};
    struct slice line;
    char wanted[32];
    unsigned count = 0;
    struct line_reader *reader = line_reader_open(path, &error);
    cr_assert_not_null(reader);
    enum line_status status;
    while ((status = line_reader_next(reader, &line, &error)) == LINE_OK) {
        snprintf(wanted, sizeof wanted, "line %u", count++);
        cr_assert(slice_equal(line, slice_from_string(wanted)), "%.*s", (int)line.length, line.data);
    }
    cr_assert_eq(status, LINE_END, "%s", buffer_string(&error));
    *cut_short = line_reader_cut_short(reader);
    line_reader_close(reader);
    buffer_free(&error);
    return count;
}

static void append(struct line_writer *writer, unsigned from, unsigned to)
{
    char line[32];
    for (; from < to; from++) {
        snprintf(line, sizeof line, "line %u", from);
        line_writer_append(writer, slice_from_string(line));
    }
}

static void write_and_read(int level)
{
    begin();
    struct buffer error = {0};
    bool cut_short;
    struct line_writer *writer = line_writer_create(path, level, &error);
    cr_assert_not_null(writer);
    struct stat status;
    stat(path, &status);
    cr_expect_eq(status.st_mode & 0777, 0600u);
    append(writer, 0, 1000);
    cr_expect_eq(count_lines(&cut_short), 0u, "what is not flushed is not there");
    cr_expect(line_writer_flush(writer, &error));
    /* What is flushed is whole although nothing was ended. */
    cr_expect_eq(count_lines(&cut_short), 1000u);
    cr_expect_eq(cut_short, level > 0);
    append(writer, 1000, 200000);
    cr_expect_gt(line_writer_size(writer), 1000u, "a megabyte goes out by itself");
    cr_expect_gt(count_lines(&cut_short), 100000u);
    uint64_t before = line_writer_size(writer);
    cr_expect(line_writer_flush(writer, &error) && line_writer_flush(writer, &error));
    cr_expect_gt(line_writer_size(writer), before);
    cr_expect_gt(line_writer_text_size(writer), 2000000u);
    stat(path, &status);
    cr_expect_eq((uint64_t)status.st_size, line_writer_size(writer));
    cr_expect(line_writer_close(writer, &error));
    cr_expect_eq(count_lines(&cut_short), 200000u);
    cr_expect_not(cut_short);
    cr_expect_null(line_writer_create(path, level, &error), "nothing is overwritten");
    cr_expect_gt(error.length, 0u);
    buffer_free(&error);
    end();
}

Test(line_writer, plain)
{
    write_and_read(0);
}

Test(line_writer, compressed)
{
    write_and_read(LINE_WRITER_LEVEL_DEFAULT);
}

/* A frame ends after so much text, and the lines go on in the next. */
Test(line_writer, several_frames)
{
    begin();
    struct buffer error = {0};
    bool cut_short;
    struct line_writer *writer = line_writer_create(path, 1, &error);
    append(writer, 0, 3000000);
    cr_expect(line_writer_close(writer, &error));
    cr_expect_eq(count_lines(&cut_short), 3000000u);
    cr_expect_not(cut_short);
    buffer_free(&error);
    end();
}

/* Appends to the file what a writer leaves that is killed after its last flush, or (`extra`) in the middle of a block.
 */
static void leave_unfinished(unsigned from, unsigned to, size_t missing)
{
    char other[160];
    struct buffer error = {0}, content = {0};
    snprintf(other, sizeof other, "%s.other", path);
    struct line_writer *writer = line_writer_create(other, 3, &error);
    append(writer, from, to);
    cr_assert(line_writer_flush(writer, &error));
    int source = open(other, O_RDONLY), target = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    size_t size = line_writer_size(writer) - missing;
    cr_assert_eq(read(source, buffer_reserve(&content, size), size), (ssize_t)size);
    cr_assert_eq(write(target, content.data, size), (ssize_t)size);
    close(source);
    close(target);
    line_writer_close(writer, &error);
    unlink(other);
    buffer_free(&error);
    buffer_free(&content);
}

Test(line_writer, unfinished_files_put_together)
{
    begin();
    bool cut_short;
    leave_unfinished(0, 500, 0);
    leave_unfinished(500, 501, 0);
    leave_unfinished(501, 40000, 0);
    cr_expect_eq(count_lines(&cut_short), 40000u);
    cr_expect(cut_short);
    end();
}

/* A block that broke off is lost, and where the next file begins lines are read again. */
Test(line_writer, a_broken_block_in_the_middle)
{
    begin();
    leave_unfinished(0, 30000, 10);
    leave_unfinished(30000, 30010, 0);
    struct buffer error = {0};
    struct slice line;
    unsigned count = 0;
    bool last = false;
    struct line_reader *reader = line_reader_open(path, &error);
    enum line_status status;
    while ((status = line_reader_next(reader, &line, &error)) == LINE_OK) {
        count++;
        last = slice_equal(line, SLICE("line 30009"));
    }
    cr_expect_eq(status, LINE_END, "%s", buffer_string(&error));
    cr_expect(last);
    cr_expect(line_reader_cut_short(reader));
    cr_expect_lt(count, 30000u);
    line_reader_close(reader);
    buffer_free(&error);
    end();
}
