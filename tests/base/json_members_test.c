/* Where members lie in a text, and which texts are refused. */
#include "base/json_members.h"

#include <criterion/criterion.h>

static struct buffer scratch;

static void expect(const char *text, enum json_members_status status, const char *first, const char *second)
{
    static const char *const names[] = {"args", "b\"c"};
    struct slice values[2], whole = slice_from_string(text);
    cr_expect_eq(json_members_find(whole, names, 2, values, &scratch), status, "%s", text);
    cr_expect(slice_equal(values[0], slice_from_string(first)), "%s: %.*s", text, (int)values[0].length,
              values[0].data ? values[0].data : "");
    cr_expect(slice_equal(values[1], slice_from_string(second)), "%s", text);
    for (size_t index = 0; index < 2; index++)
        cr_expect(!values[index].data ||
                  (values[index].data >= text && values[index].data + values[index].length <= text + whole.length));
}

Test(json_members, texts_stay_as_they_came)
{
    expect("{}", JSON_MEMBERS_FOUND, NULL, NULL);
    expect(" {\"args\" : {\"x\":\"\\u00e9\\n\"} , \"o\":[1,2]}\n", JSON_MEMBERS_FOUND, "{\"x\":\"\\u00e9\\n\"}", NULL);
    expect("{\"b\\\"c\":-1.5e3,\"\\u0061rgs\":null}", JSON_MEMBERS_FOUND, "null", "-1.5e3");
    expect("{\"args\":1,\"args\":[2]}", JSON_MEMBERS_FOUND, "[2]", NULL);
    expect("{\"x\":{\"args\":1}}", JSON_MEMBERS_FOUND, NULL, NULL);
    buffer_free(&scratch);
}

Test(json_members, what_is_no_object)
{
    const char *const values[] = {"[]", "null", "12", "\"args\"", " true "};
    for (size_t index = 0; index < sizeof values / sizeof *values; index++)
        expect(values[index], JSON_MEMBERS_NOT_OBJECT, NULL, NULL);
    buffer_free(&scratch);
}

Test(json_members, what_is_no_json)
{
    const char *const texts[] = {
        "", " ", "{", "{\"a\":1,}", "{} {}", "{\"a\" 1}", "nulll", "{\"a\":\"\x01\"}", "[1", "{\"a\":\"\xff\"}"};
    struct slice values[1];
    static const char *const names[] = {"a"};
    for (size_t index = 0; index < sizeof texts / sizeof *texts; index++)
        cr_expect_eq(json_members_find(slice_from_string(texts[index]), names, 0, values, &scratch),
                     JSON_MEMBERS_NOT_JSON, "%s", texts[index]);
    cr_expect_eq(json_members_find(slice_of("{}\0", 3), names, 0, values, &scratch), JSON_MEMBERS_NOT_JSON);
    cr_expect_eq(json_members_find(SLICE_ABSENT, names, 0, values, &scratch), JSON_MEMBERS_NOT_JSON);
    buffer_free(&scratch);
}
