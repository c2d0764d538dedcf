/* Parameters that name files of a line an entry. The items lie in the file's content, since there may be a million. */
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "filters/parameter_decoding.h"

/* A list that is being filled from a file. */
struct lines_reading {
    const struct decoding *decoding;
    struct text_list *list;
    size_t capacity;
};

static bool add_line(struct lines_reading *reading, struct slice text, uint32_t line)
{
    struct text_list *list = reading->list;
    if (memchr(text.data, '\0', text.length) || !utf8_valid(text)) {
        module_host_report(reading->decoding->host, reading->decoding->parameter->name,
                           "%s, line %" PRIu32 ": not valid UTF-8 text", list->path, line);
        return false;
    }
    if (list->count == reading->capacity) {
        reading->capacity = reading->capacity ? reading->capacity * 2 : 64;
        list->items = memory_reallocate(list->items, reading->capacity * sizeof *list->items);
        list->lines = memory_reallocate(list->lines, reading->capacity * sizeof *list->lines);
    }
    list->lines[list->count] = line;
    list->items[list->count++] = (char *)(uintptr_t)text.data;
    return true;
}

/* Splits a file, whose content the list takes over, into its lines without white space at their ends, blank lines and
 * `#` comments. */
static bool read_lines(struct lines_reading *reading, const char *name, struct buffer *content)
{
    uint32_t line_number = 0;
    bool good = true;
    char *line = (char *)(uintptr_t)buffer_string(content);
    char *end = line + content->length;
    reading->list->path = memory_copy_text(name, strlen(name));
    reading->list->block = line;
    *content = (struct buffer){0};
    while (line < end && good) {
        char *stop = memchr(line, '\n', (size_t)(end - line));
        char *next = stop ? stop + 1 : end;
        if (!stop)
            stop = end;
        line_number++;
        while (line < stop && isspace((unsigned char)*line))
            line++;
        while (stop > line && isspace((unsigned char)stop[-1]))
            stop--;
        if (line < stop && *line != '#') {
            good = add_line(reading, slice_of(line, (size_t)(stop - line)), line_number);
            *stop = '\0';
        }
        line = next;
    }
    return good;
}

/* Reads the file that `value` names into `list`, which is empty. */
static bool read_file(const struct decoding *decoding, const json_t *value, struct text_list *list)
{
    const char *name = json_string_value(value);
    if (!name || !*name) {
        module_host_report(decoding->host, decoding->parameter->name, "must be the path of a file");
        return false;
    }
    struct lines_reading reading = {.decoding = decoding, .list = list};
    struct buffer content = {0};
    struct buffer error = {0};
    bool good = decoding->host->read_file(decoding->host->context, name, &content, &error);
    if (good)
        good = read_lines(&reading, name, &content);
    else
        module_host_report(decoding->host, decoding->parameter->name, "%s", buffer_string(&error));
    buffer_free(&content);
    buffer_free(&error);
    return good;
}

bool decode_lines_file(const struct decoding *decoding, const json_t *value)
{
    text_list_free(decoding->target);
    return read_file(decoding, value, decoding->target);
}

bool decode_lines_files(const struct decoding *decoding, const json_t *value)
{
    struct text_files *files = decoding->target;
    text_files_free(files);
    if (json_is_null(value))
        return true;
    bool single = json_is_string(value);
    if (!single && !json_is_array(value)) {
        module_host_report(decoding->host, decoding->parameter->name, "must be a list of paths of files");
        return false;
    }
    bool good = true;
    size_t count = single ? 1 : json_array_size(value);
    files->lists = memory_allocate_zeroed(count, sizeof *files->lists);
    for (; files->count < count; files->count++)
        good = read_file(decoding, single ? value : json_array_get(value, files->count), &files->lists[files->count]) &&
               good;
    return good;
}

void text_files_free(struct text_files *files)
{
    for (size_t index = 0; index < files->count; index++)
        text_list_free(&files->lists[index]);
    free(files->lists);
    *files = (struct text_files){0};
}

void release_lines_files(const struct parameter *parameter, void *target)
{
    (void)parameter;
    text_files_free(target);
}
