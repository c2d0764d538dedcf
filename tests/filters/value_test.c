/* Values as Python sees them, and their tagged JSON. */
#include <criterion/criterion.h>

#include "filters/value.h"

static struct arena arena;

/* Reads tagged JSON, which must be good, and writes it again. */
static const char *through(const char *text, struct value *value)
{
    static struct buffer written;
    const char *problem = "";
    json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);
    cr_assert_not_null(json, "%s", text);
    cr_assert(value_read_json(json, &arena, value, &problem), "%s: %s", text, problem);
    json_decref(json);
    buffer_clear(&written);
    value_append_json(value, &written);
    return buffer_string(&written);
}

Test(value, goes_through_json_and_back)
{
    static const struct {
        const char *text;
        const char *written; /* NULL: the same */
        bool truthy;
    } cases[] = {
        {"null", "{\"none\":true}", false},
        {"true", "{\"bool\":true}", true},
        {"false", "{\"bool\":false}", false},
        {"0", "{\"int\":0}", false},
        {"7", "{\"int\":7}", true},
        {"0.0", "{\"float\":0.0}", false},
        {"0.5", "{\"float\":0.5}", true},
        {"\"NOT_SPAM\"", NULL, true},
        {"\"\"", "{\"str\":\"\"}", false},
        {"{\"str\":\"NOT_SPAM\"}", NULL, true},
        {"[]", "{\"list\":[]}", false},
        {"[1,\"x\"]", "{\"list\":[{\"int\":1},{\"str\":\"x\"}]}", true},
        {"{\"tuple\":[]}", NULL, false},
        {"{\"set\":[\"b\",\"a\"]}", NULL, true},
        {"{\"dict\":{\"z\":{\"none\":true},\"a\":{\"int\":1}}}", NULL, true},
        {"{\"dict\":{}}", NULL, false},
        {"{\"code\":\"M_FORBIDDEN\"}", "{\"code\":\"M_FORBIDDEN\",\"fields\":{}}", true},
        {"{\"code\":\"M_FORBIDDEN\",\"fields\":{\"a\":1}}", NULL, true},
        {"{\"behaviour\":\"SHADOW_BAN\"}", NULL, true},
        {"{\"event\":{\"content\":{\"body\":\"\\u00e4\"}}}", "{\"event\":{\"content\":{\"body\":\"\\u00E4\"}}}", true},
        {"{\"callable\":true}", NULL, true},
        {"{\"limit\":[10,20]}", NULL, true},
        {"{\"override\":[0.5,3]}", NULL, true},
        {"{\"object\":\"Weird\"}", NULL, true},
        {"{\"json\":{}}", NULL, false},
        {"{\"json\":{\"a\":[]}}", NULL, true},
        {"{\"pass\":true}", NULL, true},
        {"{\"all_users\":true}", "{\"str\":\"ALL\"}", true},
        {"{\"refuse\":\"M_LIMIT_EXCEEDED\"}", "{\"refuse\":\"M_LIMIT_EXCEEDED\",\"fields\":{}}", true},
        {"{\"raise\":{\"type\":\"SynapseError\",\"code\":418,\"errcode\":\"M_UNKNOWN\",\"msg\":\"tea\"}}", NULL, true},
        {"{\"raise\":null}", "{\"raise\":{\"type\":\"Exception\",\"msg\":\"the module failed\"}}", true},
    };
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        struct value value, again;
        const char *wanted = cases[index].written ? cases[index].written : cases[index].text;
        cr_expect_str_eq(through(cases[index].text, &value), wanted);
        cr_expect_eq(value_truthy(&value), cases[index].truthy, "%s", cases[index].text);
        through(wanted, &again);
        if (value.kind != VALUE_CODE && value.kind != VALUE_RAISED)
            cr_expect(value_equal(&value, &again), "%s", wanted);
    }
    arena_free(&arena);
}

Test(value, refuses_what_is_no_value)
{
    static const char *const cases[] = {
        "{}",
        "{\"none\":true,\"int\":1}",
        "{\"nosuch\":1}",
        "{\"bool\":1}",
        "{\"int\":\"1\"}",
        "{\"str\":1}",
        "{\"tuple\":{}}",
        "{\"set\":\"x\"}",
        "{\"dict\":[]}",
        "{\"code\":\"M_NOSUCH\"}",
        "{\"code\":\"M_FORBIDDEN\",\"fields\":[]}",
        "{\"code\":\"M_FORBIDDEN\",\"other\":1}",
        "{\"behaviour\":\"MAYBE\"}",
        "{\"limit\":[1]}",
        "{\"override\":[1,\"x\"]}",
        "{\"event\":[]}",
        "{\"raise\":7}",
        "{\"state\":{\"state\":\"online\"}}",
    };
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        struct value value;
        const char *problem = NULL;
        json_t *json = json_loads(cases[index], JSON_DECODE_ANY, NULL);
        cr_expect_not(value_read_json(json, &arena, &value, &problem), "%s", cases[index]);
        cr_expect_not_null(problem);
        json_decref(json);
    }
    arena_free(&arena);
}

Test(value, refuses_deep_nesting)
{
    char text[2 * (VALUE_DEPTH_MAXIMUM + 1) + 1] = "";
    memset(text, '[', VALUE_DEPTH_MAXIMUM + 1);
    memset(text + VALUE_DEPTH_MAXIMUM + 1, ']', VALUE_DEPTH_MAXIMUM + 1);
    struct value value;
    const char *problem = "";
    json_t *json = json_loads(text, 0, NULL);
    cr_assert_not_null(json);
    cr_expect_not(value_read_json(json, &arena, &value, &problem));
    cr_expect_not(value_read_plain(json, &arena, &value));
    cr_expect_str_eq(problem, "values are nested too deeply");
    json_decref(json);
    arena_free(&arena);
}

Test(value, compares_sets_regardless_of_order_and_states_whole)
{
    struct value left, right;
    through("{\"set\":[\"a\",{\"user_id\":\"@a:x\",\"last_active_ts\":5}]}", &left);
    through("{\"set\":[{\"user_id\":\"@a:x\",\"last_active_ts\":5},\"a\"]}", &right);
    cr_expect(value_equal(&left, &right));
    through("{\"set\":[{\"user_id\":\"@a:x\",\"last_active_ts\":6},\"a\"]}", &right);
    cr_expect_not(value_equal(&left, &right));
    arena_free(&arena);
}

Test(value, becomes_plain_json)
{
    struct value value;
    through("{\"dict\":{\"a\":{\"tuple\":[1,null,\"NOT_SPAM\"]},\"l\":{\"limit\":[1,2]},\"j\":{\"json\":{\"k\":[]}}}}",
            &value);
    json_t *json = value_to_json(&value);
    char *text = json_dumps(json, JSON_COMPACT);
    cr_expect_str_eq(text,
                     "{\"a\":[1,null,\"NOT_SPAM\"],\"l\":{\"max_bytes\":1,\"time_period_ms\":2},\"j\":{\"k\":[]}}");
    free(text);
    json_decref(json);
    through("{\"list\":[{\"callable\":true}]}", &value);
    cr_expect_null(value_to_json(&value));
    arena_free(&arena);
}

Test(value, knows_the_error_codes)
{
    cr_expect(value_code_known(SLICE("ORG_MATRIX_EXPIRED_ACCOUNT")));
    cr_expect_not(value_code_known(SLICE("M_NOSUCH")));
}
