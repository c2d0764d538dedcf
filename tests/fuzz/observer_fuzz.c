/* Lines of the replication channel, one after another, through the whole path to a verdict. A byte at the start of a
 * line chooses what happens to it; whatever comes, judged events and positions stay in order. */
#include <stdlib.h>

#include "engine/judged_ahead.h"
#include "engine/log.h"
#include "engine/observer.h"

static uint64_t tickets[4096];
static size_t ticket_count;

static void on_judged(void *context, const struct verdict *verdict)
{
    struct buffer *row = context;
    buffer_clear(row);
    verdict_append_row(verdict, row);
    if (memchr(row->data, '\n', row->length))
        abort();
}

static void on_position(void *context, enum stream stream, struct slice writer, int64_t token)
{
    (void)context, (void)token;
    if (stream != STREAM_events || !slice_present(writer))
        abort();
}

static void request(void *context, uint64_t ticket, struct slice event_id)
{
    (void)context;
    if (!slice_present(event_id))
        abort();
    if (ticket_count < sizeof tickets / sizeof *tickets)
        tickets[ticket_count++] = ticket;
}

static void on_report(void *context, const char *path, const char *message)
{
    (void)context, (void)path, (void)message;
    abort();
}

static struct chain *make_chain(void)
{
    static const struct module_host host = {.report = on_report};
    struct chain *chain = chain_create(&(struct chain_settings){0});
    json_t *config = json_pack("{s:[s]}", "patterns", "spam");
    chain_append(chain, module_find("keywords"), config, NULL, &host);
    json_decref(config);
    chain_seal(chain, NULL, NULL);
    return chain;
}

/* What would be stored must be a record, whatever came before. */
static void check_ahead(struct observer *observer, struct buffer *record)
{
    struct judged_ahead ahead = {0};
    const char *problem;
    buffer_clear(record);
    observer_append_ahead(observer, STREAM_events, SLICE("w"), record);
    if (record->length && !judged_ahead_read(&ahead, buffer_slice(record), &problem))
        abort();
    judged_ahead_free(&ahead);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct chain *chain;
    if (!chain)
        chain = make_chain();
    log_threshold = LOG_ERROR + 1;
    struct buffer row = {0}, record = {0};
    struct metrics *metrics = metrics_create();
    struct observer_settings settings = {
        .chain = chain, .instance_name = "weir1", .bodies = {.request = request}, .queue_limit = 8, .live = true};
    struct observer_callbacks callbacks = {.context = &row, .judged = on_judged, .position = on_position};
    struct observer *observer = observer_create(&settings, &callbacks, metrics);
    ticket_count = 0;
    const char *text = (const char *)data;
    const char *end = text + size;
    while (text < end) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        if (!stop)
            stop = end;
        struct slice line = slice_of(text, (size_t)(stop - text));
        if (line.length && line.data[0] == '!')
            observer_disconnected(observer);
        else if (line.length && line.data[0] == '<' && ticket_count)
            observer_body_arrived(observer, tickets[--ticket_count], slice_of(line.data + 1, line.length - 1));
        else if (line.length && line.data[0] == '[')
            observer_restore_ahead(observer, STREAM_events, SLICE("w"), line);
        else
            observer_line(observer, line, 0);
        check_ahead(observer, &record);
        text = stop + 1;
    }
    while (ticket_count)
        observer_body_arrived(observer, tickets[--ticket_count], SLICE_ABSENT);
    if (observer_counts(observer).waiting != 0 && observer_counts(observer).judged < 4096)
        abort();
    observer_destroy(observer);
    metrics_destroy(metrics);
    buffer_free(&row);
    buffer_free(&record);
    return 0;
}
