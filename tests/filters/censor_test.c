/* censor: what it makes of an event, that it makes nothing more of what it has made, and what it leaves alone. */
#include "tests/filters/question_fixture.h"

#define ALLOWED "{\"tuple\":[{\"bool\":true},{\"none\":true}]}"
#define NONE "unchanged"

/* The content that the module gives an event of ours with this `content` (single quotes), or NONE. Asked about what it
 * has made, it must say that nothing is to be done. */
static const char *censor_as(struct module_fixture *fixture, const char *sender, const char *content)
{
    static char result[8192];
    char json[8192];
    snprintf(json, sizeof json, "{\"type\":\"m.room.message\",\"room_id\":\"!r:x\",\"sender\":\"%s\",\"content\":%s}",
             sender, content);
    for (char *quote = json; (quote = strchr(quote, '\'')); quote++)
        *quote = '"';
    const char *answer = fixture_event_question(fixture, CALLBACK_check_event_allowed, json, NULL);
    if (strcmp(answer, ALLOWED) == 0)
        return NONE;
    const char *start = strstr(answer, "{\"event\":{\"content\":");
    cr_assert_not_null(start, "%s", answer);
    json_t *tagged = json_loads(answer, 0, NULL);
    json_t *made =
        json_object_get(json_object_get(json_array_get(json_object_get(tagged, "tuple"), 1), "event"), "content");
    char *text = json_dumps(made, JSON_COMPACT | JSON_SORT_KEYS);
    snprintf(result, sizeof result, "%s", text);
    snprintf(json, sizeof json, "{\"type\":\"m.room.message\",\"room_id\":\"!r:x\",\"sender\":\"%s\",\"content\":%s}",
             sender, text);
    answer = fixture_event_question(fixture, CALLBACK_check_event_allowed, json, NULL);
    cr_expect_str_eq(answer, ALLOWED, "not at rest: %s: %s", text, answer);
    free(text);
    json_decref(tagged);
    for (char *quote = result; (quote = strchr(quote, '"')); quote++)
        *quote = '\'';
    return result;
}

#define CENSOR(fixture, content, expected)                                                                             \
    do {                                                                                                               \
        const char *made_ = censor_as(fixture, "@a:example.org", content);                                             \
        cr_expect_str_eq(made_, expected, "%s: %s", content, made_);                                                   \
    } while (0)
/* A message with that body becomes one with the other. */
#define BODY(fixture, body, expected)                                                                                  \
    CENSOR(fixture, "{'body':'" body "','msgtype':'m.text'}", "{'body':'" expected "','msgtype':'m.text'}")
#define SAME(fixture, body) CENSOR(fixture, "{'body':'" body "','msgtype':'m.text'}", NONE)

Test(censor, words_are_masked_however_they_are_written)
{
    for (int semantics = SEMANTICS_LATEST; semantics <= SEMANTICS_147; semantics++) {
        struct module_fixture fixture = {.semantics = (enum semantics)semantics};
        cr_assert(fixture_open_quoted(&fixture, "censor", "{'rules':[{'list':['darn','free money']}]}"), "%s",
                  fixture.reports);
        cr_expect(chain_needs_body(fixture.chain));
        BODY(&fixture, "oh darn, Darn!", "oh ****, ****!");
        BODY(&fixture, "d\xd0\xb0rn", "****");                        /* a Cyrillic a */
        BODY(&fixture, "xx da\xcc\x81\xcc\x82rn xx", "xx ****** xx"); /* marks are characters, too */
        BODY(&fixture, "f\xe2\x80\x8bree   money now", "************* now");
        BODY(&fixture, "\xf0\x9f\x98\x80 darn \xf0\x9f\x98\x80", "\xf0\x9f\x98\x80 **** \xf0\x9f\x98\x80");
        SAME(&fixture, "darning, undarn, freemoney");
        SAME(&fixture, "");
        EXPECT_ANSWER(&fixture, check_event_allowed,
                      "{'type':'m.room.topic','state_key':'','sender':'@a:example.org','content':{'topic':'darn'}}",
                      ALLOWED);
        fixture_close(&fixture);
    }
}

Test(censor, the_row_says_why)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open_quoted(&fixture, "censor", "{'rules':[{'name':'manners','list':'darn'}]}"));
    cr_expect_str_neq(censor_as(&fixture, "@a:example.org", "{'body':'a'}"), "");
    fixture_event_question(&fixture, CALLBACK_check_event_allowed,
                           "{\"sender\":\"@a:example.org\",\"type\":\"a\",\"content\":{\"body\":\"darn\"}}", NULL);
    EXPECT_SLICE(fixture.outcome.result.rule, "manners");
    EXPECT_SLICE(fixture.outcome.result.reason, "what is unwanted was taken out of the content");
    cr_expect_eq(fixture.outcome.kind, OUTCOME_CHANGED);
    /* A number that no JSON library of ours can write again: not let through uncensored. */
    EXPECT_ANSWER(&fixture, check_event_allowed,
                  "{'sender':'@a:example.org','type':'a','content':{'body':'darn','n':99999999999999999999}}",
                  "{\"tuple\":[{\"bool\":false},{\"none\":true}]}");
    fixture_close(&fixture);
}

Test(censor, events_of_others_are_left_alone)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open_quoted(&fixture, "censor", "{'rules':[{'list':'darn'}],'strip':'custom_keys'}"));
    cr_expect_str_eq(censor_as(&fixture, "@a:elsewhere.org", "{'body':'darn','x':1}"), NONE);
    cr_expect_str_eq(censor_as(&fixture, "@a:notexample.org", "{'body':'darn'}"), NONE);
    cr_expect_str_eq(censor_as(&fixture, "@a:example.org", "{'body':'darn','x':1}"), "{'body':'****'}");
    fixture_close(&fixture);
}

Test(censor, removing_may_leave_a_word_behind)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open_quoted(&fixture, "censor",
                                  "{'rules':[{'match':'words','list':'darn','whole':false,'replace':'remove'},"
                                  "{'match':'regex','list':['\\\\d{3,}','(?<=x)y+','z*'],'replace':'text','text':'"
                                  "N'}],'mask_char':'\xe2\x96\x88'}"));
    BODY(&fixture, "dadarnrn!", "!");
    BODY(&fixture, "call 12345 or 12", "call N or 12");
    BODY(&fixture, "yxyy", "yxN");
    BODY(&fixture, "fizz", "fiN");
    fixture_close(&fixture);
    /* A replacement that is found itself can never come to rest. */
    cr_assert(fixture_open_quoted(&fixture, "censor",
                                  "{'rules':[{'match':'regex','list':'a','replace':'text','text':'aa'}]}"));
    BODY(&fixture, "banana", "");
    fixture_close(&fixture);
    cr_assert(fixture_open_quoted(&fixture, "censor", "{'rules':[{'match':'regex','list':'.'}],'mask_char':'#'}"));
    BODY(&fixture, "any", "###");
    SAME(&fixture, "###");
    fixture_close(&fixture);
}

Test(censor, links)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open_quoted(&fixture, "censor",
                                  "{'rules':[{'match':'links','list':['Bad.example','*.zip'],'replace':'text'}]}"));
    BODY(&fixture, "see https://www.bad.example/a?b=c#d, or", "see [removed], or");
    BODY(&fixture, "(HTTP://u@bad.example:80/x)", "([removed])");
    BODY(&fixture, "http://a.zip http://bad.example.org", "[removed] http://bad.example.org");
    SAME(&fixture, "https://good.example bad.example http://notbad.example");
    fixture_close(&fixture);
    cr_assert(fixture_open_quoted(&fixture, "censor", "{'rules':[{'match':'links','replace':'remove'}]}"));
    BODY(&fixture, "a http://x.y/z b", "a  b");
    SAME(&fixture, "https://matrix.to/#/@a:b");
    CENSOR(&fixture,
           "{'body':'x','format':'f','formatted_body':'<a "
           "href=\\\"https://matrix.to/#/@a:b\\\">x</a>','msgtype':'m.text'}",
           NONE);
    CENSOR(&fixture,
           "{'body':'x','format':'f','formatted_body':'<a href=\\\"http:&#47;/x.y\\\">x</a>','msgtype':'m.text'}",
           "{'body':'x','msgtype':'m.text'}");
    fixture_close(&fixture);
}

Test(censor, html_edits_and_relations)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open_quoted(&fixture, "censor", "{'rules':[{'list':'darn'}]}"));
    CENSOR(&fixture, "{'body':'a','format':'f','formatted_body':'<b>da</b>rn','msgtype':'m.text'}",
           "{'body':'a','msgtype':'m.text'}");
    CENSOR(&fixture, "{'body':'a','format':'f','formatted_body':'<img alt=darn>','msgtype':'m.text'}",
           "{'body':'a','msgtype':'m.text'}");
    CENSOR(&fixture,
           "{'body':'* darn','m.mentions':{},'m.new_content':{'body':'darn','msgtype':'m.text'},"
           "'m.relates_to':{'event_id':'$darn','key':'darn','rel_type':'m.replace'},'msgtype':'m.text'}",
           "{'body':'* ****','m.mentions':{},'m.new_content':{'body':'****','msgtype':'m.text'},"
           "'m.relates_to':{'event_id':'$darn','key':'darn','rel_type':'m.replace'},'msgtype':'m.text'}");
    CENSOR(&fixture, "{'m.text':[{'body':'darn'},{'body':'<i>darn</i>','mimetype':'text/html'},'darn',5]}",
           "{'m.text':[{'body':'****'},'****',5]}");
    fixture_close(&fixture);
    cr_assert(fixture_open_quoted(&fixture, "censor",
                                  "{'rules':[{'list':'darn'}],'fields':['topic','a/b','m.relates_to/key']}"));
    CENSOR(&fixture, "{'a':{'b':'darn','c':'darn'},'body':'darn','m.relates_to':{'key':'darn'},'topic':'darn'}",
           "{'a':{'b':'****','c':'darn'},'body':'darn','m.relates_to':{'key':'darn'},'topic':'****'}");
    fixture_close(&fixture);
}

Test(censor, strips)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open_quoted(&fixture, "censor", "{'strip':['formatted_body']}"));
    CENSOR(&fixture, "{'body':'a','format':'f','formatted_body':'b','m.new_content':{'body':'a','formatted_body':'b'}}",
           "{'body':'a','m.new_content':{'body':'a'}}");
    SAME(&fixture, "a");
    fixture_close(&fixture);
    cr_assert(fixture_open_quoted(&fixture, "censor", "{'strip':'inline_images'}"));
    CENSOR(&fixture, "{'body':'a','formatted_body':'a <img src=x alt=y>b<IMG/> <b>c</b>'}",
           "{'body':'a','formatted_body':'a b <b>c</b>'}");
    CENSOR(&fixture, "{'body':'a','formatted_body':'<<img>img src=x>a'}", "{'body':'a','formatted_body':'a'}");
    CENSOR(&fixture, "{'body':'a','formatted_body':'<b>c</b><!-- <img> -->'}", NONE);
    fixture_close(&fixture);
    cr_assert(fixture_open_quoted(&fixture, "censor", "{'strip':'via_links'}"));
    BODY(&fixture, "https://matrix.to/#/!r:x/$e?via=a.b&via=c ok", "https://matrix.to/#/!r:x/$e ok");
    BODY(&fixture, "matrix:roomid/r:x?via=a&action=join&via=b", "matrix:roomid/r:x?action=join");
    SAME(&fixture, "https://example.org/?via=a matrix.to ?via=b");
    CENSOR(&fixture, "{'body':'a','formatted_body':'<a href=\\\"https://matrix.to/#/!r:x?via=a&amp;via=b\\\">x</a>'}",
           "{'body':'a','formatted_body':'<a href=\\'https://matrix.to/#/!r:x\\'>x</a>'}");
    fixture_close(&fixture);
    cr_assert(fixture_open_quoted(&fixture, "censor", "{'strip':'custom_keys'}"));
    CENSOR(
        &fixture,
        "{'body':'a','com.tracker':{'x':1},'info':{'w':1,'own':2},'m.mentions':{},'m.new_content':{'body':'a','own':1},"
        "'m.relates_to':{'own':1},'msgtype':'m.text'}",
        "{'body':'a','info':{'own':2,'w':1},'m.mentions':{},'m.new_content':{'body':'a'},'m.relates_to':{'own':1},"
        "'msgtype':'m.text'}");
    EXPECT_ANSWER(&fixture, check_event_allowed, "{'type':'org.own','sender':'@a:example.org','content':{'own':1}}",
                  ALLOWED);
    fixture_close(&fixture);
}

Test(censor, faults_of_the_configuration)
{
    struct module_fixture fixture = {0};
    cr_expect_not(fixture_open_quoted(&fixture, "censor",
                                      "{'mask_char':'**','rules':[{'list':[]},{'match':'regex','list':['(']},"
                                      "{'list':['a','']}]}"));
    cr_expect_not_null(strstr(fixture.reports, "mask_char: must be one character"), "%s", fixture.reports);
    cr_expect_not_null(strstr(fixture.reports, "rules[0].list: is empty"), "%s", fixture.reports);
    cr_expect_not_null(strstr(fixture.reports, "rules[1].list[0]: missing closing parenthesis"), "%s", fixture.reports);
    cr_expect_not_null(strstr(fixture.reports, "rules[2].list[1]: "), "%s", fixture.reports);
    fixture_close(&fixture);
    cr_expect(fixture_open_quoted(&fixture, "censor", "{}"));
    cr_expect_str_eq(fixture.reports, "warning: : nothing is censored: every event stays as it is\n");
    fixture_close(&fixture);
}
