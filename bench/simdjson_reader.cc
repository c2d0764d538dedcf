/* The plain documented use: one parser for all bodies, each key by its name, strings unescaped into the parser's own
 * memory. Asking for keys in the order of the recorded events, or walking the object once, was no faster. */
#include "bench/simdjson_reader.h"

#include <simdjson.h>

#include <new>

#define TEXT_OF(macro) TEXT(macro)
#define TEXT(tokens) #tokens

namespace ondemand = simdjson::ondemand;

namespace
{

/* What is missing or no string is absent; what is no JSON is a fault, as far as simdjson came to see it. */
bool take(simdjson::simdjson_result<ondemand::value> value, simdjson_text &text)
{
    std::string_view string;
    simdjson::error_code code = value.get_string().get(string);
    text = code == simdjson::SUCCESS ? simdjson_text{string.data(), string.size()} : simdjson_text{nullptr, 0};
    return code == simdjson::SUCCESS || code == simdjson::NO_SUCH_FIELD || code == simdjson::INCORRECT_TYPE;
}

const char *implementation()
{
    static const std::string name = simdjson::get_active_implementation()->name();
    return name.c_str();
}

void *create()
{
    return new (std::nothrow) ondemand::parser;
}

void destroy(void *state)
{
    delete static_cast<ondemand::parser *>(state);
}

bool read(void *state, const char *body, size_t length, simdjson_text texts[SIMDJSON_FIELDS])
{
    ondemand::parser &parser = *static_cast<ondemand::parser *>(state);
    ondemand::document document;
    ondemand::object event, content;
    simdjson::padded_string_view padded(body, length, length + simdjson::SIMDJSON_PADDING);
    if (parser.iterate(padded).get(document) || document.get_object().get(event) ||
        event["content"].get_object().get(content))
        return false;
    return take(content["body"], texts[SIMDJSON_BODY]) &&
           take(content["formatted_body"], texts[SIMDJSON_FORMATTED_BODY]) &&
           take(event["room_id"], texts[SIMDJSON_ROOM_ID]) && take(event["sender"], texts[SIMDJSON_SENDER]) &&
           take(event["type"], texts[SIMDJSON_TYPE]);
}

} // namespace

extern "C" const struct simdjson_reader simdjson_reader = {
    TEXT_OF(SIMDJSON_VERSION), implementation, simdjson::SIMDJSON_PADDING, create, destroy, read};
