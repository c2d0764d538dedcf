/* The question of `weir log`, and what it shows of an answer. */
#include "engine/log_query.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <time.h>

static struct buffer text;

Test(log_query, target)
{
    const struct log_parameter parameters[] = {{"room", "!a:b"}, {"module", NULL}, {"text", "é & ?#+%"}, {NULL, NULL}};
    log_query_append(parameters, 5000, NULL, &text);
    cr_expect_str_eq(buffer_string(&text), "/v1/log?room=%21a%3Ab&text=%C3%A9%20%26%20%3F%23%2B%25&limit=1000");
    buffer_clear(&text);
    log_query_append(&parameters[3], 7, "1-2", &text);
    cr_expect_str_eq(buffer_string(&text), "/v1/log?before=1-2&limit=7");
}

Test(log_query, moments)
{
    static const struct {
        const char *text;
        int64_t moment; /* -1: none */
    } cases[] = {
        {"90m", 1795700000000 - 5400000},
        {"2d", 1795700000000 - 172800000},
        {"99999w", 0},
        {"1795690000000", 1795690000000},
        {"0", 0},
        {"2026-11-26", 1795651200000},
        {"2026-11-26 15:04", 1795705440000},
        {"2026-11-26T15:04:05", 1795705445000},
        {"2026-11-26T15:04:05Z", 1795705445000},
        {"", -1},
        {"yesterday", -1},
        {"-5m", -1},
        {"2026-11-26 15:04 and more", -1},
        {"2026-13-26", -1},
        {"99999999999999999999", -1},
    };
    setenv("TZ", "UTC", 1);
    tzset();
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        int64_t moment = -1;
        bool read = log_query_moment(cases[index].text, 1795700000000, &moment);
        cr_expect_eq(read, cases[index].moment >= 0, "%s", cases[index].text);
        if (read)
            cr_expect_eq(moment, cases[index].moment, "%s: %lld", cases[index].text, (long long)moment);
    }
    /* The zone of the machine counts, but for what says that it is in UTC. */
    int64_t local = 0, utc = 0;
    setenv("TZ", "XYZ-2", 1);
    tzset();
    cr_expect(log_query_moment("2026-11-26 15:04", 0, &local) && log_query_moment("2026-11-26 15:04Z", 0, &utc));
    cr_expect_eq(local, utc - 7200000);
}

static bool append(const char *json, bool as_json)
{
    struct tail_format format = {.json = as_json};
    yyjson_doc *document = yyjson_read(json, strlen(json), YYJSON_READ_NUMBER_AS_RAW);
    cr_assert_not_null(document);
    buffer_clear(&text);
    bool good = log_query_append_row(&format, yyjson_doc_get_root(document), &text);
    yyjson_doc_free(document);
    return good;
}

Test(log_query, rows)
{
    static const char row[] =
        "{\"id\":\"1795700000000-0\",\"at\":1795700000000,\"token\":1042,\"row\":{\"event_id\":\"$e\",\"room_id\":\"!"
        "r\","
        "\"sender\":\"@\\u001Bs\",\"result\":{\"code\":\"M_FORBIDDEN\"},\"module\":\"keywords\",\"rule\":\"r\","
        "\"reason\":"
        "\"because\",\"origin\":\"observe\",\"dry_run\":true,\"number\":123456789012345678901234567890}}";
    setenv("TZ", "UTC", 1);
    tzset();
    cr_expect(append(row, false));
    cr_expect_str_eq(buffer_string(&text),
                     "2026-11-26 13:33:20  1042    M_FORBIDDEN  keywords      r         @\\x1bs     "
                     "       !r                $e            because  (dry run)\n");
    cr_expect(append(row, true));
    buffer_append_char(&text, '\0');
    cr_expect_eq(strncmp(text.data, row, strlen(row)), 0, "%s", text.data);
    cr_expect_not(append("7", false));
    cr_expect_not(append("{\"row\":[]}", false));
    cr_expect_eq(text.length, 0);
    cr_expect(append("{\"row\":{}}", false));
}
