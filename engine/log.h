/* Structured log lines on stderr: readable text on a terminal, one JSON object a line otherwise.
 *
 * A line is a sentence and fields. The sentence says what happened and, where it is bad, what to do; it never holds
 * variable parts, so that it can be searched for. Access tokens never come here. */
#ifndef WEIR_ENGINE_LOG_H
#define WEIR_ENGINE_LOG_H

#include <stdint.h>

#include "base/slice.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

struct log_field {
    const char *key;
    enum { LOG_FIELD_TEXT, LOG_FIELD_INTEGER, LOG_FIELD_NUMBER } kind;
    struct slice text;
    int64_t integer;
    double number;
};

#define LOG_TEXT(key_, slice_) ((struct log_field){.key = (key_), .kind = LOG_FIELD_TEXT, .text = (slice_)})
#define LOG_STRING(key_, string_) LOG_TEXT(key_, slice_from_string(string_))
#define LOG_INTEGER(key_, value_)                                                                                      \
    ((struct log_field){.key = (key_), .kind = LOG_FIELD_INTEGER, .integer = (int64_t)(value_)})
#define LOG_NUMBER(key_, value_) ((struct log_field){.key = (key_), .kind = LOG_FIELD_NUMBER, .number = (value_)})

/* log_info("connected to Redis", LOG_STRING("address", text), LOG_INTEGER("attempt", n)) */
#define log_debug(...) LOG_AT(LOG_DEBUG, __VA_ARGS__)
#define log_info(...) LOG_AT(LOG_INFO, __VA_ARGS__)
#define log_warning(...) LOG_AT(LOG_WARNING, __VA_ARGS__)
#define log_error(...) LOG_AT(LOG_ERROR, __VA_ARGS__)

/* The first element stands for "no fields" and is passed over, so that the list may be empty. */
#define LOG_AT(level, message, ...)                                                                                    \
    do {                                                                                                               \
        if ((level) >= log_threshold)                                                                                  \
            log_write((level), (message), (const struct log_field[]){{.key = NULL}, ##__VA_ARGS__},                    \
                      sizeof((const struct log_field[]){{.key = NULL}, ##__VA_ARGS__}) / sizeof(struct log_field));    \
    } while (0)

extern enum log_level log_threshold;

/* Decides the form from whether stderr is a terminal. `level` as in the configuration: debug, info, warning, error. */
void log_open(enum log_level level);
void log_write(enum log_level level, const char *message, const struct log_field *fields, size_t count);

/* At most one line in each second for one cause, with a field `suppressed` that counts those left out: for errors that
 * a flood of bad input could repeat. One static gate for each place. */
struct log_gate {
    int64_t opens_at_ms; /* monotonic */
    uint64_t suppressed;
};
/* Whether to log now; `*suppressed` gets how many were left out since the last one. */
bool log_gate_pass(struct log_gate *gate, uint64_t *suppressed);

#endif
