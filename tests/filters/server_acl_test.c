#include "filters/server_acl.h"

#include <criterion/criterion.h>

static bool allows(const char *content, const char *server_name)
{
    json_t *json = json_loads(content, 0, NULL);
    cr_assert_not_null(json, "%s", content);
    bool allowed = server_acl_allows(json, slice_from_string(server_name));
    json_decref(json);
    return allowed;
}

Test(server_acl, lists)
{
    static const char acl[] = "{\"allow\": [\"*\"], \"deny\": [\"evil.example\", \"*.BAD.example\", \"a??b\"]}";
    static const char *const allowed[] = {"good.example", "bad.example", "xevil.example", "evil.example.org",
                                          "ab",           "a.b",         "1.2.3.4",       "[::1]:80"};
    static const char *const denied[] = {"evil.example", "EVIL.example:8448", "x.bad.Example", "x.y.bad.example:1",
                                         "a..b"};
    for (size_t index = 0; index < sizeof allowed / sizeof *allowed; index++)
        cr_expect(allows(acl, allowed[index]), "%s", allowed[index]);
    for (size_t index = 0; index < sizeof denied / sizeof *denied; index++)
        cr_expect_not(allows(acl, denied[index]), "%s", denied[index]);
}

Test(server_acl, addresses)
{
    static const char acl[] = "{\"allow\": [\"*\"], \"allow_ip_literals\": false}";
    cr_expect(allows(acl, "good.example"));
    cr_expect(allows(acl, "1.2.3.4.example"));
    cr_expect(allows(acl, "1.2.3"));
    cr_expect_not(allows(acl, "1.2.3.4"));
    cr_expect_not(allows(acl, "1.2.3.4:8448"));
    cr_expect_not(allows(acl, "[::1]"));
    cr_expect_not(allows(acl, "[::1]:8448"));
    cr_expect(allows("{\"allow\": [\"*\"], \"allow_ip_literals\": \"no\"}", "1.2.3.4"));
}

Test(server_acl, what_is_left_out_or_wrong)
{
    cr_expect_not(allows("{}", "a.example"));
    cr_expect_not(allows("[]", "a.example"));
    cr_expect_not(allows("{\"allow\": \"*\"}", "a.example"));
    cr_expect_not(allows("{\"allow\": [1, null]}", "a.example"));
    cr_expect(allows("{\"allow\": [1, \"a.*\"], \"deny\": {\"a.example\": 1}}", "a.example"));
    cr_expect(allows("{\"allow\": [\"a*a*a*a*a*a*a*e\"]}", "a.a.a.a.a.a.a.a.example"));
}
