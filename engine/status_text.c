/* For somebody who was woken up: whether it works stands first, then what to do, then the parts in the order in which
 * an event passes through them. What is worth a look is red. */
#include "engine/status_text.h"

#include <math.h>

#include "engine/admin_json.h"
#include "engine/admin_tables.h"
#include "engine/human_text.h"
#include "engine/tail_format.h"
#include "engine/text_layout.h"

#define WIDTH 100u
#define RED "\033[1;31m"
#define GREEN "\033[1;32m"
#define PLAIN "\033[0m"

/* The first row whose words are in the sentence counts. */
static const struct {
    const char *words;
    const char *advice;
} advices[] = {
    {"stopping", "Nothing: it finishes what is in hand and ends. What is left waits for the next start."},
    {"no engine with a role", "Start the engine that shall work with `role: active` first; a standby never takes a job "
                              "that no engine with a role has done (docs/standby.md)."},
    {"database", "See whether PostgreSQL runs, and whether `bodies.postgres` names it and a user who may read "
                 "event_json: weir check -c FILE, then psql with the same words. Events wait meanwhile; none is lost."},
    {"subscribed", "Redis answers but gives no subscription yet. If it stays so, look at the rights of its user "
                   "(docs/redis.md has them) and at the engine's log."},
    {"Redis", "See whether Redis runs and answers at the address below (redis-cli ping), and whether `redis` of the "
              "configuration has the right password; the engine's log has the reason. It goes on by itself when Redis "
              "is back; nothing is lost."},
    {"catching up", "Nothing, but to wait: rows that were missed are fetched and judged; the writers below show how "
                    "far it is. If it stands still, the engine's log says why (docs/restarts.md)."},
};

const char *status_text_advice(struct slice missing)
{
    for (size_t index = 0; slice_present(missing) && index < sizeof advices / sizeof *advices; index++)
        if (memmem(missing.data, missing.length, advices[index].words, strlen(advices[index].words)))
            return advices[index].advice;
    return "Look at the engine's log (journalctl -u weir), which says what it waits for.";
}

bool status_text_is_ready(yyjson_val *status)
{
    return admin_json_is_true(status, "/ready");
}

struct page {
    yyjson_val *status;
    struct buffer *output;
    bool colour;
    double now;
};

static void append_shown(struct page *page, const char *path)
{
    struct slice text = admin_json_text(page->status, path);
    tail_append_visible(page->output, slice_present(text) ? text : SLICE("?"));
}

static void append_number(struct page *page, const char *before, const char *path, const char *after)
{
    buffer_append_string(page->output, before);
    admin_append_count(page->output, admin_json_number(page->status, path));
    buffer_append_string(page->output, after);
}

static void append_time(struct page *page, const char *before, const char *path)
{
    buffer_append_string(page->output, before);
    human_append_seconds(page->output, admin_json_number(page->status, path));
}

/* "3 min 20 s", between then and the status. */
static void append_since(struct page *page, const char *path)
{
    double then = admin_json_number(page->status, path);
    if (isnan(then) || isnan(page->now))
        buffer_append_char(page->output, '?');
    else
        human_append_span(page->output, page->now - then);
}

static void append_strong(struct page *page, const char *colour, const char *text)
{
    buffer_append_string(page->output, page->colour ? colour : "");
    buffer_append_string(page->output, text);
    buffer_append_string(page->output, page->colour ? PLAIN : "");
}

static bool is_true(const struct page *page, const char *path)
{
    return admin_json_is_true(page->status, path);
}

static void append_head(struct page *page)
{
    struct slice missing = admin_json_text(page->status, "/missing");
    bool ready = status_text_is_ready(page->status);
    if (!ready)
        append_strong(page, RED, "NOT READY");
    else
        append_strong(page, GREEN, is_true(page, "/works") ? "READY" : "READY, WAITS");
    if (!ready) {
        buffer_append_string(page->output, ": ");
        tail_append_visible(page->output, slice_present(missing) ? missing : SLICE("it does not say why"));
    } else if (!is_true(page, "/works")) {
        buffer_append_string(page->output, ": another engine does the job, this one takes over if that one ends");
    }
    buffer_append_char(page->output, '\n');
    if (!ready)
        text_append_wrapped(page->output, status_text_advice(missing), 2, WIDTH);
    buffer_append_string(page->output, "\nweir       ");
    append_shown(page, "/instance");
    buffer_append_string(page->output, " of ");
    append_shown(page, "/server_name");
    buffer_append_string(page->output, ", version ");
    append_shown(page, "/version");
    buffer_append_string(page->output, ", up ");
    append_since(page, "/started");
    buffer_append_string(page->output, ", role ");
    append_shown(page, "/role");
    buffer_append_char(page->output, '\n');
}

static void append_redis(struct page *page)
{
    buffer_append_string(page->output, "redis      ");
    append_shown(page, "/redis/address");
    buffer_append_string(page->output, ", ");
    if (!is_true(page, "/redis/connected"))
        append_strong(page, RED, "not connected");
    else
        buffer_append_string(page->output, is_true(page, "/redis/subscribed") ? "connected, subscribed"
                                                                              : "connected, not subscribed");
    append_number(page, "; ", "/redis/waiting", " transactions wait for its answer, ");
    append_number(page, "", "/redis/refused", " were refused\n");
}

static void append_bodies(struct page *page)
{
    buffer_append_string(page->output, "bodies     from ");
    append_shown(page, "/bodies/source");
    if (!is_true(page, "/bodies/ready")) {
        buffer_append_string(page->output, ", ");
        append_strong(page, RED, "not ready");
    }
    append_number(page, "; ", "/bodies/waiting", " events wait for theirs, ");
    append_number(page, "", "/bodies/missing", " were not found\n");
}

static void append_catch_up(struct page *page)
{
    buffer_append_string(page->output, "catch-up   ");
    if (is_true(page, "/catch_up/busy")) {
        append_number(page, "fetches ", "/catch_up/ranges", " ranges of missed rows");
        if (!isnan(admin_json_number(page->status, "/catch_up/since"))) {
            buffer_append_string(page->output, ", for ");
            append_since(page, "/catch_up/since");
        }
        append_number(page, "; ", "/catch_up/rows", " rows so far\n");
    } else {
        append_number(page, "nothing is missing; ", "/catch_up/rows", " missed rows were fetched\n");
    }
}

static void append_events(struct page *page)
{
    append_number(page, "events     ", "/events/judged", " judged: ");
    append_number(page, "", "/events/passed", " passed, ");
    append_number(page, "", "/events/denied", " denied, ");
    append_number(page, "", "/events/changed", " changed, ");
    append_number(page, "", "/events/failed", " failed; ");
    append_number(page, "", "/events/dry_run", " more would be denied by modules in dry run\n");
    append_time(page, "           from line to verdict: half within ", "/latency/p50");
    append_time(page, ", 99 % within ", "/latency/p99");
    append_time(page, ", the slowest ", "/latency/maximum");
    buffer_append_char(page->output, '\n');
}

static void append_requests(struct page *page)
{
    bool redis = is_true(page, "/requests/redis"), http = is_true(page, "/requests/http");
    buffer_append_string(page->output, "requests   ");
    buffer_append_string(page->output, redis && http ? "over Redis and HTTP"
                                       : redis       ? "over Redis"
                                       : http        ? "over HTTP"
                                                     : "none are taken");
    append_number(page, ": ", "/requests/answered", " answered, ");
    append_number(page, "", "/requests/overloaded", " told to come back, ");
    append_number(page, "", "/requests/expired", " came too late, ");
    append_number(page, "", "/requests/waiting", " wait\n");
    append_time(page, "           half within ", "/requests/p50");
    append_time(page, ", 99 % within ", "/requests/p99");
    buffer_append_char(page->output, '\n');
}

static void append_errors(struct page *page)
{
    size_t index, count;
    yyjson_val *line;
    yyjson_arr_foreach(yyjson_ptr_get(page->status, "/configuration/last/errors"), index, count, line)
    {
        buffer_append_string(page->output, "             ");
        tail_append_visible(page->output, slice_of(yyjson_is_str(line) ? yyjson_get_str(line) : "",
                                                   yyjson_is_str(line) ? yyjson_get_len(line) : 0));
        buffer_append_char(page->output, '\n');
    }
}

static void append_configuration(struct page *page)
{
    yyjson_val *last = yyjson_ptr_get(page->status, "/configuration/last");
    buffer_append_string(page->output, "rules      ");
    append_shown(page, "/configuration/path");
    append_number(page, ", loaded again ", "/configuration/reloads", " times, ");
    append_number(page, "refused ", "/configuration/refused", " times");
    buffer_append_string(page->output, is_true(page, "/configuration/busy") ? ", being loaded now\n" : "\n");
    if (!yyjson_is_obj(last))
        return;
    buffer_append_string(page->output, "           the last time ");
    append_since(page, "/configuration/last/at");
    buffer_append_string(page->output, " ago by ");
    append_shown(page, "/configuration/last/cause");
    if (is_true(page, "/configuration/last/loaded")) {
        append_time(page, ": loaded in ", "/configuration/last/seconds");
        buffer_append_char(page->output, '\n');
    } else {
        buffer_append_string(page->output, ": ");
        append_strong(page, RED, "REFUSED");
        buffer_append_string(page->output, ", the rules from before go on:\n");
        append_errors(page);
    }
}

static void append_process(struct page *page)
{
    buffer_append_string(page->output, "process    ");
    human_append_bytes(page->output, admin_json_number(page->status, "/memory/resident"));
    append_time(page, " of memory, ", "/processor_seconds");
    buffer_append_string(page->output, " of processor time\n");
}

bool status_text_append(yyjson_val *status, bool colour, struct buffer *output)
{
    struct page page = {status, output, colour, admin_json_number(status, "/now")};
    if (!yyjson_is_bool(yyjson_obj_get(status, "ready")))
        return false;
    append_head(&page);
    append_redis(&page);
    append_bodies(&page);
    append_catch_up(&page);
    append_events(&page);
    append_requests(&page);
    append_configuration(&page);
    append_process(&page);
    buffer_append_string(output, "\nmodules, by the rules of Synapse ");
    append_shown(&page, "/chain/semantics");
    buffer_append_char(output, '\n');
    admin_append_modules(yyjson_ptr_get(status, "/chain/modules"), 2, output);
    buffer_append_string(output, "\nwriters\n");
    admin_append_writers(yyjson_obj_get(status, "writers"), 2, output);
    return true;
}
