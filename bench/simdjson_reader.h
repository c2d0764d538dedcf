/* simdjson's on-demand reader, which hands out the same fields of an event as ours. It is C++ and not on every machine,
 * so it is a shared object of its own, build/bench/simdjson_reader.so, whose one symbol is `simdjson_reader`. */
#ifndef WEIR_BENCH_SIMDJSON_READER_H
#define WEIR_BENCH_SIMDJSON_READER_H

#include <stdbool.h>
#include <stddef.h>

enum simdjson_field {
    SIMDJSON_SENDER,
    SIMDJSON_TYPE,
    SIMDJSON_ROOM_ID,
    SIMDJSON_BODY,           /* of content */
    SIMDJSON_FORMATTED_BODY, /* of content */
    SIMDJSON_FIELDS,
};

/* `data` is NULL where the event has no such string. */
struct simdjson_text {
    const char *data;
    size_t length;
};

struct simdjson_reader {
    const char *version;
    const char *(*implementation)(void); /* the instructions that it found, "haswell" */
    size_t padding;                      /* bytes that must be readable behind each body */
    void *(*create)(void);
    void (*destroy)(void *state);
    /* False if it refuses the body. The texts live until the next call. */
    bool (*read)(void *state, const char *body, size_t length, struct simdjson_text texts[SIMDJSON_FIELDS]);
};

#ifdef __cplusplus
extern "C" {
#endif
/* For the shared object; others look it up. */
extern const struct simdjson_reader simdjson_reader;
#ifdef __cplusplus
}
#endif

#endif
