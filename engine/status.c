/* Nothing is worked out here that its owner counts already, and nothing is kept: a status is what holds at the moment.
 */
#include "engine/status.h"

#include "engine/json_lines.h"

static const char *boolean(bool value)
{
    return value ? "true" : "false";
}

static void append_text(struct buffer *json, const char *before, const char *text)
{
    buffer_append_string(json, before);
    buffer_append_json_string(json, slice_from_string(text));
}

static void append_count(struct buffer *json, const char *before, uint64_t count)
{
    buffer_append_format(json, "%s%llu", before, (unsigned long long)count);
}

/* A time that is 0 for never. */
static void append_moment(struct buffer *json, const char *before, int64_t milliseconds)
{
    buffer_append_string(json, before);
    if (milliseconds)
        buffer_append_integer(json, milliseconds);
    else
        buffer_append_string(json, "null");
}

/* Seconds of one record out of so many; null before there was one. */
static void append_quantile(struct buffer *json, const char *before, const struct latency *latency, double quantile)
{
    buffer_append_string(json, before);
    if (latency->count)
        buffer_append_format(json, "%.9g", (double)latency_quantile(latency, quantile) / 1e9);
    else
        buffer_append_string(json, "null");
}

static void append_configuration(const struct status *status, struct buffer *json)
{
    const struct reload_result *last = status->last_reload;
    append_text(json, ",\"configuration\":{\"path\":", status->path);
    append_count(json, ",\"reloads\":", status->reloads);
    append_count(json, ",\"refused\":", status->refused_reloads);
    buffer_append_format(json, ",\"busy\":%s,\"last\":", boolean(status->reloading));
    if (!last) {
        buffer_append_string(json, "null}");
        return;
    }
    append_text(json, "{\"cause\":", last->cause);
    buffer_append_format(json, ",\"loaded\":%s,\"at\":%lld,\"seconds\":%.3f", boolean(last->loaded),
                         (long long)last->at * 1000, last->seconds);
    json_append_lines(json, "errors", last->errors);
    json_append_lines(json, "warnings", last->warnings);
    buffer_append_string(json, "}}");
}

static void append_sources(const struct status *status, struct buffer *json)
{
    buffer_append_string(json, ",\"redis\":{\"address\":");
    buffer_append_json_string(json, status->redis);
    buffer_append_format(json, ",\"connected\":%s,\"subscribed\":%s", boolean(status->redis_connected),
                         boolean(status->redis_subscribed));
    append_count(json, ",\"waiting\":", status->outbox.waiting);
    append_count(json, ",\"refused\":", status->outbox.refused);
    append_text(json, "},\"bodies\":{\"source\":", status->bodies);
    buffer_append_format(json, ",\"ready\":%s", boolean(status->bodies && status->bodies_ready));
    append_count(json, ",\"waiting\":", status->events.waiting - status->events.parked);
    append_count(json, ",\"missing\":", status->events.bodies_missing);
    buffer_append_format(json, "},\"catch_up\":{\"busy\":%s", boolean(status->ranges));
    append_count(json, ",\"ranges\":", status->ranges);
    append_count(json, ",\"rows\":", status->events.fetched);
    append_moment(json, ",\"since\":", status->ranges ? status->fetching_since : 0);
    buffer_append_char(json, '}');
}

static void append_events(const struct status *status, struct buffer *json)
{
    const struct observer_counts *events = &status->events;
    append_count(json, ",\"events\":{\"judged\":", events->judged);
    append_count(json, ",\"passed\":", events->judged - events->changed - events->denied - events->failed);
    append_count(json, ",\"changed\":", events->changed);
    append_count(json, ",\"denied\":", events->denied);
    append_count(json, ",\"failed\":", events->failed);
    append_count(json, ",\"dry_run\":", events->dry_run);
    append_count(json, "},\"latency\":{\"count\":", status->latency->count);
    append_quantile(json, ",\"p50\":", status->latency, 0.5);
    append_quantile(json, ",\"p99\":", status->latency, 0.99);
    append_quantile(json, ",\"maximum\":", status->latency, 1);
    buffer_append_char(json, '}');
}

static void append_requests(const struct status *status, struct buffer *json)
{
    const struct questions_counts *requests = &status->requests;
    buffer_append_format(json, ",\"requests\":{\"redis\":%s,\"http\":%s", boolean(status->requests_redis),
                         boolean(status->requests_http));
    append_count(json, ",\"answered\":", requests->answered);
    append_count(json, ",\"denied\":", requests->denied);
    append_count(json, ",\"overloaded\":", requests->overloaded);
    append_count(json, ",\"expired\":", requests->expired);
    append_count(json, ",\"waiting\":", requests->waiting);
    append_quantile(json, ",\"p50\":", status->requests_latency, 0.5);
    append_quantile(json, ",\"p99\":", status->requests_latency, 0.99);
    buffer_append_char(json, '}');
}

void status_append_engine(const struct status *status, struct buffer *json)
{
    append_text(json, "\"version\":", WEIR_VERSION);
    append_text(json, ",\"server_name\":", status->server_name);
    append_text(json, ",\"instance\":", status->instance);
    append_moment(json, ",\"now\":", status->now);
    append_moment(json, ",\"started\":", status->started);
    buffer_append_format(json, ",\"ready\":%s", boolean(!status->missing));
    append_text(json, ",\"missing\":", status->missing);
    append_text(json, ",\"role\":", status->role);
    buffer_append_format(json, ",\"works\":%s", boolean(status->works));
    append_configuration(status, json);
    append_sources(status, json);
    append_events(status, json);
    append_requests(status, json);
    append_count(json, ",\"memory\":{\"resident\":", status->process.resident_bytes);
    buffer_append_format(json, "},\"processor_seconds\":%.3f", status->process.processor_seconds);
}

void status_append_backtest(const struct status *status, struct buffer *json)
{
    append_moment(json, ",\"backtest\":", 0);
    if (!status->backtest)
        return;
    json->length -= sizeof "null" - 1;
    append_moment(json, "{\"at\":", status->backtest);
    buffer_append_char(json, '}');
}

/* ---- modules and writers */

static void append_callbacks(const struct status_module *module, struct buffer *json)
{
    const char *before = "";
    buffer_append_string(json, ",\"callbacks\":[");
    for (int callback = 0; callback < CALLBACK_COUNT; callback++) {
        if (!chain_module_answers(module->chain, module->index, (enum callback)callback))
            continue;
        buffer_append_format(json, "%s\"%s\"", before, callback_definitions[callback].name);
        before = ",";
    }
    buffer_append_char(json, ']');
}

void status_append_module(const struct status_module *module, struct buffer *json)
{
    struct module_counts counts = chain_module_counts(module->chain, module->index);
    struct buffer place = {0};
    buffer_append_format(&place, "%s:%u", module->path, module->line);
    buffer_append_format(json, "{\"index\":%u", module->index);
    append_text(json, ",\"module\":", chain_module(module->chain, module->index)->name);
    append_text(json, ",\"label\":", module->label);
    append_text(json, ",\"place\":", buffer_string(&place));
    buffer_append_format(json, ",\"dry_run\":%s,\"dry_run_configured\":%s",
                         boolean(chain_module_in_dry_run(module->chain, module->index)),
                         boolean(module->dry_run_configured));
    append_callbacks(module, json);
    append_count(json, ",\"asked\":", counts.asked);
    append_count(json, ",\"denied\":", module->denied_events + counts.denied_questions);
    append_count(json, ",\"dry_runs\":", counts.dry_runs);
    append_count(json, ",\"raised\":", counts.raised);
    if (counts.asked)
        buffer_append_format(json, ",\"nanoseconds\":%.1f}", (double)counts.nanoseconds / (double)counts.asked);
    else
        buffer_append_string(json, ",\"nanoseconds\":null}");
    buffer_free(&place);
}

double status_writer_lag(const struct writer_standing *standing, uint64_t now_ns)
{
    if (!standing->since_ns)
        return standing->state == WRITER_WAITING ? -1 : 0;
    return now_ns > standing->since_ns ? (double)(now_ns - standing->since_ns) / 1e9 : 0;
}

void status_append_writer(const struct writer_standing *standing, uint64_t now_ns, struct buffer *json)
{
    static const char *const states[] = {
        [WRITER_LIVE] = "live", [WRITER_FETCHING] = "fetching", [WRITER_WAITING] = "waiting"};
    double lag = status_writer_lag(standing, now_ns);
    append_text(json, "{\"stream\":", stream_definitions[standing->stream].name);
    buffer_append_string(json, ",\"writer\":");
    buffer_append_json_string(json, standing->writer);
    if (standing->known)
        buffer_append_format(json, ",\"position\":%lld,\"newest\":%lld,\"behind\":%lld", (long long)standing->position,
                             (long long)standing->newest, (long long)(standing->newest - standing->position));
    else
        buffer_append_string(json, ",\"position\":null,\"newest\":null,\"behind\":null");
    if (lag < 0)
        buffer_append_string(json, ",\"lag\":null");
    else
        buffer_append_format(json, ",\"lag\":%.3f", lag);
    append_text(json, ",\"state\":", states[standing->state]);
    append_count(json, ",\"held\":", standing->held);
    buffer_append_char(json, '}');
}
