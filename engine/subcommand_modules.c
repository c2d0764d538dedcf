/* `weir modules`: the modules' own tables, for people and as JSON. */
#include <jansson.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "engine/option.h"
#include "engine/reference.h"
#include "engine/text_layout.h"
#include "filters/module.h"

#define PAGE_WIDTH 100u
#define COLUMNS 4u
/* A default that is longer pushes its row, not the whole column. */
#define DEFAULT_WIDEST 24u

struct modules_options {
    bool json;
    bool markdown;
};

static const struct option_definition modules_options[] = {
    {.name = "json",
     .type = OPTION_FLAG,
     .offset = offsetof(struct modules_options, json),
     .text = "Prints a JSON array of the modules, for programs."},
    {.name = "markdown",
     .type = OPTION_FLAG,
     .offset = offsetof(struct modules_options, markdown),
     .text = "Prints the reference page in Markdown."},
    {.name = NULL},
};

static void append_callbacks(struct buffer *output, const struct module_definition *module)
{
    if (module->callback_count == 0)
        buffer_append_string(output, "as its configuration says");
    for (size_t index = 0; index < module->callback_count; index++) {
        const struct module_callback *row = &module->callbacks[index];
        buffer_append_format(output, "%s%s", index ? ", " : "", callback_definitions[row->callback].name);
        if (row->login_type)
            buffer_append_format(output, " of %s", row->login_type);
    }
}

static size_t longest_word(const char *text)
{
    size_t longest = 0;
    for (text += strspn(text, " "); *text; text += strspn(text, " ")) {
        size_t length = strcspn(text, " ");
        longest = length > longest ? length : longest;
        text += length;
    }
    return longest;
}

/* The parameters as a row each; those of maps inside behind it, as `map.name` and `list[].name`. */
struct parameter_page {
    struct buffer *output; /* NULL: only the widths are looked for */
    size_t widths[COLUMNS];
};

static void widen(size_t *width, size_t wanted)
{
    if (*width < wanted)
        *width = wanted;
}

static void take_parameters(struct parameter_page *page, const char *prefix, const struct parameter *table,
                            size_t count)
{
    struct buffer name = {0};
    struct buffer type = {0};
    for (size_t index = 0; index < count; index++) {
        const struct parameter *parameter = &table[index];
        const char *fallback = parameter->fallback ? parameter->fallback : "-";
        buffer_clear(&name);
        buffer_clear(&type);
        buffer_append_format(&name, "%s%s", prefix, parameter->name);
        parameter_describe_type(parameter, &type);
        if (page->output) {
            const char *const cells[] = {buffer_string(&name), buffer_string(&type), fallback, parameter->text};
            text_append_row(page->output, cells, page->widths, COLUMNS, 2);
        } else {
            widen(&page->widths[0], name.length);
            widen(&page->widths[2], longest_word(fallback) < DEFAULT_WIDEST ? longest_word(fallback) : DEFAULT_WIDEST);
        }
        buffer_append_string(&name, parameter->type == PARAMETER_FIELDS ? "." : "[].");
        take_parameters(page, buffer_string(&name), parameter->fields, parameter->field_count);
    }
    buffer_free(&name);
    buffer_free(&type);
}

static void append_parameters(struct buffer *output, const struct module_definition *module)
{
    struct parameter_page page = {.widths = {strlen("PARAMETER"), 24, 16, 0}};
    take_parameters(&page, "", module->parameters, module->parameter_count);
    size_t *widths = page.widths;
    widths[3] = PAGE_WIDTH - 2 - widths[0] - widths[1] - widths[2] - 2 * (COLUMNS - 1);
    text_append_row(output, (const char *const[]){"PARAMETER", "TYPE", "DEFAULT", "MEANING"}, widths, COLUMNS, 2);
    page.output = output;
    take_parameters(&page, "", module->parameters, module->parameter_count);
}

static void append_module(struct buffer *output, const struct module_definition *module)
{
    if (output->length)
        buffer_append_char(output, '\n');
    buffer_append_format(output, "%s\n", module->name);
    text_append_wrapped(output, module->summary, 2, PAGE_WIDTH);
    buffer_append_string(output, "  callbacks: ");
    append_callbacks(output, module);
    if (module_judges_events(module))
        buffer_append_format(output, "; reads %s", module_reads_text(module));
    buffer_append_char(output, '\n');
    if (module->parameter_count)
        append_parameters(output, module);
}

static json_t *parameters_json(const struct parameter *table, size_t count);

static json_t *parameter_json(const struct parameter *parameter)
{
    struct buffer type = {0};
    parameter_describe_type(parameter, &type);
    json_t *json = json_pack("{s:s, s:s, s:s?, s:s}", "name", parameter->name, "type", buffer_string(&type), "default",
                             parameter->fallback, "text", parameter->text);
    if (parameter->type == PARAMETER_INTEGER || parameter->type == PARAMETER_DURATION ||
        parameter->type == PARAMETER_RATE || parameter->type == PARAMETER_NUMBER) {
        json_object_set_new(json, "minimum", json_integer(parameter->minimum));
        json_object_set_new(json, "maximum", json_integer(parameter->maximum));
    }
    if (parameter->type == PARAMETER_CHOICE || parameter->type == PARAMETER_CHOICES) {
        json_t *choices = json_array();
        for (size_t index = 0; parameter->choices[index]; index++)
            json_array_append_new(choices, json_string(parameter->choices[index]));
        json_object_set_new(json, "choices", choices);
    }
    if (parameter->fields)
        json_object_set_new(json, "fields", parameters_json(parameter->fields, parameter->field_count));
    buffer_free(&type);
    return json;
}

static json_t *parameters_json(const struct parameter *table, size_t count)
{
    json_t *list = json_array();
    for (size_t index = 0; index < count; index++)
        json_array_append_new(list, parameter_json(&table[index]));
    return list;
}

static json_t *module_json(const struct module_definition *module)
{
    json_t *callbacks = json_array();
    for (size_t index = 0; index < module->callback_count; index++)
        json_array_append_new(callbacks, json_string(callback_definitions[module->callbacks[index].callback].name));
    return json_pack("{s:s, s:s, s:b, s:o, s:o}", "name", module->name, "summary", module->summary, "needs_body",
                     module->needs_body, "callbacks", callbacks, "parameters",
                     parameters_json(module->parameters, module->parameter_count));
}

static void append_json(struct buffer *output, const struct module_definition *only)
{
    json_t *list = json_array();
    for (size_t index = 0; module_registry[index]; index++)
        if (!only || only == module_registry[index])
            json_array_append_new(list, module_json(module_registry[index]));
    char *text = json_dumps(list, JSON_INDENT(2));
    buffer_append_format(output, "%s\n", text ? text : "[]");
    free(text);
    json_decref(list);
}

static int unknown_module(const char *name)
{
    size_t count = 0;
    while (module_registry[count])
        count++;
    const char **names = memory_allocate_zeroed(count + 1, sizeof *names);
    for (size_t index = 0; index < count; index++)
        names[index] = module_registry[index]->name;
    const char *nearest = nearest_word(name, names);
    fprintf(stderr, "weir modules: unknown module \"%s\"%s%s%s\n", name, nearest ? "; did you mean \"" : "",
            nearest ? nearest : "", nearest ? "\"?" : "");
    free(names);
    return EXIT_CODE_FAILED;
}

static int modules_run(const void *options_, char **operands, size_t operand_count)
{
    const struct modules_options *options = options_;
    const struct module_definition *only = operand_count ? module_find(operands[0]) : NULL;
    if (operand_count && !only)
        return unknown_module(operands[0]);
    struct buffer output = {0};
    if (options->json)
        append_json(&output, only);
    else if (options->markdown)
        reference_append_modules(&output);
    for (size_t index = 0; !options->json && !options->markdown && module_registry[index]; index++)
        if (!only || only == module_registry[index])
            append_module(&output, module_registry[index]);
    bool written = fwrite(output.data, 1, output.length, stdout) == output.length && fflush(stdout) == 0;
    buffer_free(&output);
    return written ? EXIT_CODE_OK : EXIT_CODE_FAILED;
}

const struct subcommand subcommand_modules = {
    .name = "modules",
    .summary = "list the built-in modules and their parameters",
    .synopsis = "weir modules [NAME] [--json|--markdown]",
    .description = "Prints each module with what it does, the callbacks that it answers, and the parameters that its "
                   "`config` may have, with type, default and meaning. With NAME, that module alone.",
    .exit_status = "1 is also the answer to an unknown NAME.",
    .examples = " weir modules keywords\n weir modules --json",
    .options = modules_options,
    .options_size = sizeof(struct modules_options),
    .operand = "MODULE",
    .maximum_operands = 1,
    .run = modules_run,
};
