/* The status that docs/admin-api.md shows, for tests of what is made of it. */
#ifndef WEIR_TESTS_ENGINE_STATUS_FIXTURE_H
#define WEIR_TESTS_ENGINE_STATUS_FIXTURE_H

#include <criterion/criterion.h>
#include <string.h>
#include <yyjson.h>

static const char status_sample[] =
    "{'version':'0.1.0','server_name':'example.org','instance':'weir1','now':1795700000000,'started':1795690000000,"
    "'ready':true,'missing':null,'role':'alone','works':true,"
    "'configuration':{'path':'/etc/weir/weir.yaml','reloads':2,'refused':0,'busy':false,"
    "'last':{'cause':'SIGHUP','loaded':true,'at':1795695000000,'seconds':0.8,'errors':[],'warnings':[]}},"
    "'redis':{'address':'127.0.0.1:6379','connected':true,'subscribed':true,'waiting':0,'refused':0},"
    "'bodies':{'source':'postgres','ready':true,'waiting':3,'missing':0},"
    "'catch_up':{'busy':false,'ranges':0,'rows':1200,'since':null},"
    "'events':{'judged':120000,'passed':119000,'changed':0,'denied':990,'failed':10,'dry_run':40},"
    "'latency':{'count':120000,'p50':0.0004,'p99':0.0021,'maximum':0.4},"
    "'requests':{'redis':true,'http':true,'answered':5000,'overloaded':0,'expired':0,'waiting':1,'p50':0.0002,'p99':"
    "0.0011},"
    "'memory':{'resident':18874368},'processor_seconds':12.5,"
    "'chain':{'semantics':'latest','modules':["
    "{'index':0,'module':'keywords','label':'words','place':'weir.yaml:12','dry_run':false,'dry_run_configured':false,"
    "'callbacks':['check_event_for_spam'],'asked':119500,'denied':420,'dry_runs':0,'raised':0,'nanoseconds':310.5},"
    "{'index':1,'module':'links','label':'links','place':'weir.yaml:20','dry_run':true,'dry_run_configured':false,"
    "'callbacks':['check_event_for_spam'],'asked':119000,'denied':0,'dry_runs':40,'raised':10,'nanoseconds':null}]},"
    "'writers':[{'stream':'events','writer':'persister1','position':5120,'newest':5125,'behind':5,'lag':0.02,'state':"
    "'live','held':0}],"
    "'backtest':{'at':1795600000000}}";

/* A document of a text in which `'` stands for `"`; with `from` and `to`, the first `from` of it is `to` first. */
static inline yyjson_doc *status_document(const char *text, const char *from, const char *to)
{
    static char json[8192];
    const char *place = from ? strstr(text, from) : NULL;
    cr_assert(!from || place);
    snprintf(json, sizeof json, "%.*s%s%s", place ? (int)(place - text) : 0, text, place ? to : text,
             place ? place + strlen(from) : "");
    for (char *byte = json; *byte; byte++)
        *byte = *byte == '\'' ? '"' : *byte;
    yyjson_doc *document = yyjson_read(json, strlen(json), YYJSON_READ_NUMBER_AS_RAW);
    cr_assert_not_null(document, "%s", json);
    return document;
}

#endif
