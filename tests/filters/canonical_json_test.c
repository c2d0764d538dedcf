/* The examples of the Matrix specification (appendices, Canonical JSON), and what Python's json says of the rest:
 * json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True). */
#include "filters/canonical_json.h"

#include <criterion/criterion.h>

static const char *canonical(const char *text, struct buffer *output)
{
    json_t *value = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    cr_assert_not_null(value, "%s", text);
    buffer_clear(output);
    cr_expect(canonical_json_append(value, 1 << 20, output), "%s", text);
    json_decref(value);
    return buffer_string(output);
}

Test(canonical_json, as_specified)
{
    static const char *const cases[][2] = {
        {"{}", "{}"},
        {"{\"one\": 1, \"two\": \"Two\"}", "{\"one\":1,\"two\":\"Two\"}"},
        {"{\"b\": \"2\", \"a\": \"1\"}", "{\"a\":\"1\",\"b\":\"2\"}"},
        {"{\"auth\": {\"success\": true, \"mxid\": \"@john.doe:example.com\", \"profile\": {\"display_name\": \"John "
         "Doe\", \"three_pids\": [{\"medium\": \"email\", \"address\": \"john.doe@example.org\"}, {\"medium\": "
         "\"msisdn\", \"address\": \"123456789\"}]}}}",
         "{\"auth\":{\"mxid\":\"@john.doe:example.com\",\"profile\":{\"display_name\":\"John "
         "Doe\",\"three_pids\":[{\"address\":\"john.doe@example.org\",\"medium\":\"email\"},{\"address\":\"123456789\","
         "\"medium\":\"msisdn\"}]},\"success\":true}}"},
        {"{\"a\": \"日本語\"}", "{\"a\":\"日本語\"}"},
        {"{\"本\": 2, \"日\": 1}", "{\"日\":1,\"本\":2}"},
        {"{\"a\": \"\\u65E5\"}", "{\"a\":\"日\"}"},
        {"{\"a\": null}", "{\"a\":null}"},
        {"[true, false, -1, []]", "[true,false,-1,[]]"},
        {"\"\\u0000\\u001F\\u007f\\/\\b\\f\\n\\r\\t\\\"\\\\\"", "\"\\u0000\\u001f\x7f/\\b\\f\\n\\r\\t\\\"\\\\\""},
        {"{\"\\ud83d\\ude00\": 1, \"\\uffff\": 2}", "{\"\xef\xbf\xbf\":2,\"\xf0\x9f\x98\x80\":1}"},
        {"[9007199254740991, -9223372036854775808]", "[9007199254740991,-9223372036854775808]"},
        {"[1.0, 0.1, -0.0, 1e15, 1e16, 123456789.125, 0.0001, 0.00001, 1.5e300, 5e-324, 1e22]",
         "[1.0,0.1,-0.0,1000000000000000.0,1e+16,123456789.125,0.0001,1e-05,1.5e+300,5e-324,1e+22]"},
    };
    struct buffer output = {0};
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++)
        cr_expect_str_eq(canonical(cases[index][0], &output), cases[index][1]);
    buffer_free(&output);
}

Test(canonical_json, bounds_hold)
{
    struct buffer output = {0};
    json_t *value = json_loads("{\"key\": \"value\", \"list\": [1, 2, 3]}", 0, NULL);
    buffer_append_string(&output, "kept");
    for (size_t maximum = 0; maximum < strlen("{\"key\":\"value\",\"list\":[1,2,3]}"); maximum++) {
        cr_expect_not(canonical_json_append(value, maximum, &output));
        cr_expect_eq(output.length, 4u);
    }
    cr_expect(canonical_json_append(value, strlen("{\"key\":\"value\",\"list\":[1,2,3]}"), &output));
    cr_expect_str_eq(buffer_string(&output), "kept{\"key\":\"value\",\"list\":[1,2,3]}");
    json_decref(value);
    value = json_integer(1);
    for (int depth = 1; depth < CANONICAL_JSON_DEPTH_MAXIMUM; depth++)
        value = json_pack("[o]", value);
    cr_expect(canonical_json_append(value, 1 << 20, &output));
    value = json_pack("[o]", value);
    cr_expect_not(canonical_json_append(value, 1 << 20, &output));
    json_decref(value);
    buffer_free(&output);
}
