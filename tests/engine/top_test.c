/* The rates that `weir top` works out of two statuses, and the screen that it makes of them. */
#include "engine/top_frame.h"

#include <math.h>
#include <stdlib.h>

#include "tests/engine/status_fixture.h"

static yyjson_doc *before, *now;
static struct top_frame frame;

/* Two seconds later: 100 events more, two of them denied by `words`. */
static struct top_samples samples(void)
{
    static const char *const changes[][2] = {
        {"'now':1795700000000", "'now':1795700002000"},
        {"'judged':120000", "'judged':120100"},
        {"'denied':990", "'denied':992"},
        {"'asked':119500", "'asked':119600"},
        {"'denied':420", "'denied':422"},
        {"'asked':119000", "'asked':119096"},
        {"'position':5120", "'position':5125"},
        {"'processor_seconds':12.5", "'processor_seconds':12.6"},
    };
    static char later[sizeof status_sample + 64];
    memcpy(later, status_sample, sizeof status_sample);
    for (size_t index = 0; index < sizeof changes / sizeof *changes; index++) {
        char *place = strstr(later, changes[index][0]);
        cr_assert(place && strlen(changes[index][0]) == strlen(changes[index][1]));
        memcpy(place, changes[index][1], strlen(changes[index][1]));
    }
    before = status_document(status_sample, NULL, NULL);
    now = status_document(later, NULL, NULL);
    return top_samples_of(yyjson_doc_get_root(now), yyjson_doc_get_root(before));
}

static void end(void)
{
    yyjson_doc_free(before);
    yyjson_doc_free(now);
    top_frame_free(&frame);
}

Test(top, rates, .fini = end)
{
    struct top_samples both = samples();
    size_t count;
    cr_expect_float_eq(both.seconds, 2, 1e-9);
    cr_expect_float_eq(top_rate(&both, "/events/judged"), 50, 1e-9);
    cr_expect_float_eq(top_rate(&both, "/events/denied"), 1, 1e-9);
    cr_expect_float_eq(top_rate(&both, "/processor_seconds"), 0.05, 1e-9);
    cr_expect(isnan(top_rate(&both, "/events/nothing")));
    cr_expect_float_eq(top_writer_rate(&both, 0), 2.5, 1e-9);
    cr_expect(isnan(top_writer_rate(&both, 1)));
    struct top_module *modules = top_modules(&both, TOP_SORT_PLACE, &count);
    cr_assert_eq(count, 2);
    cr_expect_float_eq(modules[0].asked, 50, 1e-9);
    cr_expect_float_eq(modules[0].denied, 1, 1e-9);
    cr_expect_float_eq(modules[0].core, 50 * 310.5e-9, 1e-12);
    cr_expect_float_eq(modules[1].asked, 48, 1e-9);
    cr_expect(isnan(modules[1].nanoseconds) && isnan(modules[1].core));
    free(modules);
}

/* What began anew has no rate, nor has what is looked at for the first time. */
Test(top, rates_that_are_not_known, .fini = end)
{
    struct top_samples both = samples();
    cr_expect_null(top_samples_of(both.current, NULL).previous);
    cr_expect_null(top_samples_of(both.current, both.current).previous, "no time has passed");
    cr_expect_null(top_samples_of(both.previous, both.current).previous, "time goes back");
    yyjson_doc *restarted = status_document(status_sample, "'started':1795690000000", "'started':1795690000001");
    cr_expect_null(top_samples_of(both.current, yyjson_doc_get_root(restarted)).previous);
    yyjson_doc_free(restarted);
    yyjson_doc *fallen = status_document(status_sample, "'denied':990", "'denied':999");
    struct top_samples less = top_samples_of(both.current, yyjson_doc_get_root(fallen));
    cr_expect(isnan(top_rate(&less, "/events/denied")));
    cr_expect_not(isnan(top_rate(&less, "/events/judged")));
    yyjson_doc_free(fallen);
    yyjson_doc *renamed = status_document(status_sample, "'label':'words'", "'label':'w0rds'");
    struct top_samples other = top_samples_of(both.current, yyjson_doc_get_root(renamed));
    size_t count;
    struct top_module *modules = top_modules(&other, TOP_SORT_PLACE, &count);
    cr_expect(isnan(modules[0].asked) && !isnan(modules[1].asked));
    free(modules);
    yyjson_doc_free(renamed);
}

Test(top, the_most_come_first, .fini = end)
{
    static const size_t first[TOP_SORTS] = {
        [TOP_SORT_PLACE] = 0, [TOP_SORT_DENIED] = 0, [TOP_SORT_DRY_RUN] = 1, [TOP_SORT_ASKED] = 0, [TOP_SORT_TIME] = 0};
    struct top_samples both = samples();
    yyjson_doc *quiet = status_document(status_sample, "'dry_runs':40", "'dry_runs':30");
    both.previous = yyjson_doc_get_root(quiet);
    for (enum top_sort sort = TOP_SORT_PLACE; sort < TOP_SORTS; sort++) {
        size_t count;
        struct top_module *modules = top_modules(&both, sort, &count);
        cr_expect_eq(modules[0].place, first[sort], "%s", top_sort_names[sort]);
        free(modules);
    }
    yyjson_doc_free(quiet);
}

Test(top, a_line_of_json, .fini = end)
{
    struct top_samples both = samples();
    struct buffer text = {0};
    top_figures_append_json(&both, &text);
    cr_expect_str_eq(
        buffer_string(&text),
        "{\"ready\":true,\"at\":1795700002000,\"seconds\":2,\"events\":{\"judged\":50,\"passed\":0,\"changed\":0,"
        "\"denied\":1,\"failed\":0,\"dry_run\":0},\"requests\":{\"answered\":0,\"overloaded\":0,\"expired\":0},"
        "\"processor\":0.05,\"resident\":18874368,\"modules\":[{\"index\":0,\"module\":\"keywords\",\"label\":"
        "\"words\","
        "\"asked\":50,\"denied\":1,\"dry_runs\":0,\"raised\":0,\"nanoseconds\":310.5,\"core\":1.5525e-05},{\"index\":1,"
        "\"module\":\"links\",\"label\":\"links\",\"asked\":48,\"denied\":0,\"dry_runs\":0,\"raised\":0,"
        "\"nanoseconds\":"
        "null,\"core\":null}],\"writers\":[{\"stream\":\"events\",\"writer\":\"persister1\",\"tokens\":2.5,\"behind\":"
        "5,"
        "\"lag\":0.02}]}\n");
    buffer_free(&text);
}

static const char *filled(const struct top_samples *both, const struct top_view *view, size_t height)
{
    top_frame_fill(&frame, both, view, height);
    size_t lines = 0;
    for (size_t index = 0; index < frame.text.length; index++)
        lines += frame.text.data[index] == '\n';
    cr_expect_eq(lines, frame.marks.length);
    if (height)
        cr_expect_eq(lines, height);
    return buffer_string(&frame.text);
}

Test(top, one_screen, .fini = end)
{
    struct top_samples both = samples();
    struct top_view view = {.every = "2s", .selected = 1};
    cr_expect_str_eq(filled(&both, &view, 14),
                     "weir1 of example.org  READY  up 2 h 46 min  every 2s\n"
                     "events/s 50.0  denied/s 1.00  dry run/s 0  failed/s 0  half within 0.4 ms, 99 % within 2.1 ms\n"
                     "requests/s 0  overloads/s 0  too late/s 0  waiting 1  half within 0.2 ms, 99 % within 1.1 ms\n"
                     "redis connected, waiting 0  bodies postgres, waiting 3  memory 18.0 MiB  processor 5.0 %\n"
                     "\n"
                     "  #  module            mode      asked/s  denied/s     %  dry run/s  raised/s   ns  core %\n"
                     "  1  words (keywords)  decides      50.0      1.00  2.00          0         0  310    0.00\n"
                     "> 2  links             dry run*     48.0         0  0.00          0         0    -       -\n"
                     "\n"
                     "  stream  writer      position  tokens/s  behind    lag  held  state\n"
                     "  events  persister1     5,125      2.50       5  20 ms     0  live\n"
                     "\n"
                     "\n"
                     "q quit  h help  s sort  up/down choose  d dry run  p pause  by place\n");
    cr_expect_eq(frame.marks.data[7], TOP_MARK_SELECTED);
    cr_expect_eq(frame.marks.data[5], TOP_MARK_HEADING);
}

Test(top, any_height_and_what_is_wrong, .fini = end)
{
    struct top_samples both = samples();
    struct top_view view = {.every = "2s"};
    for (size_t height = 1; height < 40; height++)
        filled(&both, &view, height);
    view.help = true;
    for (size_t height = 1; height < 40; height++)
        filled(&both, &view, height);
    cr_expect_not_null(strstr(filled(&both, &view, 30), "put the chosen module into dry run"));
    view = (struct top_view){.every = "2s", .trouble = "gone\033", .message = "put it? y/n", .paused = true};
    const char *text = filled(&both, &view, 20);
    cr_expect_not_null(strstr(text, "  PAUSED\ngone\\x1b\n"), "%s", text);
    cr_expect_not_null(strstr(text, "\nput it? y/n\n"));
    cr_expect_eq(frame.marks.data[1], TOP_MARK_BAD);
}

/* With many modules the chosen one is among those that are seen, and the writers are not pushed out. */
Test(top, many_modules, .fini = end)
{
    struct buffer status = {0};
    buffer_append_string(&status, "{'ready':true,'works':true,'chain':{'modules':[");
    for (int index = 0; index < 50; index++)
        buffer_append_format(&status, "%s{'module':'m%d','label':'m%d'}", index ? "," : "", index, index);
    buffer_append_string(&status, "]},'writers':[{'stream':'events','writer':'w'}]}");
    now = status_document(buffer_string(&status), NULL, NULL);
    struct top_samples alone = top_samples_of(yyjson_doc_get_root(now), NULL);
    for (size_t selected = 0; selected < 50; selected++) {
        struct top_view view = {.every = "2s", .selected = selected};
        char line[32];
        const char *text = filled(&alone, &view, 20);
        snprintf(line, sizeof line, "> %-2zu  m%zu ", selected + 1, selected);
        cr_expect_not_null(strstr(text, line), "%zu:\n%s", selected, text);
        cr_expect_not_null(strstr(text, "  events  w "), "%s", text);
    }
    buffer_free(&status);
}
