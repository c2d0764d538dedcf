/* The event as a script sees it. */
#include "tests/filters/lua_fixture.h"

/* Opens a script whose check_event_for_spam is `body`. */
static void open_with(struct lua_fixture *fixture, const char *body)
{
    static char script[4096];
    snprintf(script, sizeof script, "function check_event_for_spam(event)\n%s\nend", body);
    lua_fixture_open(fixture, script);
}

#define EXPECT_READS(expression, content, expected)                                                                    \
    do {                                                                                                               \
        struct lua_fixture fixture_ = {0};                                                                             \
        open_with(&fixture_, "local content = event.content return " expression);                                      \
        EXPECT_TEXT(lua_fixture_judge(&fixture_, content), expected);                                                  \
        lua_fixture_close(&fixture_);                                                                                  \
    } while (0)

Test(lua_event, fields)
{
    EXPECT_READS("event.event_id, event.room_id, event.type, event.sender, event.state_key, event.redacts", "{}",
                 "{'tuple':[{'str':'$e'},{'str':'!r:b.org'},{'str':'m.room.message'},{'str':'@a:b.org'},{'none':true},"
                 "{'none':true}]}");
    EXPECT_READS("event.origin_server_ts + 1", "{}", "{'int':18}");
    EXPECT_READS("event.nothing == nil and event[1] == nil and event[{}] == nil", "{}", "{'bool':true}");
    EXPECT_READS("event.membership", "{\"membership\":\"join\"}", "{'none':true}");
}

Test(lua_event, content_of_every_type)
{
    EXPECT_READS("content.body", "{\"body\":\"caf\\u00e9\"}", "{'str':'caf\\u00e9'}");
    EXPECT_READS("content.n, content.x, content.big, math.type(content.n)",
                 "{\"n\":-5,\"x\":1.5,\"big\":18446744073709551615}",
                 "{'tuple':[{'int':-5},{'float':1.5},{'float':1.8446744073709552e+19},{'str':'integer'}]}");
    EXPECT_READS("content.yes, content.no, content.null, content.absent", "{\"yes\":true,\"no\":false,\"null\":null}",
                 "{'tuple':[{'bool':true},{'bool':false},{'none':true},{'none':true}]}");
    EXPECT_READS("content['m.relates_to']['m.in_reply_to'].event_id",
                 "{\"m.relates_to\":{\"m.in_reply_to\":{\"event_id\":\"$p\"}}}", "{'str':'$p'}");
    EXPECT_READS("content.body", "{\"body\":\"first\",\"body\":\"last\"}", "{'str':'last'}");
    EXPECT_READS("event.content.list[2].a", "{\"list\":[{},{\"a\":3}]}", "{'int':3}");
    EXPECT_READS("content.body.x", "{\"body\":{}}", "{'none':true}");
}

Test(lua_event, loops)
{
    EXPECT_READS("#content.list, #content, content.list[0], content.list[4], content.list['1'], content.list[1.0]",
                 "{\"list\":[7,8,9]}",
                 "{'tuple':[{'int':3},{'int':1},{'none':true},{'none':true},{'none':true},{'int':7}]}");
    struct lua_fixture fixture = {0};
    open_with(&fixture,
              "local out = {}\n"
              "for key, value in pairs(event.content) do out[#out + 1] = key .. '=' .. type(value) end\n"
              "for index, value in ipairs(event.content.list) do out[#out + 1] = index .. ':' .. value.v end\n"
              "for index, value in pairs(event.content.list) do out[#out + 1] = index .. ';' .. value.v end\n"
              "return table.concat(out, ' ')");
    EXPECT_TEXT(
        lua_fixture_judge(&fixture, "{\"a\":1,\"list\":[{\"v\":\"x\"},{\"v\":\"y\"},{\"v\":\"z\"}],\"n\":null}"),
        "{'str':'a=number list=userdata n=nil 1:x 2:y 3:z 1;x 2;y 3;z'}");
    lua_fixture_close(&fixture);
}

/* Items of one array, read forwards, backwards and all over. */
Test(lua_event, arrays_of_mixed_sizes)
{
    struct lua_fixture fixture = {0};
    open_with(&fixture, "local list, sum = event.content.list, 0\n"
                        "for i = 1, #list do sum = sum + list[i][1] end\n"
                        "for i = #list, 1, -1 do sum = sum + list[i][1] * 10 end\n"
                        "return sum + list[2][1] * 1000 + list[3][1] * 1000 + list[1][1] * 100000");
    EXPECT_TEXT(lua_fixture_judge(&fixture, "{\"list\":[[1,[2]],[2],[3,{\"x\":[]}]]}"), "{'int':105066}");
    lua_fixture_close(&fixture);
}

Test(lua_event, declared_fields_come_from_the_reader)
{
    struct lua_fixture fixture = {0};
    lua_fixture_open(&fixture, "fields = {'body', 'topic'}\n"
                               "function check_event_for_spam(event) return event.content.body, event.content.topic, "
                               "event.content.other end");
    EXPECT_TEXT(lua_fixture_judge(&fixture, "{\"body\":\"b\",\"topic\":[1],\"other\":\"o\"}"),
                "{'tuple':[{'str':'b'},{'json':[1]},{'str':'o'}]}");
    EXPECT_TEXT(lua_fixture_judge(&fixture, "{\"body\":\"b\",\"body\":\"c\"}"),
                "{'tuple':[{'str':'c'},{'none':true},{'none':true}]}");
    lua_fixture_close(&fixture);
    fixture.script = "fields = {1}\nfunction check_event_for_spam() end";
    cr_expect_not(lua_fixture_try(&fixture));
    cr_expect(strstr(fixture.reports, "`fields` must be a list"), "%s", fixture.reports);
    lua_fixture_close(&fixture);
}

/* A proxy that is kept must not reach what is gone. */
Test(lua_event, cannot_be_kept)
{
    struct lua_fixture fixture = {0};
    lua_fixture_open(&fixture,
                     "local kept, content, list, loop, state\n"
                     "function check_event_for_spam(event)\n"
                     "  if not kept then\n"
                     "    kept, content, list = event, event.content, event.content.list\n"
                     "    loop, state = pairs(list)\n"
                     "    return list[1], loop(state)\n"
                     "  end\n"
                     "  local out = {}\n"
                     "  for _, try in ipairs{function() return kept.sender end, function() return content.a end,\n"
                     "      function() return #list end, function() return pairs(list) end,\n"
                     "      function() return loop(state) end, function() return weir.copy(list) end} do\n"
                     "    local good, problem = pcall(try)\n"
                     "    out[#out + 1] = tostring(good) .. (problem:find('has been answered', 1, true) and 1 or 0)\n"
                     "  end\n"
                     "  return table.concat(out, ' ')\n"
                     "end");
    EXPECT_TEXT(lua_fixture_judge(&fixture, "{\"list\":[\"x\"]}"), "{'tuple':[{'str':'x'},{'int':1},{'str':'x'}]}");
    EXPECT_TEXT(lua_fixture_judge(&fixture, "{\"list\":[\"y\",2]}"),
                "{'str':'false1 false1 false1 false1 false1 false1'}");
    lua_fixture_close(&fixture);
}

Test(lua_event, without_a_body)
{
    struct lua_fixture fixture = {0};
    lua_fixture_open(&fixture, "function check_event_for_spam(event) return event.content == nil, event.sender end");
    struct event event = {.event_id = SLICE("$e"), .type = SLICE("m.room.member"), .membership = SLICE("ban")};
    struct callback_arguments question = {.event = &event, .arena = &fixture.arena};
    chain_run(fixture.chain, CALLBACK_check_event_for_spam, &question, &fixture.outcome);
    /* The module needs the body, so it is passed over. */
    cr_expect_eq(fixture.outcome.kind, OUTCOME_PASSED);
    cr_expect_eq(fixture.answer.length, 0);
    lua_fixture_close(&fixture);
}

Test(lua_event, membership_of_a_request)
{
    struct lua_fixture fixture = {0};
    open_with(&fixture, "return event.membership");
    EXPECT_TEXT(lua_fixture_ask(&fixture, "check_event_for_spam",
                                "{\"event\":{\"type\":\"m.room.member\",\"content\":{\"membership\":\"knock\"}}}"),
                "{'str':'knock'}");
    lua_fixture_close(&fixture);
}

Test(lua_event, copies)
{
    struct lua_fixture fixture = {0};
    open_with(&fixture, "local copy = weir.copy(event.content)\n"
                        "copy.body = 'new' copy.list[1] = nil copy.deep.x.y = copy.deep.x.y + 1\n"
                        "local again = weir.copy(copy) again.body = 'other'\n"
                        "return copy, event.content.body, weir.copy('text')");
    EXPECT_TEXT(
        lua_fixture_judge(&fixture, "{\"body\":\"old\",\"list\":[1],\"deep\":{\"x\":{\"y\":1}},\"nulls\":[null]}"),
        "{'tuple':[{'dict':{'body':{'str':'new'},'deep':{'dict':{'x':{'dict':{'y':{'int':2}}}}},'list':{'list':[]},"
        "'nulls':{'list':[{'none':true}]}}},{'str':'old'},{'str':'text'}]}");
    lua_fixture_close(&fixture);
}

/* Deeply nested JSON is read by proxies without recursion, and refused where it would have to be copied. */
Test(lua_event, deep_nesting)
{
    struct lua_fixture fixture = {0};
    open_with(&fixture, "local value, depth = event.content, 0\n"
                        "while value.a do value = value.a depth = depth + 1 end\n"
                        "local good, problem = pcall(weir.copy, event.content)\n"
                        "return depth, good, problem");
    static char content[8192];
    size_t used = 0;
    for (int depth = 0; depth < 500; depth++)
        used += (size_t)snprintf(content + used, sizeof content - used, "{\"a\":");
    used += (size_t)snprintf(content + used, sizeof content - used, "{}");
    memset(content + used, '}', 500);
    EXPECT_TEXT(
        lua_fixture_judge(&fixture, content),
        "{'tuple':[{'int':500},{'bool':false},{'str':'a value is nested above 64 levels, or contains itself'}]}");
    lua_fixture_close(&fixture);
}
