/* Pages that are printed by the program itself cannot lag behind it; a test holds the committed ones against these. */
#include "engine/reference.h"

#include <stdlib.h>

#include "engine/text_layout.h"

#define PAGE_WIDTH 100u

static const char *argument_type_text(enum argument_type type)
{
    static const char *const texts[] = {
        [ARGUMENT_TEXT] = "text",
        [ARGUMENT_TEXT_OR_NULL] = "text or null",
        [ARGUMENT_BOOLEAN] = "boolean",
        [ARGUMENT_INTEGER] = "integer",
        [ARGUMENT_JSON] = "JSON",
        [ARGUMENT_SHARED] = "object that modules may edit, one after the other",
        [ARGUMENT_COPY] = "object, a copy for each module",
        [ARGUMENT_EVENT] = "event",
        [ARGUMENT_STATE] = "list of state events",
        [ARGUMENT_STATES] = "list of presence states",
        [ARGUMENT_LIMIT] = "{max_bytes, time_period_ms}",
        [ARGUMENT_REQUEST] = "HTTP request",
    };
    return texts[type];
}

static void append_versions(struct buffer *output, const struct callback_definition *definition)
{
    buffer_append_format(output, "since v1.%d", definition->introduced);
    if (definition->removed)
        buffer_append_format(output, ", removed in v1.%d", definition->removed);
}

/* `mark` stands around names: "" or "`". */
static void append_arguments(struct buffer *output, const struct callback_definition *definition, const char *mark)
{
    for (uint32_t index = 0; index < definition->argument_count; index++)
        buffer_append_format(output, "%s%s%s%s (%s)", index ? ", " : "", mark, definition->arguments[index].name, mark,
                             argument_type_text(definition->arguments[index].type));
}

/* What all modules' passing comes to. */
static void append_pass(struct buffer *output, enum callback callback, enum semantics semantics)
{
    struct value value = callback_pass_value(callback, semantics);
    value_append_json(&value, output);
}

static void append_wrapped(struct buffer *output, const char *label, const char *text)
{
    struct buffer line = {0};
    buffer_append_format(&line, "%s: %s", label, text);
    text_append_wrapped(output, buffer_string(&line), 2, PAGE_WIDTH);
    buffer_free(&line);
}

static void append_rule(struct buffer *output, enum callback callback, enum semantics semantics)
{
    const char *rule = callback_rule_text(callback, semantics);
    struct buffer label = {0}, text = {0};
    buffer_append_format(&label, "rule, %s", semantics_texts[semantics]);
    buffer_append_string(&text, rule ? rule : "the callback does not exist");
    if (rule) {
        buffer_append_string(&text, "; when all pass: ");
        append_pass(&text, callback, semantics);
    }
    append_wrapped(output, buffer_string(&label), buffer_string(&text));
    buffer_free(&label);
    buffer_free(&text);
}

void reference_append_callback(struct buffer *output, enum callback callback)
{
    const struct callback_definition *definition = &callback_definitions[callback];
    struct buffer arguments = {0};
    append_arguments(&arguments, definition, "");
    if (output->length)
        buffer_append_char(output, '\n');
    buffer_append_format(output, "%s (%s, ", definition->name, callback_family_texts[definition->family]);
    append_versions(output, definition);
    buffer_append_string(output, ")\n");
    append_wrapped(output, "asked", definition->summary);
    append_wrapped(output, "arguments", buffer_string(&arguments));
    append_rule(output, callback, SEMANTICS_LATEST);
    append_rule(output, callback, SEMANTICS_147);
    append_wrapped(output, "when a module fails", raise_class_text(definition->raise));
    buffer_free(&arguments);
}

static void append_markdown_rule(struct buffer *output, enum callback callback, enum semantics semantics)
{
    const char *rule = callback_rule_text(callback, semantics);
    buffer_append_format(output, "| rule, %s | %s", semantics_texts[semantics],
                         rule ? rule : "the callback does not exist");
    if (rule) {
        buffer_append_string(output, "; when all pass: `");
        append_pass(output, callback, semantics);
        buffer_append_char(output, '`');
    }
    buffer_append_string(output, " |\n");
}

static void append_markdown_callback(struct buffer *output, enum callback callback)
{
    const struct callback_definition *definition = &callback_definitions[callback];
    buffer_append_format(output, "\n### %s\n\nAsked %s.\n\n| | |\n| --- | --- |\n| versions | ", definition->name,
                         definition->summary);
    append_versions(output, definition);
    buffer_append_string(output, " |\n| arguments | ");
    append_arguments(output, definition, "`");
    buffer_append_string(output, " |\n");
    append_markdown_rule(output, callback, SEMANTICS_LATEST);
    append_markdown_rule(output, callback, SEMANTICS_147);
    buffer_append_format(output, "| when a module fails | %s |\n", raise_class_text(definition->raise));
}

void reference_append_callbacks(struct buffer *output)
{
    buffer_append_string(
        output, "# Callbacks\n\n"
                "Every callback that a module may register, how the answers of several modules combine, "
                "and what a module's failure means. `semantics` in the configuration says whose rules "
                "hold: those of the newest Synapse (`latest`), or those of v1.47.\n\n"
                "In place of a module, `include: FILE` puts the modules of that file, or of a profile, there.\n\n"
                "This page is printed by `weir callbacks --markdown`.\n");
    for (int family = 0; family < FAMILY_COUNT; family++) {
        struct buffer title = {0};
        buffer_append_string(&title, callback_family_texts[family]);
        title.data[0] = (char)(title.data[0] - ('a' - 'A'));
        buffer_append_format(output, "\n## %s\n", buffer_string(&title));
        buffer_free(&title);
        for (int callback = 0; callback < CALLBACK_COUNT; callback++)
            if (callback_definitions[callback].family == (enum callback_family)family)
                append_markdown_callback(output, (enum callback)callback);
    }
}

const char reference_modules_introduction[] =
    "The built-in modules, as `module:` names them, with the parameters of "
    "their `config`. Beside `config`, every module may have `dry_run: true` (asked and "
    "recorded, but the chain goes on as if it had passed), `only` and `except` with lists "
    "of globs under `rooms`, `senders`, `servers` and `types`, and of names under `tags` (what the "
    "module `trust` says of a sender), `name: LABEL` (what `with` of an `include:` calls it), "
    "`actions: [redact, ...]` (stand in the rows of what it refuses, for bots), `error: TEXT` (what clients show "
    "of its refusals, where the callback lets a module tell it: not with check_event_allowed, "
    "user_may_send_state_event, check_registration_for_spam, nor, with `semantics: 1.47`, with "
    "user_may_...), and `reason: TEXT` (stands in the verdicts' rows in place of its own).";

/* A cell of a table: `|` would end it. */
static void append_cell(struct buffer *output, const char *text)
{
    buffer_append_string(output, "| ");
    for (; *text; text++) {
        if (*text == '|')
            buffer_append_char(output, '\\');
        buffer_append_char(output, *text);
    }
    buffer_append_char(output, ' ');
}

/* A row for each parameter; those of maps inside behind it, as `map.name` and `list[].name`. */
static void append_markdown_parameters(struct buffer *output, const char *prefix, const struct parameter *table,
                                       size_t count)
{
    struct buffer name = {0};
    struct buffer type = {0};
    for (size_t index = 0; index < count; index++) {
        const struct parameter *parameter = &table[index];
        buffer_clear(&name);
        buffer_clear(&type);
        buffer_append_format(&name, "%s%s", prefix, parameter->name);
        parameter_describe_type(parameter, &type);
        buffer_append_format(output, "| `%s` ", buffer_string(&name));
        append_cell(output, buffer_string(&type));
        append_cell(output, parameter->fallback ? parameter->fallback : "");
        append_cell(output, parameter->text);
        buffer_append_string(output, "|\n");
        buffer_append_string(&name, parameter->type == PARAMETER_FIELDS ? "." : "[].");
        append_markdown_parameters(output, buffer_string(&name), parameter->fields, parameter->field_count);
    }
    buffer_free(&name);
    buffer_free(&type);
}

static void append_markdown_module(struct buffer *output, const struct module_definition *module)
{
    buffer_append_format(output, "\n## %s\n\n%s\n\nCallbacks: ", module->name, module->summary);
    for (size_t number = 0; number < module->callback_count; number++) {
        const struct module_callback *row = &module->callbacks[number];
        buffer_append_format(output, "%s`%s`", number ? ", " : "", callback_definitions[row->callback].name);
        if (row->login_type)
            buffer_append_format(output, " of `%s`", row->login_type);
    }
    buffer_append_string(output, module->callback_count ? "." : "as its configuration says.");
    if (module_judges_events(module))
        buffer_append_format(output, " It needs %s.", module_reads_text(module));
    buffer_append_char(output, '\n');
    if (!module->parameter_count)
        return;
    buffer_append_string(output, "\n| parameter | type | default | meaning |\n| --- | --- | --- | --- |\n");
    append_markdown_parameters(output, "", module->parameters, module->parameter_count);
}

void reference_append_modules(struct buffer *output)
{
    buffer_append_format(output, "# Modules\n\n%s\n\nThis page is printed by `weir modules --markdown`.\n",
                         reference_modules_introduction);
    for (size_t index = 0; module_registry[index]; index++)
        append_markdown_module(output, module_registry[index]);
}
