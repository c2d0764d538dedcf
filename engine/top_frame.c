/* Lines that always stand come first; the table of modules takes what the writers leave, but at least some lines, and
 * is moved so that the chosen module is seen. */
#include "engine/top_frame.h"

#include <math.h>
#include <stdlib.h>

#include "engine/admin_json.h"
#include "engine/admin_tables.h"
#include "engine/human_text.h"
#include "engine/tail_format.h"
#include "engine/text_table.h"

#define HEAD_LINES 5u
#define MODULES_LEAST 4u
#define WRITERS_MOST 6u

static const char keys[] = "q quit  h help  s sort  up/down choose  d dry run  p pause";
static const char help[] = "weir top: how much of everything there is in a second, between the last two looks\n"
                           "\n"
                           "  q        quit\n"
                           "  h ?      this page, and back\n"
                           "  s        sort the modules by the next column: place, denied, dry run, asked, time\n"
                           "  up k     choose the module above\n"
                           "  down j   choose the module below\n"
                           "  d        put the chosen module into dry run, or have it decide again, after a question;\n"
                           "           until the next reload or restart\n"
                           "  p space  pause, and go on\n"
                           "\n"
                           "denied   verdicts that refuse; % of those that were asked\n"
                           "dry run  verdicts that would have refused\n"
                           "raised   times that the module failed\n"
                           "ns       nanoseconds for each question, of every 256th event\n"
                           "core     the share of a processor that the module takes\n"
                           "lag      from Synapse to the verdict; behind: tokens that are known and not judged\n";

static void end_line(struct top_frame *frame, enum top_mark mark)
{
    buffer_append_char(&frame->text, '\n');
    buffer_append_char(&frame->marks, (char)mark);
}

static void append_rate(struct buffer *output, const char *before, double rate)
{
    buffer_append_string(output, before);
    if (isnan(rate))
        buffer_append_char(output, '-');
    else
        human_append_rate(output, rate);
}

static void append_shown(struct buffer *output, yyjson_val *root, const char *path)
{
    struct slice text = admin_json_text(root, path);
    tail_append_visible(output, slice_present(text) ? text : SLICE("?"));
}

static void append_time(struct buffer *output, const char *before, double seconds)
{
    buffer_append_string(output, before);
    human_append_seconds(output, seconds);
}

static void append_count(struct buffer *output, const char *before, yyjson_val *root, const char *path)
{
    buffer_append_string(output, before);
    admin_append_count(output, admin_json_number(root, path));
}

static void append_title(struct top_frame *frame, const struct top_samples *samples, const struct top_view *view)
{
    yyjson_val *status = samples->current;
    struct buffer *text = &frame->text;
    bool ready = admin_json_is_true(status, "/ready");
    append_shown(text, status, "/instance");
    buffer_append_string(text, " of ");
    append_shown(text, status, "/server_name");
    buffer_append_string(text,
                         ready ? admin_json_is_true(status, "/works") ? "  READY" : "  READY, WAITS" : "  NOT READY: ");
    if (!ready)
        append_shown(text, status, "/missing");
    buffer_append_string(text, "  up ");
    double up = admin_json_number(status, "/now") - admin_json_number(status, "/started");
    human_append_span(text, up);
    if (view->paused)
        buffer_append_string(text, "  PAUSED");
    else if (view->every)
        buffer_append_format(text, "  every %s", view->every);
    end_line(frame, ready ? TOP_MARK_STRONG : TOP_MARK_BAD);
}

static void append_events(struct top_frame *frame, const struct top_samples *samples)
{
    struct buffer *text = &frame->text;
    append_rate(text, "events/s ", top_rate(samples, "/events/judged"));
    append_rate(text, "  denied/s ", top_rate(samples, "/events/denied"));
    append_rate(text, "  dry run/s ", top_rate(samples, "/events/dry_run"));
    append_rate(text, "  failed/s ", top_rate(samples, "/events/failed"));
    append_time(text, "  half within ", admin_json_number(samples->current, "/latency/p50"));
    append_time(text, ", 99 % within ", admin_json_number(samples->current, "/latency/p99"));
    end_line(frame, TOP_MARK_PLAIN);
    append_rate(text, "requests/s ", top_rate(samples, "/requests/answered"));
    append_rate(text, "  overloads/s ", top_rate(samples, "/requests/overloaded"));
    append_rate(text, "  too late/s ", top_rate(samples, "/requests/expired"));
    append_count(text, "  waiting ", samples->current, "/requests/waiting");
    append_time(text, "  half within ", admin_json_number(samples->current, "/requests/p50"));
    append_time(text, ", 99 % within ", admin_json_number(samples->current, "/requests/p99"));
    end_line(frame, TOP_MARK_PLAIN);
}

static void append_parts(struct top_frame *frame, const struct top_samples *samples)
{
    yyjson_val *status = samples->current;
    struct buffer *text = &frame->text;
    bool redis = admin_json_is_true(status, "/redis/connected"), bodies = admin_json_is_true(status, "/bodies/ready");
    double processor = top_rate(samples, "/processor_seconds");
    buffer_append_string(text, redis ? "redis connected" : "redis NOT CONNECTED");
    append_count(text, ", waiting ", status, "/redis/waiting");
    buffer_append_string(text, "  bodies ");
    append_shown(text, status, "/bodies/source");
    buffer_append_string(text, bodies ? "" : " NOT READY");
    append_count(text, ", waiting ", status, "/bodies/waiting");
    if (admin_json_is_true(status, "/catch_up/busy"))
        append_count(text, "  fetches missed ranges ", status, "/catch_up/ranges");
    buffer_append_string(text, "  memory ");
    human_append_bytes(text, admin_json_number(status, "/memory/resident"));
    buffer_append_string(text, "  processor ");
    if (isnan(processor))
        buffer_append_string(text, "-");
    else
        buffer_append_format(text, "%.1f %%", processor * 100);
    end_line(frame, redis && bodies ? TOP_MARK_PLAIN : TOP_MARK_BAD);
}

static void add_rate(struct text_table *table, double rate)
{
    struct buffer text = {0};
    append_rate(&text, "", rate);
    text_table_cell(table, buffer_slice(&text));
    buffer_free(&text);
}

static void add_number(struct text_table *table, const char *format, double number)
{
    char text[32];
    snprintf(text, sizeof text, strcmp(format, "%.0f") == 0 ? "%.0f" : "%.2f", number);
    text_table_cell(table, isnan(number) ? SLICE_ABSENT : slice_from_string(text));
}

static void add_module(struct text_table *table, const struct top_module *module, bool selected)
{
    struct buffer name = {0};
    admin_append_module_name(module->module, &name);
    text_table_cell_format(table, "%s%zu", selected ? "> " : "  ", module->place + 1);
    text_table_cell(table, buffer_slice(&name));
    text_table_cell(table, slice_from_string(admin_module_mode(module->module)));
    add_rate(table, module->asked);
    add_rate(table, module->denied);
    add_number(table, "%.2f", module->asked > 0 ? 100 * module->denied / module->asked : NAN);
    add_rate(table, module->dry_runs);
    add_rate(table, module->raised);
    add_number(table, "%.0f", module->nanoseconds);
    add_number(table, "%.2f", module->core * 100);
    buffer_free(&name);
}

/* Copies the heading of a table and `count` of its rows from `first` on, of which the `selected`th is marked. */
static void append_rows(struct top_frame *frame, struct slice table, size_t first, size_t count, size_t selected)
{
    const char *line = table.data, *end = table.data + table.length;
    for (size_t number = 0; line < end; number++) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        if (number == 0 || (number > first && number <= first + count)) {
            buffer_append(&frame->text, line, (size_t)(stop - line));
            end_line(frame, number == 0              ? TOP_MARK_HEADING
                            : number == selected + 1 ? TOP_MARK_SELECTED
                                                     : TOP_MARK_PLAIN);
        }
        line = stop + 1;
    }
}

static void append_modules(struct top_frame *frame, const struct top_samples *samples, const struct top_view *view,
                           size_t room)
{
    static const struct text_column columns[] = {
        {"  #", false, 0},     {"module", false, 32}, {"mode", false, 0},     {"asked/s", true, 0},
        {"denied/s", true, 0}, {"%", true, 0},        {"dry run/s", true, 0}, {"raised/s", true, 0},
        {"ns", true, 0},       {"core %", true, 0},   {NULL, false, 0},
    };
    struct text_table table;
    struct buffer text = {0};
    size_t count, chosen = SIZE_MAX;
    struct top_module *modules = top_modules(samples, view->sort, &count);
    text_table_begin(&table, columns);
    for (size_t index = 0; index < count; index++) {
        bool selected = view->every && modules[index].place == view->selected;
        add_module(&table, &modules[index], selected);
        chosen = selected ? index : chosen;
    }
    text_table_append(&table, 0, &text);
    size_t first = chosen != SIZE_MAX && chosen >= room ? chosen - room + 1 : 0;
    append_rows(frame, buffer_slice(&text), first, room, chosen == SIZE_MAX ? SIZE_MAX - 1 : chosen);
    text_table_free(&table);
    buffer_free(&text);
    free(modules);
}

static void append_writers(struct top_frame *frame, const struct top_samples *samples, size_t room)
{
    static const struct text_column columns[] = {
        {"  stream", false, 24}, {"writer", false, 32}, {"position", true, 0},
        {"tokens/s", true, 0},   {"behind", true, 0},   {"lag", true, 0},
        {"held", true, 0},       {"state", false, 0},   {NULL, false, 0},
    };
    static const char *const counts[] = {"/behind", "/held"};
    struct text_table table;
    struct buffer text = {0};
    size_t index, count;
    yyjson_val *writer;
    text_table_begin(&table, columns);
    yyjson_arr_foreach(yyjson_ptr_get(samples->current, "/writers"), index, count, writer)
    {
        double lag = admin_json_number(writer, "/lag");
        buffer_clear(&text);
        buffer_append_string(&text, "  ");
        append_shown(&text, writer, "/stream");
        text_table_cell(&table, buffer_slice(&text));
        text_table_cell(&table, admin_json_text(writer, "/writer"));
        buffer_clear(&text);
        admin_append_count(&text, admin_json_number(writer, "/position"));
        text_table_cell(&table, buffer_slice(&text));
        add_rate(&table, top_writer_rate(samples, index));
        for (size_t which = 0; which < 2; which++) {
            buffer_clear(&text);
            admin_append_count(&text, admin_json_number(writer, counts[which]));
            text_table_cell(&table, buffer_slice(&text));
            buffer_clear(&text);
            human_append_seconds(&text, lag);
            if (which == 0)
                text_table_cell(&table, isnan(lag) ? SLICE_ABSENT : buffer_slice(&text));
        }
        text_table_cell(&table, admin_json_text(writer, "/state"));
    }
    buffer_clear(&text);
    text_table_append(&table, 0, &text);
    append_rows(frame, buffer_slice(&text), 0, room, SIZE_MAX - 1);
    text_table_free(&table);
    buffer_free(&text);
}

static void append_help(struct top_frame *frame)
{
    for (const char *line = help; *line; line += strcspn(line, "\n") + 1) {
        buffer_append(&frame->text, line, strcspn(line, "\n"));
        end_line(frame, line == help ? TOP_MARK_STRONG : TOP_MARK_PLAIN);
    }
}

static void append_blank(struct top_frame *frame)
{
    end_line(frame, TOP_MARK_PLAIN);
}

static size_t size_of(yyjson_val *root, const char *path)
{
    yyjson_val *list = yyjson_ptr_get(root, path);
    return yyjson_is_arr(list) ? yyjson_arr_size(list) : 0;
}

/* Fills up to the last line, which stands at the bottom, and takes off what is too much. */
static void append_foot(struct top_frame *frame, const struct top_view *view, size_t height)
{
    while (frame->marks.length + 1 < height)
        append_blank(frame);
    while (frame->marks.length + 1 > height && frame->marks.length) {
        frame->marks.length--;
        for (frame->text.length--; frame->text.length && frame->text.data[frame->text.length - 1] != '\n';)
            frame->text.length--;
    }
    buffer_append_string(&frame->text, view->message ? view->message : keys);
    if (!view->message)
        buffer_append_format(&frame->text, "  by %s", top_sort_names[view->sort]);
    end_line(frame, view->message ? TOP_MARK_STRONG : TOP_MARK_PLAIN);
}

void top_frame_fill(struct top_frame *frame, const struct top_samples *samples, const struct top_view *view,
                    size_t height)
{
    size_t modules = size_of(samples->current, "/chain/modules"), writers = size_of(samples->current, "/writers");
    buffer_clear(&frame->text);
    buffer_clear(&frame->marks);
    if (height && view->help) {
        append_help(frame);
        append_foot(frame, view, height);
        return;
    }
    append_title(frame, samples, view);
    if (view->trouble) {
        tail_append_visible(&frame->text, slice_from_string(view->trouble));
        end_line(frame, TOP_MARK_BAD);
    }
    append_events(frame, samples);
    append_parts(frame, samples);
    append_blank(frame);
    /* Headings, a blank line between the tables, and the foot. */
    size_t taken = frame->marks.length + 4, writers_room = writers > WRITERS_MOST ? WRITERS_MOST : writers;
    size_t room = height > taken + writers_room ? height - taken - writers_room : 0;
    room = !height ? modules : room < MODULES_LEAST ? MODULES_LEAST : room < modules ? room : modules;
    append_modules(frame, samples, view, room);
    append_blank(frame);
    append_writers(frame, samples, height ? height : writers);
    if (height)
        append_foot(frame, view, height);
}

void top_frame_free(struct top_frame *frame)
{
    buffer_free(&frame->text);
    buffer_free(&frame->marks);
}
