/* What `weir status` makes of a status, and the tables of its parts. */
#include "engine/status_text.h"

#include "engine/admin_tables.h"
#include "tests/engine/status_fixture.h"

static struct buffer output;

static const char *shown(const char *from, const char *to)
{
    yyjson_doc *document = status_document(status_sample, from, to);
    buffer_clear(&output);
    cr_expect(status_text_append(yyjson_doc_get_root(document), false, &output));
    yyjson_doc_free(document);
    return buffer_string(&output);
}

static void expect_has(const char *text, const char *part)
{
    cr_expect_not_null(strstr(text, part), "%s is not in\n%s", part, text);
}

Test(status_text, one_screen_of_an_engine_that_works)
{
    const char *text = shown(NULL, NULL);
    cr_expect_str_eq(
        text, "READY\n"
              "\n"
              "weir       weir1 of example.org, version 0.1.0, up 2 h 46 min, role alone\n"
              "redis      127.0.0.1:6379, connected, subscribed; 0 transactions wait for its answer, 0 were refused\n"
              "bodies     from postgres; 3 events wait for theirs, 0 were not found\n"
              "catch-up   nothing is missing; 1,200 missed rows were fetched\n"
              "events     120,000 judged: 119,000 passed, 990 denied, 0 changed, 10 failed; 40 more would be denied by "
              "modules in dry run\n"
              "           from line to verdict: half within 0.4 ms, 99 % within 2.1 ms, the slowest 400 ms\n"
              "requests   over Redis and HTTP: 5,000 answered, 0 told to come back, 0 came too late, 1 wait\n"
              "           half within 0.2 ms, 99 % within 1.1 ms\n"
              "rules      /etc/weir/weir.yaml, loaded again 2 times, refused 0 times\n"
              "           the last time 1 h 23 min ago by SIGHUP: loaded in 800 ms\n"
              "process    18.0 MiB of memory, 12.5 s of processor time\n"
              "\n"
              "modules, by the rules of Synapse latest\n"
              "  #  module            mode        asked  denied  dry run  raised   ns  from\n"
              "  1  words (keywords)  decides   119,500     420        0       0  310  weir.yaml:12\n"
              "  2  links             dry run*  119,000       0       40      10    -  weir.yaml:20\n"
              "  * switched by hand, until the next reload or restart\n"
              "\n"
              "writers\n"
              "  stream  writer      position  newest  behind    lag  held  state\n"
              "  events  persister1     5,120   5,125       5  20 ms     0  live\n");
}

Test(status_text, what_is_missing_comes_first_with_what_to_do)
{
    const char *text = shown("'ready':true,'missing':null", "'ready':false,'missing':'not connected to Redis'");
    cr_expect(strncmp(text, "NOT READY: not connected to Redis\n  See whether Redis runs", 58) == 0, "%s", text);
    expect_has(shown("'works':true", "'works':false"), "READY, WAITS: another engine does the job");
    expect_has(shown("'connected':true", "'connected':false"), "127.0.0.1:6379, not connected;");
    expect_has(shown("'busy':false,'ranges':0,'rows':1200,'since':null",
                     "'busy':true,'ranges':2,'rows':7,'since':1795699990000"),
               "fetches 2 ranges of missed rows, for 10 s; 7 rows so far\n");
    text = shown("'loaded':true,'at':1795695000000,'seconds':0.8,'errors':[]",
                 "'loaded':false,'at':1795695000000,'seconds':0.8,'errors':['weir.yaml:1:2: a: b']");
    expect_has(text, "by SIGHUP: REFUSED, the rules from before go on:\n             weir.yaml:1:2: a: b\n");
}

/* Each sentence of the engine finds its own advice, and not one of another. */
Test(status_text, advice)
{
    static const struct {
        const char *missing, *begins;
    } cases[] = {
        {"stopping", "Nothing: it finishes"},
        {"standby: Redis does not answer", "See whether Redis"},
        {"standby: no engine with a role has ever done this job, so it is left alone", "Start the engine"},
        {"not sure to hold the lease: Redis does not answer", "See whether Redis"},
        {"standby: not connected to the database of event bodies", "See whether PostgreSQL"},
        {"not connected to Redis", "See whether Redis"},
        {"not subscribed to the replication channel", "Redis answers but"},
        {"not connected to the database of event bodies", "See whether PostgreSQL"},
        {"catching up with what was missed", "Nothing, but to wait"},
        {"a new sentence", "Look at the engine's log"},
    };
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        const char *advice = status_text_advice(slice_from_string(cases[index].missing));
        cr_expect(strncmp(advice, cases[index].begins, strlen(cases[index].begins)) == 0, "%s: %s",
                  cases[index].missing, advice);
    }
}

/* Texts of strangers, members that are missing or of another kind: shown, as far as it goes. */
Test(status_text, what_it_does_not_know)
{
    static const char *const odd[] = {"{'ready':false}", "{'ready':true,'writers':{},'chain':[],'redis':7}",
                                      "{'ready':true,'writers':[1,{}],'chain':{'modules':[null,{}]}}"};
    for (size_t index = 0; index < sizeof odd / sizeof *odd; index++) {
        yyjson_doc *document = status_document(odd[index], NULL, NULL);
        buffer_clear(&output);
        cr_expect(status_text_append(yyjson_doc_get_root(document), true, &output));
        yyjson_doc_free(document);
    }
    yyjson_doc *document = status_document("[1]", NULL, NULL);
    cr_expect_not(status_text_append(yyjson_doc_get_root(document), true, &output));
    yyjson_doc_free(document);
    expect_has(shown("'writer':'persister1'", "'writer':'\\u001b[2J'"), "\\x1b[2J");
}

Test(status_text, no_writers_and_no_modules)
{
    buffer_clear(&output);
    admin_append_writers(NULL, 2, &output);
    admin_append_modules(NULL, 2, &output);
    cr_expect_str_eq(buffer_string(&output), "  no writer is known yet\n  no modules: everything passes\n");
}
