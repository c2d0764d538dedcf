/* What is the same for every callback stands in openapi_parts.c as texts; here is what the tables have. */
#include "engine/openapi.h"

#include <inttypes.h>
#include <stdlib.h>

#include "engine/antispam.h"
#include "engine/callback_area.h"
#include "engine/openapi_parts.h"
#include "filters/callback.h"

/* What a request may carry for an argument. */
static const char *const schemas[] = {
    [ARGUMENT_TEXT] = "{'type':'string'}",
    [ARGUMENT_TEXT_OR_NULL] = "{'type':['string','null']}",
    [ARGUMENT_BOOLEAN] = "{'type':'boolean'}",
    [ARGUMENT_INTEGER] = "{'type':'integer'}",
    [ARGUMENT_JSON] = "{'description':'Any JSON value.'}",
    [ARGUMENT_SHARED] = "{'type':'object','description':'Modules may edit it; the answer has it as `after`.'}",
    [ARGUMENT_COPY] = "{'type':'object'}",
    [ARGUMENT_EVENT] = "{'$ref':'#/components/schemas/Event'}",
    [ARGUMENT_STATE] = "{'$ref':'#/components/schemas/State'}",
    [ARGUMENT_STATES] = "{'type':'array','items':{'$ref':'#/components/schemas/PresenceState'}}",
    [ARGUMENT_LIMIT] = "{'$ref':'#/components/schemas/UploadLimit'}",
    [ARGUMENT_REQUEST] = "{'description':'Synapse hands over its own HTTP request; nothing of it is used.'}",
};

/* Whether a request may leave it out. */
static bool is_optional(enum argument_type type)
{
    return type == ARGUMENT_TEXT_OR_NULL || type == ARGUMENT_JSON || type == ARGUMENT_STATE || type == ARGUMENT_REQUEST;
}

/* A property of an object's schema. */
struct property {
    const char *name;
    enum argument_type type;
    bool required;
};

static void append_object_schema(const struct property *properties, size_t count, struct buffer *json)
{
    size_t required = 0;
    buffer_append_string(json, "{\"type\":\"object\",\"properties\":{");
    for (size_t index = 0; index < count; index++) {
        buffer_append_format(json, "%s\"%s\":", index ? "," : "", properties[index].name);
        openapi_append_part(schemas[properties[index].type], json);
    }
    buffer_append_string(json, "},\"required\":[");
    for (size_t index = 0; index < count; index++)
        if (properties[index].required)
            buffer_append_format(json, "%s\"%s\"", required++ ? "," : "", properties[index].name);
    buffer_append_string(json, "]}");
}

static void append_arguments_schema(const struct callback_definition *definition, struct buffer *json)
{
    struct property properties[CALLBACK_ARGUMENTS_MAXIMUM];
    for (uint32_t index = 0; index < definition->argument_count; index++) {
        const struct argument_definition *argument = &definition->arguments[index];
        properties[index] = (struct property){argument->name, argument->type, !is_optional(argument->type)};
    }
    append_object_schema(properties, definition->argument_count, json);
}

/* The body of synapse-http-antispam: the arguments that it sends, by its own names. */
static void append_body_schema(const struct antispam_endpoint *endpoint, struct buffer *json)
{
    const struct callback_definition *definition = &callback_definitions[endpoint->callback];
    struct property properties[CALLBACK_ARGUMENTS_MAXIMUM];
    for (uint32_t index = 0; index < definition->argument_count; index++) {
        const struct argument_definition *argument = &definition->arguments[index];
        struct property *property = &properties[index];
        *property = (struct property){argument->name, argument->type, !is_optional(argument->type)};
        for (const struct antispam_change *change = endpoint->changes; change->argument; change++) {
            if (strcmp(change->argument, argument->name) != 0)
                continue;
            property->name = change->member;
            property->required = property->required && !change->otherwise;
        }
    }
    append_object_schema(properties, definition->argument_count, json);
}

static void append_text(const char *member, const char *text, struct buffer *json)
{
    buffer_append_format(json, "\"%s\":", member);
    buffer_append_json_string(json, slice_from_string(text));
}

static void append_versions(const struct callback_definition *definition, struct buffer *text)
{
    buffer_append_format(text, "In Synapse since v1.%d", definition->introduced);
    if (definition->removed)
        buffer_append_format(text, ", removed in v1.%d", definition->removed);
    buffer_append_char(text, '.');
}

static void append_callback_description(enum callback callback, struct buffer *json)
{
    const struct callback_definition *definition = &callback_definitions[callback];
    struct buffer text = {0};
    buffer_append_format(&text, "Synapse asks it %s. ", definition->summary);
    append_versions(definition, &text);
    for (int semantics = 0; semantics_texts[semantics]; semantics++) {
        const char *rule = callback_rule_text(callback, (enum semantics)semantics);
        if (rule)
            buffer_append_format(&text, "\n\nRule with `semantics: %s`: %s.", semantics_texts[semantics], rule);
    }
    buffer_append_format(&text, "\n\nWhen a module fails: %s.", raise_class_text(definition->raise));
    append_text("description", buffer_string(&text), json);
    buffer_free(&text);
}

static enum semantics semantics_of(enum callback callback)
{
    return callback_definitions[callback].rules[SEMANTICS_LATEST] ? SEMANTICS_LATEST : SEMANTICS_147;
}

static void append_callback_path(enum callback callback, struct buffer *json)
{
    const struct callback_definition *definition = &callback_definitions[callback];
    struct value pass = callback_pass_value(callback, semantics_of(callback));
    buffer_append_format(json, ",\n\"%s/%s\":{\"post\":{\"operationId\":\"%s\",", CALLBACK_AREA_PATH, definition->name,
                         definition->name);
    append_text("summary", definition->name, json);
    buffer_append_char(json, ',');
    append_callback_description(callback, json);
    buffer_append_format(json,
                         ",\"tags\":[\"%s\"],\"requestBody\":{\"required\":true,\"content\":{\"application/json\":"
                         "{\"schema\":{\"type\":\"object\",\"properties\":{\"args\":",
                         callback_family_texts[definition->family]);
    append_arguments_schema(definition, json);
    openapi_append_part(",'timeout_ms':{'$ref':'#/components/schemas/TimeoutMs'}},'required':['args']}}}},"
                        "'responses':{'200':{'description':'What the chain came to.','content':{'application/json':"
                        "{'schema':{'$ref':'#/components/schemas/Value'},'examples':{'pass':{'summary':"
                        "'Every module passed.','value':",
                        json);
    value_append_json(&pass, json);
    openapi_append_part("}}}}}", json);
    openapi_append_part(openapi_question_errors, json);
    buffer_append_string(json, "}}}");
}

static void append_antispam_path(const struct antispam_endpoint *endpoint, struct buffer *json)
{
    buffer_append_format(json, ",\n\"/antispam/%s\":{\"post\":{\"operationId\":\"antispam_%s\",", endpoint->name,
                         endpoint->name);
    append_text("summary", endpoint->name, json);
    buffer_append_char(json, ',');
    append_text("description",
                endpoint->callback == CALLBACK_UNKNOWN
                    ? "No callback of Synapse's module API: always let pass. Any prefix may stand before the path."
                    : "As synapse-http-antispam asks it. Any prefix may stand before the path.",
                json);
    buffer_append_string(json, ",\"tags\":[\"synapse-http-antispam\"],\"requestBody\":{\"required\":true,\"content\":"
                               "{\"application/json\":{\"schema\":");
    if (endpoint->callback == CALLBACK_UNKNOWN)
        buffer_append_string(json, "{\"type\":\"object\"}");
    else
        append_body_schema(endpoint, json);
    buffer_append_string(json, "}}},\"responses\":{");
    openapi_append_part(openapi_antispam_answers, json);
    buffer_append_string(json, "}}}");
}

void openapi_append(struct buffer *json)
{
    buffer_append_string(json, "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"Weir\",\"version\":\"" WEIR_VERSION "\",");
    openapi_append_part(openapi_introduction, json);
    buffer_append_string(json, "},\n\"paths\":{");
    openapi_append_part(openapi_own_paths, json);
    for (int callback = 0; callback < CALLBACK_COUNT; callback++)
        append_callback_path((enum callback)callback, json);
    for (size_t index = 0; index < antispam_endpoint_count; index++)
        append_antispam_path(&antispam_endpoints[index], json);
    openapi_append_part("},\n'security':[{'secret':[]},{}],\n'components':{'securitySchemes':{'secret':"
                        "{'type':'http','scheme':'bearer'}},'schemas':{",
                        json);
    openapi_append_part(openapi_schemas, json);
    openapi_append_part("},'responses':{", json);
    openapi_append_part(openapi_responses, json);
    buffer_append_string(json, "}}}\n");
}
