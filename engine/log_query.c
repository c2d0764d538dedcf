/* Times are shown and read in the zone of the machine, since that is how people say when something happened. */
#include "engine/log_query.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "engine/admin_json.h"
#include "filters/duration.h"

static void append_encoded(struct buffer *target, const char *text)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    for (; *text; text++) {
        if (strchr(plain, *text))
            buffer_append_char(target, *text);
        else
            buffer_append_format(target, "%%%02X", (unsigned char)*text);
    }
}

static void append_parameter(struct buffer *target, const char *name, const char *value)
{
    buffer_append_format(target, "%s%s=", strchr(buffer_string(target), '?') ? "&" : "?", name);
    append_encoded(target, value);
}

void log_query_append(const struct log_parameter *parameters, uint64_t limit, const char *before, struct buffer *target)
{
    char number[24];
    buffer_append_string(target, "/v1/log");
    for (; parameters->name; parameters++)
        if (parameters->value)
            append_parameter(target, parameters->name, parameters->value);
    if (before)
        append_parameter(target, "before", before);
    snprintf(number, sizeof number, "%llu", (unsigned long long)(limit < LOG_QUERY_PAGE ? limit : LOG_QUERY_PAGE));
    append_parameter(target, "limit", number);
}

static bool read_date(const char *text, int64_t *moment_ms)
{
    static const char *const forms[] = {"%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S",
                                        "%Y-%m-%dT%H:%M:%S"};
    for (size_t index = 0; index < sizeof forms / sizeof *forms; index++) {
        struct tm parts = {.tm_isdst = -1};
        const char *rest = strptime(text, forms[index], &parts);
        bool utc = rest && strcmp(rest, "Z") == 0;
        if (!rest || (*rest && !utc))
            continue;
        time_t seconds = utc ? timegm(&parts) : mktime(&parts);
        *moment_ms = (int64_t)seconds * 1000;
        return seconds >= 0;
    }
    return false;
}

bool log_query_moment(const char *text, int64_t now_ms, int64_t *moment_ms)
{
    int64_t back;
    char *end;
    if (duration_read(text, &back)) {
        *moment_ms = back < now_ms ? now_ms - back : 0;
        return true;
    }
    if (*text >= '0' && *text <= '9' && strspn(text, "0123456789") == strlen(text) && strlen(text) < 16) {
        *moment_ms = strtoll(text, &end, 10);
        return true;
    }
    return read_date(text, moment_ms);
}

static void append_time(struct buffer *output, double at_ms)
{
    char text[32];
    struct tm parts;
    time_t seconds = at_ms >= 0 && at_ms < 1e15 ? (time_t)(at_ms / 1000) : 0;
    if (isnan(at_ms) || !localtime_r(&seconds, &parts) || !strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts))
        snprintf(text, sizeof text, "%-19s", "-");
    buffer_append_string(output, text);
}

static void append_token(struct buffer *token, yyjson_val *row)
{
    yyjson_val *value = yyjson_obj_get(row, "token");
    if (yyjson_is_raw(value))
        buffer_append(token, yyjson_get_raw(value), yyjson_get_len(value));
    else if (yyjson_is_num(value))
        buffer_append_format(token, "%.0f", yyjson_get_num(value));
    else
        buffer_append_char(token, '-');
}

bool log_query_append_row(struct tail_format *format, yyjson_val *row, struct buffer *output)
{
    yyjson_val *shown = format->json ? row : yyjson_obj_get(row, "row");
    size_t before = output->length, length = 0;
    char *text = yyjson_is_obj(shown) ? yyjson_val_write(shown, 0, &length) : NULL;
    struct buffer token = {0};
    bool good = text != NULL;
    if (good && !format->json) {
        append_time(output, admin_json_number(row, "/at"));
        buffer_append_string(output, "  ");
        append_token(&token, row);
    }
    good = good && tail_format_row(format, SLICE("verdicts"), buffer_slice(&token), slice_of(text, length), output);
    if (!good)
        output->length = before;
    buffer_free(&token);
    free(text);
    return good;
}
