/* Problems are collected, then told in the order of the file, since an administrator mends a file from its top; what
 * finds them (keys by table, then checks of the whole, then the modules) has another order. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "engine/configuration_reader.h"

#define LINE_MAXIMUM 2000u

static void add_problem(struct configuration_reader *reader, const struct configuration_place *place, bool warning,
                        const char *format, va_list arguments)
{
    if (!warning)
        reader->error_count++;
    if (reader->problem_count == CONFIGURATION_PROBLEMS_MAXIMUM)
        return;
    char *sentence;
    if (vasprintf(&sentence, format, arguments) < 0)
        return;
    struct buffer line = {0};
    buffer_append_string(&line, reader->files[place->file].path);
    if (place->mark.line)
        buffer_append_format(&line, ":%u:%u", place->mark.line, place->mark.column);
    if (place->key && *place->key)
        buffer_append_format(&line, ": %s", place->key);
    buffer_append_format(&line, ": %s", sentence);
    free(sentence);
    if (line.length > LINE_MAXIMUM) {
        line.length = LINE_MAXIMUM;
        while (((unsigned char)line.data[line.length] & 0xc0) == 0x80)
            line.length--;
        buffer_append_string(&line, "...");
    }
    for (size_t index = 0; index < line.length; index++)
        if ((unsigned char)line.data[index] < ' ' || line.data[index] == 0x7f)
            line.data[index] = '?';
    if (!reader->problems)
        reader->problems = memory_allocate(CONFIGURATION_PROBLEMS_MAXIMUM * sizeof *reader->problems);
    reader->problems[reader->problem_count] =
        (struct configuration_problem){.number = reader->problem_count,
                                       .file = place->file,
                                       .mark = place->mark,
                                       .warning = warning,
                                       .line = memory_copy_text(line.data, line.length)};
    reader->problem_count++;
    buffer_free(&line);
}

void configuration_error(struct configuration_reader *reader, const struct configuration_place *place,
                         const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add_problem(reader, place, false, format, arguments);
    va_end(arguments);
}

void configuration_warning(struct configuration_reader *reader, const struct configuration_place *place,
                           const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add_problem(reader, place, true, format, arguments);
    va_end(arguments);
}

/* Problems of one place keep the order in which they were found. */
static int compare_problems(const void *left, const void *right)
{
    const struct configuration_problem *first = left, *second = right;
    if (first->file != second->file)
        return first->file < second->file ? -1 : 1;
    if (first->mark.line != second->mark.line)
        return first->mark.line < second->mark.line ? -1 : 1;
    if (first->mark.column != second->mark.column)
        return first->mark.column < second->mark.column ? -1 : 1;
    return (first->number > second->number) - (first->number < second->number);
}

void configuration_report_finish(struct configuration_reader *reader, struct buffer *errors, struct buffer *warnings)
{
    if (reader->problem_count == 0)
        return;
    qsort(reader->problems, reader->problem_count, sizeof *reader->problems, compare_problems);
    for (size_t index = 0; index < reader->problem_count; index++) {
        struct buffer *output = reader->problems[index].warning ? warnings : errors;
        if (output)
            buffer_append_format(output, "%s\n", reader->problems[index].line);
        free(reader->problems[index].line);
    }
    if (reader->problem_count == CONFIGURATION_PROBLEMS_MAXIMUM && errors)
        buffer_append_format(errors, "%s: there are more problems than the 1000 told here\n", reader->files[0].path);
    free(reader->problems);
    reader->problems = NULL;
    reader->problem_count = 0;
}
