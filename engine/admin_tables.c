#include "engine/admin_tables.h"

#include "engine/admin_json.h"
#include "engine/human_text.h"
#include "engine/text_table.h"

void admin_append_count(struct buffer *output, double value)
{
    if (value >= 0 && value < 1e18)
        human_append_count(output, (uint64_t)value);
    else
        buffer_append_char(output, '-');
}

static void add_count(struct text_table *table, double value)
{
    struct buffer text = {0};
    admin_append_count(&text, value);
    text_table_cell(table, buffer_slice(&text));
    buffer_free(&text);
}

void admin_append_writers(yyjson_val *writers, size_t indent, struct buffer *output)
{
    static const struct text_column columns[] = {
        {"stream", false, 24}, {"writer", false, 32}, {"position", true, 0}, {"newest", true, 0}, {"behind", true, 0},
        {"lag", true, 0},      {"held", true, 0},     {"state", false, 0},   {NULL, false, 0},
    };
    if (!yyjson_is_arr(writers) || yyjson_arr_size(writers) == 0) {
        buffer_append_format(output, "%*sno writer is known yet\n", (int)indent, "");
        return;
    }
    struct text_table table;
    struct buffer text = {0};
    size_t index, count;
    yyjson_val *writer;
    text_table_begin(&table, columns);
    yyjson_arr_foreach(writers, index, count, writer)
    {
        double lag = admin_json_number(writer, "/lag");
        text_table_cell(&table, admin_json_text(writer, "/stream"));
        text_table_cell(&table, admin_json_text(writer, "/writer"));
        add_count(&table, admin_json_number(writer, "/position"));
        add_count(&table, admin_json_number(writer, "/newest"));
        add_count(&table, admin_json_number(writer, "/behind"));
        buffer_clear(&text);
        human_append_seconds(&text, lag);
        text_table_cell(&table, isnan(lag) ? SLICE_ABSENT : buffer_slice(&text));
        add_count(&table, admin_json_number(writer, "/held"));
        text_table_cell(&table, admin_json_text(writer, "/state"));
    }
    text_table_append(&table, indent, output);
    text_table_free(&table);
    buffer_free(&text);
}

void admin_append_module_name(yyjson_val *module, struct buffer *output)
{
    struct slice name = admin_json_text(module, "/module"), label = admin_json_text(module, "/label");
    if (!slice_present(label))
        label = slice_present(name) ? name : SLICE("?");
    buffer_append_slice(output, label);
    if (slice_present(name) && !slice_starts_with(label, name)) {
        buffer_append_string(output, " (");
        buffer_append_slice(output, name);
        buffer_append_char(output, ')');
    }
}

const char *admin_module_mode(yyjson_val *module)
{
    bool holds = admin_json_is_true(module, "/dry_run");
    yyjson_val *configured = yyjson_obj_get(module, "dry_run_configured");
    bool changed = yyjson_is_bool(configured) && yyjson_get_bool(configured) != holds;
    return holds ? changed ? "dry run*" : "dry run" : changed ? "decides*" : "decides";
}

static void add_module(struct text_table *table, size_t place, yyjson_val *module)
{
    double nanoseconds = admin_json_number(module, "/nanoseconds");
    struct buffer name = {0};
    admin_append_module_name(module, &name);
    text_table_cell_format(table, "%zu", place + 1);
    text_table_cell(table, buffer_slice(&name));
    text_table_cell(table, slice_from_string(admin_module_mode(module)));
    add_count(table, admin_json_number(module, "/asked"));
    add_count(table, admin_json_number(module, "/denied"));
    add_count(table, admin_json_number(module, "/dry_runs"));
    add_count(table, admin_json_number(module, "/raised"));
    if (isnan(nanoseconds))
        text_table_cell(table, SLICE_ABSENT);
    else
        text_table_cell_format(table, "%.0f", nanoseconds);
    text_table_cell(table, admin_json_text(module, "/place"));
    buffer_free(&name);
}

void admin_append_modules(yyjson_val *modules, size_t indent, struct buffer *output)
{
    static const struct text_column columns[] = {
        {"#", true, 0},       {"module", false, 40}, {"mode", false, 0}, {"asked", true, 0},  {"denied", true, 0},
        {"dry run", true, 0}, {"raised", true, 0},   {"ns", true, 0},    {"from", false, 60}, {NULL, false, 0},
    };
    if (!yyjson_is_arr(modules) || yyjson_arr_size(modules) == 0) {
        buffer_append_format(output, "%*sno modules: everything passes\n", (int)indent, "");
        return;
    }
    struct text_table table;
    size_t index, count;
    yyjson_val *module;
    bool marked = false;
    text_table_begin(&table, columns);
    yyjson_arr_foreach(modules, index, count, module)
    {
        add_module(&table, index, module);
        marked = marked || strchr(admin_module_mode(module), '*');
    }
    text_table_append(&table, indent, output);
    if (marked)
        buffer_append_format(output, "%*s* switched by hand, until the next reload or restart\n", (int)indent, "");
    text_table_free(&table);
}
