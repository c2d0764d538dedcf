/* media_hash: files by what is in them, and media by its URI wherever an event names it. */
#include "tests/filters/question_fixture.h"

#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" /* SHA-256 of "abc" */
#define OTHER "0000000000000000000000000000000000000000000000000000000000000001"

#define UPLOAD(sha256, id)                                                                                             \
    "{'file':{'size':3,'sha256':'" sha256 "'},'file_info':{'server_name':null,'file_id':'" id                          \
    "','url_cache':false,'thumbnail':null}}"
#define FETCH(sha256)                                                                                                  \
    "{'file':{'size':3,'sha256':'" sha256 "'},'file_info':{'server_name':'far.example','file_id':'bad'}}"

Test(media_hash, files)
{
    for (int semantics = SEMANTICS_LATEST; semantics <= SEMANTICS_147; semantics++) {
        struct module_fixture fixture = {.semantics = (enum semantics)semantics};
        cr_assert(fixture_open_quoted(&fixture, "media_hash", "{'sha256':'" ABC "','mxc':'mxc://example.org/bad'}"));
        EXPECT_RULE(&fixture, check_media_file_for_spam, UPLOAD(ABC, "good"), ABC);
        EXPECT_SLICE(fixture.outcome.result.reason, "the file is on the list");
        EXPECT_RULE(&fixture, check_media_file_for_spam,
                    FETCH("BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD"),
                    "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD");
        EXPECT_RULE(&fixture, check_media_file_for_spam, UPLOAD(OTHER, "good"), "");
        EXPECT_RULE(&fixture, check_media_file_for_spam, UPLOAD(OTHER, "bad"), "mxc://example.org/bad");
        EXPECT_RULE(&fixture, check_media_file_for_spam, FETCH(OTHER), "");
        /* Without hash_media nothing is told of the file. */
        EXPECT_RULE(&fixture, check_media_file_for_spam, "{'file':{},'file_info':{'server_name':'far.example'}}", "");
        EXPECT_RULE(&fixture, check_media_file_for_spam, "{'file':{'sha256':'" ABC "0'},'file_info':null}", "");
        EXPECT_RULE(&fixture, check_media_file_for_spam, "{'file':{},'file_info':{'sha256':'" ABC "'}}", ABC);
        fixture_close(&fixture);
    }
}

Test(media_hash, refusals_by_semantics)
{
    struct module_fixture fixture = {0};
    cr_assert(fixture_open_quoted(&fixture, "media_hash", "{'sha256':'" ABC "','code':'M_TOO_LARGE'}"));
    EXPECT_ANSWER(&fixture, check_media_file_for_spam, UPLOAD(ABC, "a"), "{\"code\":\"M_TOO_LARGE\",\"fields\":{}}");
    EXPECT_ANSWER(&fixture, check_media_file_for_spam, UPLOAD(OTHER, "a"), "\"NOT_SPAM\"");
    fixture_close(&fixture);
    fixture.semantics = SEMANTICS_147;
    cr_assert(fixture_open_quoted(&fixture, "media_hash", "{'sha256':'" ABC "'}"));
    EXPECT_ANSWER(&fixture, check_media_file_for_spam, UPLOAD(ABC, "a"), "{\"bool\":true}");
    EXPECT_ANSWER(&fixture, check_media_file_for_spam, UPLOAD(OTHER, "a"), "{\"bool\":false}");
    fixture_close(&fixture);
}

#define BAD "mxc://far.example/bad1"

Test(media_hash, events)
{
    static const char *const bad[] = {
        "{'type':'m.room.message','content':{'msgtype':'m.image','body':'a','url':'" BAD "'}}",
        "{'type':'m.room.message','content':{'msgtype':'m.image','body':'a','file':{'url':'" BAD "'}}}",
        "{'type':'m.room.message','content':{'info':{'thumbnail_url':'" BAD "'}}}",
        "{'type':'m.room.message','content':{'body':'look: (" BAD ")'}}",
        "{'type':'m.room.message','content':{'m.new_content':{'itemtypes':[1,{'url':'" BAD "'}]}}}",
        "{'type':'m.room.message','content':{'formatted_body':'<img src=" BAD ">'}}",
        "{'type':'m.room.message','content':{'formatted_body':'<img src=mxc:&#47;/far.example&#x2f;bad1 alt=a>'}}",
        "{'type':'m.room.member','state_key':'@a:x','content':{'avatar_url':'" BAD "'}}",
        "{'type':'m.reaction','content':{'m.relates_to':{'key':'" BAD "'}}}",
        "{'type':'a','content':{'a':'mxc://good.example/a mxc://x " BAD "'}}",
        "{'type':'a','content':{'a':'\\u006dxc:\\/\\/far.example\\/bad1'}}",
        "{'type':'a','content':{'" BAD "':1}}",
    };
    static const char *const good[] = {
        "{'type':'m.room.message','content':{'msgtype':'m.image','body':'a','url':'mxc://far.example/bad12'}}",
        "{'type':'m.room.message','content':{'url':'mxc://FAR.example/bad1'}}",
        "{'type':'m.room.message','content':{'url':'mxc://far.example/bad'}}",
        "{'type':'m.room.message','content':{'body':'mxc: mxc:// mxc'}}",
        ("{'type':'m.room.message','content':{},'unsigned':{'a':'" BAD "'}}"),
        "{'type':'m.room.message'}",
    };
    struct module_fixture fixture = {0};
    cr_assert(fixture_open_quoted(&fixture, "media_hash", "{'mxc':['" BAD "','mxc://worse.example/*']}"));
    for (size_t index = 0; index < sizeof bad / sizeof *bad; index++)
        EXPECT_RULE(&fixture, check_event_for_spam, bad[index], BAD);
    EXPECT_RULE(&fixture, check_event_for_spam, "{'type':'a','content':{'url':'mxc://worse.example/any'}}",
                "mxc://worse.example/*");
    for (size_t index = 0; index < sizeof good / sizeof *good; index++)
        EXPECT_RULE(&fixture, check_event_for_spam, good[index], "");
    fixture_close(&fixture);
}

Test(media_hash, what_to_quarantine)
{
    struct module_fixture fixture = {0};
    cr_assert(
        fixture_open_quoted(&fixture, "media_hash", "{'sha256':'" ABC "','mxc':'" BAD "','action':'quarantine_note'}"));
    EXPECT_RULE(&fixture, check_event_for_spam, "{'type':'a','content':{'url':'" BAD "'}}", BAD);
    EXPECT_SLICE(fixture.outcome.result.reason, "quarantine " BAD ": the media is on the list");
    EXPECT_RULE(&fixture, check_media_file_for_spam, UPLOAD(ABC, "new"), ABC);
    EXPECT_SLICE(fixture.outcome.result.reason, "quarantine mxc://example.org/new: the file is on the list");
    fixture_close(&fixture);
}

Test(media_hash, files_of_digests)
{
    struct module_fixture fixture = {.file_content = "# known\n" ABC "  holiday photo.jpg\n" OTHER "\n"};
    cr_assert(fixture_open_quoted(&fixture, "media_hash", "{'sha256_files':['hashes.txt']}"), "%s", fixture.reports);
    EXPECT_RULE(&fixture, check_media_file_for_spam, UPLOAD(OTHER, "a"), OTHER);
    EXPECT_RULE(&fixture, check_media_file_for_spam, UPLOAD(ABC, "a"), ABC);
    fixture_close(&fixture);
    fixture.file_content = "mxc://a/b\nhttp://a/b\n";
    cr_expect_not(fixture_open_quoted(&fixture, "media_hash", "{'sha256':['abc'],'mxc_files':'m.txt','mxc':'a*'}"));
    cr_expect_not_null(strstr(fixture.reports, "sha256[0]: "), "%s", fixture.reports);
    cr_expect_not_null(strstr(fixture.reports, "mxc_files: m.txt, line 2: must begin with mxc://"), "%s",
                       fixture.reports);
    cr_expect_not_null(strstr(fixture.reports, "mxc[0]: must begin"), "%s", fixture.reports);
    fixture_close(&fixture);
}
