#include "engine/verdict_query.h"

#include <criterion/criterion.h>
#include <inttypes.h>

#define NOW 1795700000000

static struct buffer said;

static const char *shown(const char *text)
{
    struct verdict_query query = {0};
    struct buffer problem = {0};
    char oldest[STREAM_ID_SIZE], newest[STREAM_ID_SIZE];
    buffer_clear(&said);
    if (verdict_query_parse(&query, slice_from_string(text), NOW, &problem)) {
        stream_id_write(query.oldest, oldest);
        stream_id_write(query.newest, newest);
        buffer_append_format(&said, "%s %s %u%s", oldest, newest, query.limit,
                             verdict_filter_is_empty(&query.filter) ? "" : " filtered");
    } else {
        buffer_append_slice(&said, buffer_slice(&problem));
    }
    verdict_query_free(&query);
    buffer_free(&problem);
    return buffer_string(&said);
}

#define END "18446744073709551615"
#define MOMENT " must be milliseconds since 1970, or a duration such as 90m"

static const struct {
    const char *query, *shown;
} cases[] = {
    {"", "0-0 " END "-" END " 100"},
    {"limit=1000&room=*", "0-0 " END "-" END " 1000 filtered"},
    {"since=&until=&limit=&before=", "0-0 " END "-" END " 100"},
    {"since=1795600000000", "1795600000000-0 " END "-" END " 100"},
    {"since=90m", "1795694600000-0 " END "-" END " 100"},
    {"since=100000d", "0-0 " END "-" END " 100"},
    {"until=1s", "0-0 1795699999000-" END " 100"},
    {"before=1795600000000-3", "0-0 1795600000000-2 100"},
    {"before=1795600000000-0", "0-0 1795599999999-" END " 100"},
    {"before=1795600000000-3&until=5", "0-0 5-" END " 100"},
    {"until=1795600000000&before=7-1", "0-0 7-0 100"},
    {"before=0-0", END "-" END " 0-0 100"},
    {"before=" END "-" END, "0-0 " END "-18446744073709551614 100"},
    {"before=18446744073709551616-0", "before must be the `next` of an answer"},
    {"before=1", "before must be the `next` of an answer"},
    {"before=1-", "before must be the `next` of an answer"},
    {"before=-1-1", "before must be the `next` of an answer"},
    {"before=1-1x", "before must be the `next` of an answer"},
    {"since=yesterday", "since" MOMENT},
    {"since=1h%00", "since" MOMENT},
    {"until=-5", "until" MOMENT},
    {"until=99999999999999999999999999999999999", "until" MOMENT},
    {"limit=0", "limit must be a whole number from 1 to 1000"},
    {"limit=1001", "limit must be a whole number from 1 to 1000"},
    {"limit=10x", "limit must be a whole number from 1 to 1000"},
    {"sicne=1h", "there is no parameter sicne"},
};

Test(verdict_query, queries_are_read_or_refused)
{
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++)
        cr_expect_str_eq(shown(cases[index].query), cases[index].shown, "%s: %s", cases[index].query,
                         buffer_string(&said));
    buffer_free(&said);
}
