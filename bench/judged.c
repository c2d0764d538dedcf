/* Both sides' memory is the point's own, so that points are measured in turn without making anything again. */
#include "bench/judged.h"

#include <stdlib.h>
#include <yyjson.h>

#include "base/memory.h"
#include "engine/verdict.h"

/* Rows are thrown away when there are that many bytes of them, as a file's buffer is emptied. */
#define ROWS_CHUNK (256u << 10)

struct judged {
    struct judged_settings settings;
    struct judge *judge;
    char *pool;
    size_t pool_size;
    struct buffer rows;
    size_t denied;
    uint64_t checksum; /* keeps the compiler from leaving work out */
};

struct judged *judged_create(const struct judged_settings *settings)
{
    struct judged *judged = memory_allocate_zeroed(1, sizeof *judged);
    size_t longest = 0;
    for (size_t index = 0; index < settings->count; index++) {
        if (settings->events[index].body.length > longest)
            longest = settings->events[index].body.length;
    }
    judged->settings = *settings;
    judged->judge = judge_create(settings->chain);
    judged->pool_size = yyjson_read_max_memory_usage(longest, YYJSON_READ_NOFLAG) + 64;
    judged->pool = memory_allocate(judged->pool_size);
    return judged;
}

void judged_destroy(struct judged *judged)
{
    if (!judged)
        return;
    judge_destroy(judged->judge);
    buffer_free(&judged->rows);
    free(judged->pool);
    free(judged);
}

static void parse_pass(void *context)
{
    struct judged *judged = context;
    for (size_t index = 0; index < judged->settings.count; index++) {
        struct slice body = judged->settings.events[index].body;
        yyjson_alc allocator;
        yyjson_alc_pool_init(&allocator, judged->pool, judged->pool_size);
        yyjson_doc *document =
            yyjson_read_opts((char *)(uintptr_t)body.data, body.length, YYJSON_READ_NOFLAG, &allocator, NULL);
        judged->checksum += yyjson_doc_get_val_count(document);
    }
}

static void append_row(struct judged *judged, const struct event *event, const struct outcome *outcome, size_t token)
{
    struct verdict verdict = {.event = event,
                              .outcome = outcome,
                              .stream = SLICE("events"),
                              .instance = SLICE("persister1"),
                              .token = (int64_t)token};
    if (judged->rows.length >= ROWS_CHUNK)
        buffer_clear(&judged->rows);
    verdict_append_row(&verdict, &judged->rows);
    buffer_append_char(&judged->rows, '\n');
}

static bool judge_one(struct judged *judged, const struct corpus_event *recorded, size_t token)
{
    struct event event = {.event_id = recorded->event_id};
    if (judge_read(judged->judge, recorded->body, &event) != EVENT_READ_OK)
        bench_fail("a body could not be read");
    const struct outcome *outcome = judge_event(judged->judge, &event, JUDGE_BOTH);
    bool denied = outcome->kind != OUTCOME_PASSED;
    if (judged->settings.rows == ROWS_OF_ALL || (judged->settings.rows == ROWS_OF_DENIED && denied))
        append_row(judged, &event, outcome, token);
    return denied;
}

void judged_pass(void *context)
{
    struct judged *judged = context;
    judged->denied = 0;
    for (size_t index = 0; index < judged->settings.count; index++)
        judged->denied += judge_one(judged, &judged->settings.events[index], index);
}

struct figure_pair judged_measure(struct judged *judged, unsigned rounds)
{
    return figure_measure(judged_pass, parse_pass, judged, rounds);
}

size_t judged_count(const struct judged *judged)
{
    return judged->settings.count;
}

size_t judged_denied(const struct judged *judged)
{
    return judged->denied;
}

bool judged_passes(struct judged *judged, const struct corpus_event *event)
{
    return !judge_one(judged, event, 0);
}
