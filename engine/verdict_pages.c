/* Redis answers in the order of its commands, so readings that have asked for a page stand in a queue. One that has
 * ended meanwhile stays there until its page comes, and is then dropped.
 *
 * Pages are small: the loop handles one of them in well under a millisecond, and judges events in between. */
#include "engine/verdict_pages.h"

#include <stdlib.h>
#include <sys/queue.h>

#include "base/memory.h"
#include "engine/clock.h"
#include "engine/redis_link.h"
#include "replication/command.h"

#define PAGE 250u
#define PAGE_TEXT "250"
#define IDLE_SECONDS 60

struct verdict_reading {
    TAILQ_ENTRY(verdict_reading) link;
    struct verdict_pages *pages;
    struct verdict_query query;
    verdict_found_function *found; /* NULL: it has ended, or was forgotten */
    void *context;
    bool asked; /* it stands in the queue of those, else it waits for a connection */
    struct event *timer;
    uint64_t begun_ns;
    struct buffer rows;
    uint32_t count;
    uint64_t scanned;
    struct stream_id last; /* that was looked at */
};
TAILQ_HEAD(readings, verdict_reading);

struct verdict_pages {
    struct event_base *base;
    const struct redis_address *address;
    struct buffer key;
    struct redis_link *link; /* NULL: nobody has asked lately */
    struct event *idle;
    struct readings waiting, asked;
    size_t count; /* of both */
};

/* ---- ends */

static void release(struct verdict_reading *reading)
{
    struct verdict_pages *pages = reading->pages;
    TAILQ_REMOVE(reading->asked ? &pages->asked : &pages->waiting, reading, link);
    if (--pages->count == 0)
        event_add(pages->idle, &(struct timeval){.tv_sec = IDLE_SECONDS});
    event_free(reading->timer);
    verdict_query_free(&reading->query);
    buffer_free(&reading->rows);
    free(reading);
}

/* From now on, and not for ever. */
static void start_timer(struct verdict_reading *reading)
{
    static const struct timeval longest = {.tv_sec = VERDICT_PAGES_MS_MAXIMUM / 1000};
    event_add(reading->timer, &longest);
}

/* Tells what there is; `keep`: a page is still to come for it. */
static void end(struct verdict_reading *reading, const struct verdict_found *what, bool keep)
{
    verdict_found_function *found = reading->found;
    reading->found = NULL;
    start_timer(reading);
    if (found)
        found(reading->context, what);
    if (!keep)
        release(reading);
}

static void end_with_problem(struct verdict_reading *reading, const char *problem, bool keep)
{
    end(reading, &(struct verdict_found){.problem = problem}, keep);
}

static void end_with_rows(struct verdict_reading *reading, bool more, bool keep)
{
    char next[STREAM_ID_SIZE];
    stream_id_write(reading->last, next);
    end(reading,
        &(struct verdict_found){
            .rows = buffer_slice(&reading->rows), .next = more ? next : NULL, .scanned = reading->scanned},
        keep);
}

/* ---- pages */

static void ask(struct verdict_reading *reading)
{
    struct verdict_pages *pages = reading->pages;
    char newest[STREAM_ID_SIZE], oldest[STREAM_ID_SIZE];
    stream_id_write(reading->query.newest, newest);
    stream_id_write(reading->query.oldest, oldest);
    const struct slice arguments[] = {
        SLICE("XREVRANGE"), buffer_slice(&pages->key), slice_from_string(newest), slice_from_string(oldest),
        SLICE("COUNT"),     SLICE(PAGE_TEXT)};
    redis_link_command(pages->link, arguments, sizeof arguments / sizeof *arguments);
    TAILQ_REMOVE(reading->asked ? &pages->asked : &pages->waiting, reading, link);
    reading->asked = true;
    TAILQ_INSERT_TAIL(&pages->asked, reading, link);
}

static struct slice text_of(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_STRING ? slice_of(reply->str, reply->len) : SLICE_ABSENT;
}

static void append_row(struct verdict_reading *reading, struct slice id, struct slice token, struct slice row)
{
    struct buffer *rows = &reading->rows;
    int64_t number;
    buffer_append_string(rows, reading->count++ ? ",{\"id\":" : "{\"id\":");
    buffer_append_json_string(rows, id);
    buffer_append_format(rows, ",\"at\":%llu,\"token\":", (unsigned long long)reading->last.ms);
    if (slice_present(token) && command_parse_integer(token, &number))
        buffer_append_integer(rows, number);
    else
        buffer_append_string(rows, "null");
    buffer_append_string(rows, ",\"row\":");
    buffer_append_slice(rows, row);
    buffer_append_char(rows, '}');
}

/* [id, [name, value, …]]. False if it is none. */
static bool take_entry(struct verdict_reading *reading, const redisReply *entry)
{
    struct stream_id id;
    struct slice row = SLICE_ABSENT, token = SLICE_ABSENT;
    if (entry->type != REDIS_REPLY_ARRAY || entry->elements != 2 || entry->element[1]->type != REDIS_REPLY_ARRAY ||
        !stream_id_parse(text_of(entry->element[0]), &id))
        return false;
    reading->last = id;
    reading->scanned++;
    const redisReply *members = entry->element[1];
    for (size_t index = 0; index + 1 < members->elements; index += 2) {
        struct slice name = text_of(members->element[index]), value = text_of(members->element[index + 1]);
        if (slice_equal(name, SLICE("row")))
            row = value;
        else if (slice_equal(name, SLICE("token")))
            token = value;
    }
    if (slice_present(row) && verdict_filter_match(&reading->query.filter, row))
        append_row(reading, text_of(entry->element[0]), token, row);
    return true;
}

static bool has_enough(const struct verdict_reading *reading)
{
    return reading->count >= reading->query.limit || reading->scanned >= VERDICT_PAGES_ROWS_MAXIMUM ||
           reading->rows.length >= VERDICT_PAGES_BYTES_MAXIMUM;
}

static bool has_time(const struct verdict_reading *reading)
{
    return clock_now_ns() - reading->begun_ns < VERDICT_PAGES_MS_MAXIMUM * UINT64_C(1000000);
}

static void take_page(struct verdict_reading *reading, const redisReply *reply)
{
    for (size_t index = 0; index < reply->elements; index++) {
        if (!take_entry(reading, reply->element[index])) {
            end_with_problem(reading, "Redis answered with something else than entries of a stream", false);
            return;
        }
        if (has_enough(reading)) {
            end_with_rows(reading, true, false);
            return;
        }
    }
    reading->query.newest = reading->last;
    bool more = reply->elements >= PAGE && stream_id_step_back(&reading->query.newest);
    if (more && has_time(reading))
        ask(reading);
    else
        end_with_rows(reading, more, false);
}

static void on_reply(void *context, const redisReply *reply)
{
    struct verdict_pages *pages = context;
    struct verdict_reading *reading = TAILQ_FIRST(&pages->asked);
    if (!reading)
        return;
    if (!reading->found) {
        release(reading);
    } else if (reply->type == REDIS_REPLY_ARRAY) {
        take_page(reading, reply);
    } else {
        struct buffer problem = {0};
        buffer_append_string(&problem, "Redis refuses to read the log: ");
        buffer_append_string(&problem, reply->type == REDIS_REPLY_ERROR ? reply->str : "unexpected answer");
        end_with_problem(reading, buffer_string(&problem), false);
        buffer_free(&problem);
    }
}

/* ---- the connection */

static void on_ready(void *context)
{
    struct verdict_pages *pages = context;
    for (struct verdict_reading *reading = TAILQ_FIRST(&pages->waiting), *next; reading; reading = next) {
        next = TAILQ_NEXT(reading, link);
        ask(reading);
    }
}

static void end_all(struct readings *readings, const char *problem)
{
    for (struct verdict_reading *reading = TAILQ_FIRST(readings), *next; reading; reading = next) {
        next = TAILQ_NEXT(reading, link);
        end_with_problem(reading, problem, false);
    }
}

static void on_lost(void *context, const char *reason)
{
    struct verdict_pages *pages = context;
    struct buffer problem = {0};
    buffer_append_format(&problem, "Redis is away: %s", reason);
    end_all(&pages->asked, buffer_string(&problem));
    end_all(&pages->waiting, buffer_string(&problem));
    buffer_free(&problem);
}

static void on_idle(evutil_socket_t socket, short what, void *argument)
{
    (void)socket, (void)what;
    struct verdict_pages *pages = argument;
    redis_link_destroy(pages->link);
    pages->link = NULL;
}

/* Out of time while it waits for Redis. Of a connection on which not one page came, nobody expects another; nor of one
 * on which the last page of a reading that has ended does not come: it would keep its place from others. */
static void on_time(evutil_socket_t socket, short what, void *argument)
{
    (void)socket, (void)what;
    struct verdict_reading *reading = argument;
    struct verdict_pages *pages = reading->pages;
    bool asked = reading->asked;
    if (!reading->found) {
        redis_link_reset(pages->link, "no answer to a query of the log that has ended");
        return;
    }
    if (reading->scanned) {
        end_with_rows(reading, true, asked);
        return;
    }
    end_with_problem(reading, "Redis does not answer", asked);
    if (asked)
        redis_link_reset(pages->link, "no answer to a query of the log");
}

/* ---- life */

struct verdict_reading *verdict_pages_read(struct verdict_pages *pages, struct verdict_query *query,
                                           verdict_found_function *found, void *context)
{
    if (pages->count >= VERDICT_PAGES_READINGS_MAXIMUM)
        return NULL;
    struct verdict_reading *reading = memory_allocate_zeroed(1, sizeof *reading);
    *reading = (struct verdict_reading){
        .pages = pages, .query = *query, .found = found, .context = context, .begun_ns = clock_now_ns()};
    *query = (struct verdict_query){0};
    reading->timer = evtimer_new(pages->base, on_time, reading);
    start_timer(reading);
    event_del(pages->idle);
    pages->count++;
    TAILQ_INSERT_TAIL(&pages->waiting, reading, link);
    if (!pages->link) {
        struct redis_link_callbacks callbacks = {
            .context = pages, .ready = on_ready, .lost = on_lost, .reply = on_reply};
        pages->link = redis_link_create(pages->base, pages->address, NULL, &callbacks);
    } else if (redis_link_is_ready(pages->link)) {
        ask(reading);
    }
    return reading;
}

void verdict_pages_forget(struct verdict_reading *reading)
{
    reading->found = NULL;
    start_timer(reading);
    if (!reading->asked)
        release(reading);
}

struct verdict_pages *verdict_pages_create(struct event_base *base, const struct redis_address *address,
                                           const char *server_name)
{
    struct verdict_pages *pages = memory_allocate_zeroed(1, sizeof *pages);
    pages->base = base;
    pages->address = address;
    buffer_append_format(&pages->key, "%s/weir/verdicts", server_name);
    pages->idle = evtimer_new(base, on_idle, pages);
    TAILQ_INIT(&pages->waiting);
    TAILQ_INIT(&pages->asked);
    return pages;
}

void verdict_pages_destroy(struct verdict_pages *pages)
{
    if (!pages)
        return;
    struct readings *const lists[] = {&pages->asked, &pages->waiting};
    for (size_t list = 0; list < sizeof lists / sizeof *lists; list++)
        for (struct verdict_reading *reading = TAILQ_FIRST(lists[list]), *next; reading; reading = next) {
            next = TAILQ_NEXT(reading, link);
            release(reading);
        }
    redis_link_destroy(pages->link);
    event_free(pages->idle);
    buffer_free(&pages->key);
    free(pages);
}
