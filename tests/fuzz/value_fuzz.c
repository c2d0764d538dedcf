/* Tagged JSON from outside: whatever reads as a value must write itself as one that reads the same. */
#include <stdint.h>
#include <stdlib.h>

#include "filters/value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct arena arena;
    static struct buffer first, second;
    struct value value, again;
    const char *problem = NULL;
    json_t *json = json_loadb((const char *)data, size, JSON_DECODE_ANY, NULL);
    if (json && value_read_json(json, &arena, &value, &problem)) {
        buffer_clear(&first);
        value_append_json(&value, &first);
        value_truthy(&value);
        json_decref(value_to_json(&value));
        json_t *written = json_loadb(first.data, first.length, JSON_DECODE_ANY, NULL);
        if (!written || !value_read_json(written, &arena, &again, &problem))
            abort();
        buffer_clear(&second);
        value_append_json(&again, &second);
        if (first.length != second.length || memcmp(first.data, second.data, first.length) != 0)
            abort();
        json_decref(written);
    } else if (json && !problem) {
        abort();
    }
    if (json)
        value_read_plain(json, &arena, &value);
    json_decref(json);
    arena_reset(&arena);
    return 0;
}
